"""Masks of defects: read, brought to the geometry of their images, and dealt out for all images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.data.cache import ImageCache
from inspection.data.geometry import Geometry
from inspection.data.images import CameraImage, read_image
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
        size = read_image(image).shape[:2]
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
    number, regions = cv2.connectedComponents(cropped.astype(np.uint8), connectivity=8)
    for region in range(1, number):
        # Where each of its pixels comes to lie.
        places = np.argwhere(regions == region) * geometry.image_size // cropped.shape
        if not seen[tuple(places.T)].any():
            pixels, count = np.unique(places, axis=0, return_counts=True)
            seen[tuple(pixels[count == count.max()].T)] = 1
    return seen
