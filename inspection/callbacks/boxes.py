"""What is in the images, beside what was found."""

import numpy as np
from torch import Tensor

from inspection.callbacks.panels import PanelLogger, origin
from inspection.data.module import ImageDataModule
from inspection.pictures.box_panel import DrawnBox, box_panel
from inspection.tasks.box_metrics import match_boxes
from inspection.tasks.box_outcome import BoxOutcome
from inspection.tasks.detection import Detection
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome


class BoxLogger(PanelLogger):
    """Panels of true and found boxes side by side, as TensorBoard images and PNG files.

    A fixed choice of validation images with each class every few epochs, the worst validation mistakes beside
    them, and after the test the images with wrong boxes.

    Args:
        every_n_epochs: Epochs between two sets of pictures; 0 draws them at the end alone.
        per_class: Validation images with each class, and of those without any object, chosen once.
        mistakes: The worst mistakes of the validation part.
        test_mistakes: The worst mistakes of the test part.
    """

    folder = "boxes"
    draws = Detection

    def panels(
        self,
        task: InspectionTask,
        data: ImageDataModule,
        outcome: Outcome,
        positions: np.ndarray,
        images: Tensor,
    ) -> list[np.ndarray]:
        """True boxes (dashed when missed) and found ones (right and wrong in two colours)."""
        assert isinstance(outcome, BoxOutcome)
        names, panels = outcome.decision.names, []
        for place, position in enumerate(positions.tolist()):
            objects, classes, found = (
                outcome.boxes[position],
                outcome.box_class[position],
                outcome.found(position),
            )
            matched = match_boxes(found, objects, classes)
            truth = [
                DrawnBox(_place(box), names[which], "truth" if number in matched else "missed")
                for number, (box, which) in enumerate(zip(objects, classes.tolist(), strict=True))
                if which >= 0
            ]
            said = [
                DrawnBox(
                    _place(box),
                    f"{names[int(box[5])]} {float(box[4]):.2f}",
                    "right" if object >= 0 else "wrong",
                )
                for box, object in zip(found, matched.tolist(), strict=True)
            ]
            hits, alarms, _ = outcome.counts[position].sum(0).tolist()
            title = [
                data.samples.files[outcome.rows[position]],
                f"{hits} of {len(truth)} found, {alarms} false alarm{'s' * (alarms != 1)} · "
                f"boxes with {outcome.decision.limits()}",
            ]
            panel = box_panel(
                images[place].permute(1, 2, 0).numpy(),
                truth,
                said,
                title,
                note=origin(data),
                right=bool(outcome.right[position]),
            )
            panels.append(panel)
        return panels


def _place(box: Tensor) -> tuple[float, float, float, float]:
    left, top, right, bottom = box[:4].tolist()
    return left, top, right, bottom
