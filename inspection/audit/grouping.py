"""What belongs together: declared groups, groups that names tell of, and a split that keeps copies together."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from inspection.audit.copies import connected
from inspection.audit.findings import Case, Finding, counted
from inspection.audit.look import Album
from inspection.audit.sameness import Copies
from inspection.data.splits import PARTS, Samples, split, write_splits

_SHARE = 0.8  # of the images that must be in a group of several for names to tell of groups
_AGREE = 0.8  # of the pairs of near copies that must be of one name
_LEAST = 3  # groups
_NUMBERED = r"(.*[0-9].*?)[-_. ]+[0-9]+\.[^.]*$"


def divided_groups(album: Album) -> list[Finding]:
    """Declared groups with images in more than one part."""
    if album.parts is None or not album.grouped:
        return []
    parts_of: dict[str, dict[str, list[str]]] = {}
    for file, group, part in zip(album.files, album.groups, album.parts.tolist(), strict=True):
        parts_of.setdefault(group, {}).setdefault(part, []).append(file)
    cases = tuple(
        Case(
            f"{group}: " + ", ".join(f"{len(parts[part])} {part}" for part in PARTS if part in parts),
            tuple(file for files in parts.values() for file in files),
        )
        for group, parts in parts_of.items()
        if len(parts) > 1
    )
    if not cases:
        return []
    title = (
        f"{counted(len(cases), 'group (data.group) has', 'groups (data.group) have')} images in several parts"
    )
    return [Finding("divided_groups", "error", title, cases, "split anew by groups: data.splits=null")]


def named_groups(album: Album, near: NDArray[np.int64]) -> list[Finding]:
    """Groups that file names tell of: `seam_031_000002.png` is one of the frames of `seam_031`.

    Names whose groups the near copies contradict are not told of.

    Args:
        album: The images.
        near: Pairs of near copies, `[M, 2]`.
    """
    if album.grouped:
        return []
    keys = [_before_number(file) for file in album.files]
    sizes: dict[str, int] = {}
    for key in keys:
        if key is not None:
            sizes[key] = sizes.get(key, 0) + 1
    several = sum(size for size in sizes.values() if size > 1)
    groups = [key for key, size in sizes.items() if size > 1]
    if len(groups) < _LEAST or several < _SHARE * len(album.files):
        return []
    agree = [keys[one] is not None and keys[one] == keys[other] for one, other in near.tolist()]
    if agree and np.mean(agree) < _AGREE:
        return []
    cases = tuple(
        Case(f"{key}...: {sizes[key]} images") for key in sorted(groups, key=lambda key: -sizes[key])
    )
    evidence = f"; {sum(agree)} of {len(agree)} pairs of near copies are of one name" if agree else ""
    title = f"file names tell of {len(groups)} groups (frames of one video, tiles of one part?){evidence}"
    remedy = f"if they belong together: 'data.group=\"{_NUMBERED}\"'"
    divided = _divided(keys, groups, album)
    if divided:
        title += f"; {counted(divided, 'group has', 'groups have')} images in several parts"
    return [Finding("named_groups", "warning" if divided else "note", title, cases, remedy)]


def _divided(keys: Sequence[str | None], groups: Sequence[str], album: Album) -> int:
    """How many of the groups lie in more than one part."""
    if album.parts is None:
        return 0
    parts_of: dict[str | None, set[str]] = {}
    for key, part in zip(keys, album.parts.tolist(), strict=True):
        parts_of.setdefault(key, set()).add(part)
    return sum(len(parts_of[group]) > 1 for group in groups)


def _before_number(file: str) -> str | None:
    """What stands before the last number of a file's name, where that has a number itself.

    >>> _before_number("pics/seam_031_000002.png"), _before_number("pics/000002.png")
    ('pics/seam_031', None)
    """
    match = re.search(_NUMBERED, PurePosixPath(file).name)
    if match is None or not re.search(r"[0-9]", match.group(1)):
        return None
    return PurePosixPath(file).with_name(match.group(1)).as_posix()


def groups_with_copies(groups: Sequence[str], copies: Copies) -> tuple[str, ...]:
    """Groups that hold together what was declared and what is copied; each has the name of its first."""
    first_of: dict[str, int] = {}
    declared = [(first_of.setdefault(group, row), row) for row, group in enumerate(groups)]
    copied = list(enumerate(copies.first.tolist()))
    first = connected(np.array([*declared, *copied], np.int64), len(groups))
    return tuple(groups[row] for row in first.tolist())


def write_grouped_split(path: Path, samples: Samples, copies: Copies, seed: int) -> Samples:
    """Split so that copies stay together and the parts are as large as they were, and write it down.

    Args:
        path: A `splits.csv`, for `data.splits` or `data.group`.
        samples: The images.
        copies: Of them.
        seed: Which images go where.

    Returns:
        The images in their new parts and groups.

    Raises:
        InputError: So few groups can't be dealt out.
    """
    groups = groups_with_copies(samples.groups, copies)
    indicators = samples.labels.indicators(samples.targets)
    if samples.kinds is not None:
        kinds = np.asarray(samples.kinds)
        indicators = np.concatenate([indicators, kinds[:, None] == np.unique(kinds)], axis=1)
    parts = split(indicators, groups, [len(samples.rows(part)) for part in PARTS], seed)
    dealt = Samples(samples.files, samples.targets, groups, parts, samples.labels, samples.kinds)
    write_splits(path, dealt)
    return dealt


def can_be_grouped(samples: Samples) -> bool:
    """Whether a split of its own may be made of a set: not where training is for good images alone."""
    return samples.labels.kind != "good"
