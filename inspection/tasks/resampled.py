"""Figures of images that count several times or not at all: what a bootstrap asks for.

Each function takes the weights of B resamples at once, float64 `[B, N]` (how often each image counts, whole
numbers), and gives float64 `[B]` by figure, NaN where a resample leaves it undefined. With weights of one they are
the figures of the images themselves, and with others those of a set in which the images are repeated.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspection.decide.curve import AT_A_TIME, curves
from inspection.decide.scores import Scored
from inspection.tasks.label_metrics import label_values
from inspection.tasks.mask_metrics import pixel_figures
from inspection.tasks.metrics import confusion_values

Floats = NDArray[np.float64]
Figures = dict[str, Floats]


def ratio(weights: Floats, part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    """Weighted sum of one number an image `[N]` over that of another, NaN where that is 0."""
    above, below = weights @ part.astype(np.float64), weights @ whole.astype(np.float64)
    return np.divide(above, below, out=np.full(len(weights), np.nan), where=below > 0)


def mean(weights: Floats, values: NDArray[np.floating]) -> Floats:
    """Weighted mean of one number an image `[N]`; images where it is NaN are left out."""
    known = ~np.isnan(values)
    return ratio(weights, np.where(known, values, 0), known)


def mean_of_defined(values: Sequence[Floats]) -> Floats:
    """Mean over `[B]` arrays of those that are not NaN; NaN where none is."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    total, number = np.where(known, stacked, 0).sum(0), known.sum(0)
    return np.divide(total, number, out=np.full(stacked.shape[1], np.nan), where=number > 0)


def of_verdicts(
    weights: Floats,
    targets: Tensor,
    verdicts: Tensor,
    classes: int,
    defect: int | None,
    ordered: bool = False,
) -> Figures:
    """Figures of one class an image, see `figures_of_confusion`.

    Args:
        weights: `[B, N]`.
        targets: Class indices int64 `[N]`.
        verdicts: As the targets.
        classes: Their number.
        defect: The positive class, or None.
        ordered: Whether the classes are steps of a scale.
    """
    cells = torch.nn.functional.one_hot(targets * classes + verdicts, classes**2).double()
    counts = (torch.from_numpy(weights) @ cells).view(-1, classes, classes)
    return {name: values.numpy() for name, values in confusion_values(counts, defect, ordered).items()}


def of_attributes(weights: Floats, called: Tensor, answers: Tensor) -> Figures:
    """Means over the attributes, see `figures_of_labels`, and `exact_match`.

    Args:
        weights: `[B, N]`.
        called: What each image was said to have, bool `[N, A]`.
        answers: What it has.
    """
    number = answers.shape[1]
    cells = torch.nn.functional.one_hot(answers.long() * 2 + called.long(), 4).double()
    counts = (torch.from_numpy(weights) @ cells.flatten(1)).view(-1, number, 2, 2)
    figures = {name: values.nanmean(-1).numpy() for name, values in label_values(counts).items()}
    return figures | {"exact_match": mean(weights, (called == answers).all(1).double().numpy())}


