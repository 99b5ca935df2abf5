"""What a detector found in each image of a part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspection.data.coco import write_results
from inspection.data.geometry import Geometry
from inspection.data.objects import ObjectDataModule
from inspection.data.splits import Samples
from inspection.decide.boxes import Boxes
from inspection.decide.scores import Scored
from inspection.pictures.charts import confusion_matrix
from inspection.tasks.box_metrics import (
    HIT,
    average_precisions,
    box_confusion,
    box_counts,
    figures_of_boxes,
    match_boxes,
)
from inspection.tasks.outcomes import Axis, Cell, Confusion, Outcome, Table, Told, shares_of_calls
from inspection.tasks.resampled_boxes import of_boxes

DETECTIONS = "detections.json"


@dataclass(frozen=True)
class Source:
    """Where the images of a set come from.

    Attributes:
        image_ids: Of each image in its COCO JSON.
        category_ids: Of each class there.
        camera_shapes: Height and width of each camera image.
        geometry: From camera image to what the network sees.
    """

    image_ids: tuple[int | str, ...]
    category_ids: tuple[int | str, ...]
    camera_shapes: NDArray[np.int64]
    geometry: Geometry

    @classmethod
    def of(cls, data: ObjectDataModule) -> "Source":
        """The source of a data module that is set up."""
        ids = tuple(image.id for image in data.coco.images)
        return cls(ids, data.coco.category_ids, data.camera_shapes, data.geometry)


@dataclass(frozen=True)
class BoxOutcome(Outcome):
    """Boxes that were found, and those that are there, in pixels of the image after the geometry.

    Attributes:
        detections: float32 `[N, D, 6]`, see `Detector`.
        boxes: float32 `[N, M, 4]`.
        box_class: int64 `[N, M]`, -1 where there is none.
        counts: Found, false alarms and missed of each image and class at the decision's scores, int64 `[N, K, 3]`.
        source: For the way back to camera images; None where it is not known.
    """

    decision: Boxes
    detections: Tensor
    boxes: Tensor
    box_class: Tensor
    counts: NDArray[np.int64]
    source: Source | None

    headlines = ("map_50", "map", "map_75", "mean_recall", "precision", "recall", "f1", "loss")

    @classmethod
    def of(
        cls,
        decision: Boxes,
        rows: Tensor,
        detections: Tensor,
        boxes: Tensor,
        box_class: Tensor,
        source: Source | None = None,
    ) -> "BoxOutcome":
        """The outcome with all its figures but the loss."""
        names = decision.names
        counts = box_counts(detections, decision.called(detections), boxes, box_class, len(names))
        figures = average_precisions(detections, boxes, box_class, names)
        figures |= figures_of_boxes(counts.sum(0), names)
        return cls(decision, rows, figures, detections, boxes, box_class, counts, source)

    @cached_property
    def called(self) -> Tensor:
        """Which detections count, bool `[N, D]`."""
        return self.decision.called(self.detections)

    @cached_property
    def right(self) -> Tensor:
        """Whether all objects of an image were found and nothing else, bool `[N]`."""
        return torch.from_numpy(self.counts[..., 1:].sum((1, 2)) == 0)

    def scored(self) -> list[Scored]:
        """The boxes of each class, and whether each is the one that finds an object.

        Which object a box finds does not hang on the threshold: the surest box of an object comes first.
        """
        every: list[list[tuple[float, bool, int]]] = [[] for _ in self.decision.names]
        missed: list[list[int]] = [[] for _ in self.decision.names]
        for position, (found, objects, classes) in enumerate(
            zip(self.detections, self.boxes, self.box_class, strict=True)
        ):
            matched = match_boxes(found, objects, classes)
            for (score, which), place in zip(found[:, 4:6].double().tolist(), matched.tolist(), strict=True):
                if score > 0:  # else filled up to the number of boxes of other images
                    every[int(which)].append((score, place >= 0, position))
            for which in np.delete(classes.numpy(), matched[matched >= 0]).tolist():
                if which >= 0:
                    missed[which].append(position)
        return [
            Scored(
                name,
                np.array([score for score, _, _ in own], np.float64),
                np.array([right for _, right, _ in own], np.bool_),
                np.array([position for _, _, position in own], np.int64),
                np.array(lost, np.int64),
                low=float(np.nextafter(0, 1)),  # `Boxes`: above 0
                high=1.0,
                countable_negatives=False,
            )
            for name, own, lost in zip(self.decision.names, every, missed, strict=True)
        ]

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Average precision and recall, and the boxes at the decision's scores."""
        return of_boxes(weights, self.detections, self.boxes, self.box_class, self.counts)

    def shares(self) -> dict[str, np.ndarray]:
        """Of all boxes together: images with an object, or with a box that counts."""
        found, alarms, missed = torch.from_numpy(self.counts.sum(1)).T
        return shares_of_calls(found + alarms > 0, found + missed > 0)

    def found(self, position: int) -> Tensor:
        """The detections of an image that count, `[*, 6]`."""
        return self.detections[position][self.called[position]]

    def tables(self, outcomes: Mapping[str, Outcome]) -> list[Table]:
        """Figures, and those of each class with its right and wrong boxes."""
        figures = ("ap_50", "ap", "precision", "recall", "f1")
        rows: list[Sequence[Cell]] = [["", *figures, "objects", "missed", "false alarms"]]
        for name, (hits, alarms, missed) in zip(
            self.decision.names, self.counts.sum(0).tolist(), strict=True
        ):
            own = [self.figures[f"{figure}/{name}"] for figure in figures]
            rows.append([name, *own, hits + missed, missed, alarms])
        of = f"precision, recall, f1: boxes with {self.decision.limits()}, right from an IoU of {HIT:g} on"
        return [self.headline(outcomes, of), Table("each class", rows)]

    def details(self) -> dict[str, Any]:
        """The scores from which on boxes count, and right and wrong boxes of each class."""
        counts = {
            name: {"objects": hits + missed, "missed": missed, "false_alarms": alarms}
            for name, (hits, alarms, missed) in zip(
                self.decision.names, self.counts.sum(0).tolist(), strict=True
            )
        }
        return {"score": self.decision.to_dict()["score"], "boxes": counts}

    def columns(self) -> list[str]:
        """What is there and what was found, and how many of the boxes are wrong."""
        return ["target", "verdict", "objects", "missed", "false_alarms"]

    def cells(self) -> list[list[str]]:
        """In words and numbers."""
        rows = []
        for position, counts in enumerate(self.counts.sum(1).tolist()):
            hits, alarms, missed = counts
            there = [which for which in self.box_class[position].tolist() if which >= 0]
            found = self.found(position)[:, 5].long().tolist()
            words = [self.decision.words(there), self.decision.words(found)]
            rows.append([*words, str(hits + missed), str(missed), str(alarms)])
        return rows

    def confusions(self) -> dict[str, Confusion]:
        """What objects were taken for, nothing among it."""
        names = self.decision.names
        counts = box_confusion(self.detections, self.called, self.boxes, self.box_class, len(names))
        return {"": Confusion([*names, "(nothing)"], counts, nothing=True)}

    def axis(self, name: str) -> Axis:
        """A score of boxes."""
        return Axis(f"score of a box: {name}", name)

    def told(self, position: int) -> Told:
        """The objects, what was found of them, and the wrong boxes."""
        there = [which for which in self.box_class[position].tolist() if which >= 0]
        found = self.found(position)[:, 5].long().tolist()
        _, alarms, missed = self.counts[position].sum(0).tolist()
        facts = [("objects", str(len(there))), ("missed", str(missed)), ("false alarms", str(alarms))]
        return Told(self.decision.words(there), self.decision.words(found), facts)

    def charts(self) -> dict[str, np.ndarray]:
        """What objects were taken for."""
        confusion = self.confusions()[""]
        return {"confusion_matrix": confusion_matrix(confusion.counts, confusion.names)}

    def wrongness(self) -> np.ndarray:
        """The number of wrong boxes, missed ones and false alarms."""
        wrong = self.counts[..., 1:].sum((1, 2))
        return np.where(wrong > 0, wrong, -np.inf)

    def examples(self) -> dict[str, np.ndarray]:
        """Positions of the images with each class, and of those without any."""
        there = {
            name: np.flatnonzero((self.box_class == place).any(1).numpy())
            for place, name in enumerate(self.decision.names)
        }
        empty = "empty"
        while empty in there:  # a class of this name
            empty = f"({empty})"
        return there | {empty: np.flatnonzero((self.box_class < 0).all(1).numpy())}

    def camera_boxes(self, position: int) -> NDArray[np.float64]:
        """All detections of an image in pixels of its camera image, `[*, 6]`."""
        assert self.source is not None
        found = self.detections[position].double().numpy()
        found = found[found[:, 4] > 0]
        height, width = self.source.camera_shapes[int(self.rows[position])].tolist()
        places = self.source.geometry.boxes_to_camera(found[:, :4], (height, width))
        return np.concatenate([places, found[:, 4:]], axis=1)

    @classmethod
    def write_files(cls, run: Path, outcomes: Mapping[str, Outcome], samples: Samples) -> dict[str, str]:
        """Write all detections, at any score, as COCO results in pixels of the camera images."""
        each = [one for one in outcomes.values() if isinstance(one, BoxOutcome) and one.source is not None]
        if not each or each[0].source is None:
            return {}
        source = each[0].source
        pairs = [
            (source.image_ids[int(row)], one.camera_boxes(position))
            for one in each
            for position, row in enumerate(one.rows)
        ]
        ids, found = [key for key, _ in pairs], [boxes for _, boxes in pairs]
        write_results(run / DETECTIONS, ids, found, source.category_ids)
        return {DETECTIONS: "every box found in an evaluated image, at any score, as COCO results"}
