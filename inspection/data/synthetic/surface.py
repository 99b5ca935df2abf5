"""Machined metal surfaces, drawn: brushed, milled or cast, and sound or with a scratch, dent, stain or crack.

Colour photographs for telling OK from defect. A defect's contrast runs from plain to hardly visible, and sound
surfaces have their own marks: drilled holes, dust, fibres, traces of the tool. Where each defect lies is written
down, so that heatmaps can be checked.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    stroke,
    wander,
    write_png,
)
from inspection.data.synthetic.sets import in_share, prepare_set
from inspection.errors import InputError

VERSION = 1  # raised whenever the pictures change, so that sets on disk are drawn anew
SIZE = 224  # pixels, height and width
OK, DEFECT = "ok", "defect"  # folders in each part
KINDS = ("scratch", "dent", "stain", "crack")
FINISHES = ("brushed", "milled", "cast")
TRUTH = "truth.json"


@dataclass(frozen=True)
class Defect:
    """What is wrong with a surface, and where.

    Attributes:
        kind: one of `KINDS`.
        contrast: 0 (hardly visible) to 1 (plain).
        outlines: closed polygons in pixels (x, y), int32 [N, 2] each.
        box: left, top, right, bottom of them all, pixels; right and bottom are the first outside.
    """

    kind: str
    contrast: float
    outlines: tuple[NDArray[np.int32], ...]
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class SurfacePicture:
    """A drawn camera image, uint8 [224, 224, 3], RGB, and its defect if it has one."""

    image: Image
    defect: Defect | None


class SyntheticSurfaces:
    """A synthetic set of metal surfaces, in the folders `ok` and `defect` of `train`, `val` and `test`.

    Args:
        folder: where the set lies or shall lie.
        train: number of images in the training part.
        val: number of images in the validation part.
        test: number of images in the test part.
        defect_share: share of surfaces with a defect, 0 to 1; their number is exact but for rounding.
        seed: image i of a part depends on the seed, the part, i and its class alone, so a larger set holds the
            smaller one.
    """

    def __init__(
        self,
        folder: str,
        train: int = 400,
        val: int = 80,
        test: int = 120,
        defect_share: float = 0.4,
        seed: int = 0,
    ) -> None:
        self.counts = {"train": train, "val": val, "test": test}
        for name, count in self.counts.items():
            if count < 1:
                raise InputError(f"data.synthetic.{name}: expected at least 1 image, found {count}")
        if not 0 <= defect_share <= 1:
            raise InputError(f"data.synthetic.defect_share: expected 0 to 1, found {defect_share}")
        if seed < 0:
            raise InputError(f"data.synthetic.seed: expected 0 or more, found {seed}")
        self.folder = Path(folder)
        self.defect_share = defect_share
        self.seed = seed

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set unless it is there already.

        Args:
            progress: called with (images drawn, images in all) while the set is drawn.

        Returns:
            The folder with the images and `truth.json`: kind, contrast, box and outlines of the defect of each
            file in a `defect` folder, as in `Defect`.

        Raises:
            InputError: the folder holds something else than a synthetic set.
        """
        parameters = {**self.counts, "defect_share": self.defect_share, "seed": self.seed}
        return prepare_set(
            self.folder, "surface", VERSION, parameters, lambda place: self._draw(place, progress)
        )

    def _draw(self, place: Path, progress: Callable[[int, int], None] | None) -> None:
        truth: dict[str, Any] = {}
        done, total = 0, sum(self.counts.values())
        for number, (part, count) in enumerate(self.counts.items()):
            for folder in (OK, DEFECT):
                (place / part / folder).mkdir(parents=True)
            for index in range(count):
                defective = in_share(index, self.defect_share)
                picture = draw_surface(np.random.default_rng([self.seed, number, index]), defective)
                name = f"{part}/{DEFECT if defective else OK}/surface_{index:05d}.png"
                write_png(place / name, picture.image)
                if picture.defect is not None:
                    truth[name] = _plain(picture.defect)
                done += 1
                if progress is not None:
                    progress(done, total)
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(defect)}" for name, defect in truth.items())
        (place / TRUTH).write_text("{\n" + lines + "\n}\n")


def _plain(defect: Defect) -> dict[str, Any]:
    return {
        "kind": defect.kind,
        "contrast": round(defect.contrast, 3),
        "box": list(defect.box),
        "outlines": [outline.tolist() for outline in defect.outlines],
    }


