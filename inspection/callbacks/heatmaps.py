"""Where the network looks: Grad-CAM or HiResCAM pictures while it learns, and of its mistakes."""

from typing import Literal

import lightning as L
import numpy as np
import torch

from inspection.callbacks.board import show
from inspection.callbacks.samples import spread
from inspection.data.module import ImageDataModule
from inspection.decide.verdicts import verdicts
from inspection.explain.cam import METHOD_NAMES, heatmap
from inspection.pictures.panel import heat_panel
from inspection.tasks.classification import Classification, Outcome


def worst_mistakes(outcome: Outcome, defect: int | None, count: int) -> np.ndarray:
    """Positions in the outcome of wrong verdicts, the least probable target first, at most `count`."""
    probabilities = outcome.probabilities
    wrong = (verdicts(probabilities, defect) != outcome.targets).nonzero().flatten()
    of_target = probabilities[wrong, outcome.targets[wrong]]
    return wrong[of_target.argsort(stable=True)][:count].numpy()


class HeatmapLogger(L.Callback):
    """Panels of image, heatmap and overlay, as TensorBoard images and PNG files.

    A fixed choice of validation images every few epochs, the worst validation mistakes beside them, and after
    the test the images that were judged wrongly. The heatmap shows the evidence for the defect class
    (without one: for the verdict).

    Args:
        method: `auto` (what the network asks for), `grad_cam` or `hires_cam`.
        layer: Dotted name of a layer, or None for the last convolution.
        every_n_epochs: Epochs between two sets of pictures; 0 draws them at the end alone.
        per_class: Validation images of each class, chosen once.
        mistakes: The worst mistakes of the validation part.
        test_mistakes: The worst mistakes of the test part.
    """

    def __init__(
        self,
        method: Literal["auto", "grad_cam", "hires_cam"] = "auto",
        layer: str | None = None,
        every_n_epochs: int = 5,
        per_class: int = 4,
        mistakes: int = 8,
        test_mistakes: int = 40,
    ) -> None:
        if every_n_epochs < 0:
            raise ValueError(f"every_n_epochs={every_n_epochs}: expected 1 or more, or 0 for the end alone")
        self.method, self.layer = method, layer
        self.every_n_epochs = every_n_epochs
        self.per_class, self.mistakes, self.test_mistakes = per_class, mistakes, test_mistakes

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Find out now, and not after hours, that there is no such layer."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(pl_module, Classification) and isinstance(data, ImageDataModule):
            image = data.images(data.samples.rows("val")[:1]).to(pl_module.device)
            mode = pl_module.model.training
            pl_module.model.eval()  # one image through batch norm must leave no trace
            heatmap(pl_module.model, image, method=self.method, layer=self.layer)
            pl_module.model.train(mode)

    # Not `on_validation_epoch_end`: Lightning calls that of callbacks before that of the module, which makes the
    # outcome of this pass; callbacks would draw the one before.
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the fixed images and the worst mistakes."""
        fitting = trainer.state.fn == "fit"
        due = self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if trainer.sanity_checking or (fitting and not due):
            return
        data, task, outcome = self._parts(trainer, pl_module)
        if data is None or task is None or outcome is None:
            return
        folder = f"heatmaps/epoch_{trainer.current_epoch + 1:03d}" if fitting else "heatmaps/best"
        targets = outcome.targets.numpy()
        for target, name in enumerate(task.classes):
            chosen = spread(np.flatnonzero(targets == target), self.per_class)
            self._draw(trainer, data, task, outcome, chosen, f"heatmaps/{name}", f"{folder}/{name}")
        wrong = worst_mistakes(outcome, task.defect, self.mistakes)
        self._draw(trainer, data, task, outcome, wrong, "mistakes/val", f"{folder}/mistake")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw what was judged wrongly."""
        data, task, outcome = self._parts(trainer, pl_module)
        if data is None or task is None or outcome is None:
            return
        wrong = worst_mistakes(outcome, task.defect, self.test_mistakes)
        self._draw(trainer, data, task, outcome, wrong, "mistakes/test", "mistakes_test/mistake")

    @staticmethod
    def _parts(
        trainer: L.Trainer, module: L.LightningModule
    ) -> tuple[ImageDataModule | None, Classification | None, Outcome | None]:
        """Data, task and outcome, where this process draws and there is something to draw."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or not isinstance(module, Classification) or module.outcome is None:
            return None, None, None
        return (data, module, module.outcome) if isinstance(data, ImageDataModule) else (None, None, None)

    def _draw(
        self,
        trainer: L.Trainer,
        data: ImageDataModule,
        task: Classification,
        outcome: Outcome,
        chosen: np.ndarray,
        tag: str,
        file: str,
    ) -> None:
        probabilities = outcome.probabilities
        judged = verdicts(probabilities, task.defect)
        for start in range(0, len(chosen), 8):  # a few at a time: feature maps of large images are large
            part = chosen[start : start + 8]
            rows = outcome.rows[part].numpy()
            images = data.images(rows)
            wanted = judged[part] if task.defect is None else torch.full((len(part),), task.defect)
            with torch.autocast(task.device.type, enabled=False):
                maps = heatmap(
                    task.model,
                    images.to(task.device),
                    wanted.to(task.device),
                    method=self.method,
                    layer=self.layer,
                )
            for place, position in enumerate(part):
                right = bool(judged[position] == outcome.targets[position])
                explained = task.classes[int(wanted[place])]
                verdict = task.classes[int(judged[position])]
                target = task.classes[int(outcome.targets[position])]
                title = [
                    data.samples.files[rows[place]],
                    f"{verdict} {float(probabilities[position, judged[position]]):.2f} · target: {target} · "
                    f"{METHOD_NAMES[maps.method]} for {explained}",
                ]
                panel = heat_panel(
                    images[place].permute(1, 2, 0).numpy(),
                    maps.maps[place].cpu().numpy() if bool(maps.evidence[place]) else None,
                    title,
                    note="SYNTHETIC image" if data.is_synthetic else "",
                    right=right,
                )
                number = start + place + 1
                show(trainer, f"{tag}_{number}", panel, f"{file}_{number:02d}.png")
