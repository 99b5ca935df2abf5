"""Several answers an image."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from inspection.decide.decisions import AnyOf
from inspection.tasks.label_metrics import figures_of_labels, label_counts
from inspection.tasks.module import Kept
from inspection.tasks.name_outcomes import LabelOutcome
from inspection.tasks.naming import NamingTask


class MultiLabel(NamingTask):
    """Any number of attributes of single images, each with a sigmoid and a threshold of its own.

    Args:
        classes: Attribute names, A.
        thresholds: Smallest probability that is judged true, by name; 0.5 for those that are not named.
        **settings: As in `InspectionTask`; the loss is called with `pos_weight=` (a weight of true ones of each
            attribute, or None).
    """

    decision: AnyOf
    kind = "attribute"
    losses = "bce"

    def __init__(
        self, classes: Sequence[str], thresholds: Mapping[str, float] | None, **settings: Any
    ) -> None:
        super().__init__(decision=AnyOf(classes, thresholds), **settings)

    def make_loss(self, weights: Tensor | None) -> nn.Module:
        """With weights of the true ones."""
        return self._make_loss(pos_weight=weights)

    def count_verdicts(self, called: Tensor, answers: Tensor) -> Tensor:
        """A 2x2 matrix an attribute, `[A, 2, 2]`."""
        return label_counts(called, answers)

    def figures_of(self, counts: Tensor) -> dict[str, float]:
        """See `figures_of_labels`."""
        return figures_of_labels(counts, self.decision.names)

    def evaluated(self) -> list[str]:
        """Each figure as the mean over the attributes and of each attribute."""
        names = ("accuracy", "precision", "recall", "f1", "average_precision", "ece")
        each = [f"{name}/{attribute}" for name in names for attribute in self.decision.names]
        return [*names, "exact_match", *each]

    def outcome_of(self, rows: Tensor, kept: Kept) -> LabelOutcome:
        """The outcome of a pass."""
        return LabelOutcome.of(self.decision, rows, kept["logits"], kept["targets"])
