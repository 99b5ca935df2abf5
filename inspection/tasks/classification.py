"""One class an image."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inspection.decide.decisions import OneOf
from inspection.tasks.metrics import confusion_counts, figures_of_confusion
from inspection.tasks.module import Kept
from inspection.tasks.name_outcomes import ClassOutcome
from inspection.tasks.naming import NamingTask


class Classification(NamingTask):
    """Softmax classification of single images, with metrics of the defect class.

    Args:
        classes: Class names, K.
        defect: Name of the positive class, or None for macro averages.
        ordered: Whether the classes are steps of a scale, in their order: then `kappa` is reported, which counts a
            mistake by the square of the number of steps.
        **settings: As in `InspectionTask`; the loss is called with `weight=` (class weights or None).
    """

    decision: OneOf
    kind = "class"
    losses = "cross_entropy, weighted_cross_entropy, label_smoothing or focal"

    def __init__(self, classes: Sequence[str], defect: str | None, ordered: bool, **settings: Any) -> None:
        super().__init__(decision=OneOf(classes, defect), **settings)
        self.ordered = ordered

    def make_loss(self, weights: Tensor | None) -> nn.Module:
        """With class weights."""
        return self._make_loss(weight=weights)

    def count_verdicts(self, called: Tensor, answers: Tensor) -> Tensor:
        """Confusion matrix `[K, K]`."""
        return confusion_counts(called, answers)

    def figures_of(self, counts: Tensor) -> dict[str, float]:
        """See `figures_of_confusion`."""
        return figures_of_confusion(counts, self.decision.names, self.decision.defect, self.ordered)

    def evaluated(self) -> list[str]:
        """Figures of the verdicts, and of the scores."""
        figures = self.figures_of(torch.eye(len(self.decision.names)))
        return ["auroc", "average_precision", "ece", *figures]

    def outcome_of(self, rows: Tensor, kept: Kept) -> ClassOutcome:
        """The outcome of a pass."""
        return ClassOutcome.of(self.decision, rows, kept["logits"], kept["targets"], self.ordered)
