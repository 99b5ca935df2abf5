"""Pictures of what an audit found."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from inspection.audit.findings import Finding
from inspection.errors import InputError
from inspection.pictures.grid import sample_grid

Read = Callable[[str], np.ndarray]

CASES = 12
"""Cases on one sheet."""
_FILES = 4  # of a case
_CELL = 220  # px

Shown = tuple[np.ndarray, str]


def draw_finding(finding: Finding, read: Read, captions: Mapping[str, str]) -> np.ndarray:
    """A contact sheet of a finding: each case a row of its images, or all in rows where each case is one image.

    Args:
        finding: With cases that have files.
        read: Gives a picture of an image, RGB uint8 `[H, W, 3]`.
        captions: Label and part of each file, which stand before its name.

    Returns:
        RGB uint8.
    """
    cases = [case for case in finding.cases if case.files][:CASES]
    if all(len(case.files) == 1 for case in cases):
        shown = [_shown(case.files[0], read, captions) for case in cases]
        rows = {f"{finding.check} {at + 1} to {at + len(shown[at : at + _FILES])}": shown[at : at + _FILES]
                for at in range(0, len(shown), _FILES)}  # fmt: skip
    else:
        rows = {
            f"{number}  {_end_of(case.text)}": [_shown(file, read, captions) for file in case.files[:_FILES]]
            for number, case in enumerate(cases, 1)
        }
    return sample_grid(rows, cell=_CELL, height=_CELL)


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
