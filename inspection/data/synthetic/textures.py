"""A grained plastic surface, drawn: sound, or with scratches, spots and stains, and a mask of where they are.

The set lies in the layout of MVTec AD (Bergmann et al., CVPR 2019): `train/good`, `test/good`, `test/<defect>` and
`ground_truth/<defect>/<name>_mask.png`. Defects run from plain to hardly visible, and sound surfaces have marks of
their own: dust, fibres, cloudy gloss, an uneven grain.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.data.synthetic.paint import (
    FloatArray,
    Image,
    Points,
    blur,
    cloud,
    grid,
    noise,
    photograph,
    resize,
    stroke,
    wander,
    write_png,
)
from inspection.data.synthetic.sets import prepare_set
from inspection.errors import InputError

VERSION = 1  # raised whenever the pictures change, so that sets on disk are drawn anew
GOOD = "good"
KINDS = ("scratch", "spot", "stain")
COMBINED = "combined"
DEFECTS = (*KINDS, COMBINED)  # folders below `test`, beside `good`
SMALLEST = 64  # pixels


@dataclass(frozen=True)
class TexturePicture:
    """A drawn camera image, uint8 [S, S, 3], RGB, and where it is defective, bool [S, S]."""

    image: Image
    mask: NDArray[np.bool_]


class SyntheticTextures:
    """A synthetic set of grained surfaces in the layout of MVTec AD.

    Args:
        folder: where the set lies or shall lie.
        good_train: sound images in `train/good`.
        good_test: sound images in `test/good`.
        defects: images in each of `test/scratch`, `test/spot`, `test/stain` and `test/combined` (defects of two or
            three kinds). About a third of the first three have two or three defects of their kind.
        size: height and width in pixels, at least 64. Defects and grain grow with it.
        seed: image i of a folder depends on the seed, the folder, i and the size alone, so a larger set holds the
            smaller one.
    """

    def __init__(
        self,
        folder: str,
        good_train: int = 160,
        good_test: int = 40,
        defects: int = 25,
        size: int = 256,
        seed: int = 0,
    ) -> None:
        self.folder = Path(folder)
        self.counts = {"good_train": good_train, "good_test": good_test, "defects": defects}
        for name, count in self.counts.items():
            if count < 1:
                raise InputError(f"data.synthetic.{name}: expected at least 1 image, found {count}")
        if size < SMALLEST:
            raise InputError(f"data.synthetic.size: expected at least {SMALLEST} pixels, found {size}")
        if seed < 0:
            raise InputError(f"data.synthetic.seed: expected 0 or more, found {seed}")
        self.size = size
        self.seed = seed

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set unless it is there already.

        Args:
            progress: called with (images drawn, images in all) while the set is drawn.

        Returns:
            The folder with `train`, `test` and `ground_truth`; masks are PNG, 255 where defective, else 0.

        Raises:
            InputError: the folder holds something else than a synthetic set.
        """
        parameters = {**self.counts, "size": self.size, "seed": self.seed}
        return prepare_set(
            self.folder, "textures", VERSION, parameters, lambda place: self._draw(place, progress)
        )

    def _folders(self) -> Iterator[tuple[str, str, int]]:
        yield "train", GOOD, self.counts["good_train"]
        yield "test", GOOD, self.counts["good_test"]
        for defect in DEFECTS:
            yield "test", defect, self.counts["defects"]

    def _draw(self, place: Path, progress: Callable[[int, int], None] | None) -> None:
        done, total = 0, sum(count for *_, count in self._folders())
        for number, (part, folder, count) in enumerate(self._folders()):
            images, masks = place / part / folder, place / "ground_truth" / folder
            images.mkdir(parents=True)
            if folder != GOOD:
                masks.mkdir(parents=True)
            for index in range(count):
                drawn = draw_texture(np.random.default_rng([self.seed, number, index]), self.size, folder)
                write_png(images / f"{index:03d}.png", drawn.image)
                if folder != GOOD:
                    write_png(masks / f"{index:03d}_mask.png", drawn.mask[..., None] * np.uint8(255))
                done += 1
                if progress is not None:
                    progress(done, total)


