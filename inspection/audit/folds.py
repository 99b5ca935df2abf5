"""What the networks of a cross-validation said of the images that each of them did not train on."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspection.data.labels import Labels
from inspection.errors import InputError

_TABLES = PREDICTIONS, SPLITS = "predictions.csv", "splits.csv"


@dataclass(frozen=True)
class OutOfSample:
    """Probabilities of networks that did not train on the image.

    Attributes:
        files: Of the images N that were tested, in the order of the data.
        probabilities: Mean over the runs that tested an image, `[N, K]`: of classes, or of each attribute.
        untested: Images of the data that no run tested.
        runs: Folders that were read.
        without: Folders that hold no predictions.
    """

    files: tuple[str, ...]
    probabilities: NDArray[np.float64]
    untested: tuple[str, ...]
    runs: tuple[Path, ...]
    without: tuple[Path, ...]


def read_folds(
    sweep: Path, files: Sequence[str], targets: NDArray[np.generic], labels: Labels
) -> OutOfSample:
    """Read the test rows of all runs of a sweep over folds.

    Args:
        sweep: Its folder; each run in it has `predictions.csv` and `splits.csv`.
        files: Of the data.
        targets: Their labels, `[N]` or `[N, A]`.
        labels: What they mean.

    Raises:
        InputError: There is no such run; or one of other images or labels; or an image was tested by one that
            trained, or chose its best epoch, on it or on another of its group.
    """
    folders = sorted((path.parent for path in sweep.glob(f"*/{SPLITS}")), key=_by_number)
    if not folders:
        raise InputError(
            f"sweep={sweep}: no run in this folder; expected that of a sweep over folds: "
            "python scripts/train.py -m ... data.fold=0,1,2,3,4"
        )
    known = dict(zip(files, targets, strict=True))
    sums: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    runs = [folder for folder in folders if (folder / PREDICTIONS).is_file()]
    for run in runs:
        for file, values in _tested(run, known, labels).items():
            sums[file] = sums.get(file, np.zeros(len(values))) + values
            counts[file] = counts.get(file, 0) + 1
    tested = tuple(file for file in files if file in sums)
    if not tested:
        raise InputError(f"sweep={sweep}: no run tested an image; train with test=true")
    return OutOfSample(
        tested,
        np.stack([sums[file] / counts[file] for file in tested]),
        tuple(file for file in files if file not in sums),
        tuple(runs),
        tuple(folder for folder in folders if folder not in runs),
    )


def _by_number(folder: Path) -> tuple[bool, int, str]:
    return (not folder.name.isdigit(), int(folder.name) if folder.name.isdigit() else 0, folder.name)


def _tested(
    run: Path, known: Mapping[str, np.generic | NDArray[np.generic]], labels: Labels
) -> dict[str, NDArray[np.float64]]:
    """Probabilities by file of the test rows of a run."""
    split = {row["file"]: row for row in _read(run / SPLITS, ("file", "split", "group", *labels.columns))}
    learned = {row["group"] for row in split.values() if row["split"] != "test"}
    columns = [f"probability_{name}" for name in labels.names]
    found: dict[str, NDArray[np.float64]] = {}
    for row in _read(run / PREDICTIONS, ("file", "split", *columns)):
        if row["split"] != "test":
            continue
        file = row["file"]
        if file not in known:
            raise InputError(
                f"{run / PREDICTIONS}: {file!r} is not among the images; give the data that the sweep was of "
                "(task and data.root)"
            )
        if file not in split or split[file]["split"] != "test":
            raise InputError(
                f"{run}: {file!r} is tested in {PREDICTIONS}, but not in the test part of {SPLITS}: the network "
                "may have trained on it, and would say what it learned by heart"
            )
        if split[file]["group"] in learned:
            raise InputError(
                f"{run}: {file!r} was tested by a network that trained on its group ({split[file]['group']!r}); "
                "keep groups together (data.group) in the sweep"
            )
        said = [split[file][column] for column in labels.columns]
        now = labels.cells(known[file])  # type: ignore[arg-type]
        if said != now:
            raise InputError(
                f"{run / SPLITS}: {file!r} was {', '.join(said)} when the sweep ran and is {', '.join(now)} now; "
                "run the sweep again"
            )
        found[file] = np.array([float(row[column]) for column in columns])
    return found


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            raise InputError(
                f"{path}: no column {missing[0]!r}; labels can be doubted where networks say probabilities of "
                "classes or attributes"
            )
        return list(reader)
