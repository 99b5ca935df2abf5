"""Many pictures on one sheet."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from inspection.pictures.overlay import as_rgb
from inspection.pictures.text import INK, PAPER, QUIET, draw_text, line_height, shorten

_GAP = 8  # px
_NAME, _CAPTION = 15, 11  # px


def sample_grid(
    rows: Mapping[str, Sequence[tuple[np.ndarray, str]]], *, cell: int = 200, height: int = 200
) -> np.ndarray:
    """Draw a contact sheet, a row of pictures for each class.

    Args:
        rows: Class name to (picture, caption) pairs; a picture is uint8 [H, W], [H, W, 1] or [H, W, 3] RGB.
            A class without pictures keeps its row and says so.
        cell: Width of a picture's place in pixels; captions are shortened to it.
        height: Largest height of a picture in pixels.

    Returns:
        RGB uint8.
    """
    columns = max((len(pictures) for pictures in rows.values()), default=0)
    width = _GAP + max(columns, 2) * (cell + _GAP)
    # All pictures at one scale: two of different size must not look alike.
    shapes = [picture.shape[:2] for pictures in rows.values() for picture, _ in pictures] or [(1, 1)]
    scale = min(cell / max(shape[1] for shape in shapes), height / max(shape[0] for shape in shapes))
    return stack(
        [_class_row(name, pictures, width=width, cell=cell, scale=scale) for name, pictures in rows.items()],
        gap=0,
    )


def _class_row(
    name: str,
    pictures: Sequence[tuple[np.ndarray, str]],
    *,
    width: int,
    cell: int,
    scale: float,
) -> np.ndarray:
    head, foot = line_height(_NAME) + _GAP, line_height(_CAPTION)
    tall = max((max(1, round(picture.shape[0] * scale)) for picture, _ in pictures), default=0)
    row = np.full((head + tall + foot + _GAP, width, 3), PAPER, np.uint8)
    row[0] = (215, 218, 222)
    draw_text(
        row, shorten(name, width - 2 * _GAP, _NAME, bold=True), (_GAP, _GAP // 2), height=_NAME, bold=True
    )
    if not pictures:
        draw_text(row, "no pictures", (_GAP, head), height=_CAPTION, colour=QUIET)
    for index, (picture, caption) in enumerate(pictures):
        x = _GAP + index * (cell + _GAP)
        small = _scaled(as_rgb(picture), scale)
        row[head : head + small.shape[0], x : x + small.shape[1]] = small
        text = shorten(caption, cell, _CAPTION)
        draw_text(row, text, (x, head + tall + 2), height=_CAPTION, colour=INK)
    return row


def _scaled(picture: np.ndarray, scale: float) -> np.ndarray:
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return cv2.resize(picture, size, interpolation=method)


def stack(panels: Sequence[np.ndarray], *, gap: int = _GAP) -> np.ndarray:
    """Put pictures below one another, left-aligned on white.

    Args:
        panels: RGB uint8 [H, W, 3], of any sizes.
        gap: Between two, in pixels.

    Returns:
        RGB uint8; one white pixel for no panel at all.
    """
    if not panels:
        return np.full((1, 1, 3), PAPER, np.uint8)
    width = max(panel.shape[1] for panel in panels)
    height = sum(panel.shape[0] for panel in panels) + gap * (len(panels) - 1)
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    top = 0
    for panel in panels:
        sheet[top : top + panel.shape[0], : panel.shape[1]] = panel
        top += panel.shape[0] + gap
    return sheet
