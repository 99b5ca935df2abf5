"""Defects drawn pixel by pixel."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inspection.data.module import ImageDataModule
from inspection.decide.area import Area
from inspection.errors import InputError
from inspection.explain.regions import find_regions
from inspection.tasks.defects import Camera
from inspection.tasks.mask_losses import MaskLoss
from inspection.tasks.mask_metrics import mask_counts, pixel_figures, set_figures
from inspection.tasks.mask_outcome import MaskOutcome
from inspection.tasks.metrics import figures_of_confusion, share_of
from inspection.tasks.module import Batch, InspectionTask, Kept


class Segmentation(InspectionTask):
    """A mask of the defects of each image, and the verdict that follows from its area.

    An evaluation keeps counts and connected defects of each image, never a map.

    Args:
        classes: Two class names.
        defect: The one of them that is the defect.
        threshold: Smallest probability with which a pixel is called defective.
        min_area: Smallest number of called pixels, of the image after the geometry, that makes a defective part.
        **settings: As in `InspectionTask`; the loss is a `MaskLoss`.

    Raises:
        ValueError: See `Area`.
    """

    decision: Area
    loss: MaskLoss
    kind = "class"
    needs = ("mask",)
    losses = "dice, dice_bce or dice_focal"
    learned = ("dice",)

    def __init__(
        self, classes: Sequence[str], defect: str | None, threshold: float, min_area: int, **settings: Any
    ) -> None:
        super().__init__(decision=Area(classes, defect, threshold, min_area), **settings)
        self._kinds: Sequence[str] | None = None
        self._camera: Camera | None = None

    def make_loss(self, weights: Tensor | None) -> nn.Module:
        """Without class weights: a Dice loss makes up for few defective pixels by itself."""
        if weights is not None:
            raise InputError("data.balance=loss: pixels are not weighted by the classes; use none or sampler")
        loss = self._make_loss()
        if not isinstance(loss, MaskLoss):
            raise TypeError(f"{type(loss).__name__} is no loss of masks")
        return loss

    def take(self, data: ImageDataModule | None) -> None:
        """Also what kinds of defects there are, and where the images come from."""
        super().take(data)
        if data is not None:
            self._kinds = data.samples.kinds
            self._camera = Camera(data.root, data.geometry, data.samples.files)

    def expected(self) -> None:
        """Nothing: `outputs_of` compares with the masks."""

    def outputs_of(self, batch: Batch) -> Tensor:
        """Logits `[B, 1, H, W]`.

        Raises:
            InputError: If the network gives something else.
        """
        outputs: Tensor = self(batch["image"])
        if outputs.shape != batch["mask"].shape:
            raise InputError(
                f"{type(self.model.network).__name__} gives {list(outputs.shape)} for masks "
                f"{list(batch['mask'].shape)}: choose a network that gives a map, such as model=unet"
            )
        return outputs

    def loss_of(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Of logits and masks."""
        loss: Tensor = self.loss(outputs, batch["mask"])
        return loss

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Sum of the Dice of each image, and number of images, float32 `[2]`."""
        called = self.decision.called(outputs.sigmoid())
        dice = pixel_figures(mask_counts(called, batch["mask"]))["dice"]
        return torch.stack([dice.sum(), torch.full_like(dice[0], len(dice))]).float()

    def figures_of(self, counts: Tensor) -> dict[str, float]:
        """Mean Dice."""
        return {"dice": float(share_of(counts[0], counts[1]))}

    def evaluated(self) -> list[str]:
        """Figures of the pixels, and of the verdicts."""
        verdicts = figures_of_confusion(torch.eye(2), self.decision.names, self.decision.defect)
        return [*set_figures(torch.ones(1, 3)), *verdicts]

    def keep(self, outputs: Tensor, batch: Batch) -> Kept:
        """Counts of the pixels, the loss and the connected defects of each image."""
        probabilities = outputs.sigmoid()
        called = self.decision.called(probabilities)
        return {
            "pixels": mask_counts(called, batch["mask"]).cpu(),
            "losses": self.loss.each(outputs, batch["mask"]).cpu(),
            "targets": batch["target"].cpu(),
            "regions": [
                find_regions(mask[0], heat[0])
                for mask, heat in zip(called.cpu().numpy(), probabilities.cpu().numpy(), strict=True)
            ],
        }

    def make_outcome(self, rows: Tensor, kept: Kept) -> MaskOutcome:
        """The outcome of a pass."""
        kinds = None if self._kinds is None else [self._kinds[row] for row in rows.tolist()]
        return MaskOutcome.of(self.decision, rows, **kept, kinds=kinds, camera=self._camera)
