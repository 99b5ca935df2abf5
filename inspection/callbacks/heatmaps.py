"""Where the network looks: pictures of its evidence while it learns, and of its mistakes."""

from collections.abc import Sequence
from typing import Literal

import lightning as L
import numpy as np
import torch

from inspection.callbacks.panels import PanelLogger, origin
from inspection.data.module import ImageDataModule
from inspection.decide.decisions import OneOf
from inspection.errors import InputError
from inspection.explain.cam import heatmap, heatmaps_of
from inspection.explain.heatmaps import METHOD_NAMES, Heatmaps, Method
from inspection.models.modes import evaluating
from inspection.pictures.colours import shown_colours
from inspection.pictures.label_panel import LabelVerdict, label_panel
from inspection.pictures.panel import heat_panel
from inspection.tasks.module import InspectionTask
from inspection.tasks.name_outcomes import ClassOutcome, LabelOutcome
from inspection.tasks.naming import NamingTask
from inspection.tasks.outcomes import Outcome


class HeatmapLogger(PanelLogger):
    """Panels of image, heatmap and overlay, as TensorBoard images and PNG files.

    A fixed choice of validation images every few epochs, the worst validation mistakes beside them, and after
    the test the images that were judged wrongly. The heatmap shows the evidence for the defect class (without
    one: for the verdict); of several attributes, each has its own in its colour.

    Args:
        method: `auto` (what the network asks for), or one of `inspection.explain.heatmaps.METHOD_NAMES`.
        layer: Dotted name of a layer, or None for the last convolution.
        every_n_epochs: Epochs between two sets of pictures; 0 draws them at the end alone.
        per_class: Validation images of each class or attribute, chosen once.
        mistakes: The worst mistakes of the validation part.
        test_mistakes: The worst mistakes of the test part.
        colours: Of attributes: pairs of name and colour (`blue`, `#0072b2`), for those that are to be shown. None:
            all, in colours that are told apart by the colour-blind.
    """

    folder = "heatmaps"
    draws = NamingTask

    def __init__(
        self,
        method: Method | Literal["auto"] = "auto",
        layer: str | None = None,
        every_n_epochs: int = 5,
        per_class: int = 4,
        mistakes: int = 8,
        test_mistakes: int = 40,
        colours: Sequence[Sequence[str]] | None = None,
    ) -> None:
        super().__init__(every_n_epochs, per_class, mistakes, test_mistakes)
        self.method, self.layer = method, layer
        self.colours = colours

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Find out now, and not after hours, that there is no such layer."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        super().on_fit_start(trainer, pl_module)
        assert isinstance(pl_module, NamingTask)
        if isinstance(data, ImageDataModule):
            image = data.images(data.samples.rows("val")[:1]).to(pl_module.device)
            with evaluating(pl_module.model):  # one image through batch norm must leave no trace
                heatmap(pl_module.model, image, method=self.method, layer=self.layer)
            if not isinstance(pl_module.decision, OneOf):
                try:
                    shown_colours(pl_module.decision.names, self.colours)
                except ValueError as error:
                    raise InputError(
                        f"callbacks.heatmaps.colours: {error} Set callbacks.heatmaps.colours=null to draw all."
                    ) from None

    def panels(
        self,
        task: InspectionTask,
        data: ImageDataModule,
        outcome: Outcome,
        positions: np.ndarray,
        images: torch.Tensor,
    ) -> list[np.ndarray]:
        """Image, heatmap and overlay, or a heatmap an attribute."""
        if isinstance(outcome, LabelOutcome):
            return self._label_panels(task, data, outcome, positions, images)
        assert isinstance(outcome, ClassOutcome)
        return self._class_panels(task, data, outcome, positions, images)

    def _explain(
        self, task: InspectionTask, images: torch.Tensor, wanted: Sequence[torch.Tensor | int]
    ) -> list[Heatmaps]:
        with torch.autocast(task.device.type, enabled=False):
            return heatmaps_of(
                task.model, images.to(task.device), wanted, method=self.method, layer=self.layer
            )

    def _class_panels(
        self,
        task: InspectionTask,
        data: ImageDataModule,
        outcome: ClassOutcome,
        part: np.ndarray,
        images: torch.Tensor,
    ) -> list[np.ndarray]:
        """The evidence for the defect class, or without one for the verdict."""
        decision = outcome.decision
        probabilities = outcome.probabilities[part]
        judged, targets = decision.labels(probabilities), outcome.targets[part]
        wanted = judged if decision.defect is None else torch.full((len(part),), decision.defect)
        (maps,) = self._explain(task, images, [wanted])
        panels = []
        for place, position in enumerate(part):
            verdict, target, explained = (
                decision.names[int(which[place])] for which in (judged, targets, wanted)
            )
            title = [
                data.samples.files[outcome.rows[position]],
                f"{verdict} {float(probabilities[place, judged[place]]):.2f} · target: {target} · "
                f"{METHOD_NAMES[maps.method]} for {explained}",
            ]
            panel = heat_panel(
                images[place].permute(1, 2, 0).numpy(),
                maps.of(place),
                title,
                note=origin(data),
                right=bool(judged[place] == targets[place]),
            )
            panels.append(panel)
        return panels

    def _label_panels(
        self,
        task: InspectionTask,
        data: ImageDataModule,
        outcome: LabelOutcome,
        part: np.ndarray,
        images: torch.Tensor,
    ) -> list[np.ndarray]:
        """The evidence for each attribute in its colour."""
        names = outcome.decision.names
        colours = shown_colours(names, self.colours)
        explained = self._explain(task, images, [names.index(name) for name in colours])
        maps = dict(zip(colours, explained, strict=True))
        panels = []
        for place, position in enumerate(part):
            called, answers = outcome.called[position], outcome.answers[position]
            title = [
                data.samples.files[outcome.rows[position]],
                f"{outcome.decision.words(called)} · target: {outcome.decision.words(answers)}",
            ]
            said = {
                name: LabelVerdict(
                    float(outcome.probabilities[position, names.index(name)]),
                    bool(called[names.index(name)]),
                    bool(answers[names.index(name)]),
                )
                for name in colours
            }
            panel = label_panel(
                images[place].permute(1, 2, 0).numpy(),
                {name: maps[name].of(place) for name in colours},
                colours,
                title,
                said,
                note=origin(data),
                right=bool(outcome.right[position]),
            )
            panels.append(panel)
        return panels