def draw_surface(rng: np.random.Generator, defective: bool) -> SurfacePicture:
    """Draw one surface.

    The defect comes from a random stream of its own: the same generator state gives the same surface with and
    without it, and no other trait of the picture can tell the classes apart.

    Args:
        rng: source of all randomness.
        defective: whether it has a defect, one of `KINDS`.
    """
    scene, trouble, sensor = rng.spawn(3)
    light = scene.uniform(0, 2 * np.pi)
    along = scene.uniform(0, np.pi)  # of the brush or the tool
    finish = str(scene.choice(FINISHES))
    grey = _lighting(scene, light, along, finish) * (1 + _finish(scene, finish, along))
    hole = _drill(scene, grey, light) if scene.random() < 0.3 else None
    metal = np.array(scene.choice([(1.0, 0.99, 0.97), (0.97, 0.99, 1.0), (1.0, 0.95, 0.88)]), np.float32)
    image = grey[..., None] * metal
    defect = _damage(trouble, image, light, hole) if defective else None
    _soil(scene, image)
    image = blur(image, scene.uniform(0.5, 0.95))
    x, y = grid(SIZE, SIZE)
    image *= (1 - np.float32(scene.uniform(0.05, 0.2)) * (x * x + y * y) / np.float32(SIZE * SIZE / 2))[
        ..., None
    ]
    return SurfacePicture(photograph(image, sensor, scene.gamma(3.0, 1.0)), defect)


# ------------------------------------------------------------------------------------------ the surface


def _rotated(texture: FloatArray, angle: float) -> FloatArray:
    """The middle [224, 224] of a square texture that runs along x, turned to an angle (radians)."""
    side = texture.shape[0]
    turned = cv2.getRotationMatrix2D((side / 2 - 0.5, side / 2 - 0.5), -np.degrees(angle), 1.0)
    turned[:, 2] -= (side - SIZE) / 2
    return np.asarray(cv2.warpAffine(texture, turned, (SIZE, SIZE), flags=cv2.INTER_LINEAR), np.float32)


def _finish(rng: np.random.Generator, finish: str, along: float) -> FloatArray:
    """Relative brightness of the finish, [224, 224] about 0."""
    side = 320  # wide enough for any rotation
    strength = rng.uniform(0.6, 1.3)
    if finish == "brushed":
        lines = blur(noise(rng, (side, side)), rng.uniform(18, 40), 0.5) * np.float32(5.0)
        bands = cloud(rng, side, side, 14, 2, stretch=12)
        return np.float32(strength) * _rotated(0.055 * lines + 0.03 * bands, along)
    if finish == "milled":
        x, y = grid(side, side)
        reach = rng.uniform(180, 700)
        radius = np.hypot(x, y - np.float32(reach)) + 0.6 * cloud(rng, side, side, 80, 1)
        pitch = rng.uniform(4.5, 9.0)
        turn = radius / np.float32(pitch)
        each = rng.normal(0, 1, 1024).astype(np.float32)[np.floor(turn).astype(int) % 1024]
        feed = np.float32(0.05) * np.sin(2 * np.pi * turn) + np.float32(0.028) * each
        grain = np.float32(0.12) * blur(noise(rng, (side, side)), 3.0, 0.7)
        return np.float32(strength) * _rotated(np.asarray(feed + grain, np.float32), along)
    bumps = blur(noise(rng, (SIZE, SIZE)), rng.uniform(1.0, 1.9))
    relief = np.gradient(bumps / bumps.std(), axis=0) * np.sin(along) + np.gradient(
        bumps / bumps.std(), axis=1
    )
    pores = np.clip(blur(noise(rng, (SIZE, SIZE)), 1.0) * 3.6 - 2.6, 0, 1)
    return np.asarray(
        strength * (0.11 * relief + 0.04 * cloud(rng, SIZE, SIZE, 30, 2)) - 0.35 * pores, np.float32
    )


def _lighting(rng: np.random.Generator, light: float, along: float, finish: str) -> FloatArray:
    """How bright the surface is, [224, 224]: a slope, and on finished metal a sheen across the marks."""
    x, y = grid(SIZE, SIZE)
    towards = (np.float32(np.cos(light)) * x + np.float32(np.sin(light)) * y) / np.float32(SIZE / 2)
    grey = rng.uniform(0.34, 0.6) * (1 + np.float32(rng.uniform(0, 0.25)) * towards)
    if finish != "cast":
        at, wide = rng.uniform(-120, 120), rng.uniform(35, 90)
        beside = np.float32(np.cos(along)) * x + np.float32(np.sin(along)) * y - np.float32(at)
        grey = grey + np.float32(rng.uniform(0.05, 0.22)) * np.exp(-((beside / np.float32(wide)) ** 2))
    return np.asarray(grey * (1 + 0.03 * cloud(rng, SIZE, SIZE, 110, 2)), np.float32)


