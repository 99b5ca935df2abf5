"""One verdict with its evidence: photograph, heatmap and overlay side by side."""

from collections.abc import Sequence

import cv2
import numpy as np

from inspection.pictures.overlay import as_rgb, colour_heat, colour_scale, overlay
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

_EDGE = 6  # px around and between the pictures
_SMALLEST = 160  # px: a picture narrower than this is enlarged, or the title has no room
_TITLE, _CAPTION = 14, 11  # px


def heat_panel(
    image: np.ndarray,
    heatmap: np.ndarray | None,
    title_lines: Sequence[str],
    note: str = "",
    *,
    right: bool | None = None,
    width: int = 320,
    strength: float = 0.7,
) -> np.ndarray:
    """Draw the picture that a person looks at to judge a verdict.

    Args:
        image: What the network saw: uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        heatmap: Float [H, W] in 0..1; None: there is no positive evidence, and the panel says so.
        title_lines: The first is bold, e.g. the file name; what is too wide loses its middle.
        note: A line below the pictures; empty: none.
        right: Whether the verdict is right: a frame and a word in green or red. None: not known.
        width: Of one of the three pictures, in pixels at most; larger images are shrunk to it.
        strength: Opacity of the hottest place in the overlay.

    Returns:
        RGB uint8; the size depends on the image, the number of lines and `width` only, so that panels of one
        data set stack.
    """
    photograph = fit_width(as_rgb(image), width)
    height, shown_width = photograph.shape[:2]
    if heatmap is None:
        heat, blend = _empty(height, shown_width), photograph
    else:
        resized = fit_heat(heatmap.astype(np.float32), shown_width, height)
        heat, blend = colour_heat(resized), overlay(photograph, resized, strength)
    columns = [
        _captioned(photograph, "image"),
        _captioned(heat, "heatmap"),
        _captioned(blend, "overlay"),
        _captioned(colour_scale(height, text=_CAPTION), ""),
    ]
    body = columns[0]
    for column in columns[1:]:
        body = np.concatenate([body, _blank(body.shape[0], _EDGE), column], axis=1)
    panel = _titled(body, title_lines, right)
    if note:
        panel = np.concatenate([panel, _blank(line_height(_CAPTION), panel.shape[1])])
        text = shorten(note, panel.shape[1], _CAPTION)
        draw_text(panel, text, (0, panel.shape[0]), height=_CAPTION, colour=QUIET, anchor="ld")
    return _framed(panel, right)


def fit_width(picture: np.ndarray, width: int, smallest: int = _SMALLEST) -> np.ndarray:
    """Shrink a picture to `width` pixels, or enlarge one narrower than `smallest`; the aspect ratio stays."""
    shown = min(max(picture.shape[1], smallest), width)
    if shown == picture.shape[1]:
        return picture
    height = max(1, round(picture.shape[0] * shown / picture.shape[1]))
    # Enlarged pixels stay visible as squares: a smooth enlargement would invent detail.
    method = cv2.INTER_AREA if shown < picture.shape[1] else cv2.INTER_NEAREST
    return cv2.resize(picture, (shown, height), interpolation=method)


def fit_heat(heatmap: np.ndarray, width: int, height: int) -> np.ndarray:
    """Bring a heatmap to a size for display, its peaks kept.

    The evidence of a fine map (HiResCAM of an early layer) lies in single pixels: their mean with the empty pixels
    around them would leave nothing to see. Each pixel shows the largest value within about two shown pixels.
    """
    ratio = heatmap.shape[1] / width
    if ratio <= 1:
        return cv2.resize(heatmap, (width, height), interpolation=cv2.INTER_LINEAR)
    side = 2 * round(ratio) + 1
    peaks = cv2.dilate(heatmap, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return cv2.resize(peaks, (width, height), interpolation=cv2.INTER_AREA)


def _empty(height: int, width: int) -> np.ndarray:
    place = np.full((height, width, 3), 236, np.uint8)
    words = ["no positive evidence"]
    if text_width(words[0], 13) > width - 8:
        words = words[0].split()
    top = height / 2 - line_height(13) * (len(words) - 1) / 2
    for index, word in enumerate(words):
        place_y = top + index * line_height(13)
        draw_text(place, shorten(word, width, 13), (width / 2, place_y), height=13, colour=QUIET, anchor="mm")
    return place


def _captioned(picture: np.ndarray, caption: str) -> np.ndarray:
    bar = _blank(line_height(_CAPTION), picture.shape[1])
    draw_text(bar, caption, (0, 1), height=_CAPTION, colour=QUIET)
    return np.concatenate([bar, picture])


def _titled(body: np.ndarray, lines: Sequence[str], right: bool | None) -> np.ndarray:
    if right is None:
        return title_bar(body, lines, height=_TITLE)
    word, colour = ("RIGHT", RIGHT) if right else ("WRONG", WRONG)
    badge = _badge(word, colour)
    # The lines keep clear of the word in the corner.
    room = body.shape[1] - badge.shape[1] - _EDGE
    bar = title_bar(_blank(0, room), lines or [""], height=_TITLE)
    corner = _blank(bar.shape[0], body.shape[1] - room)
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
    room = _EDGE + 3 - line  # the same outer size with a thin and a thick frame
    height, width = panel.shape[0] + 2 * (line + room), panel.shape[1] + 2 * (line + room)
    framed = np.full((height, width, 3), colour, np.uint8)
    framed[line:-line, line:-line] = PAPER
    framed[line + room : -line - room, line + room : -line - room] = panel
    return framed


def _blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)
