"""The evidence over a camera image at its own resolution, and several methods side by side."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inspection.pictures.frame import CAPTION, EDGE, blank, captioned, finished, side_by_side
from inspection.pictures.overlay import as_rgb, colour_heat, evidence_overlay, overlay
from inspection.pictures.panel import fit_heat, fit_width, no_evidence
from inspection.pictures.text import INK, PAPER, Colour, draw_text, text_width

_SMALLEST = 240  # px: what a title needs
_MARKS = ((1.0, "1"), (0.5, "0.5"), (0.0, "0"))


def evidence_picture(
    image: np.ndarray,
    heatmap: np.ndarray | None,
    title_lines: Sequence[str],
    *,
    colour: Colour | None = None,
    note: str = "",
    strength: float = 0.7,
) -> np.ndarray:
    """Lay a heatmap over a camera image, pixel by pixel, with a scale of its colours beside it.

    Args:
        image: Uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB); one narrower than 240 pixels is enlarged.
        heatmap: Float [H, W] in 0..1; None: there is no positive evidence, and the title says so.
        title_lines: The first is bold, e.g. the file name; what is too wide loses its middle.
        colour: Of the class, RGB; None: from black over violet and orange to pale yellow.
        note: A line below; empty: none.
        strength: Opacity of the hottest place.

    Returns:
        RGB uint8.
    """
    photograph = as_rgb(image)
    times = max(1, -(-_SMALLEST // photograph.shape[1]))
    photograph = photograph.repeat(times, axis=0).repeat(times, axis=1)
    lines = list(title_lines)
    if heatmap is None:
        shown, lines = photograph, [*lines, "no positive evidence"]
    elif colour is None:
        shown = overlay(photograph, heatmap, strength)
    else:
        shown = evidence_overlay(photograph, {"": heatmap}, {"": colour}, strength)
    return finished(side_by_side([shown, heat_bar(shown.shape[0], colour, strength)]), lines, note, None)


def heat_bar(height: int, colour: Colour | None = None, strength: float = 0.7) -> np.ndarray:
    """A scale of heat from 0 below to 1 on top, RGB uint8 [height, W, 3].

    Args:
        height: In pixels.
        colour: Of the class: what it looks like over white at each heat; None: the colours of `colour_heat`.
        strength: Opacity of the hottest place.
    """
    wide, gap = 14, 4
    bar = blank(height, wide + 2 * gap + int(max(text_width(text, CAPTION) for _, text in _MARKS)) + 1)
    ramp = np.linspace(1, 0, height, dtype=np.float32)[:, None]
    if colour is None:
        bar[:, :wide] = colour_heat(ramp)
    else:
        opacity = np.sqrt(ramp)[..., None] * strength  # as over the photograph
        bar[:, :wide] = np.rint(np.array(PAPER) * (1 - opacity) + np.array(colour) * opacity)
        bar[:, [0, wide - 1]] = bar[[0, -1], :wide] = INK  # no heat is as white as the paper
    for share, text in _MARKS:
        y = (1 - share) * (height - 1)
        bar[round(y), wide : wide + 3] = INK
        place = min(max(y, CAPTION * 0.7), height - CAPTION * 0.7)
        draw_text(bar, text, (wide + 2 * gap, place), height=CAPTION, anchor="lm")
    return bar


class Shown(NamedTuple):
    """One method's answer.

    Attributes:
        heatmap: Float [H, W] in 0..1; None: no positive evidence.
        caption: Below the name of the method, e.g. its figures; empty: none.
    """

    heatmap: np.ndarray | None
    caption: str = ""


def comparison_sheet(
    image: np.ndarray,
    rows: Sequence[tuple[str, dict[str, Shown]]],
    title_lines: Sequence[str],
    *,
    note: str = "",
    width: int = 260,
    strength: float = 0.7,
) -> np.ndarray:
    """Draw several methods side by side: the photograph, then an overlay a method, and a row a class.

    Args:
        image: Uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        rows: Class and what each method says of it, by the method's name; the same methods in each row.
        title_lines: The first is bold.
        note: A line below; empty: none.
        width: Of one picture, in pixels.
        strength: Opacity of the hottest place.

    Returns:
        RGB uint8.
    """
    photograph = fit_width(as_rgb(image), width, smallest=width)
    height = photograph.shape[0]
    sheet: list[np.ndarray] = []
    for name, methods in rows:
        columns = [_twice(photograph, name, "image")]
        for method, (heat, caption) in methods.items():
            if heat is None:
                shown = no_evidence(height, width)
            else:
                shown = overlay(photograph, fit_heat(heat.astype(np.float32), width, height), strength)
            columns.append(_twice(shown, method, caption))
        columns.append(_twice(heat_bar(height), "", ""))
        sheet += [side_by_side(columns), blank(EDGE, sum(each.shape[1] + EDGE for each in columns) - EDGE)]
    return finished(np.concatenate(sheet[:-1]), title_lines, note, None)


def _twice(picture: np.ndarray, name: str, caption: str) -> np.ndarray:
    """Two lines above a picture."""
    return captioned(captioned(picture, caption), name)
