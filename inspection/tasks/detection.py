"""Objects, each with a box."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from inspection.data.module import ImageDataModule
from inspection.data.objects import ObjectDataModule
from inspection.decide.boxes import Boxes
from inspection.errors import InputError
from inspection.models.detector import Detector
from inspection.models.simple_yolo import SimpleYolo
from inspection.models.torchvision_detector import TorchvisionDetector
from inspection.tasks.box_metrics import average_precisions, figures_of_boxes
from inspection.tasks.box_outcome import BoxOutcome, Source
from inspection.tasks.module import Batch, InspectionTask, Kept
from inspection.tasks.yolo_loss import TERMS, YoloLoss, crowded_out


class Said(NamedTuple):
    """What a detector says of a batch.

    Attributes:
        terms: Of the loss, by name, scalars; none where the detector has no loss in eval mode.
        detections: `[N, D, 6]`; None while it learns, where nobody asks for them.
        sums: Of each image its loss, not divided, and its number of objects, `[N]` each; see `YoloLoss.sums`.
    """

    terms: dict[str, Tensor]
    detections: Tensor | None
    sums: tuple[Tensor, Tensor] | None


class Detection(InspectionTask):
    """Finds objects of several classes in single images.

    torchvision's detectors bring their own loss and compute it in training mode alone: their validation loss is
    undefined.

    Args:
        classes: Class names, K.
        score: Smallest score of a box that counts, see `Boxes`.
        **settings: As in `InspectionTask`; the network is a `Detector`, the loss a `YoloLoss`.

    Raises:
        ValueError: If the network is no detector, or the score is none.
    """

    decision: Boxes
    kind = "object"
    flippable = False
    needs = ("boxes", "box_class")
    losses = "yolo"
    learned: tuple[str, ...]

    def __init__(self, classes: Sequence[str], score: float | Mapping[str, float], **settings: Any) -> None:
        network = settings["network"]
        if not isinstance(network, Detector):
            raise ValueError(
                f"{type(network).__name__} finds no boxes: take a detector, model=simple_yolo, ssdlite or "
                "fasterrcnn"
            )
        super().__init__(decision=Boxes(classes, score), **settings)
        self._source: Source | None = None
        self._terms = network.terms if isinstance(network, TorchvisionDetector) else TERMS
        self.learned = tuple(f"loss/{term}" for term in self._terms)

    def make_loss(self, weights: Tensor | None) -> nn.Module:
        """Without class weights; a detector that brings its own loss gets none."""
        if weights is not None:
            raise InputError("data.balance=loss: boxes are not weighted by the classes; use none")
        if isinstance(self.model.network, TorchvisionDetector):
            return nn.Identity()
        loss = self._make_loss()
        if not isinstance(loss, YoloLoss):
            raise TypeError(f"{type(loss).__name__} is no loss of boxes")
        return loss

    def take(self, data: ImageDataModule | None) -> None:
        """Also where the images come from; a grid too coarse for them is noted."""
        super().take(data)
        self._source = None
        if not isinstance(data, ObjectDataModule):
            return
        self._source, network = Source.of(data), self.model.network
        if not isinstance(network, SimpleYolo):
            return
        rows = data.samples.rows("train")
        boxes, box_class = data.boxes[rows], data.box_class[rows]
        without = crowded_out(boxes, box_class, network.stride, network.grid_size, network.boxes)
        if without:
            data.notes.append(
                f"{without} of {int((box_class >= 0).sum())} training objects can't be learned: more than "
                f"{network.boxes} (model.boxes) have their centre in one cell of {network.stride} pixels "
                "(model.stride); take a finer stride or more boxes"
            )

    def expected(self) -> None:
        """Nothing: the constructor takes detectors alone."""

    def outputs_of(self, batch: Batch) -> Said:
        """Loss and, in eval mode, detections."""
        images, network = batch["image"], self.model.network
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        boxes, box_class = batch["boxes"], batch["box_class"]
        if isinstance(network, SimpleYolo):
            grid = network.grid(self.model.normalise(images))
            assert isinstance(self.loss, YoloLoss)
            each, objects = self.loss.sums(grid, boxes, box_class)
            terms = {name: values.sum() / objects.sum().clamp_min(1) for name, values in each.items()}
            found = None if network.training else network.detections(grid)
            return Said(terms, found, (torch.stack(list(each.values())).sum(0), objects))
        assert isinstance(network, TorchvisionDetector)
        if network.training:
            return Said(network.losses(self.model.normalise(images), boxes, box_class), None, None)
        return Said({}, self.model(images).float(), None)

    def answered(self, batch: Batch, answers: Tensor) -> Said:
        """Detections of the answers. The loss is that of the network: boxes alone have none."""
        return self.outputs_of(batch)._replace(detections=super().answered(batch, answers))

    def loss_of(self, outputs: Said, batch: Batch) -> Tensor:
        """The sum of the terms; NaN where there are none."""
        if not outputs.terms:
            return torch.tensor(torch.nan)
        return torch.stack(list(outputs.terms.values())).sum()

    def count(self, outputs: Said, batch: Batch) -> Tensor:
        """The terms of the loss, and 1 for the batch."""
        terms = [outputs.terms[name].detach().float() for name in self._terms]
        return torch.stack([*terms, torch.ones_like(terms[0])])

    def figures_of(self, counts: Tensor) -> dict[str, float]:
        """The mean of each term over the batches."""
        return {name: float(counts[place] / counts[-1]) for place, name in enumerate(self.learned)}

    def evaluated(self) -> list[str]:
        """Average precision, figures at the decision's scores, and those of each class."""
        nothing, names = torch.zeros(1, 1, 6), self.decision.names
        none = torch.full((1, 1), -1)
        averages = average_precisions(nothing, nothing[..., :4], none, names)
        return [*averages, *figures_of_boxes(torch.zeros(len(names), 3, dtype=torch.int64).numpy(), names)]

    def keep(self, outputs: Said, batch: Batch) -> Kept:
        """Detections, true boxes, and the loss of each image."""
        assert outputs.detections is not None
        nothing = torch.full((len(batch["index"]),), torch.nan)
        loss, objects = (nothing, nothing) if outputs.sums is None else outputs.sums
        kept = {"detections": outputs.detections, "loss": loss, "objects": objects}
        kept |= {name: batch[name] for name in self.needs}
        return {name: values.cpu() for name, values in kept.items()}

    def make_outcome(self, rows: Tensor, kept: Kept) -> BoxOutcome:
        """The outcome of a pass."""
        outcome = BoxOutcome.of(
            self.decision, rows, kept["detections"], kept["boxes"], kept["box_class"], self._source
        )
        # Over all images at once: a mean of batch means would depend on how the images were batched.
        outcome.figures["loss"] = float(kept["loss"].sum() / kept["objects"].sum().clamp_min(1))
        return outcome
