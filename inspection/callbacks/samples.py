"""What the network is given: a few images of each class, before the first epoch."""

import lightning as L
import numpy as np

from inspection.callbacks.board import show
from inspection.data.module import ImageDataModule
from inspection.pictures.grid import sample_grid


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of these rows, evenly spread over them, always the same ones."""
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]


class SampleGrid(L.Callback):
    """A contact sheet of the training part, a row a class or attribute.

    Args:
        per_class: Images of each class.
    """

    def __init__(self, per_class: int = 5) -> None:
        self.per_class = per_class

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the sheet."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or not isinstance(data, ImageDataModule):
            return
        rows = data.samples.rows("train")
        sheet = {}
        for name, places in data.labels.examples(data.samples.targets[rows]).items():
            chosen = spread(rows[places], self.per_class)
            pictures = data.images(chosen).permute(0, 2, 3, 1).numpy()
            captions = [data.samples.files[row] for row in chosen]
            sheet[name] = list(zip(pictures, captions, strict=True))
        show(trainer, "samples", sample_grid(sheet), "samples.png")
