"""Boxes on a photograph: what is there, what was found, and which of that is right."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np

from inspection.pictures.frame import RIGHT, WRONG, captioned, finished, side_by_side
from inspection.pictures.overlay import as_rgb
from inspection.pictures.panel import fit_width
from inspection.pictures.text import PAPER, Colour, draw_text, line_height, text_width

_BLACK: Colour = (0, 0, 0)
TRUTH: Colour = (86, 180, 233)
"""Sky blue of Okabe and Ito: apart from their green and vermilion, which say right and wrong."""
FOUND: Colour = (240, 228, 66)
"""Their yellow: a box of which nobody knows whether it is right."""
_COLOURS = {"truth": TRUTH, "right": RIGHT, "wrong": WRONG, "missed": WRONG, "found": FOUND}
_WORD = 11  # px

Kind = Literal["truth", "right", "wrong", "missed", "found"]


@dataclass(frozen=True)
class DrawnBox:
    """A box with a word.

    Attributes:
        place: Left, top, right, bottom in pixels of the picture, right and bottom exclusive.
        text: Beside it: label, and score where there is one.
        kind: `truth` (what is there), `missed` (what is there and was not found: dashed), `right`, `wrong`, or
            `found` (nobody knows).
    """

    place: tuple[float, float, float, float]
    text: str
    kind: Kind


def box_panel(
    image: np.ndarray,
    truth: Sequence[DrawnBox],
    found: Sequence[DrawnBox],
    title_lines: Sequence[str],
    note: str = "",
    *,
    right: bool | None = None,
    width: int = 420,
) -> np.ndarray:
    """Draw what is there and what was found, side by side.

    Args:
        image: What the network saw: uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        truth: Boxes of the left picture.
        found: Boxes of the right picture.
        title_lines: The first is bold, e.g. the file name; what is too wide loses its middle.
        note: A line below the pictures; empty: none.
        right: Whether all was found and nothing else: a frame and a word in green or red. None: not known.
        width: Of one of the two pictures, in pixels at most; larger images are shrunk to it.

    Returns:
        RGB uint8; the size depends on the image, the number of lines and `width` only.
    """
    columns = [
        captioned(draw_boxes(image, boxes, width), caption)
        for boxes, caption in ((truth, "truth (dashed: missed)"), (found, "found"))
    ]
    return finished(side_by_side(columns), title_lines, note, right)


def found_panel(
    image: np.ndarray, found: Sequence[DrawnBox], title_lines: Sequence[str], note: str = "", width: int = 640
) -> np.ndarray:
    """Draw what was found where nobody knows what is there; arguments as of `box_panel`."""
    return finished(draw_boxes(image, found, width), title_lines, note, None)


def draw_boxes(image: np.ndarray, boxes: Sequence[DrawnBox], width: int) -> np.ndarray:
    """The picture with boxes and their words, RGB uint8, `width` pixels wide at most and a quarter of it at least.

    Lines have a dark seam, so that they are seen on a bright and on a dark ground; words keep off one another as
    far as there is room, and stay in the picture.
    """
    photograph = as_rgb(image)
    shown = fit_width(photograph, width, smallest=min(width, 2 * photograph.shape[1]))
    if shown is photograph:
        shown = photograph.copy()
    scale_y, scale_x = shown.shape[0] / photograph.shape[0], shown.shape[1] / photograph.shape[1]
    places = [
        (
            round(box.place[0] * scale_x),
            round(box.place[1] * scale_y),
            round(box.place[2] * scale_x) - 1,
            round(box.place[3] * scale_y) - 1,
        )
        for box in boxes
    ]
    for thickness, dark in ((4, True), (2, False)):  # all seams first: none lies over a line
        for box, place in zip(boxes, places, strict=True):
            _frame(shown, place, _BLACK if dark else _COLOURS[box.kind], thickness, box.kind == "missed")
    taken: list[tuple[int, int, int, int]] = []
    for box, place in zip(boxes, places, strict=True):
        if box.text:
            taken.append(_word(shown, box, place, taken))
    return shown


def _frame(
    picture: np.ndarray, place: tuple[int, int, int, int], colour: Colour, thickness: int, dashed: bool
) -> None:
    left, top, right, bottom = place
    if not dashed:
        cv2.rectangle(picture, (left, top), (right, bottom), colour, thickness)
        return
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    for start, end in pairwise(corners):
        length = max(1, abs(end[0] - start[0]) + abs(end[1] - start[1]))
        step = np.sign(np.subtract(end, start))
        for at in range(0, length, 9):
            stop = min(at + 4, length)
            a, b = (tuple(int(v) for v in np.add(start, step * along)) for along in (at, stop))
            cv2.line(picture, a, b, colour, thickness)


def _word(
    picture: np.ndarray,
    box: DrawnBox,
    place: tuple[int, int, int, int],
    taken: Sequence[tuple[int, int, int, int]],
) -> tuple[int, int, int, int]:
    """Put a box's word on a bar of its colour where it hides no other word; the place it took."""
    left, top, right, bottom = place
    height, width = picture.shape[:2]
    high, wide = line_height(_WORD) - 1, int(text_width(box.text, _WORD, bold=True)) + 6
    tries = [
        (left - 1, top - high), (left - 1, bottom + 1), (right - wide + 1, top - high),
        (right - wide + 1, bottom + 1), (left + 2, top + 2), (left + 2, bottom - high - 1),
    ]  # fmt: skip
    # Into the picture as far as it goes.
    spots = [
        (x, y, x + wide, y + high)
        for x, y in ((max(0, min(x, width - wide)), max(0, min(y, height - high))) for x, y in tries)
    ]
    free = [spot for spot in spots if not any(_overlap(spot, other) for other in taken)]
    spot = (free or spots)[0]
    colour = _COLOURS[box.kind]
    cv2.rectangle(picture, spot[:2], (spot[2] - 1, spot[3] - 1), colour, -1)
    dark = sum(colour) > 380  # a bright bar takes dark letters
    draw_text(
        picture,
        box.text,
        (spot[0] + 3, (spot[1] + spot[3]) / 2),
        height=_WORD,
        colour=_BLACK if dark else PAPER,
        bold=True,
        anchor="lm",
    )
    return spot


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
