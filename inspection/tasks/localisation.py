"""Defects that are found without being shown where they are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inspection.data.module import ImageDataModule
from inspection.decide.located import Located
from inspection.explain.class_maps import class_maps, find_grid
from inspection.tasks.classification import Classification
from inspection.tasks.defects import Camera
from inspection.tasks.module import Batch, Kept
from inspection.tasks.places import OF_ALL, PlaceOutcome, packed


class Seen(NamedTuple):
    """What the network gave for a batch.

    Attributes:
        logits: `[B, K]`.
        maps: Class activation maps of the defect, `[B, h, w]`; None while training, which needs none.
    """

    logits: Tensor
    maps: Tensor | None


class CamLocalisation(Classification):
    """Learns whether there is a defect, and so where: the class activation map comes with the verdict.

    Masks are not learned from. Where a batch has them, they tell how good the places are; without, those figures
    are undefined.

    Args:
        classes: Class names, K.
        defect: Name of the positive class.
        box_threshold: Share of the greatest heat of a map from which on a pixel belongs to a box, above 0 to 1.
        hit_iou: Intersection over union of a box with that of a defect from which on it counts as a hit, 0..1.
        **settings: As in `InspectionTask`; the loss is called with `weight=` (class weights or None).

    Raises:
        ValueError: If a threshold is none.
    """

    decision: Located
    flippable = False  # its heatmap is of one pass
    losses = "class_weights, cross_entropy, weighted_cross_entropy, label_smoothing or focal"

    def __init__(
        self, classes: Sequence[str], defect: str, box_threshold: float, hit_iou: float, **settings: Any
    ) -> None:
        super().__init__(classes, defect, ordered=False, **settings)
        if not 0 < hit_iou <= 1:
            raise ValueError(f"hit_iou={hit_iou}: expected above 0, to 1")
        self.decision = Located(classes, defect, box_threshold=box_threshold)
        self.hit_iou = hit_iou
        self._kinds: tuple[str, ...] | None = None
        self._camera: Camera | None = None
        self._size: tuple[int, int] | None = None

    def take(self, data: ImageDataModule | None) -> None:
        """Also the type of each defect, and where the images come from."""
        super().take(data)
        if data is not None:
            self._kinds = data.samples.kinds
            self._camera = Camera(data.root, data.geometry, data.samples.files)

    def outputs_of(self, batch: Batch) -> Seen:
        """Logits, and in evaluation the maps of the same pass."""
        images = batch["image"]
        self._size = (images.shape[-2], images.shape[-1])
        if self.model.training:
            return Seen(self(images), None)
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        seen = class_maps(self.model, images, self.decision.defect)
        return Seen(seen.logits, seen.maps)

    def answered(self, batch: Batch, answers: Tensor) -> Seen:
        """Logits of the answers. The maps are the network's own: heatmaps have no scale that images share."""
        return self.outputs_of(batch)._replace(logits=super().answered(batch, answers))

    def loss_of(self, outputs: Any, batch: Batch) -> Tensor:
        """Of logits and targets."""
        return super().loss_of(outputs.logits, batch)

    def count(self, outputs: Any, batch: Batch) -> Tensor:
        """Of the verdicts."""
        return super().count(outputs.logits, batch)

    def keep(self, outputs: Any, batch: Batch) -> Kept:
        """Logits, targets, maps as small as they come, and the masks as bits."""
        kept = super().keep(outputs.logits, batch) | {"maps": outputs.maps.cpu()}
        return kept | ({"masks": packed(batch["mask"])} if "mask" in batch else {})

    def evaluated(self) -> list[str]:
        """Figures of the verdicts and of the places."""
        return [*super().evaluated(), *OF_ALL]

    def outcome_of(self, rows: Tensor, kept: Kept) -> PlaceOutcome:
        """The outcome of a pass."""
        assert self._size is not None
        kinds = None if self._kinds is None else [self._kinds[row] for row in rows.tolist()]
        return PlaceOutcome.locate(
            self.decision,
            rows,
            kept["logits"],
            kept["targets"],
            kept["maps"],
            kept.get("masks"),
            self._size,
            find_grid(self.model),
            kinds,
            self.hit_iou,
            self._camera,
        )
