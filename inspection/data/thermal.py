"""Thermal images and their temperatures, from a table or from the pixels."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspection.data.augment import Augment
from inspection.data.cache import ImageCache
from inspection.data.geometry import Geometry
from inspection.data.images import find_images
from inspection.data.module import Found, ImageDataModule, InMemory, Rows
from inspection.data.occlusion import Occluded, cover
from inspection.data.quantity_labels import Quantities
from inspection.data.radiometric import Radiometry, check_statistics, read_raw, statistics_of
from inspection.data.splits import Samples
from inspection.data.temperatures import read_quantities
from inspection.errors import InputError

UNIT = "K"
_FAR = 5.0  # kelvin: more than pixels and table differ on average if both mean the same
_PLAIN = 1.0  # kelvin: where the pixels are off by less on average, nobody needs a network
_LISTED = 5  # rows named in a message
_EXTREMES = ("min", "max")  # of the pixels: what a window must hold


class ThermalDataModule(ImageDataModule):
    """Thermal images, each with temperatures in kelvin.

    What the network sees has 8 bits in either way: a window in kelvin spread over them (`radiometric`), or
    each image between its own extremes (`auto_gain`), as the pictures of most cameras are. Over a window of
    190 K a step is 0.75 K: on real images rounding moves the mean by 0.01 K and the extremes by 0.2 K on
    average, less than making the image smaller does (docs/thermal.md). The targets are never rounded.

    A batch of radiometric images holds `pixels`, too: float64 `[B, T]`, what the statistics of the camera's pixels
    are, in kelvin. It is no input but what a network must be compared with. For it each image is decoded once
    more in the first run; the statistics are kept in `cache_dir` and measured again only of files that changed.

    Random changes of radiometric images must leave their temperatures: other values, blurred peaks, or a hot place
    that is moved out of the image would be learned as what they were before. So only flips and rolls are taken.
    With automatic gain all are: there a grey value stands for no temperature, and a part is hidden anyway.

    Args:
        classes: Names of the temperatures T that are asked for, in the order of the network's outputs.
        pictures: Folder of the images below the root, to which the names in the table are relative; `.` for
            the root itself.
        table: The table below the root; None takes the statistics of each image's pixels for its temperatures.
        columns: Of the table, one for each of `classes`.
        statistics: Of the pixels, one for each of `classes`: `max`, `mean`, `min`, or a percentile such as
            `p99.5`, which single wild pixels do not move.
        scale: Kelvin a raw step: `kelvin = value * scale + offset`.
        offset: Kelvin of the raw value 0.
        render: `radiometric` keeps the absolute scale, `auto_gain` normalises each image by itself and hides a
            part of it.
        window: Kelvin `[low, high]` that become black and white; of radiometric images.
        occlusion: Largest share of an image that is hidden, 0..1; of images with automatic gain. The inspector
            does not hide anything: its images come as they are.
        **settings: As in `ImageDataModule`.

    Attributes:
        window: Kelvin that black and white of the images stand for: `window`, rounded to raw steps; None with
            automatic gain.
    """

    labels: Quantities
    window: tuple[float, float] | None = None

    def __init__(
        self,
        classes: Sequence[str],
        pictures: str,
        table: str | None,
        columns: Sequence[str],
        statistics: Sequence[str],
        scale: float,
        offset: float,
        render: Literal["radiometric", "auto_gain"],
        window: Sequence[float],
        occlusion: float,
        **settings: Any,
    ) -> None:
        super().__init__(labels=Quantities(classes, UNIT), white_level=None, **settings)
        if render not in ("radiometric", "auto_gain"):
            raise InputError(f"data.render={render!r}: expected radiometric or auto_gain")
        for key, values in (("columns", columns), ("statistics", statistics)):
            if len(values) != len(self.labels.names):
                raise InputError(
                    f"data.{key}={list(values)}: expected one for each of data.classes={list(classes)}"
                )
        if not 0 <= occlusion < 1:
            raise InputError(f"data.occlusion={occlusion}: expected a share of the image, 0 to below 1")
        if len(window) != 2:
            raise InputError(f"data.window={list(window)}: expected [low, high] in kelvin")
        self.pictures, self.table = pictures, table
        self.table_columns, self.statistics = tuple(columns), check_statistics(statistics)
        self.radiometry, self.render, self.occlusion = Radiometry(scale, offset), render, occlusion
        if render == "radiometric":
            _check_augment(self.augment)
            low, high = self.radiometry.levels(window)
            black, white = self.radiometry.kelvin([low, high])  # the window, rounded to raw steps
            self.window = float(black), float(white)
            self.geometry = replace(self.geometry, black_level=low, white_level=high, depth=16)
        else:
            self.geometry = replace(self.geometry, auto_gain=True)

    def find_samples(self, root: Path) -> Found:
        """The rows of the table, each with its image; without a table all images."""
        folder = root / self.pictures
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; data.pictures={self.pictures} is to name the folder of the images"
            )
        there = {image.relative_to(folder).as_posix() for image in find_images(folder)}
        prefix = "" if self.pictures in ("", ".") else f"{Path(self.pictures).as_posix()}/"
        if self.table is None:
            if not there:
                raise InputError(f"{folder}: holds no images (bmp, png, jpg, tif)")
            files = [prefix + name for name in sorted(there)]
            return Found(files, self._measured(root, files)[:, : len(self.statistics)])
        path = root / self.table
        table = read_quantities(path, self.table_columns)
        gone = [row for row, name in enumerate(table.names) if name not in there]
        if gone:
            cases = [
                f"{path}, line {table.lines[row]}: no image {table.names[row]!r} in {folder}" for row in gone
            ]
            rows = "\n".join(cases[:_LISTED])
            more = f"\n... and {len(gone) - _LISTED} rows more" if len(gone) > _LISTED else ""
            self.refuse(
                cases,
                f"{rows}{more}\nadd the images, remove the rows, or name the images' folder (data.pictures)",
            )
        unnamed = there - set(table.names)
        if unnamed:
            self.notes.append(
                f"{len(unnamed)} images stand in no row of {self.table} and are left out "
                f"(for example {min(unnamed)!r})"
            )
        kept = [row for row, name in enumerate(table.names) if name in there]
        return Found([prefix + table.names[row] for row in kept], table.values[kept])

    def _measured(self, root: Path, files: Sequence[str]) -> NDArray[np.float64]:
        """Statistics of each image's pixels within the crop, then the least and the largest, kelvin `[N, T + 2]`.

        Raises:
            InputError: Images that can't be read or hold no temperatures, all in one message.
        """
        reader = PixelStatistics(self.geometry, (*self.statistics, *_EXTREMES), self.radiometry)
        # In a file however few they are, so that the next run and the other processes find them.
        budget = 0 if hasattr(os, "preadv") else self.memory_budget
        cache = ImageCache([root / file for file in files], reader, budget, self.cache_dir, root)
        cache.prepare(self._report("reading temperatures"))
        return cache.gather(range(len(files)))

    def passport(self) -> dict[str, Any]:
        """The window."""
        return {"window": None if self.window is None else list(self.window)}

    def open_truth(self, samples: Samples) -> dict[str, Rows]:
        """What the pixels of radiometric images say, `pixels`."""
        if self.render != "radiometric":
            return {}
        measured = self._measured(self.root, samples.files)
        pixels, extremes = measured[:, : -len(_EXTREMES)], measured[:, -len(_EXTREMES) :]
        cut = self._beyond(extremes)
        if cut.any():
            self.notes.append(
                f"{cut.sum()} images have pixels outside of data.window, which the network sees cut off; "
                f"all pixels go from {extremes.min():.1f} to {extremes.max():.1f} {UNIT}"
            )
        strange = self._beyond(samples.targets) & ~cut
        if strange.any():
            low, high = samples.targets[strange].min(), samples.targets[strange].max()
            self.notes.append(
                f"{strange.sum()} images have temperatures outside of data.window though their pixels are inside: "
                f"{low:.1f} to {high:.1f}; are they in {UNIT}?"
            )
        error = float(np.abs(pixels - samples.targets).mean())
        if error < _PLAIN:
            self.notes.append(
                f"the pixels themselves say these temperatures to {error:.2g} {UNIT}, without a network; "
                "one is for images that have lost their scale (data.render=auto_gain)"
            )
        elif error > _FAR and self.table is not None:
            self.notes.append(
                f"the pixels and {self.table} differ by {error:.3g} {UNIT} on average: check data.scale, "
                "data.offset and data.statistics"
            )
        return {"pixels": InMemory(pixels)}

    def _beyond(self, kelvin: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which rows have a temperature outside of the window, bool `[N]`; what rounds to its ends is inside."""
        assert self.window is not None
        step = self.radiometry.scale / 2
        return np.asarray(((kelvin < self.window[0] - step) | (kelvin > self.window[1] + step)).any(1))

    def hidden(self, row: int) -> tuple[int, int, int, int] | None:
        """What is hidden of an image: left, top, right and bottom in pixels of what the network sees; or None."""
        if self.render != "auto_gain" or not self.occlusion:
            return None
        left, top, right, bottom, _ = cover(
            self.samples.files[row], *self.geometry.image_size, self.occlusion
        )
        return (left, top, right, bottom) if right > left and bottom > top else None

    def open_images(self, samples: Samples) -> Rows:
        """The images, with automatic gain partly hidden."""
        images = super().open_images(samples)
        hides = self.render == "auto_gain" and self.occlusion > 0
        return Occluded(images, samples.files, self.occlusion) if hides else images


