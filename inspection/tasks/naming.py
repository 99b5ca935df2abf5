"""What task modules share that say which names hold for an image."""

from abc import abstractmethod
from typing import Any

from torch import Tensor

from inspection.decide.decisions import NameDecision
from inspection.tasks.module import Batch, InspectionTask, Kept
from inspection.tasks.name_outcomes import NameOutcome


class NamingTask(InspectionTask):
    """Learns names from logits `[N, K]` and targets, keeps both."""

    decision: NameDecision

    @abstractmethod
    def count_verdicts(self, called: Tensor, answers: Tensor) -> Tensor:
        """Right and wrong verdicts of a batch (bool `[B, K]` each), int64; counts of batches add up."""

    @abstractmethod
    def outcome_of(self, rows: Tensor, kept: Kept) -> NameOutcome:
        """The outcome of a pass, with all its figures but the loss."""

    def loss_of(self, outputs: Any, batch: Batch) -> Tensor:
        """Of logits and targets."""
        loss: Tensor = self.loss(outputs, batch["target"])
        return loss

    def count(self, outputs: Any, batch: Batch) -> Tensor:
        """Of the verdicts."""
        called = self.decision.called(self.decision.probabilities(outputs))
        return self.count_verdicts(called, self.decision.answers(batch["target"]))

    def calibrated(self, kept: Kept) -> NameDecision:
        """With the temperature that fits these logits."""
        return self.decision.calibrated(kept["logits"], kept["targets"])

    def keep(self, outputs: Any, batch: Batch) -> Kept:
        """Logits and targets."""
        return {"logits": outputs.cpu(), "targets": batch["target"].cpu()}

    def make_outcome(self, rows: Tensor, kept: Kept) -> NameOutcome:
        """The outcome of a pass."""
        outcome = self.outcome_of(rows, kept)
        # Over all images at once: a weighted mean of batch means would depend on how the images were batched.
        logits, targets = (kept[name].to(self.device) for name in ("logits", "targets"))
        outcome.figures["loss"] = float(self.loss(logits.float(), targets))
        return outcome
