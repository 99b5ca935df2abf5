"""What a network said of each image of a part, and how that is shown: tables, charts, rows of a file."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from torch import Tensor

from inspection.data.splits import Samples
from inspection.decide.calibration import Reliability
from inspection.decide.decisions import Decision
from inspection.decide.scores import Scored


class Sure(NamedTuple):
    """A figure, and between what values it may lie; None: not known."""

    value: float
    interval: tuple[float, float] | None


class Confusion(NamedTuple):
    """What targets were taken for: counts int `[K, K]`, targets in rows and verdicts in columns.

    With `nothing`, the last name stands for that: what was not found, and what was found where nothing is.
    """

    names: Sequence[str]
    counts: np.ndarray
    nothing: bool = False


class Axis(NamedTuple):
    """In words what the scores of one of `scored` are, `P(defect)`, and what it is that is called."""

    score: str
    called: str


class Told(NamedTuple):
    """One image in words: what it is, what was said of it, and further facts as pairs of name and value."""

    target: str
    verdict: str
    facts: Sequence[tuple[str, str]]


MATRIX = "target in rows, verdict in columns"
"""Title of the table that `Outcome.confusions` has the counts of."""

Cell = str | int | float | Sure


@dataclass(frozen=True)
class Table:
    """A table for the console: the first row and the first column are names; figures stay numbers."""

    title: str
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Outcome(ABC):
    """What the network said of each image in the last pass over a part, sorted by row.

    Attributes:
        decision: How a verdict is made of what the network gives.
        rows: Row numbers in the data module's samples, int64 `[N]`.
        figures: Metrics by name, NaN when undefined.
        intervals: Where a figure may lie, of those that this was found out for.
        headlines: Names of the main figures, in order; those that an outcome has are shown.
        curves: Names of the figures whose curves are drawn beside the loss, where they are of one unit; None: all.
    """

    decision: Decision
    rows: Tensor
    figures: dict[str, float]

    intervals: dict[str, tuple[float, float]] = field(default_factory=dict, kw_only=True)

    headlines: ClassVar[tuple[str, ...]]
    curves: ClassVar[tuple[str, ...] | None] = None

    def main_figures(self) -> dict[str, float]:
        """The figures of `headlines`, in their order."""
        return {name: self.figures[name] for name in self.headlines if name in self.figures}

    def headline(self, outcomes: Mapping[str, "Outcome"], of: str) -> Table:
        """The main figures of several parts side by side."""
        rows: list[Sequence[Cell]] = [["", *outcomes]]
        for name in self.main_figures():
            each = outcomes.values()
            rows.append([name, *(Sure(own.figures[name], own.intervals.get(name)) for own in each)])
        return Table(of, rows)

    @property
    def unit(self) -> str:
        """Of the main figures that have one; here none has."""
        return ""

    @property
    @abstractmethod
    def right(self) -> Tensor | None:
        """Whether the verdict on each image is right, bool `[N]`; None where there is no verdict."""

    @property
    def misplaced(self) -> np.ndarray:
        """Whether each verdict is right, but for a place where nothing is, bool `[N]`; here none has a place."""
        return np.zeros(len(self.rows), bool)

    @abstractmethod
    def scored(self) -> list[Scored]:
        """What is called from a score on, and whether rightly so: what thresholds are chosen on.

        The names are those that the decision's `at` takes.
        """

    @abstractmethod
    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Main figures when images count several times or not at all.

        Args:
            weights: How often each image counts, `[B, N]`, whole numbers.

        Returns:
            `[B]` values each, NaN where undefined; of the figures for which that is known: not of a loss, a worst
            error, or a calibration error, which resamples only make larger.
        """

    def shares(self) -> dict[str, np.ndarray]:
        """Main figures that are shares of images, or of things in them, and of which images: bool `[N]` each.

        Not means over classes, and no areas. `f1` is 2 J / (1 + J) of a share J, see `shares_of_calls`.
        """
        return {}

    def calibration(self) -> dict[str, dict[str, float]]:
        """Expected calibration error `before` and `after` the temperature, by name; here there are no names."""
        return {}

    def reliabilities(self) -> dict[str, tuple[Reliability, Reliability]]:
        """What `calibration` sums up, before and after the temperature, by name."""
        return {}

    @abstractmethod
    def confusions(self) -> dict[str, Confusion]:
        """What was taken for what: by attribute, or all of it under the name ""."""

    @abstractmethod
    def axis(self, name: str) -> Axis:
        """What the scores of one of `scored` are."""

    @abstractmethod
    def told(self, position: int) -> Told:
        """One image in words."""

    @abstractmethod
    def tables(self, outcomes: Mapping[str, "Outcome"]) -> list[Table]:
        """What the console shows of the outcomes of several parts, of which this is the last."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """What `metrics.json` has beside the figures, plain values."""

    @abstractmethod
    def columns(self) -> list[str]:
        """Columns of `predictions.csv` behind file and split."""

    @abstractmethod
    def cells(self) -> list[list[str]]:
        """Rows of `predictions.csv`, `[N]` rows of as many cells as there are columns."""

    @abstractmethod
    def charts(self) -> dict[str, np.ndarray]:
        """Pictures of all images together by name, RGB uint8 `[H, W, 3]`: `confusion_matrix`, say."""

    @abstractmethod
    def wrongness(self) -> np.ndarray:
        """How wrong what was said of each image is, float64 `[N]`: the higher the worse, -inf where it is not.

        On one scale for all outcomes of a task: those of two parts can be compared. NaN: not known.
        """

    def mistakes(self, count: int) -> np.ndarray:
        """Positions of the images of which something wrong was said, the worst first, at most `count`."""
        wrong = self.wrongness()
        order = np.argsort(-wrong, kind="stable")
        return order[~np.isneginf(wrong[order])][:count]

    @abstractmethod
    def examples(self) -> dict[str, np.ndarray]:
        """Positions of images by what they are examples of: each class or attribute, say."""

    @classmethod
    def write_files(cls, run: Path, outcomes: Mapping[str, "Outcome"], samples: Samples) -> dict[str, str]:
        """Write what else a run keeps of the outcomes of its parts: what each file holds, by its name."""
        return {}


def shares_of_calls(called: Tensor, true: Tensor) -> dict[str, np.ndarray]:
    """Of which images the figures of calls are shares, bool `[N]`; see `Outcome.shares`.

    Recall is a share of those that should be called, precision of those that are, and F1 hangs on the share of
    right ones among both.

    Args:
        called: Bool `[N]`.
        true: Which of them should be, bool `[N]`.
    """
    every = {"recall": true, "precision": called, "f1": called | true}
    return {name: among.cpu().numpy() for name, among in every.items()}


def positions_of(kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """Of each kind the positions of its images.

    Example:
        >>> {kind: places.tolist() for kind, places in positions_of(["spot", "good", "spot"]).items()}
        {'good': [1], 'spot': [0, 2]}
    """
    every = np.asarray(kinds)
    return {str(kind): np.flatnonzero(every == kind) for kind in np.unique(every)}


def write_rows(
    path: Path,
    columns: Sequence[str],
    outcomes: Mapping[str, Outcome],
    samples: Samples,
    rows_of: Callable[[Any, int, str], Sequence[Sequence[str]]],
) -> None:
    """Write a table with any number of rows an image: file, split and these columns.

    Args:
        path: Of the CSV file.
        columns: Behind file and split.
        outcomes: Of the parts.
        samples: The images.
        rows_of: Of an outcome, a position in it and the image's file, the rows.
    """
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "split", *columns])
        for outcome in outcomes.values():
            for position, row in enumerate(outcome.rows.tolist()):
                file, part = samples.files[row], samples.parts[row]
                writer.writerows([file, part, *cells] for cells in rows_of(outcome, position, file))
