"""Ten classes of small colour pictures, 32x32, drawn: six shapes and four textures.

They stand in for CIFAR-10: many small pictures of single things, in any colour, place, size and pose, before
cluttered backgrounds and partly covered. Each class has a neighbour that it passes into (a ring whose hole
closes is a disc, waves that flatten are stripes, a square with worn corners is a disc), so some pictures can't
be told.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from inspection.data.synthetic.paint import (
    FloatArray,
    Image,
    Points,
    blur,
    cloud,
    fixed,
    grid,
    photograph,
    resize,
    write_png,
)
from inspection.data.synthetic.sets import prepare_set
from inspection.errors import InputError

VERSION = 1  # raised whenever the pictures change, so that sets on disk are drawn anew
SIZE = 32  # pixels, height and width
SHAPES = ("disc", "ring", "square", "triangle", "cross", "star")
TEXTURES = ("stripes", "waves", "checks", "dots")
CLASSES = SHAPES + TEXTURES

_FINE = 4  # outlines are filled so many times finer and averaged


class SyntheticShapes:
    """A synthetic set of small pictures, in the folders `train/<class>` and `test/<class>`.

    Args:
        folder: where the set lies or shall lie.
        train: number of images in the training part, over all ten classes.
        test: number of images in the test part.
        seed: image i of a part depends on the seed, the part and i alone, so a larger set holds the smaller one.
    """

    def __init__(self, folder: str, train: int = 6000, test: int = 1000, seed: int = 0) -> None:
        for name, count in (("train", train), ("test", test)):
            if count < len(CLASSES):
                raise InputError(
                    f"data.synthetic.{name}: expected at least {len(CLASSES)} images, one a class, found {count}"
                )
        if seed < 0:
            raise InputError(f"data.synthetic.seed: expected 0 or more, found {seed}")
        self.folder = Path(folder)
        self.counts = {"train": train, "test": test}
        self.seed = seed

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set unless it is there already.

        Args:
            progress: called with (images drawn, images in all) while the set is drawn.

        Returns:
            The folder with the images.

        Raises:
            InputError: the folder holds something else than a synthetic set.
        """
        parameters = {**self.counts, "seed": self.seed}
        return prepare_set(
            self.folder, "shapes", VERSION, parameters, lambda place: self._draw(place, progress)
        )

    def _draw(self, place: Path, progress: Callable[[int, int], None] | None) -> None:
        done, total = 0, sum(self.counts.values())
        for number, (part, count) in enumerate(self.counts.items()):
            for name in CLASSES:
                (place / part / name).mkdir(parents=True)
            for index in range(count):
                name = CLASSES[index % len(CLASSES)]
                rng = np.random.default_rng([self.seed, number, index])
                write_png(place / part / name / f"{name}_{index:05d}.png", draw_picture(rng, name))
                done += 1
                if progress is not None and (done % 100 == 0 or done == total):
                    progress(done, total)


def draw_picture(rng: np.random.Generator, name: str) -> Image:
    """Draw one picture, uint8 [32, 32, 3], RGB.

    Args:
        rng: source of all randomness.
        name: one of `CLASSES`.
    """
    image, ground = _background(rng)
    for _ in range(rng.poisson(0.7)):
        _paint_clutter(rng, image)
    if name in SHAPES:
        radius = 7.0 + 6.5 * rng.beta(2.0, 1.5)
        centre = _place(rng, radius)
        cover = _fill(*_outlines(rng, name, centre, radius))
        paint = _colour_apart(rng, ground, rng.uniform(0.2, 0.8))
        light = 1 + _slope(rng, 0.18) + np.float32(rng.uniform(0, 0.10)) * cloud(rng, SIZE, SIZE, 6, 2)
        layer = paint * light[..., None]
    else:
        whole = rng.random() < 0.4
        radius = 40.0 if whole else rng.uniform(11.0, 16.0)
        centre = _place(rng, radius) if not whole else np.zeros(2)
        cover = _fill(*_outlines(rng, str(rng.choice(["disc", "square"])), centre, radius))
        one = _colour_apart(rng, ground, rng.uniform(0.1, 0.6))
        two = _colour_apart(rng, one, rng.uniform(0.2, 0.8))
        pattern = _texture(rng, name)[..., None]
        layer = (one + pattern * (two - one)) * (1 + _slope(rng, 0.18))[..., None]
    image += cover[..., None] * (layer - image)
    if rng.random() < 0.25:
        _cover_partly(rng, image, centre, min(radius, 14.0))
    image *= np.float32(rng.uniform(0.6, 1.1))
    return photograph(blur(image, rng.uniform(0.3, 0.8)), rng, gain=rng.gamma(2.0, 8.0))


