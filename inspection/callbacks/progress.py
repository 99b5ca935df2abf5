"""One line an epoch, and a bar while it runs where a person is watching."""

import math
import sys
import time
from typing import Any

import lightning as L
from tqdm import tqdm


class EpochLines(L.Callback):
    """Prints loss, monitored metric and time of each epoch; on a terminal a bar shows how far it is.

    Args:
        monitor: The metric that decides which epoch is best.
        mode: `max` or `min`: which way it gets better.
    """

    def __init__(self, monitor: str, mode: str) -> None:
        self.monitor, self.mode = monitor, mode
        self.best: float | None = None
        self._bar: Any = None
        self._start = 0.0

    def state_dict(self) -> dict[str, Any]:
        """The best value so far, for a resumed run."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best value of the run that is resumed."""
        self.best = state_dict["best"]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start clock and bar."""
        self._start = time.perf_counter()
        if trainer.is_global_zero and sys.stderr.isatty():
            total = trainer.num_training_batches
            self._bar = tqdm(
                total=None if math.isinf(total) else int(total),
                desc=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
                unit="batch",
                leave=False,
            )

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the line."""
        self._close()
        if not trainer.is_global_zero:
            return
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        value = figures.get(self.monitor, math.nan)
        sign = 1 if self.mode == "max" else -1
        better = not math.isnan(value) and (self.best is None or sign * value > sign * self.best)
        if better:
            self.best = value
        shown = "undefined" if math.isnan(value) else f"{value:.4f}"
        print(
            f"epoch {trainer.current_epoch + 1:3d}/{trainer.max_epochs}"
            f"  train/loss {figures.get('train/loss', math.nan):.4f}"
            f"  val/loss {figures.get('val/loss', math.nan):.4f}"
            f"  {self.monitor} {shown}{' *' if better else '  '}"
            f"  {time.perf_counter() - self._start:.1f} s",
            flush=True,
        )

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal clean."""
        self._close()
