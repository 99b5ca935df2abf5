"""Pictures of what an audit found."""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from inspection.audit.findings import Finding
from inspection.errors import InputError
from inspection.pictures.grid import sample_grid, stack

Read = Callable[[str], np.ndarray]

CASES = 12
"""Cases on one sheet."""
_FILES = 4  # of a case
_CELL = 230  # px
_ACROSS = 7  # cells
_GAP = 12  # px

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
    panels = [
        sample_grid(
            {
                f"{number}  {_end_of(case.text)}": [
                    _shown(file, read, captions) for file in case.files[:_FILES]
                ]
            },
            cell=_CELL,
            height=_CELL,
        )
        for number, case in enumerate(cases, 1)
    ]
    across = max(1, _ACROSS * _CELL // max((panel.shape[1] for panel in panels), default=1))
    lines = [_beside(panels[at : at + across]) for at in range(0, len(panels), across)]
    return stack(lines, gap=0)


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
    scale = min(1.0, _CELL / max(picture.shape[:2]))
    if scale == 1:
        return picture
    size = [max(1, round(length * scale)) for length in picture.shape[1::-1]]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
