"""How well boxes were found: average precision as COCO counts it, and right and wrong boxes at one score."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import box_iou

# As COCO has them: torchmetrics' own are float32, and an overlap of 0.8 would miss a threshold of 0.800000012.
OVERLAPS = np.linspace(0.5, 0.95, 10).tolist()
RECALLS = np.linspace(0, 1, 101).tolist()
HIT = 0.5  # a box is right that overlaps an object of its class by at least this intersection over union


def average_precisions(
    detections: Tensor, boxes: Tensor, box_class: Tensor, names: Sequence[str]
) -> dict[str, float]:
    """Average precision and recall over all scores.

    Args:
        detections: As of `Detector`, `[N, D, 6]`.
        boxes: The objects, `[N, M, 4]`.
        box_class: int64 `[N, M]`, -1 where there is none.
        names: Of the classes, K.

    Returns:
        `map` (mean over the classes and over the IoU thresholds 0.5, 0.55, ..., 0.95), `map_50` (at IoU 0.5),
        `map_75`, `mean_recall` (of at most D boxes an image, over the same thresholds and classes), and of each
        class `ap/<name>` and `ap_50/<name>`. NaN where there is no object of the class, which the means leave out.
    """
    most = detections.shape[1]
    metric = MeanAveragePrecision(
        iou_thresholds=OVERLAPS,
        rec_thresholds=RECALLS,
        max_detection_thresholds=[1, 10, max(most, 11)],
        extended_summary=True,
        backend="faster_coco_eval",
    )
    metric.warn_on_many_detections = False
    found, truth = [], []
    for image, objects, classes in zip(detections.cpu(), boxes.cpu(), box_class.cpu(), strict=True):
        some = image[image[:, 4] > 0]
        found.append({"boxes": some[:, :4], "scores": some[:, 4], "labels": some[:, 5].long()})
        there = classes >= 0
        truth.append({"boxes": objects[there], "labels": classes[there]})
    metric.update(found, truth)
    summary = metric.compute()
    # [IoU, recall, class, size, most] and without recall; of all sizes, of all boxes. -1 is undefined.
    precision = _defined(summary["precision"][..., 0, -1].numpy())
    recall = _defined(summary["recall"][..., 0, -1].numpy())
    place = {int(which): k for k, which in enumerate(summary["classes"].reshape(-1).tolist())}
    of_class = {
        name: precision[:, :, place[k]].mean(1) if k in place else np.full(len(precision), np.nan)
        for k, name in enumerate(names)
    }
    figures = {
        "map": _mean([values.mean() for values in of_class.values()]),
        "map_50": _mean([values[0] for values in of_class.values()]),
        "map_75": _mean([values[5] for values in of_class.values()]),
        "mean_recall": _mean([recall[:, place[k]].mean() for k in range(len(names)) if k in place]),
    }
    figures |= {f"ap/{name}": float(values.mean()) for name, values in of_class.items()}
    return figures | {f"ap_50/{name}": float(values[0]) for name, values in of_class.items()}


def match_boxes(detections: Tensor, boxes: Tensor, box_class: Tensor, hit: float = HIT) -> NDArray[np.int64]:
    """Which object each detection of an image has found.

    The surest detection chooses first, among the objects of its class that nobody has found yet, the one that it
    overlaps most; it must overlap it by `hit` or more.

    Args:
        detections: `[D, 6]`, with falling scores.
        boxes: The objects, `[M, 4]`.
        box_class: int64 `[M]`, -1 where there is none.
        hit: Smallest intersection over union, 0..1.

    Returns:
        int64 `[D]`: the place of the object, -1 for a false alarm.
    """
    overlaps = box_iou(detections[:, :4].double(), boxes.double())
    overlaps[detections[:, 5].long()[:, None] != box_class[None]] = -1
    chosen = np.full(len(detections), -1, np.int64)
    for place in range(len(detections) if boxes.shape[0] else 0):
        best, which = overlaps[place].max(0)
        if best >= hit:
            chosen[place] = int(which)
            overlaps[:, which] = -1
    return chosen


def box_counts(
    detections: Tensor, called: Tensor, boxes: Tensor, box_class: Tensor, number: int
) -> NDArray[np.int64]:
    """Boxes found, false alarms and boxes missed, of each image and class.

    Args:
        detections: `[N, D, 6]`.
        called: Which of them count, bool `[N, D]`.
        boxes: `[N, M, 4]`.
        box_class: int64 `[N, M]`.
        number: Of classes, K.

    Returns:
        int64 `[N, K, 3]`.
    """
    counts = np.zeros((len(detections), number, 3), np.int64)
    for row, (image, counting, objects, classes) in enumerate(
        zip(detections, called, boxes, box_class, strict=True)
    ):
        found = image[counting]
        matched = match_boxes(found, objects, classes)
        which = found[:, 5].long().numpy()
        missed = np.delete(classes.numpy(), matched[matched >= 0])
        for column, some in enumerate((which[matched >= 0], which[matched < 0], missed[missed >= 0])):
            counts[row, :, column] = np.bincount(some, minlength=number)
    return counts


def box_confusion(
    detections: Tensor, called: Tensor, boxes: Tensor, box_class: Tensor, number: int
) -> NDArray[np.int64]:
    """What each object was taken for, whatever its class; arguments as of `box_counts`.

    Returns:
        int64 `[K + 1, K + 1]`, objects in rows and boxes in columns. The last column counts objects that no box
        has found, the last row boxes where no object is.
    """
    confusion = np.zeros((number + 1, number + 1), np.int64)
    for image, counting, objects, classes in zip(detections, called, boxes, box_class, strict=True):
        found, there = image[counting], (classes >= 0).long() - 1
        anything = torch.cat([found[:, :5], torch.zeros_like(found[:, 5:])], 1)  # of one class, all of them
        matched = match_boxes(anything, objects, there)
        for place, which in zip(matched, found[:, 5].long().tolist(), strict=True):
            confusion[number if place < 0 else int(classes[place]), which] += 1
        for which in np.delete(classes.numpy(), matched[matched >= 0]):
            confusion[which, number] += which >= 0
    return confusion


def figures_of_boxes(counts: NDArray[np.int64], names: Sequence[str]) -> dict[str, float]:
    """Precision, recall and F1 over all boxes and of each class (`f1/<name>`); NaN where undefined.

    Args:
        counts: Found, false alarms and missed, `[K, 3]`.
        names: Of the classes.

    Example:
        >>> figures_of_boxes(np.array([[3, 1, 0], [0, 0, 1]]), ["motor", "valve"])["recall"]
        0.75
    """
    figures = {}
    for of, (found, alarms, missed) in (("", counts.sum(0)), *zip(names, counts, strict=True)):
        end = f"/{of}" if of else ""
        figures[f"precision{end}"] = _ratio(found, found + alarms)
        figures[f"recall{end}"] = _ratio(found, found + missed)
        figures[f"f1{end}"] = _ratio(2 * found, 2 * found + alarms + missed)
    return figures


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def _defined(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.where(values < 0, np.nan, values.astype(np.float64))


def _mean(values: Sequence[float]) -> float:
    """Of those that are defined."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
