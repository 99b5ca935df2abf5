"""What a finished run wrote down: figures, answers and which image was where."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    @classmethod
    def read(cls, folder: Path) -> "FinishedRun":
        """Read a run back.

        Raises:
            InputError: If it is none, or did not get to its end.
        """
        if not folder.is_dir():
            raise InputError(
                f"runs: {folder}: no such folder; give run folders such as outputs/coil/lenet/<time>"
            )
        for name in (CONFIG, PASSPORT, FIGURES, PREDICTIONS, SPLITS):
            if not (folder / name).is_file():
                reason = (
                    "not a run folder"
                    if name == CONFIG
                    else "its training did not get to its end, or ran as a test"
                )
                raise InputError(f"runs: {folder}: {reason}, {name} is missing")
        try:
            passport = read_passport((folder / PASSPORT).read_text(encoding="utf-8"))
        except InputError as error:
            raise InputError(f"{folder / PASSPORT}: {error}") from None
        try:
            figures = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{folder / FIGURES}: no JSON ({error})") from None
        splits = _read(folder / SPLITS, ("file", "split", "group"))
        rows: dict[str, dict[str, Row]] = {}
        for row in _read(folder / PREDICTIONS, ("file", "split")):
            rows.setdefault(row["split"], {})[row["file"]] = row
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
        return str((self.passport.made.get("data") or {}).get("root", "a folder that is not known"))

    @property
    def synthetic(self) -> bool:
        """Whether the images are synthetic."""
        return bool((self.passport.made.get("data") or {}).get("synthetic"))


def _read(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: it has no column {missing[0]!r}; another version wrote the run")
        return list(reader)
