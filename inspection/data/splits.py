"""Which image goes where: stratified, grouped, seeded, written down."""

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inspection.data.labels import Labels
from inspection.data.stratify import deal_out
from inspection.errors import InputError

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Samples:
    """The images of a data set, row by row.

    Attributes:
        files: Paths relative to the data root, with forward slashes.
        targets: `[N]` or `[N, A]`, see `labels`.
        groups: What must stay together; every file is its own group unless a pattern was declared.
        parts: `train`, `val` or `test`, one a row.
        labels: What the targets mean.
        kinds: What an image is, more finely than its label says (which type of defect), or None.
    """

    files: tuple[str, ...]
    targets: np.ndarray
    groups: tuple[str, ...]
    parts: np.ndarray
    labels: Labels
    kinds: tuple[str, ...] | None = None

    def rows(self, part: str) -> np.ndarray:
        """Row numbers of a part, int64."""
        return np.flatnonzero(self.parts == part)

    def counts(self, part: str) -> np.ndarray:
        """Images of each class (or with each attribute) in a part, int64 `[K]`."""
        return self.labels.indicators(self.targets[self.rows(part)]).sum(0)


def find_groups(files: Sequence[str], pattern: str | None) -> tuple[str, ...]:
    """The group of each file: the first group of a regular expression found in its path.

    Args:
        files: Paths.
        pattern: The expression, or a CSV with the columns `file` and `group`; None: each file is its own group.

    Raises:
        InputError: If the pattern is no regular expression with a group, or does not match a file; or the table
            can't be read, or lacks a file.
    """
    if pattern is None:
        return tuple(files)
    if pattern.lower().endswith(".csv"):
        return _read_groups(Path(pattern), files)
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
            raise InputError(
                f"data.group={pattern!r} does not match the file {file!r}; mend the pattern, "
                "or take data.group=null where no images belong together"
            )
        groups.append(match.group(1))
    return tuple(groups)


def _read_groups(path: Path, files: Sequence[str]) -> tuple[str, ...]:
    """The groups that a table gives to these files; it may know others, too."""
    if not path.is_file():
        raise InputError(
            f"data.group={path}: no such file; an audit writes one (python scripts/audit.py ...)"
        )
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        if not {"file", "group"} <= set(reader.fieldnames or []):
            raise InputError(f"data.group={path}: expected the columns file and group")
        group_of = {row["file"]: row["group"] for row in reader}
    lacking = [file for file in files if not group_of.get(file)]
    if lacking:
        raise InputError(
            f"data.group={path}: has no group for {len(lacking)} files, for example {lacking[0]!r}; audit the set "
            "anew"
        )
    return tuple(group_of[file] for file in files)


def split(indicators: np.ndarray, groups: Sequence[str], shares: Sequence[float], seed: int) -> np.ndarray:
    """Deal groups out to training, validation and test so that each part is a small likeness of the whole.

    Args:
        indicators: What each part should hold its share of, bool `[N, S]`: the classes, say. See `deal_out`.
        groups: Group names, `[N]`; a group is never divided.
        shares: Of training, validation and test; they are scaled to sum to 1.
        seed: The same seed gives the same split.

    Returns:
        Part names, `[N]`.

    Raises:
        InputError: If the shares are none, or there are fewer groups than parts.
    """
    if len(shares) != len(PARTS) or min(shares) < 0 or shares[0] <= 0 or shares[1] <= 0:
        raise InputError(
            f"data.split={list(shares)}: expected three shares [train,val,test], the first two above 0"
        )
    return np.asarray(PARTS)[deal_out(indicators, groups, shares, seed)]


def split_folds(
    indicators: np.ndarray, groups: Sequence[str], folds: int, fold: int, seed: int
) -> np.ndarray:
    """One of several splits whose test parts together are the whole set, and share no image.

    Args:
        indicators: As in `split`.
        groups: As in `split`.
        folds: Number of test parts.
        fold: Which of them, from 0.
        seed: The same seed gives the same folds.

    Returns:
        `test` for the images of the fold and `train` for the others, `[N]`.

    Raises:
        InputError: If there are fewer groups than folds.
    """
    return np.where(deal_out(indicators, groups, [1] * folds, seed) == fold, "test", "train")


