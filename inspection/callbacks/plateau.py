"""A plateau schedule that a resumed run goes on with where the uninterrupted one was."""

from typing import Any

import lightning as L
from torch.optim.lr_scheduler import ReduceLROnPlateau


class PlateauAfterResume(L.Callback):
    """Makes up for the step of a `ReduceLROnPlateau` that a checkpoint lacks.

    Lightning writes the checkpoint of an epoch before it steps the schedules. When it resumes it makes up for
    those that count epochs, but not for those that follow a metric, since a checkpoint holds no metrics. This
    callback keeps the metric in it.

    Args:
        monitor: The metric that the schedule follows.
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

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the metric; checkpoint callbacks come after this one."""
        value = trainer.callback_metrics.get(self.monitor)
        self._value = None if value is None else float(value)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Step a schedule that is behind: it has made a step for each epoch that is over."""
        if self._value is None:
            return
        for config in trainer.lr_scheduler_configs:
            scheduler = config.scheduler
            if isinstance(scheduler, ReduceLROnPlateau) and scheduler.last_epoch < trainer.current_epoch:
                scheduler.step(self._value)
