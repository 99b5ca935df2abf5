"""Several verdicts on one image with their evidence, each in a colour of its own."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from inspection.pictures.frame import CAPTION, EDGE, RIGHT, WRONG, blank, captioned, finished, side_by_side
from inspection.pictures.overlay import as_rgb, evidence_overlay
from inspection.pictures.panel import fit_heat, fit_width, no_evidence
from inspection.pictures.text import INK, Colour, draw_text, line_height, shorten, text_width

_NARROWEST = 150  # px: what the caption of an attribute needs


class LabelVerdict(NamedTuple):
    """What was said of one attribute.

    Attributes:
        probability: 0..1.
        called: Whether the image was judged to have it.
        target: Whether it has it; None: not known.
    """

    probability: float
    called: bool
    target: bool | None = None

    @property
    def right(self) -> bool | None:
        """Whether the verdict is right; None: not known."""
        return None if self.target is None else self.called == self.target


def label_panel(
    image: np.ndarray,
    heatmaps: Mapping[str, np.ndarray | None],
    colours: Mapping[str, Colour],
    title_lines: Sequence[str],
    verdicts: Mapping[str, LabelVerdict],
    note: str = "",
    *,
    right: bool | None = None,
    width: int = 320,
    strength: float = 0.6,
) -> np.ndarray:
    """Draw the picture that a person looks at to judge several verdicts on one image.

    The photograph; beside it the evidence for what was called, all in one; below, the evidence of each attribute,
    called or not, with its probability. A heatmap says where, not how sure: the one of an attribute with a
    probability of 0.01 is as vivid as any, so it stays out of the picture of what was called.

    Args:
        image: What the network saw: uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        heatmaps: Attribute to float [H, W] in 0..1; None or missing: no positive evidence, and the panel says so.
        colours: RGB of each attribute, see `attribute_colours`.
        title_lines: The first is bold, e.g. the file name; what is too wide loses its middle.
        verdicts: Attribute to what was said of it, in the order to be shown, one or more.
        note: A line below the pictures; empty: none.
        right: Whether every verdict is right: a frame and a word in green or red. None: not known.
        width: Of one of the two large pictures, in pixels at most; larger images are shrunk to it.
        strength: Opacity of the hottest place.

    Returns:
        RGB uint8; the size depends on the image, the number of lines and attributes, whether targets are known and
        `width` only, so that panels of one data set stack.

    Raises:
        ValueError: An attribute has no colour, or there is none.
    """
    missing = [name for name in verdicts if name not in colours]
    if missing or not verdicts:
        raise ValueError(f"Expected a colour for each of one or more verdicts but got none for {missing}.")
    rgb = as_rgb(image)
    # Small images fill their place, too, or the captions below have no room; but a slim one would grow too tall.
    slim = 2 * width * rgb.shape[1] // rgb.shape[0]
    photograph = fit_width(rgb, width, smallest=max(160, min(width, slim)))
    called = [name for name, verdict in verdicts.items() if verdict.called]
    shown = {name: heat for name in called if (heat := heatmaps.get(name)) is not None}
    evidence = f"evidence: {', '.join(shown)}" if shown else "no positive evidence"
    top = [
        captioned(photograph, "image"),
        captioned(
            _overlaid(photograph, shown, colours, strength),
            evidence if called else "none of these was called",
        ),
    ]
    body = side_by_side(top)
    columns = _columns(len(verdicts), body.shape[1])
    place = (body.shape[1] - (columns - 1) * EDGE) // columns
    small = fit_width(rgb, place, smallest=place)
    lines = 2 if any(verdict.right is not None for verdict in verdicts.values()) else 1
    cells = []
    for name, verdict in verdicts.items():
        head, heat = _head(name, verdict, colours[name], place, lines), heatmaps.get(name)
        if heat is None:
            picture = no_evidence(*small.shape[:2])
        else:
            picture = _overlaid(small, {name: heat}, colours, strength)
        cells.append(np.concatenate([head, picture]))
    for start in range(0, len(cells), columns):
        row = side_by_side(cells[start : start + columns])
        row = np.concatenate([row, blank(row.shape[0], body.shape[1] - row.shape[1])], axis=1)
        body = np.concatenate([body, blank(EDGE, body.shape[1]), row])
    return finished(body, title_lines, note, right)


def _columns(number: int, width: int) -> int:
    """How many attributes lie side by side: rows about equally full, and no picture as large as those above."""
    most = max(2, width // _NARROWEST)
    rows = math.ceil(number / most)
    return max(math.ceil(number / rows), min(3, most))


def _overlaid(
    photograph: np.ndarray,
    heatmaps: Mapping[str, np.ndarray],
    colours: Mapping[str, Colour],
    strength: float,
) -> np.ndarray:
    height, width = photograph.shape[:2]
    fitted = {name: fit_heat(heat.astype(np.float32), width, height) for name, heat in heatmaps.items()}
    return evidence_overlay(photograph, fitted, colours, strength)


def _head(name: str, verdict: LabelVerdict, colour: Colour, width: int, lines: int) -> np.ndarray:
    """Name, probability and verdict of an attribute, and its colour."""
    step = line_height(CAPTION)
    head = blank(lines * step + 4, width)
    head[-4:] = colour
    answer = f"{verdict.probability:.2f} {'yes' if verdict.called else 'no'}"
    room = width - text_width(answer, CAPTION) - 6
    draw_text(head, shorten(name, room, CAPTION, bold=True), (0, 1), height=CAPTION, bold=True)
    draw_text(head, answer, (width, 1), height=CAPTION, colour=INK, anchor="ra")
    if verdict.right is not None:
        word, ink = ("✓ right", RIGHT) if verdict.right else ("✗ WRONG", WRONG)
        text = shorten(f"{word} (target: {'yes' if verdict.target else 'no'})", width, CAPTION)
        draw_text(head, text, (0, 1 + step), height=CAPTION, colour=ink)
    return head