def draw_texture(rng: np.random.Generator, size: int, folder: str) -> TexturePicture:
    """Draw one surface.

    The defects come from a random stream of their own: the same generator state gives the same surface with and
    without them, and no other trait of the picture can tell the classes apart.

    Args:
        rng: source of all randomness.
        size: height and width, pixels.
        folder: `good`, one of `KINDS`, or `combined`.
    """
    scene, trouble, sensor = rng.spawn(3)
    canvas = _Canvas(size)
    light = scene.uniform(0, 2 * np.pi)
    image = _surface(scene, canvas, light)
    mask = np.zeros((size, size), bool)
    for kind in _chosen(trouble, folder):
        mask |= _BRUSHES[kind](trouble, canvas, image, light)
    _soil(scene, canvas, image)
    image = blur(image, scene.uniform(0.5, 0.9))
    return TexturePicture(photograph(image, sensor, scene.gamma(3.0, 1.0)), mask)


def _chosen(rng: np.random.Generator, folder: str) -> list[str]:
    """The kinds of the defects of one image, several times the same where there are several."""
    if folder == GOOD:
        return []
    if folder == COMBINED:
        return [str(kind) for kind in rng.permutation(KINDS)[: rng.integers(2, 4)]]
    if folder not in KINDS:
        raise ValueError(f"folder={folder!r}: expected {GOOD} or one of {DEFECTS}")
    return [folder] * int(rng.choice([1, 2, 3], p=[0.66, 0.22, 0.12]))


@dataclass(frozen=True)
class _Canvas:
    """Height and width in pixels, and how long things are on it that were thought for 256 pixels."""

    size: int

    @property
    def scale(self) -> float:
        return self.size / 256

    @property
    def pen(self) -> int:
        """Width of the finest line, pixels."""
        return max(1, round(self.scale))

    def stroke(self, line: Points, width: int = 1) -> FloatArray:
        return stroke(self.size, self.size, line, width * self.pen)

    def cloud(
        self, rng: np.random.Generator, cell: float, octaves: int = 2, fading: float = 0.5
    ) -> FloatArray:
        return cloud(rng, self.size, self.size, cell * self.scale, octaves, fading=fading)

    def place(self, rng: np.random.Generator) -> Points:
        """Somewhere, but not right at the border."""
        return rng.uniform(0.1, 0.9, 2) * self.size


# ------------------------------------------------------------------------------------------ the surface


def _surface(rng: np.random.Generator, canvas: _Canvas, light: float) -> FloatArray:
    """Grained plastic under a lamp from one side, float [S, S, 3]."""
    size, scale = canvas.size, canvas.scale
    pitch = rng.uniform(2.3, 2.9)  # of the grain; one product, moulded a little differently each time
    fine = blur(noise(rng, (256, 256)), pitch)
    lumps = np.minimum(fine / fine.std(), 0.8)  # flat tops and creases between them, like leather
    lumps = resize(lumps, size, size, cv2.INTER_CUBIC)
    slope = np.gradient(lumps, axis=1) * np.cos(light) + np.gradient(lumps, axis=0) * np.sin(light)
    uneven = np.clip(1 + 0.16 * canvas.cloud(rng, 120), 0.5, 1.5)
    relief = uneven * (0.16 * scale * slope + 0.045 * lumps)

    x, y = grid(size, size)
    towards = (np.float32(np.cos(light)) * x + np.float32(np.sin(light)) * y) / np.float32(size / 2)
    grey = rng.uniform(0.38, 0.55) * (1 - np.float32(rng.uniform(0, 0.18)) * towards)
    grey = grey * (1 + 0.028 * canvas.cloud(rng, 90, 3)) * (1 + relief)
    colour = np.array([1.0, 0.93, 0.84]) * rng.normal(1, 0.012, 3)
    return np.asarray(grey[..., None] * colour, np.float32)


