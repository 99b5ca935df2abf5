"""What all inspection task modules share: steps, exact evaluation, optimizer, what is logged."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric

from inspection.decide.decisions import Decision
from inspection.models.normalised import Normalised
from inspection.tasks.outcomes import Outcome

Batch = dict[str, Tensor]


class InspectionTask(L.LightningModule, ABC):
    """Trains a network on one kind of question and keeps what it said of the last part it was asked about.

    Training may run in low precision; every evaluation runs in float32, so that the figures are those of the
    network that ships, on whatever machine it was trained.

    Args:
        network: Float images `[N, C, H, W]` to logits `[N, K]`. One whose weights were trained with a
            normalisation of their own says it in its attributes `mean` and `std`, which then hold instead of the
            data's.
        loss: Called with the weights that the data asks for (see `make_loss`), gives a module of logits and
            targets.
        optimizer: Called with the parameters to train, in groups.
        scheduler: Called with the optimizer; None or empty for a constant learning rate.
        mean: Normalisation, a value a channel.
        std: Normalisation, a value a channel.
        decision: How a verdict is made of logits.
        monitor: Metric that a plateau scheduler follows, e.g. `val/f1`.
        mode: `max` or `min`: which way it gets better.
        backbone_lr: Learning rate of what lies before the network's head; None: that of the head.

    Attributes:
        losses: Options of the config group `loss` that fit, for a message.
        outcome: What the last pass over a part gave.
    """

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
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []
        self.channels_last = False

    losses: str

    @abstractmethod
    def make_loss(self, weights: Tensor | None) -> nn.Module:
        """The loss with the weights that make up for what is rare, or None."""

    @abstractmethod
    def count(self, called: Tensor, answers: Tensor) -> Tensor:
        """Right and wrong verdicts of a batch (bool `[B, K]` each), int64; counts of batches add up."""

    @abstractmethod
    def figures_of(self, counts: Tensor) -> dict[str, float]:
        """Figures that counts tell, `accuracy` and `f1` among them."""

    @abstractmethod
    def make_outcome(self, rows: Tensor, logits: Tensor, targets: Tensor) -> Outcome:
        """The outcome of a pass, with all its figures but the loss."""

    @abstractmethod
    def evaluated(self) -> list[str]:
        """Names of the figures that an outcome has beside the loss."""

    def logged(self) -> list[str]:
        """Names of all figures that are logged while training, for what is to follow one of them."""
        names = ("loss", *self.evaluated())
        return ["train/loss", "train/accuracy", "train/f1", *(f"val/{name}" for name in names)]

    def setup(self, stage: str) -> None:
        """Build the loss with the weights of the training part."""
        if not hasattr(self, "loss"):
            datamodule = getattr(self.trainer, "datamodule", None)
            self.loss = self.make_loss(getattr(datamodule, "loss_weights", None))

    def use_channels_last(self) -> None:
        """Keep weights and images in the memory layout that low-precision convolutions are fastest in."""
        self.model = self.model.to(memory_format=torch.channels_last)
        self.channels_last = True

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, K]`, float32, of uint8 images `[N, C, H, W]`."""
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return self.model(images).float()

    def on_train_epoch_start(self) -> None:
        """Start counting anew."""
        self.train_loss.reset()
        self.train_counts = 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        logits = self(batch["image"])
        loss = self.loss(logits, batch["target"])
        with torch.no_grad():
            self.train_loss.update(loss.detach(), len(logits))
            called = self.decision.called(self.decision.probabilities(logits))
            self.train_counts += self.count(called, self.decision.answers(batch["target"]))
        if self.trainer.is_last_batch:  # once an epoch, early enough for the callbacks to see it
            self._log_training()
        return loss

    def _log_training(self) -> None:
        """Log the epoch's training loss and figures (of augmented and resampled images, while learning)."""
        counts = self.trainer.strategy.reduce(torch.as_tensor(self.train_counts).clone(), reduce_op="sum")
        figures = self.figures_of(torch.as_tensor(counts).cpu())
        shown = {"loss": float(self.train_loss.compute()), **{n: figures[n] for n in ("accuracy", "f1")}}
        for name, value in shown.items():
            self.log(f"train/{name}", value, on_step=False, on_epoch=True)

    def _evaluate(self, batch: Batch) -> None:
        with torch.autocast(self.device.type, enabled=False):
            logits = self(batch["image"])
        self._seen.append((batch["index"].cpu(), logits.cpu(), batch["target"].cpu()))

    def _start_evaluation(self) -> None:
        self._seen.clear()

    def _finish_evaluation(self, part: str) -> None:
        rows, logits, targets = _gather(self._seen)
        order = rows.argsort()
        self.outcome = self.make_outcome(rows[order], logits[order], targets[order])
        figures = self.outcome.figures
        # Over all images at once: a weighted mean of batch means would depend on how the images were batched.
        figures["loss"] = float(self.loss(logits.to(self.device), targets.to(self.device)))
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


def _gather(seen: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, logits and targets of all batches of all processes."""
    own = [np.asarray(torch.cat(parts)) for parts in zip(*seen, strict=True)]
    shares = [own]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        shares = [[]] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(shares, own)
    parts = [torch.from_numpy(np.concatenate(column)) for column in zip(*filter(None, shares), strict=True)]
    return parts[0], parts[1], parts[2]
