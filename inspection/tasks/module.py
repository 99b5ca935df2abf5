"""What all inspection task modules share: steps, exact evaluation, optimizer, what is logged."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Literal

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric

from inspection.data.module import ImageDataModule
from inspection.decide.decisions import Decision
from inspection.decide.finite import are_finite
from inspection.decide.rule import Rule
from inspection.models.flips import Flipped
from inspection.models.normalised import Normalised
from inspection.tasks.metrics import UNDEFINED
from inspection.tasks.operating import OperatingPoint, add_intervals, choose
from inspection.tasks.outcomes import Outcome

Batch = dict[str, Tensor]
Kept = dict[str, Any]
"""Of each image, tensors `[N, ...]` or lists of N."""
_FINITE = "are finite"  # kept beside what a task keeps


class InspectionTask(L.LightningModule, ABC):
    """Trains a network on one kind of question and keeps what it said of the last part it was asked about.

    A subclass says what of a batch is learned (`outputs_of`, `loss_of`), what an evaluation keeps of each image
    (`keep`) and what is made of that (`make_outcome`).

    Training may run in low precision; every evaluation runs in float32, so that the figures are those of the
    network that ships, on whatever machine it was trained.

    Args:
        network: Float images `[N, C, H, W]` to logits `[N, K]`, or what else the kind of question asks for. One
            whose weights were trained with a normalisation of their own says it in its attributes `mean` and
            `std`, which then hold instead of the data's.
        loss: Called with the weights that the data asks for (see `make_loss`), gives a module of what the network
            gives and targets.
        optimizer: Called with the parameters to train, in groups.
        scheduler: Called with the optimizer; None or empty for a constant learning rate.
        mean: Normalisation, a value a channel.
        std: Normalisation, a value a channel.
        decision: How a verdict is made of what the network gives.
        monitor: Metric that a plateau scheduler follows, e.g. `val/f1`.
        mode: `max` or `min`: which way it gets better.
        backbone_lr: Learning rate of what lies before the network's head; None: that of the head.

    Attributes:
        kind: Of labels that the data must have, see `Labels.kind`.
        needs: What a batch must hold beside image and target.
        losses: Options of the config group `loss` that fit, for a message.
        learned: Figures of the training counts that are logged each epoch.
        flippable: Whether what the network gives can be averaged over flipped images.
        outcome: What the last pass over a part gave.
        operating: How the verdicts are made, once that is chosen here.
        operated: The record of how it was chosen elsewhere: of a trained inspector that is evaluated.
        reference: What the validation images look like to the trained network, once that was found out.
        answers: Images to what an inspector makes of them, which is evaluated in place of the network's outputs;
            of an exported one, for example.
    """

    kind: str
    needs: tuple[str, ...] = ()
    losses: str
    learned: tuple[str, ...] = ("accuracy", "f1")
    flippable: bool = True

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., nn.Module],
        optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer],
        scheduler: Callable[[torch.optim.Optimizer], Any] | None,
        mean: Sequence[float],
        std: Sequence[float],
        decision: Decision,
        monitor: str = "val/f1",
        mode: Literal["max", "min"] = "max",
        backbone_lr: float | None = None,
    ) -> None:
        super().__init__()
        self.decision = decision
        self.monitor, self.mode, self.backbone_lr = monitor, mode, backbone_lr
        own_mean, own_std = getattr(network, "mean", None), getattr(network, "std", None)
        self.mean = tuple(mean if own_mean is None else own_mean)
        self.std = tuple(std if own_std is None else own_std)
        self.model = Normalised(network, self.mean, self.std)
        self._make_loss, self._make_optimizer, self._make_scheduler = loss, optimizer, scheduler
        self.train_loss = MeanMetric()
        # No buffer: DistributedDataParallel would overwrite it with the first process's at each step.
        self.train_counts: Tensor | int = 0
        self.outcome: Outcome | None = None
        self._seen: list[tuple[Tensor, Kept]] = []
        self._unflipped: list[tuple[Tensor, Kept]] = []
        self.channels_last = False
        self.rule: Rule | None = None
        self._undecided = False
        self.flips: tuple[str, ...] = ()
        self.operating: OperatingPoint | None = None
        self.operated: dict[str, Any] = {}
        self.reference: dict[str, Any] | None = None
        self.answers: Callable[[Tensor], Tensor] | None = None

    @abstractmethod
    def make_loss(self, weights: Tensor | None) -> nn.Module:
        """The loss with the weights that make up for what is rare, or None."""

    @abstractmethod
    def loss_of(self, outputs: Any, batch: Batch) -> Tensor:
        """The loss of what the network gave for a batch, a scalar."""

    @abstractmethod
    def count(self, outputs: Any, batch: Batch) -> Tensor:
        """What of a training batch is counted for `figures_of`; counts of batches add up."""

    @abstractmethod
    def figures_of(self, counts: Tensor) -> dict[str, float]:
        """Figures that counts tell, those of `learned` among them."""

    @abstractmethod
    def keep(self, outputs: Any, batch: Batch) -> Kept:
        """What an evaluation keeps of each image of a batch, on the CPU."""

    @abstractmethod
    def make_outcome(self, rows: Tensor, kept: Kept) -> Outcome:
        """The outcome of a pass with all its figures, `loss` among them.

        Args:
            rows: Row numbers in the data module's samples, int64 `[N]`, sorted.
            kept: What was kept of these images.
        """

    @abstractmethod
    def evaluated(self) -> list[str]:
        """Names of the figures that an outcome has beside the loss."""

    def calibrated(self, kept: Kept) -> Decision:
        """The decision with probabilities that fit what was kept of these images: here there are none to fit."""
        return self.decision

    def decide_by(self, rule: Rule) -> None:
        """From now on evaluations are those of a trained network, with intervals and the rule's flips.

        The next pass over validation images chooses the operating point, which later passes keep.

        Args:
            rule: By which the point is chosen.
        """
        self.rule, self.flips, self._undecided = rule, rule.flips, True
        self.decision = rule.start(self.decision)

    def judge_by(self, rule: Rule) -> None:
        """From now on evaluations are those of a trained network whose operating point stays; with intervals.

        Args:
            rule: That says how the intervals are found.
        """
        self.rule, self._undecided = rule, False

    def take_over(self, decision: Decision, chosen: bool) -> None:
        """Take what a trained inspector decides by.

        Args:
            decision: The inspector's.
            chosen: Whether to take its operating point, too; else it is the one that the config says.
        """
        if chosen:
            self.decision = decision

    def record_of_operating(self) -> dict[str, Any]:
        """How the verdicts are made and why so, plain values; empty while the network is trained."""
        return self.operated if self.operating is None else self.operating.to_dict()

    def expected(self) -> tuple[int, ...] | None:
        """Shape of what the network has to give for one image: here a number for each name.

        None where the task itself looks at its network.
        """
        return (len(self.decision.names),)

    def outputs_of(self, batch: Batch) -> Any:
        """What the network gives for a batch."""
        return self(batch["image"])

    def answered(self, batch: Batch, answers: Tensor) -> Any:
        """What `outputs_of` gives where an inspector gives these answers, see `Decision.outputs`.

        Args:
            batch: The images.
            answers: As `inspection.inspector.backends.Backend` has them.
        """
        return self.decision.outputs(answers.to(self.device))

    def take(self, data: ImageDataModule | None) -> None:
        """Take what is to be known of the training part before it is learned: here the weights of the loss."""
        self.loss = self.make_loss(None if data is None else data.loss_weights)

    def logged(self) -> list[str]:
        """Names of all figures that are logged while training, for what is to follow one of them."""
        names = ("loss", *self.evaluated())
        return [*(f"train/{name}" for name in ("loss", *self.learned)), *(f"val/{name}" for name in names)]

    def setup(self, stage: str) -> None:
        """Take what the data have to say, if nobody saw to it before."""
        if not hasattr(self, "loss"):
            self.take(getattr(self.trainer, "datamodule", None))

    def use_channels_last(self) -> None:
        """Keep weights and images in the memory layout that low-precision convolutions are fastest in."""
        self.model = self.model.to(memory_format=torch.channels_last)
        self.channels_last = True

    def forward(self, images: Tensor) -> Tensor:
        """What the network gives, float32, for images `[N, C, H, W]` as the data module has them."""
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        model = Flipped(self.model, self.flips) if self.flips else self.model
        outputs: Tensor = model(images)
        return outputs.float()

    def on_train_epoch_start(self) -> None:
        """Start counting anew."""
        self.train_loss.reset()
        self.train_counts = 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        outputs = self.outputs_of(batch)
        loss = self.loss_of(outputs, batch)
        with torch.no_grad():
            self.train_loss.update(loss.detach(), len(batch["index"]))
            self.train_counts += self.count(outputs, batch)
        if self.trainer.is_last_batch:  # once an epoch, early enough for the callbacks to see it
            self._log_training()
        return loss

    def _log_training(self) -> None:
        """Log the epoch's training loss and figures (of augmented and resampled images, while learning)."""
        counts = self.trainer.strategy.reduce(torch.as_tensor(self.train_counts).clone(), reduce_op="sum")
        figures = self.figures_of(torch.as_tensor(counts).cpu())
        shown = {"loss": float(self.train_loss.compute()), **{name: figures[name] for name in self.learned}}
        for name, value in shown.items():
            self.log(f"train/{name}", value, on_step=False, on_epoch=True)

    def _evaluate(self, batch: Batch) -> None:
        with torch.autocast(self.device.type, enabled=False):
            self._seen.append(self._said_of(batch))
            if self.flips and self._undecided:  # for the effect of the flips
                flips, self.flips = self.flips, ()
                self._unflipped.append(self._said_of(batch))
                self.flips = flips

    def _said_of(self, batch: Batch) -> tuple[Tensor, Kept]:
        if self.answers is None:
            outputs = self.outputs_of(batch)
        else:
            outputs = self.answered(batch, self.answers(batch["image"]))
        return batch["index"].cpu(), self.keep(outputs, batch) | {_FINITE: are_finite(outputs)}

    def _start_evaluation(self) -> None:
        self._seen.clear()
        self._unflipped.clear()

    def _judge(self, rows: Tensor, kept: Kept, decision: Decision) -> Outcome:
        """The outcome under a decision, which is the task's from then on."""
        self.decision = decision
        outcome = self.make_outcome(rows, {name: values for name, values in kept.items() if name != _FINITE})
        if not bool(kept[_FINITE].all()):
            # Some images have no answer: any figure, and a best epoch chosen by it, would be of the others.
            outcome.figures.update(dict.fromkeys(outcome.figures, UNDEFINED))
        return outcome

    def _operate(
        self, rows: Tensor, kept: Kept, rule: Rule, flips: Sequence[str]
    ) -> tuple[OperatingPoint, Outcome]:
        """Choose the operating point on what was kept of validation images, by a rule."""
        decision = self.calibrated(kept) if rule.calibrate else self.decision
        return choose(lambda each: self._judge(rows, kept, each), decision, rule, self._groups(), flips)

    def _groups(self) -> Sequence[str] | None:
        data = getattr(self.trainer, "datamodule", None)
        return data.samples.groups if isinstance(data, ImageDataModule) else None

    def _finish_evaluation(self, part: str) -> None:
        rows, kept = _gather(self._seen)
        told = bool(kept[_FINITE].all())  # else there is nothing that a point could be chosen on
        fitting = self.trainer.state.fn == "fit"
        if part == "val" and self._undecided and self.rule is not None and not fitting and told:
            plain = self.decision
            self.operating, self.outcome = self._operate(rows, kept, self.rule, self.flips)
            if self.flips:
                self.decision = plain
                quick = copy(self.rule)
                quick.resamples = 0
                without = self._operate(*_gather(self._unflipped), quick, ())[1]
                self.decision = self.operating.decision
                effect = {"without": without.main_figures(), "with": self.outcome.main_figures()}
                self.operating = replace(self.operating, effect=effect)
            self._undecided = False
        else:
            self.outcome = self._judge(rows, kept, self.decision)
        if self.rule is not None and not fitting and told:
            add_intervals(self.outcome, self.rule, self._groups())
        figures = self.outcome.figures
        # The last pass over `val` is with the best epoch's weights: no point in the curve of the training.
        in_curve = None if part == "test" or self.trainer.state.fn == "fit" else False
        self.log_dict({f"{part}/{name}": value for name, value in figures.items()}, logger=in_curve)

    def on_validation_epoch_start(self) -> None:
        """Start a pass."""
        self._start_evaluation()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Take in one batch."""
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the figures of the validation part and keep the outcome for the callbacks."""
        self._finish_evaluation("val")

    def on_test_epoch_start(self) -> None:
        """Start a pass."""
        self._start_evaluation()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Take in one batch."""
        self._evaluate(batch)

    def on_test_epoch_end(self) -> None:
        """Log the figures of the test part and keep the outcome for the callbacks."""
        self._finish_evaluation("test")

    def configure_optimizers(self) -> Any:
        """The optimizer over the trainable parameters, and the schedule, stepped once an epoch.

        A plateau schedule is stepped in the epochs that are validated: its patience counts validations.
        """
        optimizer = self._make_optimizer(self._parameter_groups())
        if not self._make_scheduler:
            return optimizer
        scheduler = self._make_scheduler(optimizer)
        every = 1
        if isinstance(scheduler, ReduceLROnPlateau) and self._trainer is not None:
            every = self.trainer.check_val_every_n_epoch or 1
        schedule = {
            "scheduler": scheduler,
            "interval": "epoch",
            "frequency": every,
            "monitor": self.monitor,
            "strict": False,  # an epoch without the metric is no reason to break off
        }
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _parameter_groups(self) -> list[Any]:
        """What is trained: the head at the optimizer's learning rate, the rest at `backbone_lr` if there is one.

        The head comes first: its learning rate is the one that is shown.
        """
        if self.backbone_lr is None:
            return [p for p in self.parameters() if p.requires_grad]
        head_of = getattr(self.model.network, "head_parameters", None)
        if head_of is None:
            name = type(self.model.network).__name__
            raise ValueError(f"task.module.backbone_lr: {name} does not say what its head is; use null")
        head = {id(p) for p in head_of()}
        own = [p for p in self.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in own if id(p) in head]},
            {"params": [p for p in own if id(p) not in head], "lr": self.backbone_lr},
        ]
        return [group for group in groups if group["params"]]


def _gather(seen: list[tuple[Tensor, Kept]]) -> tuple[Tensor, Kept]:
    """Rows, sorted, and what was kept of them, of all batches of all processes."""
    # Tensors travel between processes as arrays: a tensor would travel by a file descriptor that is lost with it.
    own = [
        (np.asarray(rows), {n: np.asarray(v) if isinstance(v, Tensor) else v for n, v in kept.items()})
        for rows, kept in seen
    ]
    shares = [own]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        shares = [[]] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(shares, own)
    batches = [batch for share in shares for batch in share]
    rows = np.concatenate([rows for rows, _ in batches])
    order = rows.argsort(kind="stable")
    kept: Kept = {}
    for name, first in batches[0][1].items():
        parts = [batch[name] for _, batch in batches]
        if isinstance(first, np.ndarray):
            kept[name] = torch.from_numpy(np.concatenate(parts)[order])
        else:
            images = [image for part in parts for image in part]
            kept[name] = [images[place] for place in order]
    return torch.from_numpy(rows[order]), kept
