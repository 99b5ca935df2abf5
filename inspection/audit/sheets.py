"""Pictures of what an audit found."""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from inspection.audit.findings import Case, Finding
from inspection.errors import InputError
from inspection.pictures.grid import sample_grid, stack
from inspection.pictures.text import QUIET, text_width

Read = Callable[[str], np.ndarray]

CASES = 12
"""Cases on one sheet."""
_FILES = 4  # of a case
_CELL = 230  # px
_ACROSS = 7  # cells
_GAP = 10  # px
_TITLE = 15  # px, of the letters

Shown = tuple[np.ndarray, str]


def draw_finding(finding: Finding, read: Read, captions: Mapping[str, str]) -> np.ndarray:
    """A contact sheet of a finding: the images of a case side by side, and the cases one after the other.

    Args:
        finding: With cases that have files.
        read: Gives a picture of an image, RGB uint8 `[H, W, 3]`.
        captions: Label and part of each file, which stand before its name.

    Returns:
        RGB uint8.
    """
    cases = [case for case in finding.cases if case.files][:CASES]
    panels = [_panel(number, case, read, captions) for number, case in enumerate(cases, 1)]
    across = max(1, _ACROSS * _CELL // max((panel.shape[1] for panel in panels), default=1))
    lines = [_beside(panels[at : at + across]) for at in range(0, len(panels), across)]
    return stack(lines, gap=0)


def _panel(number: int, case: Case, read: Read, captions: Mapping[str, str]) -> np.ndarray:
    """The images of a case side by side below what is said of them, no wider than that."""
    many = f"{len(case.files)} files" if len(case.files) > _FILES else ""
    title = f"{number}  {_end_of(case.text) or many}"
    shown = [_shown(file, read, captions) for file in case.files[:_FILES]]
    panel = sample_grid({title: shown}, cell=_CELL, height=_CELL)
    words = int(text_width(title, _TITLE, bold=True))
    return panel[:, : max(len(shown) * (_CELL + _GAP), words) + _GAP]


def _beside(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Panels in a line, each on white as high as the highest."""
    tall = max(panel.shape[0] for panel in panels)
    padded = [np.pad(p, ((0, tall - p.shape[0]), (0, _GAP), (0, 0)), constant_values=255) for p in panels]
    return np.concatenate(padded, axis=1)


def _end_of(text: str) -> str:
    """What a case says behind the names of its images."""
    return text.rpartition("): ")[2] if "): " in text else ""


def _shown(file: str, read: Read, captions: Mapping[str, str]) -> Shown:
    caption = f"{captions[file]}  {file.rpartition('/')[2]}" if captions.get(file) else file
    try:
        return _small(read(file)), caption
    except InputError:  # since it was looked at
        return np.zeros((_CELL, _CELL, 3), np.uint8), caption


def _small(picture: np.ndarray) -> np.ndarray:
    """A picture for the sheet, with a line around it: a blank one would not be seen."""
    scale = min(1.0, _CELL / max(picture.shape[:2]))
    size = [max(1, round(length * scale)) for length in picture.shape[1::-1]]
    shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture.copy()
    cv2.rectangle(shrunk, (0, 0), (shrunk.shape[1] - 1, shrunk.shape[0] - 1), QUIET)
    return np.asarray(shrunk)