def _soil(rng: np.random.Generator, canvas: _Canvas, image: FloatArray) -> None:
    """Lay on the surface what is no defect, in place: dust, fibres, a faint gloss."""
    dust = np.zeros((canvas.size, canvas.size), np.float32)
    for x, y in rng.uniform(0, canvas.size, (rng.poisson(6), 2)).astype(int):
        cv2.circle(dust, (int(x), int(y)), canvas.pen // 2, rng.uniform(-0.16, 0.16), -1)
    image += blur(dust, 0.7 * canvas.scale)[..., None]
    for _ in range(rng.poisson(0.35)):  # short, soft and curled, unlike a scratch
        length = rng.uniform(12, 28) * canvas.scale
        line = wander(rng, canvas.place(rng), rng.uniform(0, 6.3), length, 3.5)
        fibre = blur(canvas.stroke(line), 0.9 * canvas.scale)
        image += np.float32(rng.choice([-0.13, 0.15])) * fibre[..., None]
    if rng.random() < 0.4:
        gloss = np.clip(canvas.cloud(rng, rng.uniform(50, 110)) - 0.4, 0, 1)
        image *= 1 + np.float32(rng.choice([-0.04, 0.05])) * gloss[..., None]


# ------------------------------------------------------------------------------------------ the defects


def _contrast(rng: np.random.Generator) -> float:
    """How plain a defect is: 0 (a trained eye finds it) to 1."""
    return float(rng.random() ** 0.9)


def _scratch(rng: np.random.Generator, canvas: _Canvas, image: FloatArray, light: float) -> NDArray[np.bool_]:
    """A furrow through the grain: worn bright or dark, with a shaded flank, pressed unevenly."""
    contrast, heading = _contrast(rng), rng.uniform(0, 2 * np.pi)
    length = rng.uniform(28, 110) * canvas.scale
    start = canvas.place(rng) - length / 2 * np.array([np.cos(heading), np.sin(heading)])
    line = wander(rng, start, heading, length, rng.uniform(0, 0.5))
    core, wide = canvas.stroke(line), canvas.stroke(line, 2)
    shade = canvas.stroke(line + canvas.scale * np.array([np.cos(light), np.sin(light)]))
    depth = np.clip(0.85 + 0.35 * canvas.cloud(rng, 30), 0.45, 1.2)
    sign = rng.choice([-1.0, 1.0], p=[0.35, 0.65])
    change = np.float32(0.13 + 0.34 * contrast) * depth * np.float32(sign) * (0.55 * core + 0.6 * wide)
    image *= (1 + change - np.float32(0.06 + 0.16 * contrast) * shade * (1 - core))[..., None]
    return np.maximum(wide, shade) > 0.3


def _oval(
    rng: np.random.Generator, canvas: _Canvas, radius: tuple[float, float], slimmest: float
) -> FloatArray:
    """Distance [S, S] from the middle of an oval somewhere on the canvas; 1 on its rim."""
    x, y = grid(canvas.size, canvas.size)
    at = canvas.place(rng) - canvas.size / 2
    size, squeeze, turn = rng.uniform(*radius) * canvas.scale, rng.uniform(slimmest, 1), rng.uniform(0, np.pi)
    dx, dy = x - np.float32(at[0]), y - np.float32(at[1])
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / size
    v = (-dx * np.sin(turn) + dy * np.cos(turn)) / (size * squeeze)
    return np.asarray(np.hypot(u, v), np.float32)


def _spot(rng: np.random.Generator, canvas: _Canvas, image: FloatArray, light: float) -> NDArray[np.bool_]:
    """A pit, a burn or an inclusion: small, round and smooth where the grain should be."""
    contrast, far = _contrast(rng), _oval(rng, canvas, (2.6, 6.5), 0.7)
    cover = np.clip((1.15 - far) * 3.5, 0, 1)
    slope = np.gradient(cover, axis=1) * np.cos(light) + np.gradient(cover, axis=0) * np.sin(light)
    tone = rng.choice([-1.0, 0.7], p=[0.7, 0.3])
    change = np.float32((0.14 + 0.5 * contrast) * tone) * cover
    image *= (1 + change - np.float32(0.25 * (0.4 + contrast) * canvas.scale) * slope)[..., None]
    return cover > 0.3


def _stain(rng: np.random.Generator, canvas: _Canvas, image: FloatArray, light: float) -> NDArray[np.bool_]:
    """A dried drop, oil or bleached plastic: a ragged patch with a rim, and the grain still under it."""
    contrast, far = _contrast(rng), _oval(rng, canvas, (11, 30), 0.5)
    edge = 1 - far + 0.30 * canvas.cloud(rng, 26, 4, fading=0.6)
    edge *= far < 1.9  # one patch, no islands far off
    cover = np.clip(edge * 5, 0, 1)
    rim = np.exp(-(((edge - 0.13) / 0.10) ** 2)) * (cover > 0)
    hue = np.array([(-0.16, -0.26, -0.40), (-0.30, -0.30, -0.30), (0.30, 0.30, 0.32)][rng.integers(3)])
    amount = cover * np.clip(0.75 + 0.2 * canvas.cloud(rng, 14), 0.3, 1.2) + 0.45 * rim
    image *= np.asarray(1 + (0.20 + 0.75 * contrast) * amount[..., None] * hue, np.float32)
    return cover > 0.3


_BRUSHES: dict[str, Callable[[np.random.Generator, _Canvas, FloatArray, float], NDArray[np.bool_]]] = {
    "scratch": _scratch,
    "spot": _spot,
    "stain": _stain,
}
