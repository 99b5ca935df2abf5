"""Coils with two metal pins before a bright screen, drawn: good ones, and scrap with a bent pin.

Lengths are camera pixels, x to the right and y downwards, and grey values run from 0 to 1 until the last
step. The coil is drawn in its own frame, where it stands upright; its pose then moves it by a few pixels.
"""

import csv
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.data.synthetic.paint import FloatArray, Image, Points, blur, fixed, noise, resize
from inspection.data.synthetic.sets import in_share, prepare_set
from inspection.errors import InputError

VERSION = 2  # raised whenever the pictures change, so that sets on disk are drawn anew
WIDTH, HEIGHT = 800, 520
SCRAP, GOOD = "01_train_val_test/0_nio", "01_train_val_test/1_io"  # folders of the real set

_PIN_X = (305.0, 495.0)
_FOOT_Y = 358.0  # where the pins leave the terminal block
_PIN_LENGTH = 232.0
_BODY_TOP, _BODY_BOTTOM = 310, HEIGHT  # rows that the coil body reaches into
_CAMERA_DISTANCE = 1000.0
_PIVOT = (400.0, 420.0)  # about which the coil is tilted
_OPTICAL_CENTRE = (400.0, 260.0)


@dataclass(frozen=True)
class Bend:
    """How one pin is bent.

    Attributes:
        angle: between the pin's foot and its tip in space, degrees, never negative.
        azimuth: where the tip leans, degrees: 0 right, 90 towards the camera, 180 left, 270 away from it.
        position: where the bend lies along the pin, 0 (foot) to 1 (tip).
    """

    angle: float
    azimuth: float
    position: float


@dataclass(frozen=True)
class Pin:
    """One pin as it appears in the image.

    Attributes:
        bend: the bend it was drawn with.
        polyline: centre line from foot to tip, float [N, 2], pixels (x, y).
        box: left, top, right, bottom of the visible pin, pixels.
    """

    bend: Bend
    polyline: Points
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class CoilPicture:
    """A drawn camera image, uint8 [520, 800], and the truth about its left and right pin."""

    image: Image
    pins: tuple[Pin, Pin]


