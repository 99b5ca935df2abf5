"""What all panels share: captions, a title with the word in its corner, a note, a frame."""

from collections.abc import Sequence

import numpy as np

from inspection.pictures.text import (
    PAPER,
    QUIET,
    Colour,
    draw_text,
    line_height,
    shorten,
    text_width,
    title_bar,
)

# Blue-green and vermilion of Okabe and Ito: a green and a red that the colour-blind tell apart.
RIGHT: Colour = (0, 136, 102)
WRONG: Colour = (204, 68, 0)

EDGE = 6  # px around and between the pictures
CAPTION = 11  # px
_TITLE = 14  # px


def finished(body: np.ndarray, title_lines: Sequence[str], note: str, right: bool | None) -> np.ndarray:
    """Put title, note and frame around the pictures of a panel.

    Args:
        body: RGB uint8 [H, W, 3].
        title_lines: The first is bold; what is too wide loses its middle.
        note: A line below; empty: none.
        right: Whether the verdict is right: a frame and a word in green or red. None: not known.

    Returns:
        RGB uint8, of the same size whatever `right` is.
    """
    panel = _titled(body, title_lines, right)
    if note:
        panel = np.concatenate([panel, blank(line_height(CAPTION), panel.shape[1])])
        text = shorten(note, panel.shape[1], CAPTION)
        draw_text(panel, text, (0, panel.shape[0]), height=CAPTION, colour=QUIET, anchor="ld")
    return _framed(panel, right)


def side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures of one height beside one another."""
    row = pictures[0]
    for picture in pictures[1:]:
        row = np.concatenate([row, blank(row.shape[0], EDGE), picture], axis=1)
    return row


def captioned(picture: np.ndarray, caption: str) -> np.ndarray:
    """Put a quiet line above a picture."""
    bar = blank(line_height(CAPTION), picture.shape[1])
    draw_text(bar, shorten(caption, bar.shape[1], CAPTION), (0, 1), height=CAPTION, colour=QUIET)
    return np.concatenate([bar, picture])


def blank(height: int, width: int) -> np.ndarray:
    """Empty paper."""
    return np.full((height, width, 3), PAPER, np.uint8)


def _titled(body: np.ndarray, lines: Sequence[str], right: bool | None) -> np.ndarray:
    if right is None:
        return title_bar(body, lines, height=_TITLE)
    word, colour = ("RIGHT", RIGHT) if right else ("WRONG", WRONG)
    badge = _badge(word, colour)
    # The lines keep clear of the word in the corner.
    room = body.shape[1] - badge.shape[1] - EDGE
    bar = title_bar(blank(0, room), lines or [""], height=_TITLE)
    corner = blank(bar.shape[0], body.shape[1] - room)
    corner[: badge.shape[0], -badge.shape[1] :] = badge[: bar.shape[0]]
    return np.concatenate([np.concatenate([bar, corner], axis=1), body])


def _badge(word: str, colour: Colour) -> np.ndarray:
    size = 12
    badge = np.full((line_height(size) + 2, int(text_width(word, size, bold=True)) + 14, 3), colour, np.uint8)
    middle = (badge.shape[1] / 2, badge.shape[0] / 2)
    draw_text(badge, word, middle, height=size, colour=PAPER, bold=True, anchor="mm")
    return badge


def _framed(panel: np.ndarray, right: bool | None) -> np.ndarray:
    colour = (215, 218, 222) if right is None else RIGHT if right else WRONG
    line = 1 if right is None else 3
    room = EDGE + 3 - line  # the same outer size with a thin and a thick frame
    height, width = panel.shape[0] + 2 * (line + room), panel.shape[1] + 2 * (line + room)
    framed = np.full((height, width, 3), colour, np.uint8)
    framed[line:-line, line:-line] = PAPER
    framed[line + room : -line - room, line + room : -line - room] = panel
    return framed
