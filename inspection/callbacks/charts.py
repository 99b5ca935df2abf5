"""Learning curves, and charts of an outcome such as the confusion matrix."""

import csv
import math
from pathlib import Path
from typing import Any

import lightning as L

from inspection.callbacks.board import show
from inspection.pictures.charts import learning_curves
from inspection.pictures.text import title_bar
from inspection.tasks.module import InspectionTask
from inspection.tasks.operating_picture import operating_picture
from inspection.tasks.outcomes import Outcome

_LEFT = 8  # px: as far as the charts themselves keep from the edge


def _origin(trainer: L.Trainer) -> str:
    """What a picture of figures has to say of drawn images."""
    data = getattr(trainer, "datamodule", None)
    return ", SYNTHETIC" if getattr(data, "is_synthetic", False) else ""


def has_curve(name: str, outcome: Outcome | None) -> bool:
    """Whether `val/f1`, say, is drawn over the epochs: the curves of each class would hide the others."""
    figure = name.partition("/")[2]
    chosen = None if outcome is None else outcome.curves
    return not figure or ("/" not in figure and (chosen is None or figure in (*chosen, "loss")))


class Charts(L.Callback):
    """Keeps a row of figures an epoch (`history.csv`), draws the curves at the end and the outcome's charts.

    Args:
        monitor: The metric whose best epoch is marked.
        mode: `max` or `min`: which way it gets better.
    """

    def __init__(self, monitor: str = "val/f1", mode: str = "max") -> None:
        self.monitor, self.mode = monitor, mode
        self.history: list[dict[str, float]] = []
        self._rate = math.nan

    def state_dict(self) -> dict[str, Any]:
        """The rows so far: a resumed run draws the whole curve."""
        return {"history": list(self.history)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of the run that is resumed."""
        self.history = list(state_dict["history"])

    def best_epoch(self) -> int | None:
        """Best epoch, counted from 1 as on the console, the first among equals; None without a value."""
        sign = 1 if self.mode == "max" else -1
        rows = [row for row in self.history if not math.isnan(row.get(self.monitor, math.nan))]
        if not rows:
            return None
        return int(max(rows, key=lambda row: sign * row[self.monitor])["epoch"])

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the learning rate; at the end of the epoch it is that of the next one."""
        self._rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add a row."""
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        self.history.append({"epoch": trainer.current_epoch + 1, "lr": self._rate} | figures)
        if trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._write(Path(trainer.default_root_dir) / "history.csv")

    def _write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(self.history[-1]), restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.history)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the curves."""
        if self.history and trainer.is_global_zero:
            rows = [{n: v for n, v in row.items() if self._has_curve(n, pl_module)} for row in self.history]
            picture = learning_curves(rows, self.monitor, self.best_epoch())
            picture = title_bar(picture, [f"learning curves{_origin(trainer)}"], left=_LEFT)
            show(trainer, "learning_curves", picture, "learning_curves.png")

    def _has_curve(self, name: str, module: L.LightningModule) -> bool:
        """Whether a figure is drawn; all are in the table."""
        outcome = module.outcome if isinstance(module, InspectionTask) else None
        return name == self.monitor or has_curve(name, outcome)

    def _show_outcome(self, trainer: L.Trainer, module: L.LightningModule, part: str) -> None:
        if trainer.is_global_zero and isinstance(module, InspectionTask) and module.outcome is not None:
            for name, chart in module.outcome.charts().items():
                picture = title_bar(chart, [f"{part} images{_origin(trainer)}"], left=_LEFT)
                show(trainer, f"{name}/{part}", picture, f"{name}_{part}.png")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the validation part's charts, and the operating point once it is chosen."""
        self._show_outcome(trainer, pl_module, "val")
        if not trainer.is_global_zero or not isinstance(pl_module, InspectionTask):
            return
        operating, outcome = pl_module.operating, pl_module.outcome
        picture = None if operating is None or outcome is None else operating_picture(outcome, operating)
        if operating is not None and picture is not None:
            on = f"{operating.rule}, on {operating.images} validation images{_origin(trainer)}"
            picture = title_bar(picture, [f"operating point: {on}"], left=_LEFT)
            show(trainer, "operating_point", picture, "operating_point.png")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the test part's charts."""
        self._show_outcome(trainer, pl_module, "test")
