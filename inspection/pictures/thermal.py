"""Thermal images in false colours, with a scale in kelvin, hot spots, and what was measured."""

from collections.abc import Sequence

import cv2
import numpy as np

from inspection.pictures.frame import CAPTION, captioned, finished, side_by_side
from inspection.pictures.overlay import colour_heat
from inspection.pictures.panel import fit_width
from inspection.pictures.text import INK, PAPER, Colour, draw_text, text_width

Box = tuple[float, float, float, float]

_BOX: Colour = (86, 230, 255)  # a light blue that inferno does not have
_HIDDEN: Colour = (150, 153, 158)
_BAR, _GAP = 14, 6  # px


def thermal_panel(
    image: np.ndarray,
    boxes: Sequence[Box],
    title_lines: Sequence[str],
    note: str = "",
    *,
    window: tuple[float, float] | None = None,
    unit: str = "K",
    labels: Sequence[str] = (),
    hidden: Box | None = None,
    width: int = 480,
) -> np.ndarray:
    """Draw a thermal image in false colours.

    Nothing is called right or wrong: of quantities only the error can be said, which the title does.

    Args:
        image: Grey values uint8 `[H, W]`, `[H, W, 1]` or `[H, W, 3]`, of which the first channel is taken.
        boxes: Hot spots: left, top, right, bottom in pixels of the image, right and bottom outside.
        title_lines: As in `heat_panel`.
        note: As in `heat_panel`.
        window: What black and white stand for, in `unit`; None: the image has no absolute scale, which the
            scale says.
        unit: Of the scale.
        labels: Words at the boxes; fewer than boxes leave the others without.
        hidden: What is hidden of the image, as a box; painted grey, which no temperature has.
        width: Of the image in pixels at most.

    Returns:
        RGB uint8.
    """
    grey = image if image.ndim == 2 else image[..., 0]
    coloured = fit_width(colour_heat(grey.astype(np.float32) / 255), width, smallest=320)
    ratio = coloured.shape[1] / grey.shape[1], coloured.shape[0] / grey.shape[0]
    if hidden is not None:
        left, top, last, bottom = _scaled(hidden, ratio)
        coloured[max(0, top - 1) : bottom + 1, max(0, left - 1) : last + 1] = _HIDDEN  # enlarged pixels round
    for index, box in enumerate(boxes):
        left, top, last, bottom = _scaled(box, ratio)
        cv2.rectangle(coloured, (left, top), (last - 1, bottom - 1), _BOX, 2)
        if index < len(labels):
            room = coloured.shape[1] - int(text_width(labels[index], CAPTION)) - 1
            place = (max(0, min(left, room)), top - 2)
            above = top > 1.5 * CAPTION
            draw_text(
                coloured,
                labels[index],
                place if above else (place[0], bottom + 1),
                height=CAPTION,
                colour=_BOX,
                anchor="ld" if above else "la",
            )
    columns = [captioned(coloured, "image"), captioned(scale_bar(coloured.shape[0], window, unit), "")]
    return finished(side_by_side(columns), title_lines, note, right=None)


def _scaled(box: Box, ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return round(left * ratio[0]), round(top * ratio[1]), round(right * ratio[0]), round(bottom * ratio[1])


def scale_bar(height: int, window: tuple[float, float] | None, unit: str) -> np.ndarray:
    """A bar of the colours with what they stand for, RGB uint8 `[height, W, 3]`.

    Args:
        height: Pixels.
        window: Values of the lowest and the highest colour; None: only which of them is hotter.
        unit: Of these values.
    """
    if window is None:
        marks = [(0.0, "coldest"), (1.0, "hottest")]
    else:
        low, high = window
        step = _step((high - low) / max(2, height // 40))
        ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        marks = [((tick - low) / (high - low), f"{tick:g} {unit}") for tick in ticks]
    widest = max((text_width(text, CAPTION) for _, text in marks), default=0)
    bar = np.full((height, _GAP + _BAR + _GAP + int(widest) + 1, 3), PAPER, np.uint8)
    bar[:, _GAP : _GAP + _BAR] = colour_heat(np.linspace(1, 0, height, dtype=np.float32)[:, None])
    for share, text in marks:
        y = (1 - share) * (height - 1)
        bar[round(y), _GAP + _BAR : _GAP + _BAR + 3] = INK
        # Kept within the bar: a word at its very end would be cut in half.
        place = min(max(y, CAPTION * 0.7), height - CAPTION * 0.7)
        draw_text(bar, text, (2 * _GAP + _BAR, place), height=CAPTION, anchor="lm")
    return bar


def _step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, ... that is at least so much.

    >>> [_step(value) for value in (0.3, 1.2, 13, 50)]
    [0.5, 2.0, 20.0, 50.0]
    """
    power = 10.0 ** np.floor(np.log10(least))
    return float(next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9)))