def _drill(rng: np.random.Generator, grey: FloatArray, light: float) -> tuple[Points, float]:
    """Drill a countersunk hole, in place; its centre and outer radius."""
    x, y = grid(SIZE, SIZE)
    centre, radius = rng.uniform(-100, 100, 2), rng.uniform(11, 24)
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    far = np.hypot(dx, dy)
    facing = (dx * np.cos(light) + dy * np.sin(light)) / np.maximum(far, 1)
    sink = np.clip(radius + 5.5 - far, 0, 1)
    grey += sink * (0.42 - 0.34 * facing + 0.04 * np.sin(far * 4) - grey)
    depth = np.clip(radius + 0.5 - far, 0, 1)
    grey += depth * (0.05 + 0.10 * np.clip((far / radius - 0.6) * facing, 0, 1) - grey)
    return centre + SIZE / 2, float(radius + 6)


def _soil(rng: np.random.Generator, image: FloatArray) -> None:
    """Lay on the surface what is no defect, in place: dust, fibres, a faint trace of handling."""
    dust = np.zeros((SIZE, SIZE), np.float32)
    for x, y in rng.uniform(2, SIZE - 2, (rng.poisson(7), 2)).astype(int):
        cv2.circle(dust, (int(x), int(y)), int(rng.integers(0, 2)), rng.uniform(-0.25, 0.12), -1)
    image += blur(dust, 0.7)[..., None]
    for _ in range(rng.poisson(0.4)):  # soft and curled, unlike a crack
        line = wander(rng, rng.uniform(20, SIZE - 20, 2), rng.uniform(0, 6.3), rng.uniform(14, 40), 3.0)
        fibre = blur(stroke(SIZE, SIZE, line, 1), 0.9)
        image += np.float32(rng.choice([-0.22, 0.18])) * fibre[..., None]
    if rng.random() < 0.35:
        smear = np.clip(cloud(rng, SIZE, SIZE, rng.uniform(30, 90), 2, stretch=rng.uniform(1, 4)) - 0.4, 0, 1)
        image *= 1 - np.float32(rng.uniform(0.01, 0.05)) * smear[..., None]


# ------------------------------------------------------------------------------------------ the defects


def _damage(
    rng: np.random.Generator, image: FloatArray, light: float, hole: tuple[Points, float] | None
) -> Defect:
    """Damage the surface, in place."""
    kind = str(rng.choice(KINDS))
    contrast = rng.random() ** 0.8
    for _ in range(50):
        place = rng.uniform(36, SIZE - 36, 2)
        if hole is None or np.linalg.norm(place - hole[0]) > hole[1] + 28:
            break
    make = {"scratch": _scratch, "dent": _dent, "stain": _stain, "crack": _crack}[kind]
    change, cover = make(rng, place, contrast, light)
    if hole is not None:  # nothing is damaged where there is no metal
        x, y = grid(SIZE, SIZE)
        off = np.hypot(x + SIZE / 2 - hole[0][0], y + SIZE / 2 - hole[0][1]) > hole[1]
        change, cover = change * off[..., None], cover * off
    image *= 1 + change
    return Defect(kind, contrast, *_outline(cover))


