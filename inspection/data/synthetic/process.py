"""A flame behind a round sight glass, drawn: a process that runs well, less well, or badly.

What tells the states apart is one hidden number, the severity, from 0 to 1. It moves the flame off its axis,
makes it ragged, throws sparks, opens into side plumes and draws smoke before it; the states are its thirds. So
neighbouring states pass into each other, and the extremes are hardly ever confused. Exposure, soot on the glass
and reflections change from film to film and say nothing about the state.

The camera films in short bursts: the frames of one burst are near copies, and belong into one part of a split.
"""

import csv
import functools
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
    fixed,
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
SIZE = 224  # pixels, height and width
STATES = ("normal", "minor", "severe")  # in the order of severity

_GLASS = 90.0  # radius of the sight glass, pixels
_BEZEL = 107.0  # outer radius of the ring that holds it
_STEEL = np.array([1.0, 0.98, 0.94], np.float32)


class SyntheticProcess:
    """A synthetic set of process photographs, in the folders `normal`, `minor` and `severe`.

    Args:
        folder: where the set lies or shall lie.
        bursts: number of short films; each third one is of the same state.
        frames: images of a burst.
        seed: burst i depends on the seed and i alone, so a set of more bursts holds that of fewer.
    """

    def __init__(self, folder: str, bursts: int = 225, frames: int = 4, seed: int = 0) -> None:
        for name, value, least in (("bursts", bursts, len(STATES)), ("frames", frames, 1), ("seed", seed, 0)):
            if value < least:
                raise InputError(f"data.synthetic.{name}: expected {least} or more, found {value}")
        self.folder = Path(folder)
        self.bursts = bursts
        self.frames = frames
        self.seed = seed

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set unless it is there already.

        Args:
            progress: called with (images drawn, images in all) while the set is drawn.

        Returns:
            The folder with the images `<state>/burst_<number>_<frame>.png` and `truth.csv` (file, burst and
            severity of each).

        Raises:
            InputError: the folder holds something else than a synthetic set.
        """
        parameters = {"bursts": self.bursts, "frames": self.frames, "seed": self.seed}
        return prepare_set(
            self.folder, "process", VERSION, parameters, lambda place: self._draw(place, progress)
        )

    def _draw(self, place: Path, progress: Callable[[int, int], None] | None) -> None:
        for state in STATES:
            (place / state).mkdir()
        done, total = 0, self.bursts * self.frames
        with (place / "truth.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "burst", "severity"])
            for burst in range(self.bursts):
                rng = np.random.default_rng([self.seed, burst])
                severity = (burst % len(STATES) + rng.random()) / len(STATES)
                state = state_of(severity)
                for frame, image in enumerate(draw_burst(rng, severity, self.frames)):
                    name = f"{state}/burst_{burst:03d}_{frame:02d}.png"
                    write_png(place / name, image)
                    rows.writerow([name, burst, f"{severity:.3f}"])
                    done += 1
                    if progress is not None:
                        progress(done, total)


def state_of(severity: float) -> str:
    """The state of a process of this severity, 0..1.

    >>> [state_of(severity) for severity in (0.1, 0.34, 0.99)]
    ['normal', 'minor', 'severe']
    """
    return STATES[min(int(severity * len(STATES)), len(STATES) - 1)]


def draw_burst(rng: np.random.Generator, severity: float, frames: int) -> list[Image]:
    """Draw the frames of one burst, uint8 [224, 224, 3], RGB.

    Glass, light and camera come from random streams of their own: the same generator state gives the same
    scene at any severity, and no other trait of the pictures can tell the states apart.

    Args:
        rng: source of all randomness.
        severity: 0 (calm) to 1 (far out of order).
        frames: number of images.
    """
    scene, fire, sensor = rng.spawn(3)
    mount, glass = _mount(scene), _glass(scene)
    exposure, gain, focus = scene.uniform(0.6, 1.25), scene.gamma(3.0, 1.2), scene.uniform(0.6, 1.1)
    moved = np.array([[1.0, 0.0, scene.normal(0, 2.5)], [0.0, 1.0, scene.normal(0, 2.5)]])
    flame = _Flame(fire, severity)
    images = []
    for _ in range(frames):
        light = glass.seen_through(flame.next_frame())
        stray = float(light.mean())  # the flame lights its own frame
        image = light * _window()[..., None] + mount * (1 - _window()[..., None]) * (0.6 + 2.0 * stray)
        image = np.asarray(
            cv2.warpAffine(image, moved, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT), np.float32
        )
        image += np.float32(0.12) * (_bloom(image) - image)
        image = 1 - np.exp(np.float32(-1.5 * exposure) * image)  # film-like: white comes gradually
        images.append(photograph(blur(image, focus), sensor, gain))
    return images


# -------------------------------------------------------------------------------------------- the flame


class _Flame:
    """What burns: a core of steady shape for all frames of a burst, in air that moves on from frame to frame."""

    def __init__(self, rng: np.random.Generator, severity: float) -> None:
        self.rng = rng
        # Each sign of trouble follows the severity in its own way, a little more or less on every burst.
        drift, rag, plume, smoke, sparks = np.clip(severity + rng.normal(0, 0.07, 5), 0, 1.1)
        turn = rng.uniform(0, 2 * np.pi)
        away = rng.normal(0, 3.0, 2) + 26 * drift**1.2 * np.array([np.cos(turn), np.sin(turn)])
        self.centre = away + np.array([0.0, 6.0])
        self.size = rng.normal((34, 42), 2.5) * (1 + 0.12 * rag)
        self.flicker = 0.03 + 0.16 * rag
        self.ragged = 2.0 + 21.0 * rag**1.4
        cell = rng.uniform(34, 50)
        self.air = [cloud(rng, SIZE, SIZE, cell, 4, fading=0.62) for _ in range(4)]
        self.phase = rng.uniform(0, 2 * np.pi)
        self.plumes = [
            (rng.uniform(0, 2 * np.pi), rng.uniform(30, 58), rng.uniform(11, 19))
            for _ in range(rng.integers(1, 4))
        ]
        self.plume_heat = float(np.clip(1.5 * (plume - 0.42), 0, 0.9))
        self.smoke = float(np.clip(2.6 * (smoke - 0.5), 0, 1.6))
        self.smoke_cloud = cloud(rng, SIZE, SIZE, 70, 4, fading=0.6)
        self.sparks = 0.5 + 3.5 * sparks + 22 * max(0.0, sparks - 0.3) ** 1.5
        self.brightness = rng.uniform(0.95, 1.15)

    def next_frame(self) -> FloatArray:
        """Light [224, 224, 3] of the chamber behind the glass."""
        rng = self.rng
        self.phase += rng.normal(0.30, 0.08)
        now, then = np.float32(np.cos(self.phase)), np.float32(np.sin(self.phase))
        push_x = now * self.air[0] + then * self.air[1]
        push_y = now * self.air[2] + then * self.air[3]
        x, y = grid(SIZE, SIZE)
        centre = self.centre + rng.normal(0, 0.8 + 20 * self.flicker**2, 2)
        u = x - np.float32(centre[0]) + np.float32(self.ragged) * push_x
        v = y - np.float32(centre[1]) + np.float32(self.ragged) * push_y
        heat = _core(u, v, *self.size)
        for turn, reach, width in self.plumes if self.plume_heat else ():
            cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            along, across = cos * u + sin * v, -sin * u + cos * v
            heat = heat + np.float32(self.plume_heat) * _core(
                along - np.float32(reach), across, reach * 0.8, width
            )
        heat *= np.float32(self.brightness * (1 + rng.normal(0, self.flicker)))
        heat *= 1 + np.float32(0.05 + 0.012 * self.ragged) * push_y  # streaks of hotter and cooler gas
        heat = np.clip(heat, 0, 1.6) + np.float32(0.055)  # the glowing walls behind it
        self._throw_sparks(heat, centre)
        veil = np.exp(np.float32(-self.smoke) * np.clip(self.smoke_cloud + 0.5 * push_x, 0, None))
        return _glow(heat * veil)

    def _throw_sparks(self, heat: FloatArray, centre: Points) -> None:
        """Draw this frame's sparks over the heat, in place: short arcs that leave the flame."""
        rng = self.rng
        for _ in range(rng.poisson(self.sparks)):
            turn = rng.uniform(0, 2 * np.pi)
            start = SIZE / 2 + centre + rng.uniform(10, 62) * np.array([np.cos(turn), np.sin(turn)])
            line = wander(rng, start, turn + rng.normal(0, 0.3), rng.gamma(2.0, 4.0) + 2, 0.5)
            spark = blur(stroke(SIZE, SIZE, line, int(rng.integers(1, 3))), 0.7)
            heat += np.float32(rng.uniform(0.25, 1.3)) * spark


