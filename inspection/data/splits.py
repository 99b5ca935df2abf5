"""Which image goes where: stratified, grouped, seeded, written down."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inspection.errors import InputError

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Samples:
    """The images of a data set, row by row.

    Attributes:
        files: Paths relative to the data root, with forward slashes.
        targets: Class indices, int64 `[N]`.
        groups: What must stay together; every file is its own group unless a pattern was declared.
        parts: `train`, `val` or `test`, one a row.
    """

    files: tuple[str, ...]
    targets: np.ndarray
    groups: tuple[str, ...]
    parts: np.ndarray

    def rows(self, part: str) -> np.ndarray:
        """Row numbers of a part, int64."""
        return np.flatnonzero(self.parts == part)

    def counts(self, part: str, num_classes: int) -> np.ndarray:
        """Images of each class in a part, int64 `[num_classes]`."""
        return np.bincount(self.targets[self.rows(part)], minlength=num_classes)


def find_groups(files: Sequence[str], pattern: str | None) -> tuple[str, ...]:
    """The group of each file: the first group of a regular expression found in its path.

    Raises:
        InputError: If the pattern is no regular expression with a group, or does not match a file.
    """
    if pattern is None:
        return tuple(files)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"data.group={pattern!r} is not a regular expression: {error}") from None
    if expression.groups < 1:
        raise InputError(
            f"data.group={pattern!r} has no group in parentheses; write for example 'board_([0-9]+)_'"
        )
    groups = []
    for file in files:
        match = expression.search(file)
        if match is None or match.group(1) is None:
            raise InputError(f"data.group={pattern!r} does not match the file {file!r}; mend the pattern")
        groups.append(match.group(1))
    return tuple(groups)


def split(
    targets: np.ndarray, groups: Sequence[str], shares: Sequence[float], num_classes: int, seed: int
) -> np.ndarray:
    """Deal groups out to training, validation and test so that each part holds its share of every class.

    Groups are dealt in random order, the largest first, each to the part that it brings nearest to its share of
    the classes (squared relative error). Groups of one image end within one image of the exact share.

    Args:
        targets: Class indices, int64 `[N]`.
        groups: Group names, `[N]`; a group is never divided.
        shares: Of training, validation and test; they are scaled to sum to 1.
        num_classes: Number of classes K.
        seed: The same seed gives the same split.

    Returns:
        Part names, `[N]`.

    Raises:
        InputError: If a part that is to hold images would lack a class.
    """
    if len(shares) != len(PARTS) or min(shares) < 0 or shares[0] <= 0 or shares[1] <= 0:
        raise InputError(
            f"data.split={list(shares)}: expected three shares [train,val,test], the first two above 0"
        )
    names, group_of = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    counts = np.zeros((len(names), num_classes))
    np.add.at(counts, (group_of, targets), 1)

    random = np.random.default_rng(seed)
    order = random.permutation(len(names))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]

    totals = counts.sum(0)
    wanted = np.outer(np.asarray(shares) / np.sum(shares), totals)
    importance = 1 / np.maximum(totals, 1) ** 2  # a rare class counts as much as a common one
    dealt = np.zeros_like(wanted)
    part_of = np.empty(len(names), dtype=int)
    open_parts = np.flatnonzero(np.asarray(shares) > 0)
    for group in order:
        size = counts[group]
        change = ((2 * (dealt - wanted) + size) * size * importance).sum(1)
        part = open_parts[np.argmin(change[open_parts])]
        dealt[part] += size
        part_of[group] = part
    return np.asarray(PARTS)[part_of[group_of]]


def check_parts(samples: Samples, classes: Sequence[str], shares: Sequence[float] = (1, 1, 1)) -> None:
    """Raise an `InputError` when a part that should hold images lacks a class."""
    for part, share in zip(PARTS, shares, strict=True):
        if share <= 0:
            continue
        for name, count in zip(classes, samples.counts(part, len(classes)), strict=True):
            if count == 0:
                total = int((samples.targets == list(classes).index(name)).sum())
                raise InputError(
                    f"the {part} part holds no image of class {name!r} ({total} in the whole set): "
                    "add images, change data.split, or use a smaller data.group"
                )


def shared_groups(samples: Samples) -> list[str]:
    """Groups that lie in more than one part: their images leak from training into the figures."""
    parts_of: dict[str, set[str]] = {}
    for group, part in zip(samples.groups, samples.parts, strict=True):
        parts_of.setdefault(group, set()).add(part)
    return sorted(group for group, parts in parts_of.items() if len(parts) > 1)


def write_splits(path: Path, samples: Samples, classes: Sequence[str]) -> None:
    """Write `file, split, class, group`, one row an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "split", "class", "group"])
        for file, part, target, group in zip(
            samples.files, samples.parts, samples.targets, samples.groups, strict=True
        ):
            writer.writerow([file, part, classes[target], group])


def read_splits(path: Path, files: Sequence[str], targets: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The parts that a `splits.csv` gives to these files.

    Args:
        path: A CSV with the columns `file`, `split` and `class`.
        files: Paths relative to the data root that were found.
        targets: Their class indices.
        classes: Class names.

    Returns:
        Part names, `[N]`.

    Raises:
        InputError: If the table can't be read, names other files than were found, another class, or an
            unknown part.
    """
    if not path.is_file():
        raise InputError(
            f"data.splits={path}: no such file; give the splits.csv of a run, or null to split anew"
        )
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = {"file", "split", "class"} - set(reader.fieldnames or [])
        if missing:
            raise InputError(f"{path}: column {sorted(missing)[0]!r} is missing; expected file, split, class")
        rows: dict[str, Mapping[str, str]] = {}
        for row in reader:
            if row["split"] not in PARTS:
                raise InputError(
                    f"{path}, line {reader.line_num}: split {row['split']!r}; expected one of {', '.join(PARTS)}"
                )
            if row["file"] in rows:
                raise InputError(f"{path}, line {reader.line_num}: {row['file']!r} stands there twice")
            rows[row["file"]] = row
    found = set(files)
    gone, new = sorted(rows.keys() - found), sorted(found - rows.keys())
    if gone or new:
        example = f"{gone[0]!r} is in the table alone" if gone else f"{new[0]!r} is in the folder alone"
        raise InputError(
            f"{path} does not fit the data: {len(gone)} files gone, {len(new)} new; for example {example}"
        )
    for file, target in zip(files, targets, strict=True):
        if rows[file]["class"] != classes[target]:
            raise InputError(
                f"{path}: {file!r} is {rows[file]['class']!r} there, but {classes[target]!r} in the data"
            )
    return np.asarray([rows[file]["split"] for file in files])