# --------------------------------------------------------------------------------------------- outlines


def _place(rng: np.random.Generator, radius: float) -> Points:
    """Centre of a thing of this radius: anywhere, but at most a fifth of it outside."""
    reach = max(SIZE / 2 - 0.8 * radius, 0.5)
    return rng.uniform(-reach, reach, 2)


def _outlines(
    rng: np.random.Generator, name: str, centre: Points, radius: float
) -> tuple[Points, Points | None]:
    """Outline [N, 2] of a shape in some pose, and that of the hole in it, in pixels about the image's middle."""
    around = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    circle = np.stack([np.cos(around), np.sin(around)], 1)
    hole = None
    worn = rng.uniform(0, 0.03)  # share of the outline over which a corner is rounded
    match name:
        case "disc":
            outline = circle
        case "ring":
            outline, hole = circle, circle * rng.uniform(0.3, 0.75)
        case "square":
            outline, worn = _polygon([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.85, rng.uniform(0, 0.06)
        case "triangle":
            corners = np.radians([90, 210, 330])
            outline = _polygon(np.stack([np.cos(corners), np.sin(corners)], 1)) * 1.15
        case "cross":
            a = rng.uniform(0.2, 0.4)
            arm = [(a, 1), (a, a), (1, a), (1, -a), (a, -a), (a, -1)]
            outline = _polygon([*arm, *((-x, -y) for x, y in arm)])
        case "star":
            corners, tips = np.linspace(0, 2 * np.pi, 10, endpoint=False), [1.12, rng.uniform(0.38, 0.58)] * 5
            outline = _polygon(np.stack([np.cos(corners) * tips, np.sin(corners) * tips], 1))
        case _:
            raise ValueError(f"name={name!r}: expected one of {SHAPES}")
    outline = _smoothed(outline, worn)
    squeeze, tilt, turn = rng.uniform(0.85, 1), rng.normal(0, 0.07), rng.uniform(0, 2 * np.pi)
    pose = radius * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    pose = pose @ np.array([[1, tilt], [0, squeeze]])
    return outline @ pose.T + centre, None if hole is None else hole @ pose.T + centre


def _polygon(corners: list[tuple[float, float]] | Points) -> Points:
    """Ninety-six points along a closed polygon, evenly spaced."""
    corners = np.asarray(corners, np.float64)
    closed = np.vstack([corners, corners[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, length[-1], 96, endpoint=False)
    return np.stack([np.interp(at, length, closed[:, axis]) for axis in (0, 1)], 1)


def _smoothed(outline: Points, share: float) -> Points:
    """A closed outline blurred along itself, over a share of its length."""
    spectrum = np.fft.rfft(outline, axis=0)
    waves = np.arange(len(spectrum))[:, None]
    return np.fft.irfft(spectrum * np.exp(-0.5 * (2 * np.pi * share * waves / 2) ** 2), len(outline), axis=0)


def _fill(outline: Points, hole: Points | None = None) -> FloatArray:
    """Cover 0..1 [32, 32] of an outline, which may reach out of the image."""
    layer = np.zeros((SIZE * _FINE, SIZE * _FINE), np.uint8)
    for points, value in ((outline, 255), (hole, 0)):
        if points is not None:
            cv2.fillPoly(layer, [fixed((points + SIZE / 2) * _FINE - 0.5)], value, cv2.LINE_8, 3)
    return resize(layer.astype(np.float32), SIZE, SIZE, cv2.INTER_AREA) / np.float32(255)


# --------------------------------------------------------------------------------------------- painting


def _colour_apart(rng: np.random.Generator, other: FloatArray, distance: float) -> FloatArray:
    """A colour [3] whose brightness differs from another's by about a distance 0..1, or its hue does."""
    for _ in range(20):
        colour = rng.uniform(0.05, 0.95, 3)
        gap = np.abs(colour - other)
        if abs(0.5 * gap.max() + 0.5 * gap.mean() - distance) < 0.08:
            break
    return colour.astype(np.float32)


def _slope(rng: np.random.Generator, strength: float) -> FloatArray:
    """Light that falls off to one side, [32, 32] about 0."""
    x, y = grid(SIZE, SIZE)
    turn = rng.uniform(0, 2 * np.pi)
    return np.float32(rng.uniform(0, strength) / (SIZE / 2)) * (
        np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * y
    )


def _background(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """A dull, blotchy ground [32, 32, 3] and its mean colour [3]."""
    grey, saturation = rng.uniform(0.15, 0.85), rng.uniform(0, 0.35)
    colour = np.clip(grey + saturation * rng.uniform(-1, 1, 3), 0.02, 0.98).astype(np.float32)
    other = np.clip(colour + rng.normal(0, 0.12, 3), 0, 1).astype(np.float32)
    mixed = np.clip(0.5 + 0.4 * cloud(rng, SIZE, SIZE, rng.uniform(5, 24), 3), 0, 1)[..., None]
    return (colour + mixed * (other - colour)) * (1 + _slope(rng, 0.3))[..., None], colour


def _paint_clutter(rng: np.random.Generator, image: FloatArray) -> None:
    """Paint something small or thin over the image, in place, that is of no class."""
    colour = rng.uniform(0.05, 0.95, 3).astype(np.float32)
    place = rng.uniform(-SIZE / 2, SIZE / 2, 2)
    if rng.random() < 0.5:  # a line right across
        along = 40 * np.array([np.cos(turn := rng.uniform(0, np.pi)), np.sin(turn)])
        across = np.array([-along[1], along[0]]) / 40 * rng.uniform(0.4, 1.2)
        outline = place + np.array([along + across, along - across, -along - across, -along + across])
    else:  # a blot
        around = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        reach = rng.uniform(1, 4) * rng.uniform(0.5, 1.4, 12)
        outline = place + np.stack([np.cos(around) * reach, np.sin(around) * reach], 1)
    cover = np.float32(rng.uniform(0.3, 0.9)) * _fill(outline)[..., None]
    image += cover * (colour - image)


def _cover_partly(rng: np.random.Generator, image: FloatArray, centre: Points, radius: float) -> None:
    """Paint something straight-edged over a side of the thing, in place: up to two fifths of its width."""
    turn = rng.uniform(0, 2 * np.pi)
    out = np.array([np.cos(turn), np.sin(turn)])
    side = np.array([-out[1], out[0]])
    near, wide = centre + out * radius * rng.uniform(0.2, 0.8), rng.uniform(0.5, 2.0) * radius
    far = near + out * rng.uniform(0.4, 2.0) * radius
    cover = _fill(np.array([near + side * wide, near - side * wide, far - side * wide, far + side * wide]))
    colour = rng.uniform(0.05, 0.95, 3).astype(np.float32) * (1 + _slope(rng, 0.3))[..., None]
    image += cover[..., None] * (colour - image)


def _texture(rng: np.random.Generator, name: str) -> FloatArray:
    """A repeated pattern, 0..1, [32, 32]."""
    x, y = (axis / _FINE * 2 for axis in grid(SIZE * _FINE // 2, SIZE * _FINE // 2))
    turn = rng.uniform(0, 2 * np.pi)
    lean = turn + np.pi / 2 + rng.normal(0, 0.10)
    period, share = rng.uniform(5.5, 10.0), rng.uniform(-0.35, 0.35)
    u, v = (
        (np.float32(np.cos(a)) * x + np.float32(np.sin(a)) * y) * np.float32(2 * np.pi / period)
        + np.float32(rng.uniform(0, 2 * np.pi))
        for a in (turn, lean)
    )
    match name:
        case "stripes":
            u = u + np.float32(rng.uniform(0, 0.3)) * np.sin(v * np.float32(rng.uniform(0.3, 0.8)))
            level = np.sin(u) - np.float32(share)
        case "waves":
            u = u + np.float32(rng.uniform(0.7, 2.2)) * np.sin(v * np.float32(rng.uniform(0.35, 0.8)))
            level = np.sin(u) - np.float32(share)
        case "checks":
            level = np.float32(1.6) * np.sin(u) * np.sin(v) - np.float32(0.5 * share)
        case "dots":
            level = np.cos(u) + np.cos(v) - np.float32(rng.uniform(0.5, 1.2))
        case _:
            raise ValueError(f"name={name!r}: expected one of {TEXTURES}")
    hard = np.float32(rng.uniform(1.0, 4.0))
    return resize(np.clip(0.5 + hard * level, 0, 1), SIZE, SIZE, cv2.INTER_AREA)
