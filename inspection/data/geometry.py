"""Geometry: the one way from a camera image to what the network sees, and back.

Training, prediction, export and stream all use this one object, so a camera image gives the same bytes in
each of them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.data.images import CameraImage, read_image, stretched, to_channels, to_uint8
from inspection.errors import InputError


@dataclass(frozen=True)
class Geometry:
    """Crop, then resize, then 8 bit (by fixed levels, or each image by its own), then channels.

    The order keeps accuracy: 16-bit values are averaged before they are rounded to 8 bit. Resizing averages
    areas along a side that shrinks (no aliasing of fine texture) and interpolates linearly along one that
    grows; an image that already has the right size is passed on bit by bit.

    Args:
        image_size: (height, width) that the network sees, in pixels.
        crop: (left, top, right, bottom) in pixels of the camera image, right and bottom exclusive; None keeps
            all of it.
        channels: 1 (grey) or 3 (RGB).
        white_level: raw value that becomes 255; None means 255 for 8-bit images and 65535 for 16-bit ones.
        black_level: raw value that becomes 0.
        auto_gain: whether the smallest and the largest value of each image, within the crop, become 0 and 255
            instead, as a camera with automatic gain does: the absolute scale is lost. Of a constant image all
            becomes 0.
        depth: bits of a pixel that the camera is to give, 8 or 16; None takes either. Levels for 16 bits would
            make every 8-bit image black.

    Raises:
        InputError: a value that cannot be; names the key of the data config.

    >>> geometry = Geometry(image_size=(2, 2), crop=(1, 0, 3, 2))
    >>> geometry.apply(np.arange(8, dtype=np.uint8).reshape(2, 4))
    array([[[1, 2],
            [5, 6]]], dtype=uint8)
    """

    image_size: tuple[int, int]
    crop: tuple[int, int, int, int] | None = None
    channels: int = 1
    white_level: int | None = None
    black_level: int = 0
    auto_gain: bool = False
    depth: int | None = None

    def __post_init__(self) -> None:
        size = _integers("data.image_size", self.image_size, "[height, width]")
        if len(size) != 2 or min(size) < 1:
            raise InputError(
                f"data.image_size: expected [height, width], each at least 1, but got {list(size)}."
            )
        object.__setattr__(self, "image_size", size)
        if self.crop is not None:
            crop = _integers("data.crop", self.crop, "[left, top, right, bottom]")
            if len(crop) != 4 or not (0 <= crop[0] < crop[2] and 0 <= crop[1] < crop[3]):
                raise InputError(
                    "data.crop: expected [left, top, right, bottom] with 0 <= left < right and "
                    f"0 <= top < bottom, but got {list(crop)}."
                )
            object.__setattr__(self, "crop", crop)
        if isinstance(self.channels, bool) or self.channels not in (1, 3):
            raise InputError(f"data.channels: expected 1 (grey) or 3 (RGB), but got {self.channels!r}.")
        if self.white_level is not None and (
            isinstance(self.white_level, bool)
            or not isinstance(self.white_level, int)
            or not 1 <= self.white_level <= 65535
        ):
            raise InputError(
                f"data.white_level: expected an integer in 1..65535 or null, but got {self.white_level!r}."
            )
        top = 65535 if self.white_level is None else self.white_level
        if (
            isinstance(self.black_level, bool)
            or not isinstance(self.black_level, int)
            or not 0 <= self.black_level < top
        ):
            raise InputError(
                f"data.black_level: expected an integer from 0 to below the white level ({top}), "
                f"but got {self.black_level!r}."
            )
        if self.auto_gain and (self.white_level is not None or self.black_level):
            raise InputError(
                "data.auto_gain: each image has levels of its own; leave white_level and black_level out."
            )
        if self.depth not in (None, 8, 16):
            raise InputError(f"data.depth: expected 8, 16 or null, but got {self.depth!r}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of what the network sees: channels, height and width."""
        return (self.channels, *self.image_size)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Of what the network sees."""
        return np.dtype(np.uint8)

    def apply(self, image: CameraImage, name: str = "image") -> NDArray[np.uint8]:
        """What the network sees of a camera image.

        Args:
            image: `[H, W]` grey or `[H, W, 3]` RGB, uint8 or uint16.
            name: what to call the image in an error, such as its path.

        Returns:
            `[channels, height, width]`, uint8, contiguous; may share memory with `image`.

        Raises:
            InputError: the image is smaller than the crop, or is no such array.
        """
        if image.dtype not in (np.uint8, np.uint16) or not (
            image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
        ):
            raise InputError(
                f"{name}: expected uint8 or uint16 of shape [H, W] or [H, W, 3], "
                f"but got {image.dtype} of shape {list(image.shape)}."
            )
        if self.depth is not None and image.dtype.itemsize * 8 != self.depth:
            raise InputError(
                f"{name}: has {image.dtype.itemsize * 8} bits a pixel; expected {self.depth}, as the images that "
                "the network was made for.\nGive the camera's raw images, not pictures made of them."
            )
        image = self.cut(image, name)
        return to_channels(self._shades(_resize(image, self.image_size), image), self.channels)

    def cut(self, image: CameraImage, name: str = "image") -> CameraImage:
        """The crop of a camera image, a view.

        Args:
            image: `[H, W]` or `[H, W, 3]`.
            name: as in `apply`.

        Raises:
            InputError: the image is smaller than the crop.
        """
        if self.crop is None:
            return image
        left, top, right, bottom = self.crop
        height, width = image.shape[:2]
        if right > width or bottom > height:
            raise InputError(
                f"{name}: the image is {width} x {height} pixels (width x height), smaller than "
                f"data.crop={list(self.crop)} [left, top, right, bottom].\n"
                f"Train with a data.crop inside the image, or null, or leave images of this size out."
            )
        return image[top:bottom, left:right]

    def picture(self, image: CameraImage) -> NDArray[np.uint8]:
        """A whole camera image in the grey values of what the network sees, for a person to look at.

        Args:
            image: `[H, W]` grey or `[H, W, 3]` RGB, uint8 or uint16.

        Returns:
            `[H, W, 3]`, uint8.

        Raises:
            InputError: the image is smaller than the crop.
        """
        return np.moveaxis(to_channels(self._shades(image, self.cut(image)), 3), 0, -1)

    def _shades(self, image: CameraImage, whole: CameraImage) -> NDArray[np.uint8]:
        """8 bits of an image, any shape, by the levels or by the extremes of `whole`."""
        if self.auto_gain:  # of the camera's pixels, as a camera has them: the mean of an area is no extreme
            return stretched(image, int(whole.min()), int(whole.max()))
        return to_uint8(image, self.white_level, self.black_level)

    def read(self, path: Path) -> NDArray[np.uint8]:
        """What the network sees of an image file: `apply` to what `read_image` gives.

        Returns:
            `[channels, height, width]`, uint8, contiguous.

        Raises:
            InputError: the file cannot be read, or its image is smaller than the crop.
        """
        return self.apply(read_image(path), str(path))

    def heatmap_to_camera(
        self, heatmap: NDArray[np.floating], camera_shape: tuple[int, int]
    ) -> NDArray[np.float32]:
        """A map over the image, put back in its place in the camera image.

        Args:
            heatmap: `[H, W]`, any size (it is stretched over the crop), any float values.
            camera_shape: (height, width) of the camera image in pixels.

        Returns:
            `[height, width]` float32 of the camera image: the heatmap within the crop, 0 outside of it.

        Raises:
            InputError: the camera image is smaller than the crop.
        """
        height, width = camera_shape[:2]
        left, top, right, bottom = self.crop or (0, 0, width, height)
        if right > width or bottom > height:
            raise InputError(
                f"heatmap: the camera image is {width} x {height} pixels (width x height), smaller than "
                f"data.crop={[left, top, right, bottom]} [left, top, right, bottom]."
            )
        placed = np.zeros((height, width), np.float32)
        placed[top:bottom, left:right] = _resize(heatmap.astype(np.float32), (bottom - top, right - left))
        return placed

    def boxes_to_camera(
        self, boxes: NDArray[np.floating], camera_shape: tuple[int, int]
    ) -> NDArray[np.float64]:
        """Boxes in the image, in pixels of the camera image.

        Args:
            boxes: `[N, 4]` of (left, top, right, bottom) in pixels of the image, right and bottom exclusive.
            camera_shape: (height, width) of the camera image in pixels; counts only without a crop.

        Returns:
            `[N, 4]` float64, in pixels of the camera image.
        """
        left, top, right, bottom = self.crop or (0, 0, camera_shape[1], camera_shape[0])
        scale_x, scale_y = (right - left) / self.image_size[1], (bottom - top) / self.image_size[0]
        scale = np.array([scale_x, scale_y, scale_x, scale_y])
        return np.asarray(boxes, np.float64).reshape(-1, 4) * scale + np.array([left, top, left, top])

    def boxes_from_camera(
        self, boxes: NDArray[np.floating], camera_shape: tuple[int, int]
    ) -> NDArray[np.float64]:
        """The way back of `boxes_to_camera`: boxes in the camera image, in pixels of the image; not cut at it."""
        (left, top, right, bottom), *_ = self.boxes_to_camera(
            np.array([[0, 0, self.image_size[1], self.image_size[0]]]), camera_shape
        )
        scale = np.array([self.image_size[1] / (right - left), self.image_size[0] / (bottom - top)] * 2)
        return (np.asarray(boxes, np.float64).reshape(-1, 4) - np.array([left, top, left, top])) * scale

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON and YAML can hold; `from_dict` reads them back."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Geometry":
        """The geometry that `to_dict` wrote down.

        Raises:
            InputError: a key is missing or unknown, or a value cannot be.
        """
        keys = set(cls.__dataclass_fields__)
        if set(values) != keys:
            raise InputError(f"geometry: expected the keys {sorted(keys)}, but got {sorted(values)}.")
        return cls(**values)


def _integers(key: str, values: Any, expected: str) -> tuple[int, ...]:
    """The values of a config list as plain integers."""
    try:
        numbers = tuple(values)
    except TypeError:
        raise InputError(f"{key}: expected {expected}, but got {values!r}.") from None
    if isinstance(values, str) or not all(
        isinstance(number, (int, np.integer)) and not isinstance(number, bool) for number in numbers
    ):
        raise InputError(f"{key}: expected {expected} in whole pixels, but got {list(numbers)}.")
    return tuple(int(number) for number in numbers)


def _resize(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize to (height, width): areas averaged along a side that shrinks, linear along one that grows."""
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    # Shrink first, then enlarge: INTER_AREA means "area" in OpenCV only when no side grows.
    shrunk = (min(size[0], height), min(size[1], width))
    if shrunk != (height, width):
        image = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if shrunk != size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    return image
