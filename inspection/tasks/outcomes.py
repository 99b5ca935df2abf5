"""What a network said of each image of a part, and how that is shown: tables, charts, rows of a file."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from inspection.data.splits import Samples
from inspection.decide.decisions import AnyOf, Decision, NameDecision, OneOf
from inspection.pictures.charts import confusion_matrix, label_matrices
from inspection.tasks.label_metrics import average_precisions, figures_of_labels, label_counts, with_means
from inspection.tasks.metrics import (
    confusion_counts,
    figures_of_confusion,
    report_of_confusion,
    score_figures,
)

Cell = str | int | float


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
        headlines: Names of the main figures, in order; those that an outcome has are shown.
        curves: Names of the figures whose curves are drawn beside the loss, where they are of one unit; None: all.
    """

    decision: Decision
    rows: Tensor
    figures: dict[str, float]

    headlines: ClassVar[tuple[str, ...]]
    curves: ClassVar[tuple[str, ...] | None] = None

    def headline(self, outcomes: Mapping[str, "Outcome"], of: str) -> Table:
        """The main figures of several parts side by side."""
        names = [name for name in self.headlines if name in self.figures]
        rows: list[Sequence[Cell]] = [["", *outcomes]]
        rows += [[name, *(outcome.figures[name] for outcome in outcomes.values())] for name in names]
        return Table(of, rows)

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
    def mistakes(self, count: int) -> np.ndarray:
        """Positions of the images that were judged wrongly, the worst first, at most `count`."""

    @abstractmethod
    def examples(self) -> dict[str, np.ndarray]:
        """Positions of images by what they are examples of: each class or attribute, say."""

    @classmethod
    def write_files(cls, run: Path, outcomes: Mapping[str, "Outcome"], samples: Samples) -> dict[str, str]:
        """Write what else a run keeps of the outcomes of its parts: what each file holds, by its name."""
        return {}


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


@dataclass(frozen=True)
class NameOutcome(Outcome):
    """Which names the network said to hold for each image.

    Attributes:
        logits: float32 `[N, K]`.
        targets: As the loss takes them.
        counts: What the figures of the verdicts are computed from: a confusion matrix, or several.
    """

    decision: NameDecision
    logits: Tensor
    targets: Tensor
    counts: Tensor

    headlines: ClassVar[tuple[str, ...]] = (
        "f1",
        "precision",
        "recall",
        "accuracy",
        "balanced_accuracy",
        "kappa",
        "exact_match",
        "auroc",
        "average_precision",
        "loss",
    )

    @cached_property
    def probabilities(self) -> Tensor:
        """float64 `[N, K]`."""
        return self.decision.probabilities(self.logits)

    @cached_property
    def called(self) -> Tensor:
        """The verdicts, bool `[N, K]`."""
        return self.decision.called(self.probabilities)

    @cached_property
    def answers(self) -> Tensor:
        """What the verdicts should have been, bool `[N, K]`."""
        return self.decision.answers(self.targets)

    @cached_property
    def right(self) -> Tensor:
        """Whether all of an image's verdict is right, bool `[N]`."""
        return (self.called == self.answers).all(1)

    def mistakes(self, count: int) -> np.ndarray:
        """Positions of wrong verdicts, the least probable target first, at most `count`."""
        wrong = (~self.right).nonzero().flatten()
        agreement = self.decision.agreement(self.probabilities[wrong], self.targets[wrong])
        return wrong[agreement.argsort(stable=True)][:count].numpy()

    def examples(self) -> dict[str, np.ndarray]:
        """Of each class or attribute the positions of the images for which it holds."""
        columns = self.answers.numpy().T
        return {
            name: np.flatnonzero(column) for name, column in zip(self.decision.names, columns, strict=True)
        }


def _decimals(values: Sequence[float]) -> list[str]:
    return [f"{value:.6f}" for value in values]


