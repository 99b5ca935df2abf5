"""Thermal images and their temperatures, from a table or from the pixels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspection.data.cache import cores
from inspection.data.images import find_images
from inspection.data.module import Found, ImageDataModule, Rows
from inspection.data.occlusion import Occluded, cover
from inspection.data.quantity_labels import Quantities
from inspection.data.radiometric import Radiometry, check_statistics, read_raw, statistics_of
from inspection.data.splits import Samples
from inspection.data.temperatures import read_quantities
from inspection.errors import InputError

UNIT = "K"
_PLAIN = 1.0  # kelvin: where the pixels are off by less on average, nobody needs a network
_LISTED = 5  # rows or files named in a message


class ThermalDataModule(ImageDataModule):
    """Thermal images, each with temperatures in kelvin.

    What the network sees has 8 bits in either way: a window in kelvin spread over them (`radiometric`), or
    each image between its own extremes (`auto_gain`), as the pictures of most cameras are. Over a window of
    190 K a step is 0.75 K: on real images rounding moves the mean by 0.01 K and the extremes by 0.2 K on
    average, less than making the image smaller does (docs/thermal.md). The targets are never rounded.

    A batch of radiometric images holds `pixels`, too: float64 `[B, T]`, what the statistics of the camera's pixels
    are, in kelvin. It is no input but what a network must be compared with.

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
    """

    labels: Quantities

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
            return Found(files, self.pixel_statistics(root, files))
        path = root / self.table
        table = read_quantities(path, self.table_columns)
        gone = [row for row, name in enumerate(table.names) if name not in there]
        if gone:
            rows = "\n".join(
                f"{path}, line {table.lines[row]}: no image {table.names[row]!r} in {folder}"
                for row in gone[:_LISTED]
            )
            more = f"\n... and {len(gone) - _LISTED} rows more" if len(gone) > _LISTED else ""
            raise InputError(
                f"{rows}{more}\nadd the images, remove the rows, or name the images' folder (data.pictures)"
            )
        unnamed = there - set(table.names)
        if unnamed:
            self.notes.append(
                f"{len(unnamed)} images stand in no row of {self.table} and are left out "
                f"(for example {min(unnamed)!r})"
            )
        return Found([prefix + name for name in table.names], table.values)

    def pixel_statistics(self, root: Path, files: Sequence[str]) -> NDArray[np.float64]:
        """Temperatures of each image's pixels within the crop, kelvin `[N, T]`.

        Raises:
            InputError: Images that can't be read or hold no temperatures, all in one message.
        """

        def of(file: str) -> list[float] | InputError:
            try:
                raw = self.geometry.cut(read_raw(root / file), str(root / file))
                return statistics_of(raw, self.statistics, self.radiometry)
            except InputError as error:
                return error

        report, found, faults = self._report("reading temperatures"), [], []
        with ThreadPoolExecutor(cores()) as pool:
            for done, result in enumerate(pool.map(of, files), 1):
                if isinstance(result, InputError):
                    faults.append(str(result))
                else:
                    found.append(result)
                report(done, len(files))
        if len(faults) == 1:
            raise InputError(faults[0])
        if faults:
            lines = [f"{len(faults)} of {len(files)} images hold no temperatures:"]
            lines += [f"  {fault.splitlines()[0]}" for fault in faults[:_LISTED]]
            lines += [f"  and {len(faults) - _LISTED} more."] * (len(faults) > _LISTED)
            raise InputError("\n".join(lines))
        return np.asarray(found, np.float64)

    def open_truth(self, samples: Samples) -> dict[str, Rows]:
        """What the pixels of radiometric images say, `pixels`."""
        if self.render != "radiometric":
            return {}
        pixels = samples.targets
        if self.table is not None:
            pixels = self.pixel_statistics(self.root, samples.files)
        assert self.window is not None
        beyond = ((samples.targets < self.window[0]) | (samples.targets > self.window[1])).any(1).sum()
        if beyond:
            self.notes.append(
                f"{beyond} images have temperatures outside of data.window, which the network sees cut off; "
                f"they go from {samples.targets.min():.1f} to {samples.targets.max():.1f} {UNIT}"
            )
        error = float(np.abs(pixels - samples.targets).mean())
        if error < _PLAIN:
            self.notes.append(
                f"the pixels themselves say these temperatures to {error:.2g} {UNIT}, without a network; "
                "one is for images that have lost their scale (data.render=auto_gain)"
            )
        return {"pixels": _Values(pixels)}

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


class _Values:
    """Numbers in memory as rows."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.values = values

    def gather(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Copies of some rows."""
        return self.values[np.asarray(indices, np.int64)]
