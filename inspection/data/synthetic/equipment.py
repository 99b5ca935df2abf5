"""Photographs of a plant's equipment, drawn: motors, valves, gauges and pumps on a wall among other things.

What makes them hard to find: they come in any size, in shared paints, partly behind pipes or one another or out
of the picture, in poor light, out of focus; and lids, junction boxes and pipe joints look like parts of them.
Some pictures show nothing that is asked for.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.data.synthetic.machines import MACHINES, OTHERS, SIDE, Sprite
from inspection.data.synthetic.paint import (
    FloatArray,
    Image,
    blur,
    cloud,
    noise,
    photograph,
    stroke,
    wander,
    write_png,
)
from inspection.data.synthetic.sets import in_share, prepare_set
from inspection.errors import InputError

VERSION = 1  # raised whenever the pictures change, so that sets on disk are drawn anew
HEIGHT, WIDTH = 320, 400  # pixels
CLASSES = tuple(MACHINES)
SHARES = (0.32, 0.28, 0.24, 0.16)  # how common each of them is
ANNOTATIONS, PICTURES = "annotations.json", "images"

_EMPTY = 0.08  # share of the pictures without a machine
_SIZES = (42.0, 140.0)  # pixels, the longer side of a machine
_HIDDEN = 0.45  # share of a machine that may be hidden by others, or lie outside


@dataclass(frozen=True)
class EquipmentPicture:
    """A photograph and what is in it.

    Attributes:
        image: RGB uint8 [320, 400, 3].
        boxes: Left, top, right, bottom in pixels, right and bottom exclusive, int64 [M, 4]: of a machine as far as
            it lies in the picture, hidden parts included.
        classes: Places in `CLASSES`, int64 [M].
    """

    image: Image
    boxes: NDArray[np.int64]
    classes: NDArray[np.int64]


class SyntheticEquipment:
    """A synthetic set of photographs with boxes, as COCO has them.

    Args:
        folder: where the set lies or shall lie.
        count: number of photographs.
        seed: photograph i depends on the seed and i alone, so a set of more photographs holds that of fewer.
    """

    def __init__(self, folder: str, count: int = 400, seed: int = 0) -> None:
        for name, value, least in (("count", count, 1), ("seed", seed, 0)):
            if value < least:
                raise InputError(f"data.synthetic.{name}: expected {least} or more, found {value}")
        self.folder = Path(folder)
        self.count = count
        self.seed = seed

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set unless it is there already.

        Args:
            progress: called with (images drawn, images in all) while the set is drawn.

        Returns:
            The folder with `images/equipment_<number>.png` and `annotations.json` (COCO).

        Raises:
            InputError: the folder holds something else than a synthetic set.
        """
        parameters = {"count": self.count, "seed": self.seed}
        return prepare_set(
            self.folder, "equipment", VERSION, parameters, lambda place: self._draw(place, progress)
        )

    def _draw(self, place: Path, progress: Callable[[int, int], None] | None) -> None:
        (place / PICTURES).mkdir()
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(self.count):
            rng = np.random.default_rng([self.seed, index])
            picture = draw_equipment(rng, empty=in_share(index, _EMPTY))
            name = f"equipment_{index:04d}.png"
            write_png(place / PICTURES / name, picture.image)
            images.append({"id": index + 1, "file_name": name, "width": WIDTH, "height": HEIGHT})
            for (left, top, right, bottom), which in zip(
                picture.boxes.tolist(), picture.classes.tolist(), strict=True
            ):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": index + 1,
                        "category_id": which + 1,
                        "bbox": [left, top, right - left, bottom - top],
                        "area": (right - left) * (bottom - top),
                        "iscrowd": 0,
                    }
                )
            if progress is not None:
                progress(index + 1, self.count)
        categories = [{"id": place + 1, "name": name} for place, name in enumerate(CLASSES)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (place / ANNOTATIONS).write_text(json.dumps(content) + "\n")


def draw_equipment(rng: np.random.Generator, empty: bool = False) -> EquipmentPicture:
    """Draw one photograph.

    Args:
        rng: source of all randomness.
        empty: whether no machine is in it.
    """
    scene, things, front, sensor = rng.spawn(4)
    image = _wall(scene)
    for _ in range(int(scene.integers(0, 3))):
        _lay_pipe(scene, image, scene.uniform(8, 20))
    light = scene.uniform(-9, 9), scene.uniform(4, 12)  # pixels by which shadows fall
    for _ in range(int(things.integers(0, 3))):
        other = _posed(things, OTHERS[things.integers(len(OTHERS))](things), things.uniform(40, 120))
        _put(image, *_placed(things, other), light)
    machines = [] if empty else _machines(things, image, light)
    if front.random() < 0.5:
        _cross(front, image, machines)
    _light(scene, image)
    boxes = [_box(machine.cover) for machine in machines]
    return EquipmentPicture(
        photograph(image, sensor, sensor.gamma(2.0, 3.0)),
        np.asarray(boxes, np.int64).reshape(-1, 4),
        np.asarray([machine.which for machine in machines], np.int64),
    )


@dataclass
class _Machine:
    """A machine in the picture: what it covers, and what of that is still seen, both 0..1 [320, 400]."""

    which: int
    cover: FloatArray
    seen: FloatArray
    whole: float  # pixels of all of it, also outside of the picture

    def stays(self, over: FloatArray) -> bool:
        """Whether enough of it is seen when something covers it."""
        return float((self.seen * (1 - over)).sum()) >= (1 - _HIDDEN) * self.whole


def _machines(rng: np.random.Generator, image: FloatArray, light: tuple[float, float]) -> list[_Machine]:
    """Put machines into the picture, from the back to the front."""
    machines: list[_Machine] = []
    for _ in range(int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.2, 0.27, 0.23, 0.15, 0.1, 0.05]))):
        which = int(rng.choice(len(CLASSES), p=SHARES))
        sprite = _posed(rng, MACHINES[CLASSES[which]](rng), np.exp(rng.uniform(*np.log(_SIZES))))
        for _ in range(12):  # places that are tried
            colour, cover = _placed(rng, sprite)
            machine = _Machine(which, cover, cover.copy(), float(sprite.cover.sum()))
            if machine.stays(np.zeros_like(cover)) and all(other.stays(cover) for other in machines):
                for other in machines:
                    other.seen *= 1 - cover
                _put(image, colour, cover, light)
                machines.append(machine)
                break
    return machines