def _outline(cover: FloatArray) -> tuple[tuple[NDArray[np.int32], ...], tuple[int, int, int, int]]:
    """Polygons and box of where something covers the image."""
    mask = (cover > 0.3).astype(np.uint8)
    found = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    outlines = tuple(np.asarray(outline, np.int32).reshape(-1, 2) for outline in found)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return outlines, (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _scratch(
    rng: np.random.Generator, place: Points, contrast: float, light: float
) -> tuple[FloatArray, FloatArray]:
    """A furrow whose one flank shines and whose other lies in the shade."""
    heading, length = rng.uniform(0, np.pi), rng.uniform(40, 150)
    start = place - length / 3 * np.array([np.cos(heading), np.sin(heading)])
    line = wander(rng, start, heading, length, rng.uniform(0, 0.25))
    cover = stroke(SIZE, SIZE, line, 1)
    if rng.random() < 0.4:
        wider = stroke(SIZE, SIZE, line[len(line) // 5 : -len(line) // 3], 2)
        cover = np.maximum(cover, wider)
    side = 0.9 * np.array([np.cos(light), np.sin(light)])
    shade = stroke(SIZE, SIZE, line + side, 1)
    depth = np.clip(0.8 + 0.4 * cloud(rng, SIZE, SIZE, 30, 2), 0.35, 1.2)  # it was not pressed evenly
    change = np.float32(0.28 + 0.75 * contrast) * depth * (cover - np.float32(0.8) * shade)
    return np.asarray(change, np.float32)[..., None], np.maximum(cover, shade)


def _oval(
    rng: np.random.Generator, place: Points, sizes: tuple[float, float], slimmest: float
) -> tuple[float, FloatArray, FloatArray]:
    """An oval anyhow turned: its half length in pixels, and coordinates [H, W] in which it is the unit circle."""
    x, y = grid(SIZE, SIZE)
    size, squeeze, turn = rng.uniform(*sizes), rng.uniform(slimmest, 1), rng.uniform(0, np.pi)
    dx, dy = (a + np.float32(SIZE / 2 - b) for a, b in ((x, place[0]), (y, place[1])))
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / size
    v = (-dx * np.sin(turn) + dy * np.cos(turn)) / (size * squeeze)
    return size, u, v


def _dent(
    rng: np.random.Generator, place: Points, contrast: float, light: float
) -> tuple[FloatArray, FloatArray]:
    """A shallow hollow: bright on the flank that faces the light, dark on the other."""
    size, u, v = _oval(rng, place, (8, 20), 0.6)
    hollow = np.exp(-((u * u + v * v) ** 1.3))
    slope = np.gradient(hollow, axis=1) * np.cos(light) + np.gradient(hollow, axis=0) * np.sin(light)
    change = (0.10 + 0.55 * contrast) * (slope * size * 0.9 - 0.12 * hollow)
    return np.asarray(change, np.float32)[..., None], np.sqrt(hollow, dtype=np.float32)  # its rim counts


def _stain(
    rng: np.random.Generator, place: Points, contrast: float, light: float
) -> tuple[FloatArray, FloatArray]:
    """Rust, oxide or oil: a ragged patch of another colour with a darker rim."""
    _, u, v = _oval(rng, place, (12, 30), 0.5)
    edge = 1 - np.hypot(u, v) + 0.32 * cloud(rng, SIZE, SIZE, 26, 4, fading=0.6)
    edge *= np.hypot(u, v) < 2.2  # one patch, no islands far off
    cover = np.clip(edge * 4, 0, 1)
    rim = np.exp(-(((edge - 0.15) / 0.12) ** 2)) * (cover > 0)
    colour = np.array([(-0.10, -0.30, -0.50), (-0.35, -0.28, -0.12), (-0.34, -0.36, -0.38)][rng.integers(3)])
    amount = cover * (0.75 + 0.25 * cloud(rng, SIZE, SIZE, 12, 2)) + 0.5 * rim
    change = (0.2 + 0.8 * contrast) * amount[..., None] * colour
    return np.asarray(np.clip(change, -0.9, 0.5), np.float32), np.asarray(edge > 0, np.float32)


def _crack(
    rng: np.random.Generator, place: Points, contrast: float, light: float
) -> tuple[FloatArray, FloatArray]:
    """A dark, jagged line that gets finer towards its ends and may branch."""
    layer = np.zeros((SIZE, SIZE), np.float32)
    heading = rng.uniform(0, 2 * np.pi)
    for turn, branches in ((heading, True), (heading + np.pi + rng.normal(0, 0.4), False)):
        line = _jagged(rng, place, turn, rng.uniform(16, 45))
        layer = np.maximum(layer, _tapering(line))
        if branches and rng.random() < 0.6:
            fork = line[rng.integers(len(line) // 3, len(line))]
            layer = np.maximum(layer, 0.8 * _tapering(_jagged(rng, fork, turn + rng.choice([-0.8, 0.8]), 20)))
    change = np.float32(-(0.2 + 0.55 * contrast)) * layer
    return change[..., None], layer


def _jagged(rng: np.random.Generator, start: Points, heading: float, length: float) -> Points:
    """A line [N, 2] of straight pieces of about four pixels at changing angles."""
    steps = max(3, round(length / 4))
    turns = heading + np.cumsum(rng.normal(0, 0.15, steps)) + rng.normal(0, 0.6, steps)
    pieces = rng.uniform(2, 6, (steps, 1)) * np.stack([np.cos(turns), np.sin(turns)], 1)
    line: Points = np.vstack([start, start + np.cumsum(pieces, 0)])
    return line


def _tapering(line: Points) -> FloatArray:
    """Cover [224, 224] of a line that is two pixels wide where it begins and fades out at its end."""
    middle = len(line) // 3
    thick, fine = stroke(SIZE, SIZE, line[: middle + 1], 2), stroke(SIZE, SIZE, line, 1)
    return np.maximum(thick, np.float32(0.8) * fine)
