"""One look at each image: what an audit keeps of it, a few kilobytes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.audit.copies import SIDE
from inspection.data.cache import cores
from inspection.data.geometry import Geometry
from inspection.data.images import CameraImage
from inspection.data.labels import Labels
from inspection.errors import InputError

_AT_A_TIME = 256  # images handed to the threads: bounds what waits, and how long Ctrl-C takes
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Look:
    """What is kept of an image.

    Attributes:
        size: Height and width of the camera image, pixels.
        channels: 1 (grey) or 3.
        bits: A pixel and channel, 8 or 16.
        pixels: A digest of the decoded pixels within the crop: alike for the same picture in another format.
        brightness: Mean of what the network sees, 0..255.
        sharpness: Variance of the Laplacian of the grey picture within the crop, in the full scale's 255th.
        thumbnail: What the network sees, grey, uint8 `[48, 48]`.
    """

    size: tuple[int, int]
    channels: int
    bits: int
    pixels: str
    brightness: float
    sharpness: float
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True)
class Album:
    """A set of images with what is known of them, row by row.

    Attributes:
        files: Paths relative to the root, with forward slashes.
        looks: At each image; None where it can't be read.
        faults: Why, by file.
        labels: What the targets mean.
        targets: `[N]` or `[N, A]`; None where the labels could not be had.
        parts: `train`, `val` or `test`, one a row; None where the set could not be split.
        groups: What must stay together.
        grouped: Whether somebody declared groups; else each file is its own.
    """

    files: tuple[str, ...]
    looks: tuple[Look | None, ...]
    faults: Mapping[str, str]
    labels: Labels
    targets: NDArray[np.generic] | None
    parts: NDArray[np.str_] | None
    groups: tuple[str, ...]
    grouped: bool

    @property
    def seen(self) -> NDArray[np.int64]:
        """Rows of the images that could be read."""
        return np.flatnonzero([look is not None for look in self.looks])

    def look(self, row: int) -> Look:
        """At an image that could be read."""
        look = self.looks[row]
        assert look is not None
        return look

    def label(self, row: int) -> str:
        """What is known of an image, in words; empty when nothing is."""
        if self.targets is None:
            return ""
        cells, names = self.labels.cells(self.targets[row]), self.labels.names
        if self.labels.columns == ("class",):
            return cells[0]
        if set(cells) <= {"True", "False"}:
            return (
                " + ".join(name for name, cell in zip(names, cells, strict=True) if cell == "True") or "none"
            )
        return ", ".join(f"{name} {cell}" for name, cell in zip(names, cells, strict=True))

    def name(self, row: int) -> str:
        """File, label and part of an image."""
        facts = self.facts(row)
        return f"{self.files[row]} ({facts})" if facts else self.files[row]

    def facts(self, row: int) -> str:
        """Label and part of an image, as far as they are known."""
        facts = [] if self.targets is None else [self.label(row)]
        facts += [] if self.parts is None else [str(self.parts[row])]
        return ", ".join(facts)


def look_at(image: CameraImage, geometry: Geometry, name: str) -> Look:
    """Look at one camera image.

    Args:
        image: `[H, W]` or `[H, W, 3]`, uint8 or uint16.
        geometry: Crop and levels count.
        name: What to call it in an error.

    Raises:
        InputError: It is smaller than the crop, or not what the geometry takes.
    """
    cropped = geometry.cut(image, name)
    full = np.iinfo(image.dtype).max
    grey = cropped if cropped.ndim == 2 else cv2.cvtColor(cropped, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    small = replace(geometry, image_size=(SIDE, SIDE), channels=1).apply(image, name)[0]
    digest = hashlib.sha1(f"{cropped.shape}{cropped.dtype}".encode(), usedforsecurity=False)
    digest.update(np.ascontiguousarray(cropped).data)
    return Look(
        size=(image.shape[0], image.shape[1]),
        channels=1 if image.ndim == 2 else 3,
        bits=8 * image.dtype.itemsize,
        pixels=digest.hexdigest(),
        brightness=float(small.mean()),
        sharpness=float(cv2.meanStdDev(edges)[1][0, 0] * 255 / full) ** 2,
        thumbnail=small,
    )


def look_at_all(
    files: Sequence[str],
    read: Callable[[str], CameraImage],
    geometry: Geometry,
    progress: Progress | None = None,
) -> tuple[tuple[Look | None, ...], dict[str, str]]:
    """Look at images, in a thread for each processor core: OpenCV lets go of the interpreter.

    Args:
        files: As `read` takes them.
        read: Gives a camera image, or raises an `InputError`.
        geometry: See `look_at`.
        progress: Called as `progress(done, total)`.

    Returns:
        A look at each, None for those that can't be read, and why, by file.
    """
    faults: dict[str, str] = {}

    def look(file: str) -> Look | None:
        try:
            return look_at(read(file), geometry, file)
        except InputError as error:
            faults[file] = str(error).splitlines()[0]
            return None

    looks: list[Look | None] = []
    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(files), _AT_A_TIME):
            for one in pool.map(look, files[start : start + _AT_A_TIME]):
                looks.append(one)
                if progress is not None:
                    progress(len(looks), len(files))
    return tuple(looks), {file: faults[file] for file in files if file in faults}