def check_parts(samples: Samples, shares: Sequence[float] = (1, 1, 1)) -> None:
    """Raise an `InputError` when a part that was dealt its share has no image, or lacks what it needs."""
    for part, share in zip(PARTS, shares, strict=True):
        if share > 0:
            remedy = "add images, change data.split, or use a smaller data.group"
            _check_part(samples, part, remedy)


def check_given_parts(samples: Samples, remedy: str) -> None:
    """Raise an `InputError` when a training part that somebody chose lacks what it needs, or validation is empty.

    What else is missing leaves figures undefined, which is theirs to choose.

    Args:
        samples: With their parts.
        remedy: What to do about it.
    """
    _check_part(samples, "train", remedy)
    if not len(samples.rows("val")):
        raise InputError("the split that was given has no validation part; the best epoch is chosen there")


def _check_part(samples: Samples, part: str, remedy: str) -> None:
    targets = samples.targets[samples.rows(part)]
    if not len(targets):
        raise InputError(f"the {part} part holds no image ({len(samples.files)} in the whole set): {remedy}")
    for what, holds in samples.labels.needed(part):
        if not holds(targets).any():
            count = int(holds(samples.targets).sum())
            raise InputError(f"the {part} part holds no {what} ({count} in the whole set): {remedy}")


def shared_groups(samples: Samples) -> list[str]:
    """Groups that lie in more than one part: their images leak from training into the figures."""
    parts_of: dict[str, set[str]] = {}
    for group, part in zip(samples.groups, samples.parts, strict=True):
        parts_of.setdefault(group, set()).add(part)
    return sorted(group for group, parts in parts_of.items() if len(parts) > 1)


def write_splits(path: Path, samples: Samples) -> None:
    """Write `file, split, class, group` (or other columns of the labels instead of class), one row an image.

    Where the images are of kinds that the labels don't tell, a column `kind` follows.
    """
    kinds = [[]] * len(samples.files) if samples.kinds is None else [[kind] for kind in samples.kinds]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        kind_column = [] if samples.kinds is None else ["kind"]
        writer.writerow(["file", "split", *samples.labels.columns, "group", *kind_column])
        for file, part, target, group, kind in zip(
            samples.files, samples.parts, samples.targets, samples.groups, kinds, strict=True
        ):
            writer.writerow([file, part, *samples.labels.cells(target), group, *kind])


def read_splits(path: Path, files: Sequence[str], targets: np.ndarray, labels: Labels) -> np.ndarray:
    """The parts that a `splits.csv` gives to these files.

    Args:
        path: A CSV with the columns `file`, `split` and those of the labels.
        files: Paths relative to the data root that were found.
        targets: Their targets.
        labels: What the targets mean.

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
        needed = ("file", "split", *labels.columns)
        missing = [name for name in needed if name not in (reader.fieldnames or [])]
        if missing:
            raise InputError(f"{path}: column {missing[0]!r} is missing; expected {', '.join(needed)}")
        rows: dict[str, Mapping[str, str]] = {}
        for row in reader:
            if row["split"] not in PARTS:
                raise InputError(
                    f"{path}, line {reader.line_num}: split {row['split']!r}; expected one of {', '.join(PARTS)}"
                )
            if row["file"] in rows:
                raise InputError(f"{path}, line {reader.line_num}: {row['file']!r} stands there twice")
            rows[row["file"]] = row
    check_same_files(path, rows.keys(), files)
    for file, target in zip(files, targets, strict=True):
        for column, cell in zip(labels.columns, labels.cells(target), strict=True):
            if not labels.same(rows[file][column], cell):
                raise InputError(
                    f"{path}: {file!r} has {column} {rows[file][column]!r} there, but {cell!r} in the data"
                )
    return np.asarray([rows[file]["split"] for file in files])


def check_same_files(path: Path, listed: Collection[str], files: Sequence[str]) -> None:
    """Raise an `InputError` when a table of a split lists other files than were found."""
    found = set(files)
    gone, new = sorted(set(listed) - found), sorted(found - set(listed))
    if gone or new:
        example = f"{gone[0]!r} is in the table alone" if gone else f"{new[0]!r} is in the folder alone"
        raise InputError(
            f"{path} does not fit the data: {len(gone)} files gone, {len(new)} new; for example {example}"
        )
