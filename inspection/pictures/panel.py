"""One verdict with its evidence: photograph, heatmap and overlay side by side."""

from collections.abc import Sequence

import cv2
import numpy as np

from inspection.pictures.frame import CAPTION, captioned, finished, side_by_side
from inspection.pictures.overlay import as_rgb, colour_heat, colour_scale, overlay
from inspection.pictures.text import QUIET, draw_text, line_height, shorten, text_width

_SMALLEST = 160  # px: a picture narrower than this is enlarged, or the title has no room


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
        heat, blend = no_evidence(height, shown_width), photograph
    else:
        resized = fit_heat(heatmap.astype(np.float32), shown_width, height)
        heat, blend = colour_heat(resized), overlay(photograph, resized, strength)
    columns = [
        captioned(photograph, "image"),
        captioned(heat, "heatmap"),
        captioned(blend, "overlay"),
        captioned(colour_scale(height, text=CAPTION), ""),
    ]
    return finished(side_by_side(columns), title_lines, note, right)


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


def no_evidence(height: int, width: int) -> np.ndarray:
    """A place of this size that says that there is nothing to show."""
    place = np.full((height, width, 3), 236, np.uint8)
    words = ["no positive evidence"]
    if text_width(words[0], 13) > width - 8:
        words = words[0].split()
    top = height / 2 - line_height(13) * (len(words) - 1) / 2
    for index, word in enumerate(words):
        place_y = top + index * line_height(13)
        draw_text(place, shorten(word, width, 13), (width / 2, place_y), height=13, colour=QUIET, anchor="mm")
    return place
