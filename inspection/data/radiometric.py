"""Radiometric images: 16-bit pixels that are temperatures, by a scale and an offset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspection.data.images import CameraImage, read_image
from inspection.errors import InputError

STATISTICS = ("max", "mean", "min")
_TOP = 65535


@dataclass(frozen=True)
class Radiometry:
    """What a raw value means: `kelvin = value * scale + offset`.

    Args:
        scale: Kelvin a step, above 0.
        offset: Kelvin of the raw value 0.

    Raises:
        InputError: If scale or offset can't be.

    Example:
        >>> radiometry = Radiometry(scale=0.1, offset=173.15)
        >>> radiometry.raw(np.array([300.0, 1e9])), round(float(radiometry.kelvin(np.uint16(1268))), 2)
        (array([ 1268, 65535], dtype=uint16), 299.95)
    """

    scale: float
    offset: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"data.scale={self.scale}: expected kelvin a raw step, above 0")
        if not np.isfinite(self.offset):
            raise InputError(f"data.offset={self.offset}: expected the kelvin of the raw value 0")

    def kelvin(self, raw: ArrayLike) -> NDArray[np.float64]:
        """Temperatures of raw values, same shape."""
        return np.asarray(raw, np.float64) * self.scale + self.offset

    def raw(self, kelvin: ArrayLike) -> NDArray[np.uint16]:
        """The nearest raw values, same shape; what 16 bits can't hold becomes the nearest that they can."""
        steps = np.rint((np.asarray(kelvin, np.float64) - self.offset) / self.scale)
        return np.clip(steps, 0, _TOP).astype(np.uint16)

    def levels(self, window: Sequence[float]) -> tuple[int, int]:
        """Raw values of the two ends of a window `[low, high]` in kelvin.

        Raises:
            InputError: If the window is none, or 16 bits can't hold it.
        """
        low, high = window
        if low >= high:
            raise InputError(
                f"data.window={list(window)}: expected [low, high] in kelvin, the first the smaller one"
            )
        steps = [round((end - self.offset) / self.scale) for end in (low, high)]
        if not (0 <= steps[0] < steps[1] <= _TOP):
            first, last = self.kelvin([0, _TOP])
            raise InputError(
                f"data.window={list(window)}: expected [low, high] in kelvin between {first:g} and {last:g}, "
                f"which data.scale={self.scale:g} and data.offset={self.offset:g} can hold"
            )
        return steps[0], steps[1]


def read_raw(path: Path) -> NDArray[np.uint16]:
    """Raw values `[H, W]` of a radiometric PNG or TIFF.

    Raises:
        InputError: If it can't be read, or is no grey image of 16 bits.
    """
    image = read_image(path)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise InputError(f"{path}: {not_radiometric(image)}")
    return image.astype(np.uint16, copy=False)


def not_radiometric(image: CameraImage) -> str:
    """What is wrong with an image that holds no temperatures, and what helps, for a message."""
    kind = "an 8-bit" if image.dtype == np.uint8 else "a 16-bit"
    shade = "grey" if image.ndim == 2 else "colour"
    return (
        f"is {kind} {shade} image; expected a radiometric one (16-bit grey), whose pixels are temperatures.\n"
        "Export raw 16-bit PNG or TIFF from the camera; a picture in false colours or of 8 bits has lost them"
    )


def statistics_of(raw: CameraImage, names: Sequence[str], radiometry: Radiometry) -> list[float]:
    """Statistics of an image's pixels in kelvin.

    Args:
        raw: Raw values `[H, W]`.
        names: `max`, `mean`, `min`, or a percentile such as `p99.5`, which single wild pixels do not move.
        radiometry: What a raw value means.
    """
    return [float(radiometry.kelvin(_statistic(raw, name))) for name in names]


def check_statistics(names: Sequence[str]) -> tuple[str, ...]:
    """The names, if each is of a statistic.

    Raises:
        InputError: If one is not.
    """
    for name in names:
        if name not in STATISTICS and percentile_of(name) is None:
            raise InputError(
                f"data.statistics={list(names)}: {name!r}; expected max, mean, min, or a percentile such as p99.5"
            )
    return tuple(names)


def percentile_of(name: str) -> float | None:
    """The percentile that a name asks for.

    >>> percentile_of("p99.5"), percentile_of("p101"), percentile_of("mean")
    (99.5, None, None)
    """
    if not name.startswith("p"):
        return None
    try:
        value = float(name[1:])
    except ValueError:
        return None
    return value if 0 <= value <= 100 else None


def _statistic(raw: CameraImage, name: str) -> float:
    share = percentile_of(name)
    if share is not None:
        return float(np.percentile(raw, share))
    return float(raw.max() if name == "max" else raw.min() if name == "min" else raw.mean())


def write_raw(path: Path, raw: NDArray[np.uint16]) -> None:
    """Write raw values `[H, W]` as 16-bit PNG."""
    # Encoded in memory: cv2.imwrite fails silently, and on Windows for letters outside the code page.
    path.write_bytes(cv2.imencode(".png", raw, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
