"""Motors, valves, gauges and pumps, each drawn by itself on a transparent ground."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from inspection.data.synthetic.paint import FloatArray, Points, blur, fixed

SIDE = 256  # pixels, height and width of the ground
PAINTS = ((0.16, 0.30, 0.52), (0.20, 0.42, 0.32), (0.45, 0.47, 0.48), (0.62, 0.28, 0.14), (0.72, 0.62, 0.30))
"""RGB of machine paints, which any of the machines may have: colour alone tells none of them."""
STEEL, IRON, BRASS = (0.62, 0.63, 0.64), (0.20, 0.20, 0.21), (0.70, 0.56, 0.28)

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Sprite:
    """A drawn thing: colour [256, 256, 3] and cover 0..1 [256, 256]."""

    colour: FloatArray
    cover: FloatArray

    @classmethod
    def empty(cls) -> "Sprite":
        """Nothing yet."""
        return cls(np.zeros((SIDE, SIDE, 3), np.float32), np.zeros((SIDE, SIDE), np.float32))

    def add(self, mask: FloatArray, colour: Colour, shade: FloatArray | float = 1.0) -> None:
        """Paint a part over what is there: its cover, its colour, and how light falls on it."""
        over = mask[..., None]
        shades = np.broadcast_to(np.asarray(shade, np.float32), mask.shape)[..., None]
        self.colour[...] += over * (np.asarray(colour, np.float32) * shades - self.colour)
        self.cover[...] += mask * (1 - self.cover)


def _mesh() -> tuple[FloatArray, FloatArray]:
    pixels = np.arange(SIDE, dtype=np.float32)
    return pixels[None], pixels[:, None]


def polygon(points: list[tuple[float, float]]) -> FloatArray:
    """Cover of a polygon."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [fixed(np.asarray(points, np.float64))], 255, cv2.LINE_AA, 3)
    return mask.astype(np.float32) / np.float32(255)


def box(left: float, top: float, right: float, bottom: float, corner: float = 0) -> FloatArray:
    """Cover of a rectangle, with rounded corners."""
    x, y = _mesh()
    over_x = np.abs(x - np.float32((left + right) / 2)) - np.float32((right - left) / 2 - corner)
    over_y = np.abs(y - np.float32((top + bottom) / 2)) - np.float32((bottom - top) / 2 - corner)
    outside = np.hypot(np.maximum(over_x, 0), np.maximum(over_y, 0))
    distance = outside + np.minimum(np.maximum(over_x, over_y), 0) - np.float32(corner)
    return np.asarray(np.clip(0.5 - distance, 0, 1), np.float32)


def ellipse(x: float, y: float, wide: float, high: float) -> FloatArray:
    """Cover of an upright ellipse with these half axes."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre, axes = (fixed(np.array(pair)).tolist() for pair in ((x, y), (wide, high)))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA, 3)
    return mask.astype(np.float32) / np.float32(255)


def line(points: Points, thickness: int) -> FloatArray:
    """Cover of a line through points [N, 2]."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(mask, [fixed(points)], False, 255, thickness, cv2.LINE_AA, 3)
    return mask.astype(np.float32) / np.float32(255)


def round_bar(start: float, end: float, across: str, gloss: float = 0.5) -> FloatArray:
    """How light falls on a bar that is round between two rows (`across="y"`) or columns (`across="x"`)."""
    x, y = _mesh()
    place = (y if across == "y" else x) - np.float32((start + end) / 2)
    slope = np.clip(place / np.float32((end - start) / 2), -1, 1)
    light = 0.30 + 0.75 * np.sqrt(np.maximum(0, 1 - slope * slope)) * (1 - 0.35 * slope)
    light = light + gloss * np.exp(-(((slope + 0.42) / 0.16) ** 2))
    return np.asarray(np.broadcast_to(light, (SIDE, SIDE)), np.float32)