def _box(cover: FloatArray) -> tuple[int, int, int, int]:
    rows, columns = (np.flatnonzero((cover > 0.5).any(axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


# ------------------------------------------------------------------------------------------ the machines


def _posed(rng: np.random.Generator, sprite: Sprite, longest: float) -> Sprite:
    """A thing in its size, a little turned, perhaps mirrored: its longer side is about `longest` pixels."""
    colour, cover = sprite.colour * sprite.cover[..., None], sprite.cover
    if rng.random() < 0.5:
        colour, cover = colour[:, ::-1], cover[:, ::-1]
    rows, columns = (np.flatnonzero(cover.any(axis)) for axis in (1, 0))
    scale = longest / max(np.ptp(rows) + 1, np.ptp(columns) + 1)
    side = int(np.ceil(SIDE * scale * 1.2))
    turn = np.asarray(cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.normal(0, 3), scale), np.float64)
    turn[:, 2] += side / 2 - SIDE / 2
    soft = 0.42 / scale  # without it, fine lines would flicker from size to size
    layers = np.dstack([blur(np.ascontiguousarray(colour), soft), blur(np.ascontiguousarray(cover), soft)])
    posed = np.asarray(cv2.warpAffine(layers, turn, (side, side), flags=cv2.INTER_LINEAR), np.float32)
    rows, columns = (np.flatnonzero((posed[..., 3] > 0.02).any(axis)) for axis in (1, 0))
    posed = posed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    light = np.asarray(posed[..., :3] / np.maximum(posed[..., 3:], 1e-3), np.float32)
    return Sprite(light, np.ascontiguousarray(posed[..., 3]))


def _placed(rng: np.random.Generator, sprite: Sprite) -> tuple[FloatArray, FloatArray]:
    """Colour [320, 400, 3] and cover [320, 400] of a thing somewhere in the picture, or partly outside."""
    height, width = sprite.cover.shape
    over = 0.45 if rng.random() < 0.2 else 0.0
    left = round(rng.uniform(-over * width, WIDTH - (1 - over) * width))
    top = round(rng.uniform(-over * height, HEIGHT - (1 - over) * height))
    colour, cover = np.zeros((HEIGHT, WIDTH, 3), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
    rows, columns = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
    inside = (slice(max(-top, 0), HEIGHT - top), slice(max(-left, 0), WIDTH - left))
    colour[rows, columns], cover[rows, columns] = sprite.colour[inside], sprite.cover[inside]
    return colour, cover


def _put(image: FloatArray, colour: FloatArray, cover: FloatArray, light: tuple[float, float]) -> None:
    """Lay a thing and its shadow over the picture, in place."""
    shift = np.array([[1, 0, light[0]], [0, 1, light[1]]])
    shadow = blur(np.asarray(cv2.warpAffine(cover, shift, (WIDTH, HEIGHT)), np.float32), 4)
    image *= 1 - np.float32(0.5) * (shadow * (1 - cover))[..., None]
    image += cover[..., None] * (colour - image)


# ------------------------------------------------------------------------------------------ what is around


def _wall(rng: np.random.Generator) -> FloatArray:
    """A painted wall, with panels or a floor before it, [320, 400, 3]."""
    tint = np.float32(rng.uniform(0.30, 0.72)) * (1 + rng.normal(0, 0.04, 3)).astype(np.float32)
    rough = 0.05 * cloud(rng, HEIGHT, WIDTH, 120, 4) + noise(rng, (HEIGHT, WIDTH), 0.02)
    image = np.asarray((1 + rough)[..., None] * tint, np.float32)
    if rng.random() < 0.5:  # panels
        pitch = int(rng.integers(70, 160))
        for seam in range(int(rng.integers(0, pitch)), WIDTH, pitch):
            image[:, seam : seam + 2] *= np.float32(0.72)
            image[:, seam + 2 : seam + 3] *= np.float32(1.12)
    if rng.random() < 0.5:  # a floor or a bench
        edge = int(rng.integers(HEIGHT * 2 // 3, HEIGHT - 20))
        grain = 1 + 0.08 * cloud(rng, HEIGHT - edge, WIDTH, 60, 4, stretch=4)
        image[edge:] = rng.uniform(0.2, 0.6) * grain[..., None] * np.array([1, 0.97, 0.92])
        image[edge : edge + 3] *= np.float32(0.6)
    stain = np.clip(cloud(rng, HEIGHT, WIDTH, 90, 4, stretch=0.5) - 1.1, 0, 1)
    image *= 1 - np.float32(0.25) * stain[..., None]
    return image


def _lay_pipe(rng: np.random.Generator, image: FloatArray, thick: float) -> FloatArray:
    """Lay a straight pipe over the picture, in place; what it covers."""
    upright = rng.random() < 0.5
    place = rng.uniform(0.1, 0.9) * (WIDTH if upright else HEIGHT)
    slope = np.float32(rng.normal(0, 0.02))
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    across = (x - slope * y if upright else y - slope * x) - np.float32(place)
    cover = np.asarray(np.clip(thick / 2 + 0.5 - np.abs(across), 0, 1), np.float32)
    at = np.clip(across / np.float32(thick / 2), -1, 1)
    shade = 0.3 + 0.75 * np.sqrt(1 - at * at) * (1 - 0.35 * at) + 0.4 * np.exp(-(((at + 0.42) / 0.16) ** 2))
    paint = np.float32(rng.uniform(0.2, 0.7)) * (1 + rng.normal(0, 0.12, 3)).astype(np.float32)
    _put(image, np.asarray(shade[..., None] * paint, np.float32), cover, (3.0, 6.0))
    return cover


def _cross(rng: np.random.Generator, image: FloatArray, machines: list[_Machine]) -> None:
    """Lay a pipe or a cable before everything, in place, unless it would hide a machine."""
    before = image.copy()
    if rng.random() < 0.5:
        cover = _lay_pipe(rng, image, rng.uniform(6, 16))
    else:
        start = np.array([rng.uniform(0, WIDTH), -10.0])
        cable = wander(rng, start, np.pi / 2 + rng.normal(0, 0.4), 420, 1.2)
        cover = stroke(HEIGHT, WIDTH, cable, int(rng.integers(3, 7)))
        gloss = blur(stroke(HEIGHT, WIDTH, cable - 1, 1), 0.7)
        colour = np.float32(rng.uniform(0.03, 0.15, 3)) + np.float32(0.3) * gloss[..., None]
        _put(image, np.asarray(colour, np.float32), cover, (4.0, 7.0))
    if not all(machine.stays(cover) for machine in machines):
        image[...] = before


def _light(rng: np.random.Generator, image: FloatArray) -> None:
    """Uneven light, exposure, colour of the lamp and focus, in place."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    turn, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.4)
    field = 1 + np.float32(strength) * (np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * y)
    field *= 1 + np.float32(0.1) * cloud(rng, HEIGHT, WIDTH, 200, 2)
    field *= 1 - np.float32(rng.uniform(0, 0.3)) * (x * x + y * y) / 2
    exposure = np.exp(rng.normal(-0.05, 0.3))
    lamp = (1 + rng.normal(0, 0.05, 3)).astype(np.float32) * np.float32(exposure)
    image *= field[..., None] * lamp
    out_of_focus = rng.uniform(1.0, 1.8) if rng.random() < 0.15 else rng.uniform(0.4, 0.8)
    image[...] = blur(image, out_of_focus)
