"""Masks of defects: read, brought to the geometry of their images, and dealt out for all images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.data.cache import ImageCache
from inspection.data.geometry import Geometry
from inspection.data.images import CameraImage, image_size, read_image
from inspection.errors import InputError

LOSSY = (".jpg", ".jpeg")


class MaskReader:
    """Reads a mask file as a row of 0 and 1 that lies over what the geometry makes of its image.

    A pixel is defective when at least half of it is covered. A connected defect that would vanish by that keeps
    its most covered pixels: a scratch of one pixel in a large image is a defect still.

    Args:
        geometry: Of the images.
        images: The image that each mask belongs to, by path of the mask.
    """

    def __init__(self, geometry: Geometry, images: Mapping[Path, Path]) -> None:
        self.geometry, self.images = geometry, dict(images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """One channel, height and width."""
        return (1, *self.geometry.image_size)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Of a row."""
        return np.dtype(np.uint8)

    def read(self, path: Path) -> NDArray[np.uint8]:
        """The mask of a file, uint8 `[1, H, W]` of 0 and 1.

        Raises:
            InputError: The file cannot be read, or is of another size than its image.
        """
        mask, image = is_defective(read_image(path), path), self.images[path]
        size = image_size(image)
        if mask.shape != size:
            raise InputError(
                f"{path}: the mask is {mask.shape[1]} x {mask.shape[0]} pixels (width x height), but its image "
                f"{image} is {size[1]} x {size[0]}; expected the same size."
            )
        return mask_through(self.geometry, mask, str(path))[None]

    def to_dict(self) -> dict[str, Any]:
        """All that decides what `read` gives, as plain values."""
        return {"mask": True} | self.geometry.to_dict()


class SparseRows:
    """Rows of images of which only some have a mask; the others are zero.

    Args:
        cache: The masks that there are, prepared.
        rows: Which image each of them belongs to.
        count: Number of images.
    """

    def __init__(self, cache: ImageCache, rows: Sequence[int], count: int) -> None:
        self.cache = cache
        self.place = np.full(count, -1, np.int64)
        self.place[list(rows)] = np.arange(len(rows))

    def gather(self, indices: Sequence[int] | np.ndarray) -> NDArray[np.uint8]:
        """Copies of some rows, uint8 `[N, 1, H, W]`."""
        places = self.place[np.asarray(indices, np.int64)]
        found = np.zeros((len(places), *self.cache.reader.shape), np.uint8)
        there = places >= 0
        if there.any():
            found[there] = self.cache.gather(places[there])
        return found


def is_defective(mask: CameraImage, path: Path) -> NDArray[np.bool_]:
    """Where a mask file says that there is a defect.

    Args:
        mask: What `read_image` gave; 0 is good. Of colour, any channel counts.
        path: Its suffix counts: in a JPEG only what is brighter than half of the white is defective, since its
            compression leaves grey along the edges.

    Returns:
        bool `[H, W]`.
    """
    brightest = mask if mask.ndim == 2 else mask.max(axis=2)
    least = np.iinfo(mask.dtype).max // 2 if path.suffix.lower() in LOSSY else 0
    return np.asarray(brightest > least)


def mask_through(geometry: Geometry, mask: NDArray[np.bool_], name: str = "mask") -> NDArray[np.uint8]:
    """A mask over a camera image, cropped and resized as the image is.

    Args:
        geometry: Crop and size count.
        mask: bool `[H, W]` of the camera image.
        name: What to call the mask in an error.

    Returns:
        uint8 of 0 and 1, of the geometry's size; see `MaskReader` for what counts as defective.

    >>> scratch = np.zeros((4, 8), bool)
    >>> scratch[1, :5] = True
    >>> mask_through(Geometry(image_size=(1, 4)), scratch)
    array([[1, 1, 0, 0]], dtype=uint8)
    """
    cropped = mask
    if geometry.crop is not None:
        left, top, right, bottom = geometry.crop
        cropped = mask[top:bottom, left:right]
    # Through the very code that resizes the images; 127.5, half of a pixel, is rounded up.
    plain = Geometry(geometry.image_size, geometry.crop)
    seen = (plain.apply(mask * np.uint8(255), name)[0] >= 128).astype(np.uint8)
    _keep_vanished(cropped, seen)
    return seen


def mask_to_camera(
    geometry: Geometry, mask: NDArray[np.bool_], camera_shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """The way back of `mask_through`: a mask of the geometry's size, put back in its place in the camera image.

    Args:
        geometry: Crop and size count.
        mask: bool `[H, W]`.
        camera_shape: Height and width of the camera image.

    Returns:
        bool of the camera image, false outside of the crop. However small the camera image is, no connected
        defect vanishes.

    >>> mask_to_camera(Geometry(image_size=(1, 8)), np.eye(1, 8, dtype=bool), (1, 2))
    array([[ True, False]])
    """
    height, width = camera_shape
    left, top, right, bottom = geometry.crop or (0, 0, width, height)
    seen = (geometry.heatmap_to_camera(mask.astype(np.float32), camera_shape) >= 0.5).astype(np.uint8)
    _keep_vanished(mask, seen[top:bottom, left:right])
    return seen.astype(bool)


def _keep_vanished(mask: NDArray[np.bool_], seen: NDArray[np.uint8]) -> None:
    """Set in `seen`, the mask in another size, the most covered pixels of connected defects that it lacks."""
    number, regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    rows, columns = np.nonzero(regions)
    which = regions[rows, columns]
    # Where each of their pixels comes to lie.
    rows, columns = rows * seen.shape[0] // mask.shape[0], columns * seen.shape[1] // mask.shape[1]
    there = np.zeros(number, bool)
    there[which[seen[rows, columns] > 0]] = True
    lost = ~there[which]
    places, count = np.unique(np.stack([which[lost], rows[lost], columns[lost]]), axis=1, return_counts=True)
    most = np.zeros(number, np.int64)
    np.maximum.at(most, places[0], count)
    _, *chosen = places[:, count == most[places[0]]]
    seen[tuple(chosen)] = 1