def of_scores(weights: Floats, scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> Figures:
    """`auroc` and `average_precision` of one score an image; undefined where a score is no finite number.

    The area under the ROC curve is that of its corners joined by lines (a tie counts half), the average precision
    the sum over the thresholds of precision times what is gained in recall: as torchmetrics and scikit-learn have
    them.

    Args:
        weights: `[B, N]`.
        scores: `[N]`, the higher the more a defect.
        truth: Bool `[N]`.
    """
    if not np.isfinite(scores).all():
        return {name: np.full(len(weights), np.nan) for name in ("auroc", "average_precision")}
    ranks = np.unique(scores, return_inverse=True)[
        1
    ]  # a curve takes scores that differ by a rounding for one
    scored = Scored("", ranks.astype(np.float64), truth, np.arange(len(scores)))
    auroc, precision = [], []
    for curve in curves(scored, weights):
        found = np.diff(curve.hits, axis=1)
        pairs = (found * (2 * curve.negatives[:, None] - curve.alarms[:, 1:] - curve.alarms[:, :-1])).sum(
            1
        ) / 2
        number = curve.positives * curve.negatives
        auroc.append(np.divide(pairs, number, out=np.full(len(pairs), np.nan), where=number > 0))
        gained = (found * np.nan_to_num(curve.precision[:, 1:])).sum(1)
        positives = curve.positives
        precision.append(np.divide(gained, positives, out=np.full(len(gained), np.nan), where=positives > 0))
    return {"auroc": np.concatenate(auroc), "average_precision": np.concatenate(precision)}


def of_probabilities(weights: Floats, probabilities: Tensor, targets: Tensor, defect: int | None) -> Figures:
    """What the probabilities of classes are worth at any threshold, see `score_figures`.

    Args:
        weights: `[B, N]`.
        probabilities: `[N, K]`.
        targets: Class indices int64 `[N]`.
        defect: The class whose probability is looked at; None: means over the classes, which all must be there.
    """
    classes = range(probabilities.shape[1]) if defect is None else [defect]
    each = [of_scores(weights, probabilities[:, k].double().numpy(), (targets == k).numpy()) for k in classes]
    return {name: np.mean([own[name] for own in each], axis=0) for name in each[0]}


def of_masks(weights: Floats, pixels: Tensor) -> Figures:
    """Figures of pixels, see `set_figures`.

    Args:
        weights: `[B, N]`, of the images whose masks are known.
        pixels: `[N, 3]`, see `mask_counts`.
    """
    each = {name: values.numpy() for name, values in pixel_figures(pixels).items()}
    figures = {name: mean(weights, values) for name, values in each.items()}
    defective = (pixels[:, 0] + pixels[:, 2] > 0).numpy()
    for name in ("dice", "iou"):
        figures[f"{name}/defects"] = ratio(weights, each[name] * defective, defective)
    nothing = weights.sum(1) == 0
    for name, values in pixel_figures(torch.from_numpy(weights) @ pixels.double()).items():
        figures[f"{name}/set"] = np.where(nothing, np.nan, values.numpy())
    return figures


def of_quantities(weights: Floats, predicted: Tensor, targets: Tensor) -> Figures:
    """Means over the quantities of `mae`, `rmse` and `r2`, see `error_figures`.

    The worst error has no interval: no resample has a larger one than the images themselves, and how much larger
    it may get is just what one would want to know.

    Args:
        weights: `[B, N]`.
        predicted: `[N, T]`.
        targets: `[N, T]`.
    """
    errors = (predicted.double() - targets.double()).numpy()
    # About their mean, so that no digits are lost where a spread is small against the quantity.
    centred = (targets.double() - targets.double().mean(0)).numpy()
    each: dict[str, list[Floats]] = {"mae": [], "rmse": [], "r2": []}
    for error, target in zip(errors.T, centred.T, strict=True):
        squares = mean(weights, error**2)
        variance = mean(weights, target**2) - mean(weights, target) ** 2
        variance = np.where(_is_constant(weights, target), np.nan, variance)
        each["mae"].append(mean(weights, np.abs(error)))
        each["rmse"].append(np.sqrt(squares))
        each["r2"].append(1 - squares / variance)
    return {name: mean_of_defined(values) for name, values in each.items()}


def of_alarms(weights: Floats, called: NDArray[np.bool_], true: NDArray[np.bool_]) -> Figures:
    """How reliable an alarm is, see `alarm_figures`; bool `[N]` each."""
    hits = called & true
    return {"alarm_recall": ratio(weights, hits, true), "alarm_precision": ratio(weights, hits, called)}


def of_places(
    weights: Floats,
    points: Sequence[bool | None],
    ious: Sequence[Sequence[float]],
    found: Sequence[Sequence[float]],
    hit_iou: float,
) -> Figures:
    """Figures of the places of defects but for those of pixels, see `place_figures`.

    Args:
        weights: `[B, N]`.
        points: Whether the hottest pixel of an image lies on a defect; None where there is none.
        ious: Of the box of each defect of an image, how well it was found.
        found: Of each box that was found in it, how well it fits.
        hit_iou: Intersection over union from which on a box has hit.
    """
    pointed = np.array([np.nan if each is None else float(each) for each in points], np.float64)
    number, boxes = (np.array([len(each) for each in own], np.float64) for own in (ious, found))
    hits, right = (np.array([sum(iou >= hit_iou for iou in each) for each in own]) for own in (ious, found))
    return {
        "pointing": mean(weights, pointed),
        "box_iou": ratio(weights, np.array([sum(each) for each in ious], np.float64), number),
        "hit_rate": ratio(weights, hits, number),
        "box_precision": ratio(weights, right, boxes),
    }


def _is_constant(weights: Floats, values: Floats) -> NDArray[np.bool_]:
    """Whether all images that count have one value, bool `[B]`."""
    return np.concatenate([_spread(part, values) == 0 for part in _parts(weights)] or [np.empty(0, bool)])


def _spread(weights: Floats, values: Floats) -> Floats:
    there = weights > 0
    highest, lowest = (np.where(there, sign * values, -np.inf).max(1, initial=-np.inf) for sign in (1, -1))
    return np.where(there.any(1), highest + lowest, 0)


def _parts(weights: Floats) -> Iterator[Floats]:
    """Some resamples at a time, in bounded memory."""
    step = max(1, AT_A_TIME // max(1, weights.shape[1]))
    for first in range(0, len(weights), step):
        yield weights[first : first + step]
