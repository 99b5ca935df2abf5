"""Masks of defects that do not fit their images, or say nothing."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from inspection.audit.findings import Case, Finding, counted
from inspection.audit.look import Album
from inspection.data.images import CameraImage, read_image
from inspection.data.masks import LOSSY, is_defective
from inspection.errors import InputError

_MUCH = 0.5  # of an image: a mask that covers more may be inverted
_SHADES = 2  # values of a mask


def check_masks(album: Album, root: Path, masks: Mapping[str, str]) -> list[Finding]:
    """Look at each mask.

    Args:
        album: The images.
        root: Folder that the masks are relative to.
        masks: Of the images that have one, path of the mask by file.
    """
    wrong: list[Case] = []
    sizes: list[Case] = []
    empty: list[Case] = []
    inverted: list[Case] = []
    shades: list[Case] = []
    for row, file in enumerate(album.files):
        if file not in masks:
            continue
        place, look = masks[file], album.looks[row]
        try:
            mask = read_image(root / place)
        except InputError as error:
            wrong.append(Case(str(error).splitlines()[0], (file,)))
            continue
        if look is not None and mask.shape[:2] != look.size:
            found, expected = (f"{width}x{height}" for height, width in (mask.shape[:2], look.size))
            sizes.append(
                Case(f"{place}: {found} pixels (width x height), its image {file} {expected}", (file,))
            )
        share = float(is_defective(mask, Path(place)).mean())
        if share == 0:
            empty.append(Case(f"{place}: marks nothing in {album.name(row)}", (file,)))
        elif share > _MUCH:
            inverted.append(Case(f"{place}: marks {share:.0%} of {file}", (file,)))
        if Path(place).suffix.lower() not in LOSSY and (values := _values(mask)) > _SHADES:
            shades.append(Case(f"{place}: {values} different values", (file,)))
    found_all = [
        _finding("unreadable_masks", "error", wrong, "can't be read", "mend them, or draw them again"),
        _finding(
            "mask_size", "error", sizes, "of another size than the image", "draw them again over the image"
        ),
        _finding("empty_masks", "warning", empty, "of a defect, but empty", "draw them, or move the image"),
        _finding("large_masks", "warning", inverted, "marking most of the image", "are they inverted?"),
        _finding("mask_values", "note", shades, "with more than two values", "all but 0 counts as a defect"),
    ]
    return [found for found in found_all if found is not None]


def _values(mask: CameraImage) -> int:
    """Number of different values, of colours by channel the most."""
    planes = mask.reshape(-1, 1) if mask.ndim == 2 else mask.reshape(-1, 3)
    return max(int(np.count_nonzero(np.bincount(plane))) for plane in planes.T)


def _finding(check: str, severity: str, cases: list[Case], what: str, remedy: str) -> Finding | None:
    if not cases:
        return None
    title = f"{counted(len(cases), 'mask', 'masks')} {what}"
    return Finding(check, severity, title, tuple(cases), remedy)  # type: ignore[arg-type]
