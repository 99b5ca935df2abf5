"""What a finished run, or an evaluation of one on new images, wrote down: figures, answers, groups."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspection.config.saved import read_config
from inspection.data.splits import find_groups
from inspection.errors import InputError
from inspection.inspector import Passport
from inspection.inspector.passport import read_passport
from inspection.runs.folder import CONFIG, FIGURES, PASSPORT

PREDICTIONS, SPLITS = "predictions.csv", "splits.csv"

Row = Mapping[str, str]
"""One image in `predictions.csv`, by column."""


@dataclass(frozen=True)
class FinishedRun:
    """The tables of a run.

    Attributes:
        folder: Of the run.
        passport: Of its inspector.
        figures: `metrics.json`.
        rows: Of each part the images that were evaluated, by file.
        parts: Of each image of the data the part it was in, by file.
        groups: Of each image what it belongs to, by file.
    """

    folder: Path
    passport: Passport
    figures: Mapping[str, Any]
    rows: Mapping[str, Mapping[str, Row]]
    parts: Mapping[str, str]
    groups: Mapping[str, str]

    @property
    def rule(self) -> str | None:
        """By which its operating point was chosen, in words; None where it has none."""
        rule = (self.figures.get("operating_point") or {}).get("rule")
        return None if rule is None else str(rule)

    @property
    def points(self) -> str:
        """Its operating point in words."""
        points = (self.figures.get("operating_point") or {}).get("points") or []
        return ", ".join(f"{point['what']} from {point['threshold']:.4g} on" for point in points)

    @classmethod
    def read(cls, folder: Path) -> "FinishedRun":
        """Read a run back, or what `scripts/evaluate.py` found of one on new images (`<run>/evaluate/<time>`).

        Raises:
            InputError: If it is none, or did not get to its end.
        """
        if not folder.is_dir():
            raise InputError(
                f"runs: {folder}: no such folder; give run folders such as outputs/coil/lenet/<time>"
            )
        # New images have no parts, and the passport is that of the run.
        evaluated = folder.parent.name == "evaluate" or _is_evaluation(folder)
        needed = (
            (CONFIG, FIGURES, PREDICTIONS) if evaluated else (CONFIG, PASSPORT, FIGURES, PREDICTIONS, SPLITS)
        )
        for name in needed:
            if not (folder / name).is_file():
                reason = (
                    "not a run folder"
                    if name == CONFIG
                    else "its evaluation did not get to its end"
                    if evaluated
                    else "its training did not get to its end, or ran as a test"
                )
                raise InputError(f"runs: {folder}: {reason}, {name} is missing")
        try:
            figures = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{folder / FIGURES}: no JSON ({error})") from None
        place = (_run_of(folder, figures) if evaluated else folder) / PASSPORT
        try:
            passport = read_passport(place.read_text(encoding="utf-8"))
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        rows: dict[str, dict[str, Row]] = {}
        for row in _read(folder / PREDICTIONS, ("file", "split")):
            rows.setdefault(row["split"], {})[row["file"]] = row
        if evaluated:
            splits = _new_images([file for own in rows.values() for file in own], folder)
        else:
            splits = _read(folder / SPLITS, ("file", "split", "group"))
        return cls(
            folder,
            passport,
            figures,
            rows,
            {row["file"]: row["split"] for row in splits},
            {row["file"]: row["group"] for row in splits},
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what is asked for."""
        return tuple(self.figures["classes"])

    @property
    def data_root(self) -> str:
        """Where the data lay."""
        return str(self._data.get("root", "a folder that is not known"))

    @property
    def synthetic(self) -> bool:
        """Whether the images are synthetic."""
        return bool(self._data.get("synthetic"))

    @property
    def _data(self) -> Mapping[str, Any]:
        """Of the images that were evaluated, which are not always those of the training."""
        own = self.figures.get("data")
        return own if isinstance(own, Mapping) else self.passport.made.get("data") or {}

    @property
    def confidence(self) -> float | None:
        """Of its intervals; None: an older version wrote them, and does not say."""
        value = (self.figures.get("intervals") or {}).get("confidence")
        return value if isinstance(value, (int, float)) else None

    def any_row(self, part: str) -> Row:
        """An answer, to see of which kind they are."""
        return next(iter(self.rows[part].values()))


Runs = Mapping[str, FinishedRun]
"""By the letter that they are called by."""


def _is_evaluation(folder: Path) -> bool:
    """Whether figures say of which run they are (`output=` may be any folder)."""
    try:
        return "trained_on" in json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _run_of(folder: Path, figures: Mapping[str, Any]) -> Path:
    """The run that was evaluated."""
    places = [Path(str(figures.get("run", folder.parent.parent))), folder.parent.parent]
    for place in places:
        if (place / PASSPORT).is_file():
            return place
    raise InputError(
        f"runs: {folder}: an evaluation of {places[0]}, which is not there (any more); call from where that "
        "path leads to it, or give another folder"
    )


def _new_images(files: Sequence[str], folder: Path) -> list[dict[str, str]]:
    """As `splits.csv` has it; groups as the evaluation found them."""
    pattern = read_config(folder / CONFIG).get("data", {}).get("group")
    try:
        groups = find_groups(files, pattern)
    except InputError:
        groups = tuple(files)  # as the evaluation took them
    return [
        {"file": file, "split": "test", "group": group} for file, group in zip(files, groups, strict=True)
    ]


def _read(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: it has no column {missing[0]!r}; another version wrote the run")
        return list(reader)
