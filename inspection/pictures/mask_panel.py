"""A mask beside the truth, with what was missed and what was called in vain."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from inspection.pictures.frame import CAPTION, blank, captioned, finished, side_by_side
from inspection.pictures.overlay import as_rgb
from inspection.pictures.panel import fit_width
from inspection.pictures.text import Colour, draw_text, line_height, shorten, text_width

# Of Okabe and Ito, told apart by the colour-blind and in a grey print: dark blue, light yellow, orange between.
DEFECT: Colour = (240, 228, 66)
MISSED: Colour = (213, 94, 0)
FALSE_ALARM: Colour = (0, 114, 178)
HIT: Colour = (255, 255, 255)

_SMALLEST = 200  # px: what the legend needs


def mask_panel(
    image: np.ndarray,
    predicted: np.ndarray,
    truth: np.ndarray | None,
    title_lines: Sequence[str],
    note: str = "",
    *,
    right: bool | None = None,
    width: int = 320,
) -> np.ndarray:
    """Draw the picture that a person looks at to judge a mask.

    Image, truth, prediction, and the errors: found pixels white, missed ones orange, false alarms blue. Without a
    truth: image and prediction.

    Args:
        image: What the network saw: uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        predicted: Bool [H, W].
        truth: Bool [H, W]; None: not known.
        title_lines: The first is bold, e.g. the file name; what is too wide loses its middle.
        note: A line below the pictures; empty: none.
        right: Whether the verdict is right: a frame and a word in green or red. None: not known.
        width: Of one of the pictures, in pixels at most; larger images are shrunk to it.

    Returns:
        RGB uint8; the size depends on the image, whether the truth is known, the number of lines and `width` only,
        so that panels of one data set stack.

    Raises:
        ValueError: A mask is not as large as the image.
    """
    for mask in (predicted, truth):
        if mask is not None and mask.shape != image.shape[:2]:
            raise ValueError(f"Expected a mask {list(image.shape[:2])} but got {list(mask.shape)}.")
    own = image.shape[1]
    # Small images by a whole number, so that all pixels look alike.
    photograph = fit_width(as_rgb(image), width, smallest=own * math.ceil(_SMALLEST / own))
    width, height = photograph.shape[1::-1]
    called = fit_mask(predicted, width, height)
    columns = [captioned(photograph, "image")]
    if truth is None:
        columns.append(captioned(mask_overlay(photograph, called), "prediction"))
    else:
        true = fit_mask(truth, width, height)
        errors = error_overlay(photograph, predicted, truth)
        columns += [
            captioned(mask_overlay(photograph, true), "truth"),
            captioned(mask_overlay(photograph, called), "prediction"),
            np.concatenate([_legend(errors.shape[1]), errors]),
        ]
    return finished(side_by_side(columns), title_lines, note, right)


def mask_overlay(image: np.ndarray, mask: np.ndarray, colour: Colour = DEFECT) -> np.ndarray:
    """Lay a mask over a photograph: a line around each region, and a tint in it through which it stays readable.

    Args:
        image: Uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        mask: [H, W], what is not 0 is inside.
        colour: RGB.

    Returns:
        RGB uint8 [H, W, 3]; outside the regions and their lines the pixels are those of the image.
    """
    shown = as_rgb(image).copy()
    inside = mask.astype(bool)
    shown[inside] = np.rint(0.65 * shown[inside] + 0.35 * np.asarray(colour, np.float32)).astype(np.uint8)
    found, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, found, -1, colour, thickness=1)
    return shown


def error_overlay(image: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Paint found, missed and falsely called pixels over a photograph that is faded to grey.

    Args:
        image: Uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        predicted: Bool [h, w]; larger or smaller than the image.
        truth: Bool [h, w]. Pixels are compared before they are shrunk, and a shown pixel has the colour of most of
            them.

    Returns:
        RGB uint8 [H, W, 3].
    """
    grey = as_rgb(image).mean(axis=2, keepdims=True)
    height, width = grey.shape[:2]
    shown = np.rint(np.broadcast_to(0.45 * grey, (height, width, 3))).astype(np.uint8)
    kinds = (truth & ~predicted, predicted & ~truth, truth & predicted)
    shares = np.stack([_resized(pixels, width, height) for pixels in kinds])
    colours = np.asarray([MISSED, FALSE_ALARM, HIT], np.uint8)[shares.argmax(axis=0)]
    marked = fit_mask(truth | predicted, width, height)
    shown[marked] = colours[marked]
    return shown


def fit_mask(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """Bring a mask to a size for display; a single pixel of a large mask stays visible.

    Returns:
        Bool [height, width].
    """
    share = _resized(mask, width, height)
    solid = share > 0.5
    # Regions too thin to fill half a pixel anywhere are shown as thick as they must be to be seen.
    count, labels = cv2.connectedComponents((share > 0).astype(np.uint8))
    vanished = np.setdiff1d(np.arange(1, count), np.unique(labels[solid]))
    return solid | np.isin(labels, vanished)


def _resized(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """Share of each shown pixel that is inside, float32 [height, width]."""
    method = cv2.INTER_AREA if mask.shape[0] > height else cv2.INTER_NEAREST
    return cv2.resize(mask.astype(bool).astype(np.float32), (width, height), interpolation=method)


def _legend(width: int) -> np.ndarray:
    bar, place = blank(line_height(CAPTION), width), 0.0
    words = [(MISSED, "missed"), (FALSE_ALARM, "false alarm"), (None, "white: found")]
    for colour, word in words:
        if colour is not None:
            bar[4:13, round(place) : round(place) + 9] = colour
            place += 12
        text = shorten(word, width - place, CAPTION)
        draw_text(bar, text, (place, 1), height=CAPTION)
        place += text_width(text, CAPTION) + 10
        if place > width - 20:
            break
    return bar
