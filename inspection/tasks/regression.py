"""Quantities of an image: temperatures, say."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inspection.data.module import ImageDataModule
from inspection.data.quantity_labels import Quantities as QuantityLabels
from inspection.decide.decisions import Decision
from inspection.decide.quantities import Quantities
from inspection.errors import InputError
from inspection.tasks.module import Batch, InspectionTask, Kept
from inspection.tasks.quantity_outcome import QuantityOutcome


class Regression(InspectionTask):
    """Several numbers of single images.

    The network learns them standardised by mean and standard deviation of the training part, which are stored with
    its weights and with the inspector; what comes out has the unit again, which is that of the data.

    Args:
        names: Of the quantities, T, in the order of the network's outputs.
        ordered: Whether the names go from the largest quantity to the smallest, which then holds of what comes
            out.
        standardised: False: the network learns the plain numbers, as in the article; for comparison, since it is
            worse than saying always the mean (docs/thermal.md).
        alarm_of: Name of the quantity that there is an alarm on, or None: no alarm.
        alarm_at: The value from which on there is one, in the unit; without `alarm_of` it says nothing.
        **settings: As in `InspectionTask`; the loss compares `[N, T]` with `[N, T]`.
    """

    kind = "quantity"
    learned = ("mae",)
    losses = "mse or huber"
    decision: Quantities

    def __init__(
        self,
        names: Sequence[str],
        ordered: bool,
        standardised: bool,
        alarm_of: str | None,
        alarm_at: float | None,
        **settings: Any,
    ) -> None:
        if alarm_of is not None and alarm_of not in names:
            raise InputError(
                f"task.module.alarm_of={alarm_of}: expected one of {', '.join(names)} (data.classes), or null: no "
                "alarm"
            )
        if alarm_of is not None and alarm_at is None:
            raise InputError(
                f"task.module.alarm_at=null: expected the value of {alarm_of} from which on there is an alarm, or "
                "task.module.alarm_of=null: no alarm"
            )
        alarm = {} if alarm_of is None or alarm_at is None else {alarm_of: alarm_at}
        # Until `take` has seen the data: no unit, and any centres in the right order.
        centre = [-float(place) for place in range(len(names))] if standardised else [0.0] * len(names)
        try:
            decision = Quantities(
                names, "", centre, [1.0] * len(names), ordered and standardised, alarm or None
            )
        except ValueError as error:
            raise InputError(f"task.module: {error}") from None
        super().__init__(decision=decision, **settings)
        self.standardised = standardised
        self.usual = torch.tensor(centre, dtype=torch.float64)

    def make_loss(self, weights: Tensor | None) -> nn.Module:
        """The loss, without weights: there are no classes.

        Raises:
            ValueError: If it is not 0 where prediction and target agree: cross-entropy takes numbers for
                probabilities, and would learn something else without a word.
        """
        loss = self._make_loss()
        same = torch.ones(2, len(self.decision.names))
        if not math.isclose(float(loss(same, same)), 0.0, abs_tol=1e-6):
            raise ValueError("it is not 0 for a prediction that is right")
        return loss

    def take(self, data: ImageDataModule | None) -> None:
        """Learn unit, centre and scale of the quantities from the data, the latter two from the training part."""
        super().take(data)
        if data is None:
            return
        assert isinstance(data.labels, QuantityLabels), "kind says which labels there are to be"
        if data.labels.names != self.decision.names:
            raise InputError(
                f"task.module.names={list(self.decision.names)}, but data.classes={list(data.labels.names)}; "
                "leave task.module.names out"
            )
        targets = torch.from_numpy(data.samples.targets[data.samples.rows("train")])
        self.usual = targets.mean(0)
        self.decision = self.decision.replaced(unit=data.labels.unit)
        if self.standardised:
            try:
                self.decision = self.decision.fitted(targets)
            except ValueError as error:
                raise InputError(f"data.classes, task.module.ordered: {error}") from None
        self._note_alarm(data)

    def _note_alarm(self, data: ImageDataModule) -> None:
        """A limit that nothing reaches, to learn from or at all, is noted."""
        if self.decision.alarm is None:
            return
        name, limit, _ = self.decision.watched
        due = self.decision.deserved(torch.from_numpy(data.samples.targets))
        said = f"reaches a {name} of {limit:g} {self.decision.unit}"
        if not due.any():
            data.notes.append(
                f"no image {said}: the alarm's figures will be undefined; set task.module.alarm_at"
            )
        elif not due[data.samples.rows("train")].any():
            data.notes.append(
                f"no training image {said}: the network never sees an alarm; set task.module.alarm_at"
            )

    def take_over(self, decision: Decision, chosen: bool) -> None:
        """What the outputs mean belongs to the weights, whatever the operating point."""
        assert isinstance(decision, Quantities)
        self.decision = decision if chosen else decision.replaced(called_from=None)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What the outputs mean belongs to the weights."""
        checkpoint["quantities"] = self.decision.to_dict() | {"usual": self.usual.tolist()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what the outputs meant when these weights were trained, and the alarm that was reported on.

        A run that goes on has the same one: curves and best epoch would speak of two. From what on it is raised is
        chosen after training and stays.
        """
        values = dict(checkpoint["quantities"])
        self.usual = torch.tensor(values.pop("usual"), dtype=torch.float64)
        values.pop("kind")
        self.decision = Quantities(**values | {"called_from": self.decision.called_from})

    def loss_of(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Of standardised quantities, so that all count alike."""
        return self._loss(self.decision.values(outputs), batch["target"])

    def _loss(self, values: Tensor, targets: Tensor) -> Tensor:
        said, true = (self.decision.standardised(each.to(values.dtype)).float() for each in (values, targets))
        loss: Tensor = self.loss(said, true)
        return loss

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Sums of the absolute errors of each quantity, and the number of images, `[T + 1]`."""
        errors = (self.decision.values(outputs) - batch["target"]).abs().sum(0)
        return torch.cat([errors, errors.new_tensor([len(outputs)])])

    def figures_of(self, counts: Tensor) -> dict[str, float]:
        """Mean absolute errors."""
        errors = (counts[:-1] / counts[-1]).tolist()
        each = {f"mae/{name}": error for name, error in zip(self.decision.names, errors, strict=True)}
        return {"mae": sum(errors) / len(errors)} | each

    def keep(self, outputs: Tensor, batch: Batch) -> Kept:
        """Quantities, targets and what the pixels say."""
        kept = {"values": self.decision.values(outputs).cpu().double(), "targets": batch["target"].cpu()}
        return kept | ({"pixels": batch["pixels"].cpu()} if "pixels" in batch else {})

    def make_outcome(self, rows: Tensor, kept: Kept) -> QuantityOutcome:
        """The outcome of a pass."""
        targets = kept["targets"].double()
        outcome = QuantityOutcome.of(
            self.decision, rows, kept["values"], targets, self.usual, kept.get("pixels")
        )
        outcome.figures["loss"] = float(self._loss(kept["values"], targets))
        return outcome

    def evaluated(self) -> list[str]:
        """Errors, of the mean and of each quantity, and of the alarm."""
        return QuantityOutcome.names_of_figures(self.decision)