class PixelStatistics:
    """Reads a radiometric image as a row of statistics of its pixels, for `ImageCache`.

    Args:
        geometry: Its crop counts.
        statistics: T names, see `statistics_of`.
        radiometry: What a raw value means.
    """

    def __init__(self, geometry: Geometry, statistics: Sequence[str], radiometry: Radiometry) -> None:
        self.geometry, self.statistics, self.radiometry = geometry, tuple(statistics), radiometry

    @property
    def shape(self) -> tuple[int]:
        """A number for each statistic."""
        return (len(self.statistics),)

    @property
    def dtype(self) -> np.dtype[np.float64]:
        """Of a row."""
        return np.dtype(np.float64)

    def read(self, path: Path) -> NDArray[np.float64]:
        """Kelvin `[T]` of a file.

        Raises:
            InputError: The file can't be read, holds no temperatures, or is smaller than the crop.
        """
        raw = self.geometry.cut(read_raw(path), str(path))
        return np.asarray(statistics_of(raw, self.statistics, self.radiometry), np.float64)

    def to_dict(self) -> dict[str, Any]:
        """All that decides what `read` gives, as plain values."""
        scale, offset = self.radiometry.scale, self.radiometry.offset
        return {"kelvin": [*self.statistics], "crop": self.geometry.crop, "scale": scale, "offset": offset}


def _check_augment(augment: Augment | None) -> None:
    """Raise when random changes of radiometric images would make other temperatures of theirs."""
    if augment is None:
        return
    lit, blurred = augment.light_probability > 0, augment.blur_probability > 0
    given: dict[str, Any] = {
        "gain": list(augment.gain) if lit and augment.gain != (1, 1) else None,
        "offset": list(augment.offset) if lit and augment.offset != (0, 0) else None,
        "blur": list(augment.blur) if blurred and augment.blur != (0, 0) else None,
        "rotation": augment.rotation or None,
        "crop_padding": augment.crop_padding or None,
    }
    wrong = [f"data.augment.{name}={value}" for name, value in given.items() if value is not None]
    if wrong:
        raise InputError(
            f"{', '.join(wrong)}: would change the temperatures of radiometric images, but not what is to be "
            "learned of them\nleave out all but flips and roll, or take data.render=auto_gain"
        )
