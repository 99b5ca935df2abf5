"""The picture in the labelling window."""

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from inspection.labelling.keys import HELP
from inspection.labelling.session import View
from inspection.pictures.text import INK, PAPER, QUIET, Colour, draw_text, line_height, shorten, text_width

ON: Colour = (18, 120, 60)
OFF: Colour = (176, 182, 190)
WARN: Colour = (178, 60, 20)
FIELD: Colour = (238, 240, 243)  # behind the frame and the help line

_TEXT = 15  # px
_EDGE = 12  # px
_ROW = 27  # px, an attribute
_PANEL = 260  # px
SMALLEST = (640, 400)
"""Width and height below which the texts have no room."""

_text = partial(draw_text, height=_TEXT)


def draw(view: View, attributes: Sequence[str], keys: Sequence[str], size: tuple[int, int]) -> np.ndarray:
    """Draw the frame, what is known of it, the attributes with their keys and states, and the help line.

    Args:
        view: What to show.
        attributes: Names.
        keys: One an attribute.
        size: Width and height in pixels. Many attributes make the picture higher.

    Returns:
        RGB uint8 `[H, W, 3]`. The frame is scaled to its place: made larger by a whole factor, pixels stay sharp.
    """
    bar = 2 * line_height(_TEXT) + _EDGE
    head = 4 * line_height(_TEXT) + 2 * _EDGE
    columns = 1 if head + _ROW * len(attributes) + 3 * _ROW + bar <= size[1] else 2
    rows = -(-len(attributes) // columns)
    width = max(size[0], SMALLEST[0])
    height = max(size[1], SMALLEST[1], head + _ROW * rows + 3 * _ROW + bar)
    screen = np.full((height, width, 3), PAPER, np.uint8)
    panel = _PANEL if columns == 1 else _PANEL + 100
    _draw_frame(screen[: height - bar, : width - panel], view)
    screen[height - bar :] = FIELD
    _draw_panel(screen[: height - bar, width - panel :], view, attributes, keys, columns)
    _draw_bar(screen[height - bar :], view)
    return screen


def _draw_frame(place: np.ndarray, view: View) -> None:
    place[:] = FIELD
    height, width = place.shape[:2]
    if view.picture is None:
        _text(place, "no picture", (width / 2, height / 2), colour=WARN, anchor="mm")
        return
    picture = view.picture if view.picture.ndim == 3 else cv2.cvtColor(view.picture, cv2.COLOR_GRAY2RGB)
    scale = min(height / picture.shape[0], width / picture.shape[1])
    shape = [max(1, round(side * scale)) for side in picture.shape[:2]]
    if scale >= 1:
        shape = [side * int(scale) for side in picture.shape[:2]]
    method = cv2.INTER_NEAREST if scale >= 1 else cv2.INTER_AREA
    resized = cv2.resize(picture, (shape[1], shape[0]), interpolation=method)
    top, left = (height - shape[0]) // 2, (width - shape[1]) // 2
    place[top : top + shape[0], left : left + shape[1]] = resized


def _draw_panel(
    place: np.ndarray, view: View, attributes: Sequence[str], keys: Sequence[str], columns: int
) -> None:
    width = place.shape[1] - 2 * _EDGE
    step = line_height(_TEXT)
    _text(place, shorten(view.video, width, _TEXT, bold=True), (_EDGE, _EDGE), bold=True)
    _text(place, f"frame {view.frame}", (_EDGE, _EDGE + step))
    _text(place, shorten(view.file, width, 12), (_EDGE, _EDGE + 2 * step + 2), height=12, colour=QUIET)
    state, colour = _state(view)
    _text(place, state, (_EDGE, _EDGE + 3 * step), bold=True, colour=colour)

    top = 4 * step + 2 * _EDGE
    rows = -(-len(attributes) // columns)
    column_width = width // columns
    for index, (name, key, on, changed) in enumerate(
        zip(attributes, keys, view.values, view.changed, strict=True)
    ):
        x = _EDGE + index // rows * column_width
        y = top + index % rows * _ROW
        box = (x, y, x + 22, y + 22)
        cv2.rectangle(place, box[:2], box[2:], ON if on else OFF, -1 if on else 1, cv2.LINE_AA)
        middle = (x + 11.5, y + 11)
        _text(place, key.upper(), middle, bold=True, colour=PAPER if on else INK, anchor="mm")
        room = column_width - 40 - text_width("yes *", _TEXT)
        _text(place, shorten(name, room, _TEXT, bold=on), (x + 32, y + 11), bold=on, anchor="lm")
        right = (x + column_width - 4 - text_width(" *", _TEXT), y + 11)
        _text(place, "yes" if on else "no", right, colour=ON if on else QUIET, anchor="rm")
        if changed:
            _text(place, " *", right, bold=True, colour=WARN, anchor="lm")
    y = top + rows * _ROW + _EDGE // 2
    if view.contradiction:
        text = shorten(f"contradiction: {view.contradiction}", width, 13, bold=True)
        _text(place, text, (_EDGE, y), height=13, bold=True, colour=WARN)
    if view.hint:
        text = shorten(view.hint, width, 13)
        _text(place, text, (_EDGE, y if not view.contradiction else y + 2 * _ROW), height=13, colour=INK)
    if view.hint:
        return
    counted = f"{view.labelled} frame{'s' * (view.labelled != 1)} of this video labelled"
    _text(place, counted, (_EDGE, y + _ROW), height=13, colour=QUIET)


def _state(view: View) -> tuple[str, Colour]:
    if any(view.changed):
        return "changed, not saved *", WARN
    return ("saved", ON) if view.saved else ("not labelled", QUIET)


def _draw_bar(place: np.ndarray, view: View) -> None:
    width = place.shape[1] - 2 * _EDGE
    message = shorten(" ".join(view.message.split()), width, _TEXT)
    _text(place, message, (_EDGE, _EDGE / 2), colour=WARN if view.refused else ON)
    x, y = float(_EDGE), _EDGE / 2 + line_height(_TEXT)
    commands = [(key.upper(), word) for key, word in HELP]  # as on the keyboard; an l looks like an I
    needed = sum(text_width(f"{key} ", 13, bold=True) + text_width(word, 13) for key, word in commands)
    gap = max(6.0, min(18.0, (width - needed) / (len(commands) - 1)))
    for key, word in commands:
        _text(place, key, (x, y), height=13, bold=True)
        x += text_width(f"{key} ", 13, bold=True)
        _text(place, word, (x, y), height=13, colour=QUIET)
        x += text_width(word, 13) + gap