def _disc_light(x0: float, y0: float, radius: float) -> FloatArray:
    """How light from the upper left falls on a slightly domed disc."""
    x, y = _mesh()
    return np.asarray(1.0 - 0.28 * ((x - x0) + 1.3 * (y - y0)) / np.float32(radius), np.float32)


def _bolts(sprite: Sprite, x: float, y: float, radius: float, number: int, turn: float, size: float) -> None:
    for angle in turn + np.arange(number) * 2 * np.pi / number:
        bolt_x, bolt_y = x + radius * np.cos(angle), y + radius * np.sin(angle)
        sprite.add(ellipse(bolt_x + 1, bolt_y + 1.4, size + 0.8, size + 0.8), (0.05, 0.05, 0.05))
        sprite.add(ellipse(bolt_x, bolt_y, size, size), STEEL, 0.9)


def _paint(rng: np.random.Generator) -> Colour:
    red, green, blue = np.asarray(PAINTS[rng.integers(len(PAINTS))]) * rng.uniform(0.8, 1.2) + rng.normal(
        0, 0.02, 3
    )
    return float(red), float(green), float(blue)


def motor(rng: np.random.Generator) -> Sprite:
    """An electric motor from its side: a finned body, fan cover, shaft, terminal box and feet."""
    sprite, paint = Sprite.empty(), _paint(rng)
    top, bottom = 80 - rng.uniform(0, 12), 196.0
    left, right = 62.0, 196 + rng.uniform(-14, 8)
    middle = (top + bottom) / 2
    shaft = rng.uniform(8, 12)
    sprite.add(
        box(right, middle - shaft, 250, middle + shaft), STEEL, round_bar(middle - shaft, middle + shaft, "y")
    )
    for foot in (left + 26, right - 26):
        sprite.add(
            polygon([(foot - 18, 214), (foot - 12, bottom - 16), (foot + 12, bottom - 16), (foot + 18, 214)]),
            paint,
            0.55,
        )
    body = round_bar(top, bottom, "y", 0.25)
    fins = np.float32(1) - np.float32(0.38) * (
        np.sin(_mesh()[1] * np.float32(2 * np.pi / rng.uniform(8, 13))) > 0.1
    )
    sprite.add(box(left, top, right, bottom, 4), paint, body * fins)
    cover = round_bar(top - 5, bottom + 5, "y", 0.15)
    sprite.add(box(12, top - 4, left, bottom + 4, 12), paint, cover * np.float32(0.8))
    for slot in range(4):
        sprite.add(box(18 + 10 * slot, middle - 30, 22 + 10 * slot, middle + 30, 2), IRON, 0.5)
    sprite.add(box(right - 2, top + 4, right + 14, bottom - 4, 4), paint, body * np.float32(0.9))
    terminal = rng.uniform(left + 28, right - 62)
    sprite.add(box(terminal, top - 34, terminal + 54, top + 10, 5), paint, 0.95)
    sprite.add(box(terminal + 5, top - 29, terminal + 49, top + 2, 3), paint, 1.15)
    plate = rng.uniform(left + 12, right - 50)
    sprite.add(box(plate, middle + 8, plate + 34, middle + 28), STEEL, 1.1)  # type plate
    return sprite


