"""Which names a network said to hold for each image of a part: one class, or any of several attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from inspection.decide.calibration import Reliability, expected_calibration_error, reliability
from inspection.decide.decisions import AnyOf, NameDecision, OneOf
from inspection.decide.scores import Scored
from inspection.pictures.charts import confusion_matrix, label_matrices
from inspection.tasks import resampled
from inspection.tasks.label_metrics import average_precisions, figures_of_labels, label_counts, with_means
from inspection.tasks.metrics import (
    UNDEFINED,
    confusion_counts,
    figures_of_confusion,
    report_of_confusion,
    score_figures,
)
from inspection.tasks.outcomes import MATRIX, Axis, Cell, Confusion, Outcome, Table, Told, shares_of_calls

_TOLD = 5  # most probable classes of an image


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
        "ece",
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

    def calibration(self) -> dict[str, dict[str, float]]:
        """Of the class under the name "", or of each attribute."""
        before = calibration_errors(self.decision.uncalibrated(), self.logits, self.targets)
        after = calibration_errors(self.decision, self.logits, self.targets)
        return {name: {"before": before[name], "after": after[name]} for name in after}

    def reliabilities(self) -> dict[str, tuple[Reliability, Reliability]]:
        """Of the class under the name "", or of each attribute; nothing where the network has diverged."""
        before, after = (
            decision.confidence(decision.probabilities(self.logits), self.targets)
            for decision in (self.decision.uncalibrated(), self.decision)
        )
        return {
            name: (_reliability(*before[name]), _reliability(*after[name]))
            for name in after
            if not bool(after[name][0].isnan().any())
        }

    def axis(self, name: str) -> Axis:
        """A probability."""
        return Axis(f"P({name})", name)

    def wrongness(self) -> np.ndarray:
        """Of wrong verdicts how improbable the target was: its probability, negative."""
        agreement = self.decision.agreement(self.probabilities, self.targets).double()
        return (-agreement).masked_fill(self.right, -torch.inf).numpy()

    def examples(self) -> dict[str, np.ndarray]:
        """Of each class or attribute the positions of the images for which it holds."""
        columns = self.answers.numpy().T
        return {
            name: np.flatnonzero(column) for name, column in zip(self.decision.names, columns, strict=True)
        }


def calibration_errors(decision: NameDecision, logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Expected calibration error of the class under the name "", or of each attribute; NaN without an image."""
    each = decision.confidence(decision.probabilities(logits), targets)
    return {
        name: UNDEFINED
        if bool(sure.isnan().any())  # the network has diverged
        else expected_calibration_error(sure.numpy(), right.numpy())
        for name, (sure, right) in each.items()
    }


def _reliability(sure: Tensor, right: Tensor) -> Reliability:
    return reliability(sure.numpy(), right.numpy())


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
        figures["ece"] = calibration_errors(decision, logits, targets)[""]
        return cls(decision, rows, figures, logits, targets, counts)

    def scored(self) -> list[Scored]:
        """The probability of the defect; nothing where there is none, and the most probable class wins."""
        if self.decision.defect is None:
            return []
        defect = self.decision.defect
        return [
            Scored(
                self.decision.names[defect],
                self.probabilities[:, defect].numpy(),
                (self.targets == defect).numpy(),
                np.arange(len(self.rows)),
                low=0.0,
                high=1.0,
            )
        ]

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Of verdicts and of probabilities."""
        defect, verdicts = self.decision.defect, self.decision.labels(self.probabilities)
        number, ordered = len(self.decision.names), "kappa" in self.figures
        return {
            **resampled.of_verdicts(weights, self.targets, verdicts, number, defect, ordered),
            **resampled.of_probabilities(weights, self.probabilities, self.targets, defect),
        }

    def shares(self) -> dict[str, np.ndarray]:
        """The accuracy, and the figures of the defect; without one they are means over the classes."""
        shares, defect = {"accuracy": np.ones(len(self.rows), bool)}, self.decision.defect
        if defect is not None:
            shares |= shares_of_calls(self.called[:, defect], self.targets == defect)
        return shares

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
        return [*tables, Table(MATRIX, matrix)]

    def details(self) -> dict[str, Any]:
        """The confusion matrix, and how well the probabilities fit."""
        return {"confusion_matrix": self.counts.tolist(), "calibration_error": self.calibration()[""]}

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

    def confusions(self) -> dict[str, Confusion]:
        """One of all classes."""
        return {"": Confusion(self.decision.names, self.counts.numpy())}

    def told(self, position: int) -> Told:
        """Its class, and the probability of each, the largest first."""
        probabilities = self.probabilities[position]
        ranked = probabilities.argsort(descending=True)[:_TOLD].tolist()
        target, verdict = (self.decision.words(each[position]) for each in (self.answers, self.called))
        facts = [(f"P({self.decision.names[k]})", f"{float(probabilities[k]):.3f}") for k in ranked]
        return Told(target, verdict, facts)

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
        errors = calibration_errors(decision, logits, targets)
        each = {
            "average_precision": average_precisions(probabilities, answers),
            "ece": torch.tensor([errors[name] for name in decision.names], dtype=torch.float64),
        }
        figures |= with_means(each, decision.names)
        figures["exact_match"] = float((called == answers).all(1).double().mean())  # of no image at all: NaN
        return cls(decision, rows, figures, logits, targets, counts)

    def scored(self) -> list[Scored]:
        """The probability of each attribute."""
        columns = zip(self.probabilities.numpy().T, self.answers.numpy().T, strict=True)
        every = np.arange(len(self.rows))
        return [
            Scored(name, np.ascontiguousarray(scores), np.ascontiguousarray(truth), every, low=0.0, high=1.0)
            for name, (scores, truth) in zip(self.decision.names, columns, strict=True)
        ]

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Means over the attributes, and whole images."""
        columns = zip(self.probabilities.numpy().T, self.answers.numpy().T, strict=True)
        each = [resampled.of_scores(weights, scores, truth)["average_precision"] for scores, truth in columns]
        figures = resampled.of_attributes(weights, self.called, self.answers)
        return figures | {"average_precision": resampled.mean_of_defined(each)}

    def shares(self) -> dict[str, np.ndarray]:
        """Images that are right in all."""
        return {"exact_match": np.ones(len(self.rows), bool)}

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
        """A confusion matrix an attribute, and how well its probabilities fit."""
        matrices = zip(self.decision.names, self.counts.tolist(), strict=True)
        return {
            "confusion_matrices": dict(matrices),
            "thresholds": self.decision.to_dict()["thresholds"],
            "calibration_error": self.calibration(),
        }

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

    def confusions(self) -> dict[str, Confusion]:
        """One an attribute."""
        counts = zip(self.decision.names, self.counts.numpy(), strict=True)
        return {name: Confusion(("no", "yes"), own) for name, own in counts}

    def told(self, position: int) -> Told:
        """The attributes that hold, and the probability of each."""
        target, verdict = (self.decision.words(each[position]) for each in (self.answers, self.called))
        probabilities = zip(self.decision.names, self.probabilities[position].tolist(), strict=True)
        return Told(target, verdict, [(f"P({name})", f"{value:.3f}") for name, value in probabilities])

    def charts(self) -> dict[str, np.ndarray]:
        """A matrix an attribute."""
        return {"confusion_matrix": label_matrices(self.counts.numpy(), self.decision.names)}
