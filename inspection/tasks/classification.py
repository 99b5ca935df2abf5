"""One class an image."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from inspection.decide.verdicts import verdicts
from inspection.models.normalised import Normalised
from inspection.tasks.metrics import ClassificationMetrics, figures_of_confusion

Batch = dict[str, Tensor]


@dataclass
class Outcome:
    """What the network said of each image in the last pass over a part, sorted by row.

    Attributes:
        rows: Row numbers in the data module's samples, int64 `[N]`.
        logits: float32 `[N, K]`.
        targets: int64 `[N]`.
        figures: Metrics by name, NaN when undefined.
        confusion: int64 `[K, K]`, rows are targets.
    """

    rows: Tensor
    logits: Tensor
    targets: Tensor
    figures: dict[str, float] = field(default_factory=dict)
    confusion: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.int64))

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, float64 `[N, K]`."""
        return self.logits.double().softmax(1)


class Classification(L.LightningModule):
    """Softmax classification of single images, with metrics of the defect class.

    Training may run in low precision; every evaluation runs in float32, so that the figures are those of the
    network that ships, on whatever machine it was trained.

    Args:
        network: Float images `[N, C, H, W]` to logits `[N, K]`.
        loss: Called with `weight=` (class weights or None), gives a module of logits and targets.
        optimizer: Called with the parameters to train.
        scheduler: Called with the optimizer; None or empty for a constant learning rate.
        classes: Class names, K.
        defect: Name of the positive class, or None for macro averages.
        mean: Normalisation, a value a channel.
        std: Normalisation, a value a channel.
        monitor: Metric that a plateau scheduler follows, e.g. `val/f1`.
        mode: `max` or `min`: which way it gets better.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., nn.Module],
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        scheduler: Callable[[torch.optim.Optimizer], Any] | None,
        classes: Sequence[str],
        defect: str | None,
        mean: Sequence[float],
        std: Sequence[float],
        monitor: str = "val/f1",
        mode: Literal["max", "min"] = "max",
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.defect = None if defect is None else self.classes.index(defect)
        self.monitor, self.mode = monitor, mode
        self.model = Normalised(network, mean, std)
        self._make_loss, self._make_optimizer, self._make_scheduler = loss, optimizer, scheduler
        self.train_loss = MeanMetric()
        # No buffer: DistributedDataParallel would overwrite it with the first process's at each step.
        self.train_confusion = torch.zeros(len(classes), len(classes), dtype=torch.int64)
        self.metrics = ClassificationMetrics(self.classes, self.defect)
        self.outcome: Outcome | None = None
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []
        self.channels_last = False

    def logged(self) -> list[str]:
        """Names of all figures that are logged while training, for what is to follow one of them."""
        number = len(self.classes)
        figures = figures_of_confusion(torch.eye(number), self.classes, self.defect)
        names = ("loss", "auroc", "average_precision", *figures)
        return ["train/loss", "train/accuracy", "train/f1", *(f"val/{name}" for name in names)]

    def setup(self, stage: str) -> None:
        """Build the loss with the class weights of the training part."""
        if not hasattr(self, "loss"):
            datamodule = getattr(self.trainer, "datamodule", None)
            self.loss = self._make_loss(weight=getattr(datamodule, "class_weights", None))

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
        self.train_confusion = torch.zeros_like(self.train_confusion, device=self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        logits = self(batch["image"])
        loss = self.loss(logits, batch["target"])
        with torch.no_grad():
            self.train_loss.update(loss.detach(), len(logits))
            number = len(self.classes)
            cells = batch["target"] * number + verdicts(logits.softmax(1), self.defect)
            self.train_confusion += torch.bincount(cells, minlength=number**2).view(number, number)
        if self.trainer.is_last_batch:  # once an epoch, early enough for the callbacks to see it
            self._log_training()
        return loss

    def _log_training(self) -> None:
        """Log the epoch's training loss and figures (of augmented and resampled images, while learning)."""
        counts = self.trainer.strategy.reduce(self.train_confusion.clone(), reduce_op="sum")
        figures = figures_of_confusion(torch.as_tensor(counts), self.classes, self.defect)
        figures = {
            "loss": float(self.train_loss.compute()),
            "accuracy": figures["accuracy"],
            "f1": figures["f1"],
        }
        for name, value in figures.items():
            self.log(f"train/{name}", value, on_step=False, on_epoch=True)

    def _evaluate(self, batch: Batch) -> None:
        with torch.autocast(self.device.type, enabled=False):
            logits = self(batch["image"])
        self.metrics.update(logits, batch["target"])
        self._seen.append((batch["index"].cpu(), logits.cpu(), batch["target"].cpu()))

    def _start_evaluation(self) -> None:
        self._seen.clear()
        self.metrics.reset()

    def _finish_evaluation(self, part: str) -> None:
        figures, confusion = self.metrics.compute()
        rows, logits, targets = _gather(self._seen)
        # Over all images at once: a weighted mean of batch means would depend on how the images were batched.
        figures["loss"] = float(self.loss(logits.to(self.device), targets.to(self.device)))
        order = rows.argsort()
        self.outcome = Outcome(rows[order], logits[order], targets[order], figures, confusion.cpu())
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
        """The optimizer over the trainable parameters, and the schedule, stepped once an epoch."""
        optimizer = self._make_optimizer([p for p in self.parameters() if p.requires_grad])
        if not self._make_scheduler:
            return optimizer
        scheduler = {
            "scheduler": self._make_scheduler(optimizer),
            "interval": "epoch",
            "monitor": self.monitor,
        }
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


def _gather(seen: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, logits and targets of all batches of all processes."""
    own = [np.asarray(torch.cat(parts)) for parts in zip(*seen, strict=True)]
    shares = [own]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        shares = [[]] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(shares, own)
    parts = [torch.from_numpy(np.concatenate(column)) for column in zip(*filter(None, shares), strict=True)]
    return parts[0], parts[1], parts[2]