def valve(rng: np.random.Generator) -> Sprite:
    """A gate valve: a body between two flanges, a bonnet with its stem, and a hand wheel seen from the side."""
    sprite, paint = Sprite.empty(), _paint(rng)
    middle, bore = 194.0, rng.uniform(22, 28)
    sprite.add(
        box(26, middle - bore, 230, middle + bore), paint, round_bar(middle - bore, middle + bore, "y", 0.3)
    )
    wide = rng.uniform(36, 46)
    sprite.add(ellipse(128, middle, wide, bore + 14), paint, _disc_light(128, middle, 2 * bore))
    for start in (24.0, 212.0):
        sprite.add(
            box(start, middle - bore - 16, start + 20, middle + bore + 16, 3),
            paint,
            round_bar(middle - 44, middle + 44, "y", 0.2),
        )
        for row in (middle - bore - 8, middle + bore + 2):
            sprite.add(box(start - 5, row, start + 25, row + 8, 2), STEEL, 0.8)
    neck = rng.uniform(100, 112)
    sprite.add(
        polygon([(104, middle - bore), (112, neck), (144, neck), (152, middle - bore)]),
        paint,
        round_bar(100, 156, "x", 0.2),
    )
    sprite.add(box(98, neck - 6, 158, neck + 8, 2), paint, 0.85)
    wheel_y, tilt = rng.uniform(40, 52), rng.uniform(0.16, 0.62)
    sprite.add(box(123, wheel_y, 133, neck), STEEL, round_bar(122, 134, "x"))
    radius, rim = rng.uniform(64, 80), 11.0
    wheel = _paint(rng)
    ring = ellipse(128, wheel_y, radius, radius * tilt) * (
        1 - ellipse(128, wheel_y, radius - rim, max((radius - rim * 1.2) * tilt, 2))
    )
    turn = rng.uniform(0, np.pi)
    for angle in turn + np.arange(4) * np.pi / 2:
        end = np.array([128 + (radius - 4) * np.cos(angle), wheel_y + (radius - 4) * tilt * np.sin(angle)])
        sprite.add(line(np.stack([[128.0, wheel_y], end]), 8), wheel, 0.8)
    sprite.add(ring, wheel, np.asarray(1.15 - 0.4 * (_mesh()[1] - wheel_y) / np.float32(radius), np.float32))
    sprite.add(ellipse(128, wheel_y, 12, 12 * max(tilt, 0.35)), STEEL)
    return sprite


def gauge(rng: np.random.Generator) -> Sprite:
    """A dial with its bezel, scale and needle, on a threaded stem."""
    sprite = Sprite.empty()
    radius, y = rng.uniform(92, 104), 112.0
    sprite.add(box(114, y + radius - 8, 142, 250, 2), BRASS, round_bar(114, 142, "x"))
    sprite.add(box(106, 220, 150, 238, 2), BRASS, round_bar(100, 156, "x"))
    bezel = STEEL if rng.random() < 0.6 else IRON
    sprite.add(ellipse(128, y, radius, radius), bezel, _disc_light(128, y, radius) * np.float32(0.9))
    sprite.add(ellipse(128, y, radius - 12, radius - 12), IRON, 0.6)
    face = rng.uniform(0.82, 0.98)
    sprite.add(ellipse(128, y, radius - 15, radius - 15), (face, face, face * 0.97))
    first, last = np.radians(135), np.radians(405)
    if rng.random() < 0.6:
        danger = np.linspace(last - rng.uniform(0.5, 1.3), last, 12)
        arc = np.stack([128 + (radius - 25) * np.cos(danger), y + (radius - 25) * np.sin(danger)], 1)
        sprite.add(line(arc, 9), (0.75, 0.12, 0.10))
    for step, angle in enumerate(np.linspace(first, last, 21)):
        inner = radius - (40 if step % 5 == 0 else 31)
        ends = np.array([[128 + r * np.cos(angle), y + r * np.sin(angle)] for r in (inner, radius - 20)])
        sprite.add(line(ends, 5 if step % 5 == 0 else 3), (0.08, 0.08, 0.08))
    at = rng.uniform(first, last)
    needle = np.array([[128 + r * np.cos(at), y + r * np.sin(at)] for r in (-18, radius - 30)])
    sprite.add(line(needle, 6), (0.08, 0.08, 0.09))
    sprite.add(ellipse(128, y, 8, 8), (0.08, 0.08, 0.09))
    if rng.random() < 0.5:  # the window in front of it
        streak = polygon([(70, y + 20), (140, y - 70), (156, y - 60), (86, y + 34)]) * ellipse(
            128, y, radius - 16, radius - 16
        )
        sprite.add(blur(streak, 3) * np.float32(rng.uniform(0.3, 0.6)), (0.95, 0.97, 1.0))
    return sprite