def _core(u: NDArray[Any], v: NDArray[Any], width: float, height: float) -> FloatArray:
    """A soft blob of heat, 1 in its middle."""
    squared = (u / np.float32(width)) ** 2 + (v / np.float32(height)) ** 2
    return np.asarray(1.15 * np.exp(-0.9 * squared) + 0.22 * np.exp(-0.25 * squared), np.float32)


def _glow(heat: FloatArray) -> FloatArray:
    """Colour [H, W, 3] of glowing gas: red where it is cool, then orange, yellow and white."""
    return np.stack(
        [np.float32(1.25) * heat, np.float32(0.80) * heat**1.9, np.float32(0.52) * heat**3.2], axis=2
    )


def _bloom(image: FloatArray) -> FloatArray:
    """Light that strays in the lens."""
    small = resize(image, SIZE // 8, SIZE // 8, cv2.INTER_AREA)
    return resize(blur(small, 3.0), SIZE, SIZE)


# ------------------------------------------------------------------------------------ glass and its mount


@functools.cache
def _window() -> FloatArray:
    """Cover 0..1 [224, 224] of the sight glass."""
    x, y = grid(SIZE, SIZE)
    return np.asarray(np.clip(_GLASS + 0.5 - np.hypot(x, y), 0, 1), np.float32)


def _mount(rng: np.random.Generator) -> FloatArray:
    """The painted flange, the bezel of turned steel and its bolts, lit from outside, [224, 224, 3]."""
    x, y = grid(SIZE, SIZE)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    paint = np.array(rng.uniform((0.10, 0.11, 0.12), (0.16, 0.17, 0.20)), np.float32)
    flange = 1 + 0.10 * cloud(rng, SIZE, SIZE, 60, 3) + noise(rng, (SIZE, SIZE), 0.06)
    image = np.asarray(flange[..., None] * paint, np.float32)
    lamp = rng.uniform(-np.pi, 0)  # from above
    turned = 0.15 + 0.16 * np.maximum(np.cos(angle - lamp), 0) ** 3 + 0.05 * np.cos(2 * (angle - lamp))
    turned += 0.02 * np.sin(radius * 3.1) + 0.12 * np.exp(-(((radius - _BEZEL + 2) / 1.2) ** 2)) * np.cos(
        angle - lamp
    )
    ring = np.clip(_BEZEL + 0.5 - radius, 0, 1)[..., None]
    image += ring * (turned[..., None] * _STEEL - image)
    image *= 1 - 0.75 * np.exp(-(((radius - _GLASS - 1) / 2.2) ** 2))[..., None]  # gasket
    for bolt in rng.uniform(0, np.pi / 4) + np.arange(8) * np.pi / 4:
        _paint_bolt(image, 98.8 * np.array([np.cos(bolt), np.sin(bolt)]) + (SIZE - 1) / 2, lamp)
    return np.asarray(np.clip(image, 0.01, 1), np.float32)


def _paint_bolt(image: FloatArray, centre: Points, lamp: float) -> None:
    """Paint a bolt's round head with its socket, in place."""
    left, top = (max(0, round(value) - 10) for value in centre)
    region = image[top : top + 21, left : left + 21]
    height, width = region.shape[:2]
    x = np.arange(left, left + width, dtype=np.float32)[None] - np.float32(centre[0])
    y = np.arange(top, top + height, dtype=np.float32)[:, None] - np.float32(centre[1])
    from_middle = np.hypot(x, y)
    region *= 1 - np.float32(0.5) * np.exp(-(((from_middle - 5.8) / 1.1) ** 2))[..., None]  # its shadow
    head = np.clip(5.4 - from_middle, 0, 1)[..., None]
    shade = 0.34 + 0.03 * (x * np.cos(lamp) + y * np.sin(lamp)) - 0.26 * np.clip(3.2 - from_middle, 0, 1)
    region += head * (shade[..., None] * _STEEL - region)


@dataclass(frozen=True)
class _Glass:
    """What lies on the sight glass: how much it lets through and what it adds, both [224, 224, 3]."""

    passes: FloatArray
    adds: FloatArray

    def seen_through(self, light: FloatArray) -> FloatArray:
        return light * self.passes + self.adds


def _glass(rng: np.random.Generator) -> _Glass:
    """Soot, specks, a wiped streak and the reflection of a lamp, as one burst has them."""
    x, y = grid(SIZE, SIZE)
    radius = np.hypot(x, y)
    rim = np.clip((radius - rng.uniform(45, 75)) / 40, 0, 1)
    soot = (
        rng.uniform(0.1, 0.9) * rim * np.clip(0.7 + 0.6 * cloud(rng, SIZE, SIZE, 45, 4, fading=0.6), 0, None)
    )
    soot += rng.uniform(0, 0.25) * np.clip(cloud(rng, SIZE, SIZE, 80, 4, fading=0.6), 0, None)
    specks = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(rng.poisson(14)):
        spot, size = rng.uniform(20, SIZE - 20, 2), rng.gamma(2.0, 0.6) + 0.5
        cv2.circle(specks, fixed(spot).tolist(), round(size * 8), rng.uniform(40, 220), -1, cv2.LINE_AA, 3)
    soot += blur(specks, 0.9) * np.float32(rng.uniform(0.3, 1.0) / 255)
    if rng.random() < 0.4:  # someone has wiped it
        line = wander(rng, rng.uniform(40, 180, 2), rng.uniform(0, 6.3), 130, 0.6)
        soot *= 1 - 0.7 * blur(stroke(SIZE, SIZE, line, 22), 4)
    brown = np.array([0.85, 1.0, 1.15], np.float32)  # soot takes blue first
    passes = np.exp(-soot[..., None] * brown) * np.float32(rng.uniform(0.85, 1))
    adds = np.zeros((SIZE, SIZE), np.float32)
    if rng.random() < 0.7:  # a lamp behind the camera
        place, turn = rng.uniform(-55, 55, 2), rng.uniform(0, np.pi)
        u = (x - place[0]) * np.cos(turn) + (y - place[1]) * np.sin(turn)
        v = -(x - place[0]) * np.sin(turn) + (y - place[1]) * np.cos(turn)
        long, wide = rng.uniform(12, 34), rng.uniform(2.5, 7)
        adds += np.float32(rng.uniform(0.03, 0.16)) * np.exp(-((u / long) ** 4) - (v / wide) ** 4).astype(
            np.float32
        )
    adds += np.float32(rng.uniform(0, 0.025)) * (1 + 0.4 * x / SIZE)  # daylight over the whole glass
    cool = np.array([0.85, 0.95, 1.0], np.float32)
    return _Glass(np.asarray(passes, np.float32), np.asarray(adds[..., None] * cool, np.float32))
