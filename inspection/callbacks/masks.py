"""What the network calls a defect, beside what is one."""

import numpy as np
import torch

from inspection.callbacks.panels import PanelLogger, origin
from inspection.data.module import ImageDataModule
from inspection.pictures.mask_panel import mask_panel
from inspection.tasks.mask_outcome import MaskOutcome
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome
from inspection.tasks.segmentation import Segmentation


class MaskLogger(PanelLogger):
    """Panels of image, true mask, called mask and the errors in two colours, as TensorBoard images and PNG files.

    A fixed choice of validation images of each type of defect every few epochs, the worst validation mistakes
    beside them, and after the test the images that were judged wrongly or whose mask is poor (Dice below 0.5).

    Args:
        every_n_epochs: Epochs between two sets of pictures; 0 draws them at the end alone.
        per_class: Validation images of each type of defect, chosen once.
        mistakes: The worst mistakes of the validation part.
        test_mistakes: The worst mistakes of the test part.
    """

    folder = "masks"
    draws = Segmentation

    def panels(
        self,
        task: InspectionTask,
        data: ImageDataModule,
        outcome: Outcome,
        positions: np.ndarray,
        images: torch.Tensor,
    ) -> list[np.ndarray]:
        """Image, truth, prediction and errors."""
        assert isinstance(task, Segmentation)
        assert isinstance(outcome, MaskOutcome)
        truth = data.batch(outcome.rows[positions].numpy())["mask"][:, 0].bool().numpy()
        with torch.no_grad(), torch.autocast(task.device.type, enabled=False):
            called = task.decision.called(task(images.to(task.device)).sigmoid())[:, 0].cpu().numpy()
        names, dice, panels = outcome.decision.names, outcome.each["dice"], []
        for place, position in enumerate(positions.tolist()):
            number, area = len(outcome.regions[position]), int(outcome.areas[position])
            verdict, target = (int(each[position]) for each in (outcome.verdicts, outcome.targets))
            said = f" ({area} px in {number} {'place' if number == 1 else 'places'})" if area else ""
            known = bool(outcome.known[position])
            overlap = f"Dice {float(dice[position]):.2f}" if known else "its true place is not known"
            title = [
                data.samples.files[outcome.rows[position]],
                f"{names[verdict]}{said} · target: {names[target]} · {overlap}",
            ]
            panel = mask_panel(
                images[place].permute(1, 2, 0).numpy(),
                called[place],
                truth[place],
                title,
                note=origin(data),
                right=verdict == target,
            )
            panels.append(panel)
        return panels