def pump(rng: np.random.Generator) -> Sprite:
    """A centrifugal pump from its suction side: casing, outlet upwards, suction flange, foot."""
    sprite, paint = Sprite.empty(), _paint(rng)
    radius, y = rng.uniform(70, 78), 146.0
    sprite.add(polygon([(64, 240), (92, 196), (164, 196), (192, 240)]), paint, 0.5)
    sprite.add(box(56, 232, 200, 248, 3), paint, 0.65)
    sprite.add(box(150, 36, 206, y), paint, round_bar(150, 206, "x", 0.3))
    sprite.add(box(138, 18, 218, 38, 3), paint, round_bar(132, 224, "x", 0.2))
    for bolt in (142.0, 206.0):
        sprite.add(box(bolt, 10, bolt + 9, 46, 2), STEEL, 0.8)
    sprite.add(ellipse(134, y, radius + 8, radius), paint, _disc_light(134, y, radius))
    sprite.add(ellipse(130, y, radius - 8, radius - 10), paint, _disc_light(130, y, radius) * np.float32(0.8))
    sprite.add(
        ellipse(128, y, radius - 18, radius - 18), paint, _disc_light(128, y, radius) * np.float32(1.1)
    )
    flange = rng.uniform(42, 48)
    sprite.add(ellipse(128, y, flange, flange), STEEL, _disc_light(128, y, flange) * np.float32(0.8))
    _bolts(sprite, 128, y, flange - 9, int(rng.choice([4, 6, 8])), rng.uniform(0, np.pi), 4.2)
    sprite.add(ellipse(128, y, flange - 18, flange - 18), IRON, 0.35)
    sprite.add(ellipse(132, y + 4, flange - 26, flange - 26), IRON, 0.7)
    return sprite


def lid(rng: np.random.Generator) -> Sprite:
    """A round lid with bolts: no machine, but at a glance a gauge or a pump."""
    sprite, paint = Sprite.empty(), _paint(rng)
    sprite.add(ellipse(128, 128, 100, 100), paint, _disc_light(128, 128, 100))
    sprite.add(
        ellipse(128, 128, 72, 72), paint, _disc_light(128, 128, 100) * np.float32(rng.uniform(1.05, 1.25))
    )
    _bolts(sprite, 128, 128, 86, int(rng.choice([6, 8])), rng.uniform(0, 1), 6)
    return sprite


def cabinet(rng: np.random.Generator) -> Sprite:
    """A junction box: no machine, but as square as a terminal box."""
    sprite, paint = Sprite.empty(), _paint(rng)
    high = rng.uniform(50, 100)
    sprite.add(box(28, 128 - high, 228, 128 + high, 8), paint, 0.8)
    sprite.add(
        box(36, 136 - high, 220, 120 + high, 5), paint, np.asarray(1.2 - 0.0016 * _mesh()[1], np.float32)
    )
    sprite.add(box(48, 128, 60, 150, 2), IRON)
    if rng.random() < 0.5:  # a warning sign
        sprite.add(polygon([(128, 100), (106, 138), (150, 138)]), (0.85, 0.70, 0.08))
        sprite.add(line(np.array([[128.0, 112], [128, 128]]), 4), (0.05, 0.05, 0.05))
    return sprite


def pipe_joint(rng: np.random.Generator) -> Sprite:
    """Two flanges on a pipe: no machine, but a valve without its wheel."""
    sprite, paint = Sprite.empty(), _paint(rng)
    bore = rng.uniform(22, 30)
    sprite.add(box(4, 128 - bore, 252, 128 + bore), paint, round_bar(128 - bore, 128 + bore, "y", 0.3))
    for start in (106.0, 130.0):
        sprite.add(box(start, 112 - bore, start + 20, 144 + bore, 3), paint, round_bar(80, 176, "y", 0.2))
    return sprite


MACHINES: dict[str, Callable[[np.random.Generator], Sprite]] = {
    "motor": motor, "valve": valve, "gauge": gauge, "pump": pump,
}  # fmt: skip
OTHERS = (lid, cabinet, pipe_joint)
