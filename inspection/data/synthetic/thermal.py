"""Thermal images, drawn: an even background with one to three Gaussian hot spots, and the sensor's noise.

The published generator: background 300 K, spots that reach up to 450 K, noise of 5 K. Where spots overlap, their
rises above the background add up, as heat flows do. The images are written as a radiometric camera does, 16 bits a
pixel, with a table of their temperatures: exactly the layout of a real set.

The temperatures in the table are those of the written pixels, noise and rounding included: that is what a camera
reports. So the largest one lies above the scene's own, by 7 K where the hottest spot is sharp and by 11 K
where it is broad, and the smallest is about 279 K on every image, four standard deviations of the noise below
the background. What the scene is without noise stands in `scenes.json`.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspection.data.radiometric import Radiometry, write_raw
from inspection.data.synthetic.paint import grid, noise
from inspection.data.synthetic.sets import prepare_set
from inspection.errors import InputError

VERSION = 1  # raised whenever the pictures change, so that sets on disk are drawn anew
SIZE = 224  # pixels, height and width
BACKGROUND, HOTTEST, NOISE = 300.0, 450.0, 5.0  # kelvin
RADIOMETRY = Radiometry(scale=0.1, offset=173.15)  # that of the substation images, too
PICTURES, TABLE, SCENES = "pics", "temperatures.csv", "scenes.json"
COLUMNS = ("max_k", "mean_k", "min_k")


@dataclass(frozen=True)
class Spot:
    """A Gaussian hot spot.

    Attributes:
        x: Of its centre, pixels from the left.
        y: Of its centre, pixels from the top.
        sigma: Its width, pixels.
        peak: Kelvin in the centre where it is alone.
    """

    x: float
    y: float
    sigma: float
    peak: float


@dataclass(frozen=True)
class ThermalPicture:
    """A drawn image: kelvin `[224, 224]` as the sensor sees them, and the spots."""

    kelvin: NDArray[np.float32]
    spots: tuple[Spot, ...]


class SyntheticThermal:
    """A synthetic set of thermal images: `pics/*.png` and `temperatures.csv`.

    Args:
        folder: Where the set lies or shall lie.
        count: Number of images.
        seed: Image i depends on the seed and i alone, so a larger set holds the smaller one.
    """

    def __init__(self, folder: str, count: int = 600, seed: int = 0) -> None:
        if count < 1:
            raise InputError(f"data.synthetic.count: expected at least 1 image, found {count}")
        if seed < 0:
            raise InputError(f"data.synthetic.seed: expected 0 or more, found {seed}")
        self.folder, self.count, self.seed = Path(folder), count, seed

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set unless it is there already.

        Args:
            progress: Called with (images drawn, images in all) while the set is drawn.

        Returns:
            The folder with the images, their table and `scenes.json`: the spots of each image, see `Spot`.

        Raises:
            InputError: The folder holds something else than a synthetic set.
        """
        parameters = {"count": self.count, "seed": self.seed}
        return prepare_set(
            self.folder, "thermal", VERSION, parameters, lambda place: self._draw(place, progress)
        )

    def _draw(self, place: Path, progress: Callable[[int, int], None] | None) -> None:
        (place / PICTURES).mkdir()
        rows, scenes = [], []
        for index in range(self.count):
            picture = draw_thermal(np.random.default_rng([self.seed, index]))
            name = f"thermal_{index:05d}.png"
            raw = RADIOMETRY.raw(picture.kelvin)
            write_raw(place / PICTURES / name, raw)
            seen = RADIOMETRY.kelvin(raw)
            rows.append([name, *(f"{value:.2f}" for value in (seen.max(), seen.mean(), seen.min()))])
            spots = [{key: round(value, 2) for key, value in asdict(spot).items()} for spot in picture.spots]
            scenes.append(f"{json.dumps(name)}: {json.dumps(spots)}")
            if progress is not None:
                progress(index + 1, self.count)
        with (place / TABLE).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["name", *COLUMNS])
            writer.writerows(rows)
        (place / SCENES).write_text("{\n" + ",\n".join(scenes) + "\n}\n", encoding="utf-8")


def draw_thermal(rng: np.random.Generator) -> ThermalPicture:
    """Draw one image of one to three spots; every other further spot overlaps the one before it."""
    spots: list[Spot] = []
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(0.1 * SIZE, 0.9 * SIZE, 2)
        sigma = float(rng.uniform(5, 30))
        if spots and rng.random() < 0.5:
            angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.5) * spots[-1].sigma
            x = float(np.clip(spots[-1].x + distance * np.cos(angle), 0, SIZE - 1))
            y = float(np.clip(spots[-1].y + distance * np.sin(angle), 0, SIZE - 1))
        spots.append(Spot(float(x), float(y), sigma, float(rng.uniform(BACKGROUND + 20, HOTTEST))))
    scene = temperatures(spots)
    return ThermalPicture(scene + noise(rng, scene.shape, NOISE), tuple(spots))


def temperatures(spots: list[Spot] | tuple[Spot, ...]) -> NDArray[np.float32]:
    """The scene without noise, kelvin `[224, 224]`."""
    x, y = grid(SIZE, SIZE)
    middle = np.float32((SIZE - 1) / 2)
    scene = np.full((SIZE, SIZE), BACKGROUND, np.float32)
    for spot in spots:
        squared = (x + middle - np.float32(spot.x)) ** 2 + (y + middle - np.float32(spot.y)) ** 2
        scene += np.float32(spot.peak - BACKGROUND) * np.exp(-squared / np.float32(2 * spot.sigma**2))
    return scene
