"""One verdict with where the defect was found, beside where it is."""

from collections.abc import Sequence

import cv2
import numpy as np

from inspection.pictures.frame import CAPTION, captioned, finished, side_by_side
from inspection.pictures.mask_panel import fit_mask, mask_overlay
from inspection.pictures.overlay import as_rgb, colour_heat, colour_scale, overlay
from inspection.pictures.panel import fit_heat, fit_width, no_evidence
from inspection.pictures.text import Colour, draw_text, text_width

FOUND: Colour = (86, 180, 233)  # of Okabe and Ito: no colour of the heat, and told apart from a mask's yellow
_DARK: Colour = (20, 20, 20)

Boxes = Sequence[tuple[tuple[float, float, float, float], float]]
"""Left, top, right, bottom in pixels of the image, and a score."""


def place_panel(
    image: np.ndarray,
    heatmap: np.ndarray | None,
    boxes: Boxes,
    truth: np.ndarray | None,
    title_lines: Sequence[str],
    note: str = "",
    *,
    right: bool | None = None,
    width: int = 320,
    strength: float = 0.7,
) -> np.ndarray:
    """Draw the picture that a person looks at to judge where a defect was found.

    Args:
        image: What the network saw: uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        heatmap: Float [H, W] in 0..1; None: there is no positive evidence, and the panel says so.
        boxes: What was found, with a score each.
        truth: Bool [H, W], where the defects are; None: not known, and its picture is left out.
        title_lines: The first is bold, e.g. the file name; what is too wide loses its middle.
        note: A line below the pictures; empty: none.
        right: Whether verdict and place are right: a frame and a word in green or red. None: not known.
        width: Of one of the pictures, in pixels at most; larger images are shrunk to it.
        strength: Opacity of the hottest place in the overlay.

    Returns:
        RGB uint8; the size depends on the image, whether the truth is known, the number of lines and `width` only,
        so that panels of one data set stack.
    """
    photograph = fit_width(as_rgb(image), width)
    height, shown_width = photograph.shape[:2]
    scale = shown_width / image.shape[1], height / image.shape[0]
    if heatmap is None:
        heat, blend = no_evidence(height, shown_width), photograph
    else:
        resized = fit_heat(heatmap.astype(np.float32), shown_width, height)
        heat, blend = colour_heat(resized), overlay(photograph, resized, strength)
    columns = [captioned(photograph, "image")]
    if truth is not None:
        defects = fit_mask(truth, shown_width, height)
        caption = "true defect" if truth.any() else "no defect" if right is None else "truth: no defect"
        columns.append(captioned(mask_overlay(photograph, defects), caption))
    columns += [
        captioned(heat, "heatmap"),
        captioned(draw_boxes(blend, boxes, scale), _count(len(boxes))),
        captioned(colour_scale(height, text=CAPTION), ""),
    ]
    return finished(side_by_side(columns), title_lines, note, right)


def draw_boxes(picture: np.ndarray, boxes: Boxes, scale: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """Draw boxes with their scores on a copy of a picture.

    Args:
        picture: RGB uint8 [H, W, 3].
        boxes: See `Boxes`; right and bottom are the first pixel beyond.
        scale: Pixels of the picture for one of the boxes' pixels, across and down.
    """
    drawn = picture.copy()
    height, width = drawn.shape[:2]
    for (left, top, right, bottom), score in reversed(boxes):  # the best one on top
        first = round(left * scale[0]), round(top * scale[1])
        last = max(round(right * scale[0]) - 1, first[0]), max(round(bottom * scale[1]) - 1, first[1])
        cv2.rectangle(drawn, first, last, _DARK, 3)
        cv2.rectangle(drawn, first, last, FOUND, 1)
        text = f"{score:.2f}"
        room = round(text_width(text, CAPTION)) + 4
        x = min(max(first[0], 0), max(width - room, 0))
        y = first[1] - CAPTION - 4 if first[1] >= CAPTION + 4 else min(last[1] + 2, height - CAPTION - 4)
        cv2.rectangle(drawn, (x, y), (x + room - 1, y + CAPTION + 2), _DARK, -1)
        draw_text(drawn, text, (x + 2, y), height=CAPTION, colour=FOUND)
    return drawn


def _count(number: int) -> str:
    return "no box" if number == 0 else f"{number} box{'es' * (number > 1)}"
