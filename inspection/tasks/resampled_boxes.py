"""Average precision of boxes in images that count several times or not at all: what a bootstrap asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspection.decide.curve import AT_A_TIME
from inspection.tasks.box_metrics import OVERLAPS, RECALLS
from inspection.tasks.resampled import Figures, Floats, mean_of_defined, ratio


@dataclass(frozen=True)
class Ranked:
    """The detections of a class in all images, the surest first, and what each has found.

    Attributes:
        images: Position of the image of each, int64 `[M]`.
        hits: Whether it has found an object at each overlap, bool `[IoU, M]`.
        objects: Objects of the class in each image, int64 `[N]`.
    """

    images: NDArray[np.int64]
    hits: NDArray[np.bool_]
    objects: NDArray[np.int64]

    @classmethod
    def each(cls, detections: Tensor, boxes: Tensor, box_class: Tensor, number: int) -> list["Ranked"]:
        """Of each class.

        Args:
            detections: `[N, D, 6]`, see `Detector`.
            boxes: The objects, `[N, M, 4]`.
            box_class: int64 `[N, M]`, -1 where there is none.
            number: Of classes.
        """
        scores: list[list[NDArray[np.floating]]] = [[] for _ in range(number)]
        hits: list[list[NDArray[np.bool_]]] = [[] for _ in range(number)]
        counts = np.zeros((number, len(detections)), np.int64)
        objects = np.zeros((number, len(detections)), np.int64)
        for position, (image, there, classes) in enumerate(
            zip(detections.cpu(), boxes.cpu(), box_class.cpu(), strict=True)
        ):
            for k in image[image[:, 4] > 0, 5].long().unique().tolist():
                own = image[(image[:, 4] > 0) & (image[:, 5] == k)]
                own = own[own[:, 4].argsort(descending=True, stable=True)]
                scores[k].append(own[:, 4].numpy())
                hits[k].append(_matched(own[:, :4], there[classes == k]))
                counts[k, position] = len(own)
            known = classes[classes >= 0]
            objects[:, position] = known.bincount(minlength=number).numpy()
        every = np.arange(len(detections))
        ranked = []
        for k in range(number):
            order = np.argsort(-np.concatenate([*scores[k], np.empty(0)]), kind="stable")
            found = np.concatenate([*hits[k], np.empty((len(OVERLAPS), 0), bool)], axis=1)
            ranked.append(cls(np.repeat(every, counts[k])[order], found[:, order], objects[k]))
        return ranked

    def average_precisions(self, weights: Floats) -> tuple[Floats, Floats]:
        """Average precision and recall at each overlap.

        The 101 recalls are those of COCO: at each the largest precision that is to be had with as much recall or
        more. Equal scores come in the order of the images.

        Args:
            weights: `[B, N]`.

        Returns:
            `[B, IoU]` twice; NaN where no object counts.
        """
        step = max(1, AT_A_TIME // max(1, len(self.images)))
        parts = [weights[first : first + step] for first in range(0, len(weights), step)]
        both = [self._of_part(part) for part in parts]
        precision, recall = (np.concatenate([each[n] for each in both]) for n in (0, 1))
        return precision, recall

    def _of_part(self, weights: Floats) -> tuple[Floats, Floats]:
        own = weights[:, self.images]
        called, objects = np.cumsum(own, axis=1), weights @ self.objects
        shape = len(weights), len(self.hits)
        precisions, recalls = np.full(shape, np.nan), np.full(shape, np.nan)
        some = np.flatnonzero(objects > 0)
        for which, hits in enumerate(self.hits):
            # Precision falls from one hit to the next: between them there is nothing to look at.
            places = np.flatnonzero(hits)
            found = np.cumsum(own[:, places], axis=1)
            precision = found / np.maximum(called[:, places], 1)
            precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            precision = np.pad(precision, ((0, 0), (0, 1)))  # behind the last: this recall is not reached
            for row in some:
                reached = np.searchsorted(found[row] / objects[row], RECALLS)
                precisions[row, which] = precision[row, reached].mean()
                recalls[row, which] = found[row, -1] / objects[row] if len(places) else 0
        return precisions, recalls


def _matched(found: Tensor, objects: Tensor) -> NDArray[np.bool_]:
    """Which boxes `[D, 4]`, the surest first, have found one of the objects `[M, 4]`: bool `[IoU, D]`.

    As COCO matches: each takes the free object that it overlaps most, the last of equals.
    """
    hits = np.zeros((len(OVERLAPS), len(found)), bool)
    if not len(objects):
        return hits
    overlaps = _overlaps(found, objects)
    for which, least in enumerate(OVERLAPS):
        free = np.ones(len(objects), bool)
        for place, row in enumerate(overlaps):
            own = np.where(free, row, -1)
            best = len(own) - 1 - int(own[::-1].argmax())
            if own[best] >= min(least, 1 - 1e-10):
                hits[which, place], free[best] = True, False
    return hits


def _overlaps(found: Tensor, objects: Tensor) -> Floats:
    """Intersection over union `[D, M]`, rounded as COCO's: of corner and size in float32."""
    one, other = (
        torch.cat([own[:, :2], own[:, 2:] - own[:, :2]], 1).double().numpy() for own in (found, objects)
    )
    a, b = one[:, None], other[None]
    sides = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(-1)
    either = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared
    return np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)


def of_boxes(
    weights: Floats, detections: Tensor, boxes: Tensor, box_class: Tensor, counts: NDArray[np.int64]
) -> Figures:
    """`map`, `map_50`, `map_75`, `mean_recall`, and `precision`, `recall` and `f1` at one score.

    The matching of boxes to objects does not hang on other images: it is done once, and 1000 resamples only add up
    how often each hit counts.

    Args:
        weights: How often each image counts, `[B, N]`.
        detections: `[N, D, 6]`, see `Detector`.
        boxes: The objects, `[N, M, 4]`.
        box_class: int64 `[N, M]`, -1 where there is none.
        counts: Found, false alarms and missed of each image and class, `[N, K, 3]`.

    Returns:
        `[B]` by figure, NaN where no object counts.
    """
    ranked = Ranked.each(detections, boxes, box_class, counts.shape[1])
    return averages(ranked, weights) | _of_counts(weights, counts.sum(1))


def averages(ranked: Sequence[Ranked], weights: Floats) -> Figures:
    """Means over the classes that have an object, see `average_precisions`."""
    each = [own.average_precisions(weights) for own in ranked]
    columns = {"map": slice(None), "map_50": slice(1), "map_75": slice(5, 6)}
    figures = {
        name: mean_of_defined([precision[:, own].mean(1) for precision, _ in each])
        for name, own in columns.items()
    }
    return figures | {"mean_recall": mean_of_defined([recall.mean(1) for _, recall in each])}


def _of_counts(weights: Floats, counts: NDArray[np.int64]) -> Figures:
    found, alarms, missed = counts.T
    return {
        "precision": ratio(weights, found, found + alarms),
        "recall": ratio(weights, found, found + missed),
        "f1": ratio(weights, 2 * found, 2 * found + alarms + missed),
    }