class SyntheticCoils:
    """A synthetic set of coil images in the folders of the real set.

    Args:
        folder: where the set lies or shall lie.
        count: number of images.
        defect_share: share of coils with a bent pin, 0 to 1; their number is exact but for rounding.
        seed: image i depends on the seed, on i and on its class alone, so a larger set holds the smaller one.
    """

    def __init__(self, folder: str, count: int = 626, defect_share: float = 0.2, seed: int = 0) -> None:
        if count < 1:
            raise InputError(f"data.synthetic.count: expected at least 1 image, found {count}")
        if not 0 <= defect_share <= 1:
            raise InputError(f"data.synthetic.defect_share: expected 0 to 1, found {defect_share}")
        if seed < 0:
            raise InputError(f"data.synthetic.seed: expected 0 or more, found {seed}")
        self.folder = Path(folder)
        self.count = count
        self.defect_share = defect_share
        self.seed = seed

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set unless it is there already.

        Args:
            progress: called with (images drawn, images in all) while the set is drawn.

        Returns:
            The folder with the images and `truth.csv` (one row a pin: bend, and box in pixels).

        Raises:
            InputError: the folder holds something else than a synthetic set.
        """
        parameters = {"count": self.count, "defect_share": self.defect_share, "seed": self.seed}
        return prepare_set(
            self.folder, "coil", VERSION, parameters, lambda place: self._draw(place, progress)
        )

    def _draw(self, place: Path, progress: Callable[[int, int], None] | None) -> None:
        for folder in (SCRAP, GOOD):
            (place / folder).mkdir(parents=True)
        _body()  # drawn once here, not at the same time in every thread
        with (
            (place / "truth.csv").open("w", newline="") as file,
            ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        ):
            rows = csv.writer(file)
            rows.writerow(["file", "pin", "angle", "azimuth", "position", "left", "top", "right", "bottom"])
            jobs = [pool.submit(self._draw_one, place, index) for index in range(self.count)]
            try:
                for done, job in enumerate(jobs, start=1):
                    rows.writerows(job.result())
                    if progress is not None:
                        progress(done, self.count)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _draw_one(self, place: Path, index: int) -> list[list[str]]:
        bent = in_share(index, self.defect_share)
        name = f"{SCRAP if bent else GOOD}/coil_{index:05d}.png"
        picture = draw_coil(np.random.default_rng([self.seed, index]), bent)
        # Encoded in memory: cv2.imwrite fails silently, and on Windows for letters outside the code page.
        encoded = cv2.imencode(".png", picture.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
        (place / name).write_bytes(encoded.tobytes())
        return [
            [name, side, *(f"{value:.2f}" for value in (bend.angle, bend.azimuth, bend.position, *pin.box))]
            for side, pin in zip(("left", "right"), picture.pins, strict=True)
            for bend in [pin.bend]
        ]


def draw_coil(rng: np.random.Generator, bent: bool) -> CoilPicture:
    """Draw one coil.

    Everything but the bends comes from random streams of their own: the same generator state gives the same
    scene with straight and with bent pins, and no other trait of the picture can tell the classes apart.

    Args:
        rng: source of all randomness.
        bent: scrap, with at least one bent pin; else both pins keep to the tolerance.
    """
    scene, bends, sensor = rng.spawn(3)
    pose = _pose(scene)
    image = _screen(scene)
    pins = []
    for x, bend in zip(_PIN_X, draw_bends(bends, bent), strict=True):
        shape = _shape_pin(scene, x, bend, pose)
        _paint_pin(image, scene, shape)
        pins.append(shape.truth(bend))
    _paint_body(image, scene, pose)
    return CoilPicture(_photograph(image, scene, sensor), (pins[0], pins[1]))


def draw_bends(rng: np.random.Generator, bent: bool) -> tuple[Bend, Bend]:
    """Draw the bends of the left and the right pin.

    Straight pins lean by |N(0, 1.1)| degrees, at most 4; bent ones by 3 to 25, few of them near 3. The ranges
    overlap as tolerances do, and one bent coil in twenty is bent along the line of sight.
    """
    tolerances = np.minimum(np.abs(rng.normal(0, 1.1, 2)), 4)
    azimuths = np.where(rng.random(2) < 0.5, 0.0, 180.0) + rng.normal(0, 12, 2)
    positions = rng.choice([0.2, 0.45, 0.7], 2, p=[0.55, 0.35, 0.1]) + rng.normal(0, 0.04, 2)
    positions = np.clip(positions, 0.17, 0.8)  # above the wire round the foot, below the tip
    if bent:
        angles = 3 + 22 * rng.beta(1.7, 2.0, 2)
        if rng.random() < 0.05:  # seen as a shorter pin, so only a strong bend shows at all
            azimuths = np.where(rng.random(2) < 0.5, 90.0, 270.0) + rng.normal(0, 15, 2)
            angles = rng.uniform(16, 25, 2)
        hit = rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2])  # left, right, both
        tolerances = np.where([hit != 1, hit != 0], angles, tolerances)
    left, right = (
        Bend(float(angle), float(azimuth % 360), float(position))
        for angle, azimuth, position in zip(tolerances, azimuths, positions, strict=True)
    )
    return left, right


# --------------------------------------------------------------------------------------------- geometry


def _pose(rng: np.random.Generator) -> Points:
    """Affine map [2, 3] from the coil's frame to the image: up to 3 pixels and 0.5 degrees.

    No more, since a network without augmentation (LeNet as published) does not train on a wide jitter.
    """
    matrix: Points = np.asarray(cv2.getRotationMatrix2D(_PIVOT, rng.uniform(-0.5, 0.5), 1.0), np.float64)
    matrix[:, 2] += rng.uniform(-3, 3, 2)
    return matrix


@dataclass(frozen=True)
class _PinShape:
    """Centre line in the image, and what is needed to paint along it: one value a sample, foot to tip."""

    centre: Points  # [N, 2], runs a little past the tip
    along: Points  # [N], distance from the foot in the image
    half_width: Points  # [N]
    length: float  # in the image, foot to tip

    def truth(self, bend: Bend) -> Pin:
        inside = self.along <= self.length
        line, half_width = self.centre[inside], self.half_width[inside, None]
        low, high = (line - half_width).min(0), (line + half_width).max(0)
        # Across the pin half its width counts, along it nothing does.
        box = (low[0], line[:, 1].min(), high[0], line[:, 1].max())
        return Pin(bend, line, (float(box[0]), float(box[1]), float(box[2]), float(box[3])))


def _shape_pin(rng: np.random.Generator, x: float, bend: Bend, pose: Points) -> _PinShape:
    length = _PIN_LENGTH + rng.normal(0, 1.2)
    half_width = 10.4 + rng.normal(0, 0.15)
    x = x + rng.normal(0, 0.6)
    s = np.arange(0.0, length + 16, 1.0)
    radius = 9.0  # half the length of the arc
    turn = np.clip((s - bend.position * length + radius) / (2 * radius), 0, 1)
    angle, azimuth = np.radians(bend.angle) * turn * turn * (3 - 2 * turn), np.radians(bend.azimuth)
    steps = np.stack([np.sin(angle) * np.cos(azimuth), -np.cos(angle), np.sin(angle) * np.sin(azimuth)], 1)
    space = np.array([x, _FOOT_Y, 0]) + np.vstack([np.zeros(3), np.cumsum(steps[:-1], 0)])
    # A pinhole camera: what leans towards it appears larger and further from the centre.
    scale = _CAMERA_DISTANCE / (_CAMERA_DISTANCE - space[:, 2])
    seen = (space[:, :2] - _OPTICAL_CENTRE) * scale[:, None] + _OPTICAL_CENTRE
    centre = seen @ pose[:, :2].T + pose[:, 2]
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(centre, axis=0), axis=1))])
    return _PinShape(centre, along, half_width * scale, float(np.interp(length, s, along)))


# --------------------------------------------------------------------------------------------- painting


def _grid() -> tuple[FloatArray, FloatArray]:
    """Coordinates x [1, W] and y [H, 1] from -1 to 1."""
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None]
    y = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    return x, y


def _screen(rng: np.random.Generator) -> FloatArray:
    """The bright screen, unevenly lit and not quite clean, [H, W]."""
    x, y = _grid()
    direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.035)
    image = np.float32(strength * np.cos(direction)) * x + np.float32(strength * np.sin(direction)) * y
    image += 0.79
    image += resize(noise(rng, (6, 8), 0.006), WIDTH, HEIGHT, cv2.INTER_CUBIC)

    dirt = _layer()
    for _ in range(rng.poisson(9)):  # dust
        grain = _ellipse(rng, *(rng.gamma(2.0, (0.7, 0.5)) + 0.75))
        cv2.fillPoly(dirt, [fixed(grain)], rng.uniform(15, 90), cv2.LINE_AA, 3)
    for _ in range(rng.poisson(0.7)):  # fibres
        fibre = _thread(rng, rng.uniform(2, 5), np.cumsum(rng.normal(0, 0.22, 14)))
        cv2.polylines(dirt, [fixed(fibre)], False, rng.uniform(25, 70), 1, cv2.LINE_AA, 3)
    image -= blur(dirt, rng.uniform(0.8, 1.3)) / 255  # soft, as the screen lies behind the plane of focus
    for _ in range(rng.poisson(0.8)):  # dried drops: faint, with a darker rim
        size, depth, drop = rng.uniform(10, 30), rng.uniform(1, 4), _layer()
        outline = fixed(_ellipse(rng, size, size * rng.uniform(0.7, 1)))
        cv2.fillPoly(drop, [outline], depth, cv2.LINE_AA, 3)
        cv2.polylines(drop, [outline], True, 8 * depth, 1, cv2.LINE_AA, 3)
        image -= blur(drop, rng.uniform(1.2, 2.2)) / 255
    for _ in range(rng.poisson(0.7)):  # scratches scatter light
        scratch = _layer()
        line = _thread(rng, rng.uniform(2, 9), np.linspace(0, rng.normal(0, 0.25), 12))
        cv2.polylines(scratch, [fixed(line)], False, 255, 1, cv2.LINE_AA, 3)
        image += blur(scratch, 0.9) * np.float32(rng.uniform(0.04, 0.16) / 255)
    return image


def _layer() -> Image:
    """An empty layer of 8 bits, the only depth in which cv2 smooths edges."""
    return np.zeros((HEIGHT, WIDTH), np.uint8)


def _ellipse(rng: np.random.Generator, a: float, b: float) -> Points:
    """Outline of an ellipse with half-axes a and b, anywhere in the image and turned at random."""
    turned, around = rng.uniform(0, np.pi), np.linspace(0, 2 * np.pi, 40, endpoint=False)
    along, across = a * np.cos(around), b * np.sin(around)
    x = along * np.cos(turned) - across * np.sin(turned)
    y = along * np.sin(turned) + across * np.cos(turned)
    return rng.uniform((0, 0), (WIDTH, HEIGHT)) + np.stack([x, y], 1)


def _thread(rng: np.random.Generator, step: float, turns: Points) -> Points:
    """A line from anywhere in the image, its heading at random but for the turns [N], radians."""
    heading = rng.uniform(0, 2 * np.pi) + turns
    return rng.uniform((0, 0), (WIDTH, HEIGHT)) + np.cumsum(
        step * np.stack([np.cos(heading), np.sin(heading)], 1), 0
    )


def _paint_pin(image: FloatArray, rng: np.random.Generator, shape: _PinShape) -> None:
    """Paint a pin over the image, in place: a bright line on dark metal, bright rims, a tinned tip."""
    highlight, sheen, ramp = rng.uniform(-0.38, -0.12), rng.uniform(0.42, 0.62), rng.normal(0, 0.03)
    tinned = rng.uniform(48, 70)
    marks = blur(noise(rng, (1, 64)), 1.2)[0]  # drawing marks, the same all along
    patches = blur(noise(rng, (320, 12)), 2.5, 6)
    lumps = blur(noise(rng, (320, 24)), 1.5)

    margin = shape.half_width.max() + 3
    left, top = np.floor(shape.centre.min(0) - margin).astype(int)
    right, bottom = np.ceil(shape.centre.max(0) + margin).astype(int)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, WIDTH), min(bottom, HEIGHT)
    rows = np.arange(top, bottom, dtype=np.float64)
    # The pin never turns back, so its centre, direction and width are functions of the row.
    y = shape.centre[::-1, 1]
    tangent = np.gradient(shape.centre, axis=0)
    lean = np.arctan2(tangent[:, 0], -tangent[:, 1])
    centre, lean, along, half_width = (
        np.interp(rows, y, values[::-1])[:, None].astype(np.float32)
        for values in (shape.centre[:, 0], lean, shape.along, shape.half_width)
    )
    offset = np.arange(left, right, dtype=np.float32)[None] - centre
    across, along = offset * np.cos(lean), along + offset * np.sin(lean)

    from_tip = np.float32(shape.length) - along
    half_width = half_width * np.clip(0.5 + from_tip / 14, 0.3, 1)  # chamfered
    cover = np.clip(half_width - np.abs(across) + 0.5, 0, 1) * np.clip(from_tip + 0.5, 0, 1)

    t = np.clip(across / half_width, -1, 1)
    v = np.clip(along, 0, 319)
    mark = np.interp(t, np.linspace(-1, 1, 64), marks).astype(np.float32)
    patch = cv2.remap(patches, (t + 1) * 5.5, v, cv2.INTER_LINEAR)
    lump = cv2.remap(lumps, (t + 1) * 11.5, v, cv2.INTER_LINEAR)
    tin = np.clip((tinned - from_tip + 6 * patch) / 16, 0, 1)

    wander = highlight + 0.08 * patch
    metal = 0.19 + ramp * t + 0.02 * mark + 0.06 * patch
    metal += sheen * np.exp(-(((t - wander) / 0.15) ** 2)) + 0.14 * np.exp(-(((t - 0.52) / 0.2) ** 2))
    metal -= 0.05 * np.exp(-(((np.abs(t) - 0.86) / 0.12) ** 2))
    solder = 0.38 + 0.30 * np.exp(-(((t - wander) / 0.38) ** 2)) + 0.12 * lump
    solder += 0.10 * np.clip(1 - from_tip / 9, 0, 1)
    metal += tin * (solder - metal)
    metal += 0.22 * np.abs(t) ** 10  # the screen, seen at a grazing angle
    region = image[top:bottom, left:right]
    region += cover * (metal - region)


@functools.cache
def _body() -> tuple[FloatArray, FloatArray, FloatArray]:
    """The moulded parts, the same in every coil: premultiplied grey value, cover, and cover of the winding.

    Drawn at three times the size and reduced: rows _BODY_TOP to _BODY_BOTTOM.
    """
    times, rows = 3, _BODY_BOTTOM - _BODY_TOP
    y, x = np.mgrid[0 : rows * times, 0 : WIDTH * times].astype(np.float32)
    x, y = (x + 0.5) / times - 0.5, (y + 0.5) / times - 0.5 + _BODY_TOP
    value, cover, winding = (np.zeros_like(x) for _ in range(3))

    def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> FloatArray:
        """Distance to the edge of a rounded rectangle, negative inside."""
        dx = np.abs(x - (left + right) / 2) - (right - left) / 2 + radius
        dy = np.abs(y - (top + bottom) / 2) - (bottom - top) / 2 + radius
        return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - radius

    def place(inside: NDArray[np.bool_], shade: FloatArray | float) -> None:
        value[inside] = shade[inside] if isinstance(shade, np.ndarray) else shade
        cover[inside] = 1
        winding[inside] = 0

    def mould(grey: float, left: float, top: float, right: float, bottom: float, *, radius: float) -> None:
        """A block with a bevel that catches the light above and loses it below."""
        distance = rounded(left, top, right, bottom, radius)
        bevel = np.clip(1 + distance / 4.0, 0, 1)
        up = np.clip((top + 5 - y) / 5, 0, 1)
        shade = grey * (1.2 - 0.5 * (y - top) / (bottom - top)) + bevel * (0.26 * up - 0.06 * (1 - up))
        place(distance < 0, shade.astype(np.float32))

    round_shade = np.sqrt(np.clip(1 - ((x - 400) / 262) ** 2, 0, 1))
    barrel = rounded(152, 425, 648, 512, 3) < 0
    place(barrel, 0.05 + 0.25 * round_shade)
    winding[barrel] = 1
    mould(0.15, 118, 496, 682, 545, radius=5)
    mould(0.19, 126, 396, 674, 434, radius=6)
    # Parting line and ejector marks of the mould.
    value[np.abs(y - 417) < 0.6] *= 0.72
    value[np.abs(y - 418.3) < 0.6] *= 1.25
    # Lettering, raised: it catches light on its upper left and throws shade on its lower right.
    letters = np.zeros(x.shape, np.uint8)
    for text, left in (("K 207", 290), ("PA66-GF30", 440)):
        place_at = (left * times, (430 - _BODY_TOP) * times)
        cv2.putText(letters, text, place_at, cv2.FONT_HERSHEY_SIMPLEX, 0.36 * times, 255, times, cv2.LINE_AA)
    raised = letters.astype(np.float32) / 255
    value += 0.16 * (raised - np.roll(raised, (2, 2), (0, 1)))
    for centre in (190.0, 400.0, 610.0):
        ring = np.abs(np.hypot(x - centre, y - 417) - 6.5)
        value[ring < 0.8] *= 0.7
    for centre in _PIN_X:
        mould(0.20, centre - 46, 362, centre + 46, 404, radius=5)
        mould(0.23, centre - 22, 350, centre + 22, 366, radius=3)
        value[rounded(centre - 30, 374, centre + 30, 396, 3) < 0] *= 0.78  # recess
        edge = np.abs(rounded(centre - 30, 374, centre + 30, 396, 3)) < 0.7
        value[edge & (y > 380)] += 0.07
    mould(0.18, 352, 380, 448, 402, radius=4)  # key between the terminals
    return (
        resize(value, WIDTH, rows, cv2.INTER_AREA),
        resize(cover, WIDTH, rows, cv2.INTER_AREA),
        resize(winding, WIDTH, rows, cv2.INTER_AREA),
    )


def _paint_body(image: FloatArray, rng: np.random.Generator, pose: Points) -> None:
    """Paint housing, winding and the wires to the pins over the image, in place."""
    value, cover, winding = (part.copy() for part in _body())
    rows = _BODY_BOTTOM - _BODY_TOP
    y = np.arange(rows, dtype=np.float32)[:, None]
    x = np.arange(WIDTH, dtype=np.float32)[None]

    # Winding: a highlight in the middle of the barrel and a bright line on every turn.
    pitch, phase = rng.uniform(5.2, 5.8), rng.uniform(0, 1)
    turns = (y[112:] / pitch) + phase + 0.01 * np.sin(x / 90 + rng.uniform(0, 6))
    number = np.floor(turns).astype(int)
    inside = turns - number - 0.5
    shine = rng.uniform(345, 385)
    tone = rng.normal(1, 0.10, 64)[number % 64].astype(np.float32)
    shift = rng.normal(0, 9, 64)[number % 64].astype(np.float32)
    dome = np.sqrt(np.clip(1 - (inside / 0.52) ** 2, 0, 1))
    gloss = np.exp(-((inside + 0.18) ** 2) / 0.012)
    beam = np.exp(-(((x - shine - shift) / 95) ** 2)) + 0.4 * np.exp(-(((x - shine - 165 - shift) / 32) ** 2))
    shade = np.sqrt(np.clip(1 - ((x - 400) / 262) ** 2, 0, 1))
    wire = shade * tone * (0.04 + 0.26 * dome) + gloss * beam * 0.75 * tone
    value[112:] += winding[112:] * (wire - value[112:])
    value += cover * resize(noise(rng, (rows, WIDTH // 2), 0.006), WIDTH, rows)  # grain of the plastic

    for x_pin, side in zip(_PIN_X, (-1, 1), strict=True):
        window = (slice(0, 150), slice(int(x_pin) - 165, int(x_pin) + 165))
        _paint_lead(value[window], cover[window], rng, side)
    for part in (value, cover):
        shifted = pose.copy()  # the same pose, for an array that begins at row _BODY_TOP
        shifted[:, 2] += pose[:, 1] * _BODY_TOP - [0, _BODY_TOP]
        part[:] = cv2.warpAffine(
            part, shifted, (WIDTH, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    region = image[_BODY_TOP:_BODY_BOTTOM]
    region *= 1 - cover
    region += value


def _paint_lead(value: FloatArray, cover: FloatArray, rng: np.random.Generator, side: int) -> None:
    """Paint the wire that comes up from the winding and is wound round the foot of a pin, in place.

    The layers [150, 330] are windows that begin at row _BODY_TOP and have the pin in their middle; `side` is
    -1 where the wire comes from the left.
    """
    x = np.arange(-165, 165, dtype=np.float32)[None]
    y = np.arange(_BODY_TOP, _BODY_TOP + 150, dtype=np.float32)[:, None]

    start, end, (reach, rise) = (112, 449), (12, 349), rng.normal((70, 68), 3.0)
    t = np.linspace(0, 1, 24)[:, None]
    curve = (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * (reach, 449)  # Bézier
    curve += 3 * (1 - t) * t**2 * (rise, 356) + t**3 * end
    curve = np.vstack([(150, 449.5), curve])  # from the end of the barrel, among the other turns
    line = curve * (side, 1) + (165, -_BODY_TOP)
    for grey, width, lift in ((0.12, 4, 0.0), (0.30, 3, 0.0), (0.62, 1, 0.75)):
        stroke = np.zeros(value.shape, np.uint8)
        cv2.polylines(stroke, [fixed(line - lift)], False, 255, width, cv2.LINE_AA, 3)
        _over(value, cover, stroke.astype(np.float32) / 255, grey)

    turns, pitch = rng.integers(4, 6), rng.uniform(4.6, 5.1)
    up = (352 - y + 0.16 * side * x) / pitch  # in turns
    inside = up - np.floor(up) - 0.5
    half_width = 12.2 + 1.6 * np.sqrt(1 - (inside / 0.5) ** 2) + rng.normal(0, 0.2)
    mask = np.clip(half_width - np.abs(x) + 0.5, 0, 1)
    mask *= np.clip(up * pitch, 0, 1) * np.clip((turns - up) * pitch, 0, 1)
    around = np.sqrt(np.clip(1 - (x / 14.5) ** 2, 0, 1))
    shade = 0.06 + 0.24 * around * np.sqrt(1 - (inside / 0.52) ** 2)
    shade += 0.45 * np.exp(-((inside - 0.15) ** 2) / 0.014 - ((x + 3) / 4) ** 2)
    _over(value, cover, mask, shade)


def _over(value: FloatArray, cover: FloatArray, mask: NDArray[Any], grey: NDArray[Any] | float) -> None:
    """Lay a grey value over a premultiplied layer, in place, where the mask says so; all [h, w]."""
    value += mask * (grey - value)
    cover += mask * (1 - cover)


def _photograph(image: FloatArray, rng: np.random.Generator, sensor: np.random.Generator) -> Image:
    """What the camera makes of the light: focus, stray light, vignetting, exposure, noise and 8 bits."""
    image = blur(image, rng.uniform(0.55, 1.0))
    # The bright screen strays in the lens and lifts the dark edges beside it.
    small = resize(image, WIDTH // 8, HEIGHT // 8, cv2.INTER_AREA)
    stray = resize(0.6 * blur(small, 1.5) + 0.4 * blur(small, 9), WIDTH, HEIGHT)
    image += np.float32(rng.uniform(0.05, 0.09)) * (stray - image)
    x, y = _grid()
    off_x, off_y = rng.normal(0, 0.08, 2).astype(np.float32)
    radius = (x - off_x) ** 2 + np.float32(0.42) * (y - off_y) ** 2
    image *= np.float32(rng.uniform(0.97, 1.03)) * (1 - np.float32(rng.uniform(0.05, 0.10)) * radius)
    # Shot noise grows with the light, read noise is always there; both in grey levels of 8 bits.
    variance = np.clip(image, 0, 1) * np.float32(rng.uniform(0.9, 1.6)) + np.float32(0.5)
    image *= 255
    image += np.sqrt(variance) * noise(sensor, (HEIGHT, WIDTH))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