@dataclass(frozen=True)
class ClassOutcome(NameOutcome):
    """One class an image; `counts` is the confusion matrix int64 `[K, K]`, rows are targets."""

    decision: OneOf

    @classmethod
    def of(
        cls, decision: OneOf, rows: Tensor, logits: Tensor, targets: Tensor, ordered: bool = False
    ) -> "ClassOutcome":
        """The outcome with all its figures.

        Args:
            decision: How a verdict is made of logits.
            rows: int64 `[N]`.
            logits: float32 `[N, K]`.
            targets: int64 `[N]`.
            ordered: Whether the classes are steps of a scale: adds `kappa`.
        """
        probabilities = decision.probabilities(logits)
        counts = confusion_counts(decision.called(probabilities), decision.answers(targets))
        figures = figures_of_confusion(counts, decision.names, decision.defect, ordered)
        figures |= score_figures(probabilities, targets, decision.defect)
        return cls(decision, rows, figures, logits, targets, counts)

    def tables(self, outcomes: Mapping[str, Outcome]) -> list[Table]:
        """Figures, the confusion matrix and, of three or more classes, each one's figures."""
        names, defect = self.decision.names, self.decision.defect
        of = "mean over classes" if defect is None else f"of {names[defect]!r}"
        tables = [self.headline(outcomes, f"f1, precision, recall: {of}")]
        if len(names) > 2:
            report: list[Sequence[Cell]] = [["", "precision", "recall", "f1", "images"]]
            tables.append(Table("each class", report + list(report_of_confusion(self.counts, names))))
        matrix: list[Sequence[Cell]] = [["", *names]]
        matrix += [[name, *row] for name, row in zip(names, self.counts.tolist(), strict=True)]
        return [*tables, Table("target in rows, verdict in columns", matrix)]

    def details(self) -> dict[str, Any]:
        """The confusion matrix."""
        return {"confusion_matrix": self.counts.tolist()}

    def columns(self) -> list[str]:
        """Target, verdict and a probability a class."""
        return ["target", "verdict", *(f"probability_{name}" for name in self.decision.names)]

    def cells(self) -> list[list[str]]:
        """In words."""
        names, probabilities = self.decision.names, self.probabilities
        judged = self.decision.labels(probabilities).tolist()
        return [
            [names[target], names[verdict], *_decimals(values)]
            for target, verdict, values in zip(
                self.targets.tolist(), judged, probabilities.tolist(), strict=True
            )
        ]

    def charts(self) -> dict[str, np.ndarray]:
        """The confusion matrix."""
        return {"confusion_matrix": confusion_matrix(self.counts.numpy(), self.decision.names)}


@dataclass(frozen=True)
class LabelOutcome(NameOutcome):
    """Any number of attributes an image; `counts` is int64 `[A, 2, 2]`: false and true targets in rows."""

    decision: AnyOf

    @classmethod
    def of(cls, decision: AnyOf, rows: Tensor, logits: Tensor, targets: Tensor) -> "LabelOutcome":
        """The outcome with all its figures.

        Args:
            decision: How a verdict is made of logits.
            rows: int64 `[N]`.
            logits: float32 `[N, A]`.
            targets: 0 or 1, `[N, A]`.
        """
        probabilities, answers = decision.probabilities(logits), decision.answers(targets)
        called = decision.called(probabilities)
        counts = label_counts(called, answers)
        figures = figures_of_labels(counts, decision.names)
        figures |= with_means(
            {"average_precision": average_precisions(probabilities, answers)}, decision.names
        )
        figures["exact_match"] = float((called == answers).all(1).double().mean())  # of no image at all: NaN
        return cls(decision, rows, figures, logits, targets, counts)

    def tables(self, outcomes: Mapping[str, Outcome]) -> list[Table]:
        """Figures, and those of each attribute with its right and wrong verdicts."""
        figures = ("f1", "precision", "recall", "accuracy", "average_precision")
        rows: list[Sequence[Cell]] = [["", *figures, "true", "missed", "false alarms"]]
        for name, ((_, alarms), (missed, hits)) in zip(
            self.decision.names, self.counts.tolist(), strict=True
        ):
            own = [self.figures[f"{figure}/{name}"] for figure in figures]
            rows.append([name, *own, hits + missed, missed, alarms])
        macro = "f1, precision, recall, accuracy, average_precision: mean over attributes"
        return [self.headline(outcomes, macro), Table("each attribute", rows)]

    def details(self) -> dict[str, Any]:
        """A confusion matrix an attribute."""
        matrices = zip(self.decision.names, self.counts.tolist(), strict=True)
        return {"confusion_matrices": dict(matrices), "thresholds": self.decision.to_dict()["thresholds"]}

    def columns(self) -> list[str]:
        """Target, verdict and probability of each attribute."""
        names = self.decision.names
        return [f"{what}_{name}" for what in ("target", "verdict", "probability") for name in names]

    def cells(self) -> list[list[str]]:
        """True or False, and the probabilities of true."""
        return [
            [*map(str, answers), *map(str, called), *_decimals(values)]
            for answers, called, values in zip(
                self.answers.tolist(), self.called.tolist(), self.probabilities.tolist(), strict=True
            )
        ]

    def charts(self) -> dict[str, np.ndarray]:
        """A matrix an attribute."""
        return {"confusion_matrix": label_matrices(self.counts.numpy(), self.decision.names)}
