"""A resumed run ends where the uninterrupted one ends, also where Lightning alone would not see to it."""

from typing import Any

import lightning as L
from torch.optim.lr_scheduler import ReduceLROnPlateau


class ResumeExactly(L.Callback):
    """Makes up for what the checkpoint of an epoch lacks, or what Lightning does not take from it.

    * Lightning steps a plateau schedule after it has written the checkpoint, and can't make up for it when it
      resumes, since a checkpoint holds no metrics. This callback keeps the metric in it.
    * A run that early stopping had ended would train one epoch more.

    Args:
        monitor: The metric that a plateau schedule follows.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self._value: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """The metric at the end of the epoch."""
        return {"value": self._value}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the metric of the run that is resumed."""
        self._value = state_dict["value"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stay stopped."""
        if any(stopping.wait_count >= stopping.patience for stopping in trainer.early_stopping_callbacks):
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Step a schedule that is behind: it has made a step for each validated epoch that is over."""
        if self._value is None:
            return
        for config in trainer.lr_scheduler_configs:
            scheduler = config.scheduler
            if isinstance(scheduler, ReduceLROnPlateau):
                due = trainer.current_epoch // config.frequency
                if scheduler.last_epoch < due:
                    scheduler.step(self._value)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the metric; checkpoint callbacks come after this one."""
        value = trainer.callback_metrics.get(self.monitor)
        self._value = None if value is None else float(value)
