"""Where the defects are and where they were found, in pictures."""

import lightning as L
import numpy as np
import torch
from torch import Tensor

from inspection.callbacks.panels import PanelLogger, origin
from inspection.data.module import ImageDataModule
from inspection.explain.class_maps import find_grid, to_heat
from inspection.pictures.place_panel import place_panel
from inspection.tasks.localisation import CamLocalisation
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome
from inspection.tasks.places import PlaceOutcome


class PlaceLogger(PanelLogger):
    """Panels of image, true mask, heatmap, and overlay with boxes, as TensorBoard images and PNG files.

    A fixed choice of validation images of each type of defect every few epochs, the worst mistakes beside them;
    after the test also test images of each type. A right verdict whose heatmap points beside the defect is a
    mistake, too: its panel is marked WRONG and says why.

    Args:
        every_n_epochs: Epochs between two sets of pictures; 0 draws them at the end alone.
        per_class: Images of each type of defect and of good ones, chosen once.
        mistakes: The worst mistakes of the validation part.
        test_mistakes: The worst mistakes of the test part.
    """

    folder = "places"
    draws = CamLocalisation

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw test images of each type and the worst mistakes."""
        super().on_test_end(trainer, pl_module)
        self.draw_examples(trainer, pl_module, f"{self.folder}_test", f"{self.folder}_test")

    def panels(
        self,
        task: InspectionTask,
        data: ImageDataModule,
        outcome: Outcome,
        positions: np.ndarray,
        images: Tensor,
    ) -> list[np.ndarray]:
        """Image, truth, heatmap, boxes."""
        assert isinstance(outcome, PlaceOutcome)
        decision = outcome.decision
        size = images.shape[-2], images.shape[-1]
        heat = to_heat(outcome.maps[torch.from_numpy(positions)], size, find_grid(task.model)).numpy()
        truth = data.batch(outcome.rows[positions].tolist()).get("mask")
        drawn = []
        for place, position in enumerate(positions):
            row = int(outcome.rows[position])
            probability = float(outcome.probabilities[position, decision.defect])
            kind = "" if outcome.kinds is None else f" ({outcome.kinds[position]})"
            beside = outcome.places[position].points is False
            right = bool(outcome.right[position])
            words = (
                f"{decision.words(outcome.called[position])}, P({decision.names[decision.defect]}) "
                f"{probability:.2f} · target: {decision.words(outcome.answers[position])}{kind}"
            )
            if right and beside:
                words += " · the heatmap points beside the defect"
            drawn.append(
                place_panel(
                    images[place].permute(1, 2, 0).numpy(),
                    heat[place] if heat[place].any() else None,
                    [(box, probability * score) for box, score in outcome.places[position].boxes],
                    None if truth is None else truth[place, 0].numpy().astype(bool),
                    [data.samples.files[row], words],
                    note=origin(data),
                    right=right and not beside,
                )
            )
        return drawn
