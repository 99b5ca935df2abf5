"""Figures of a classifier: from a confusion matrix, and of its scores."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    multiclass_auroc,
    multiclass_average_precision,
)

UNDEFINED = float("nan")


def share_of(part: Tensor, whole: Tensor) -> Tensor:
    """`part / whole`, NaN where the whole is 0: a share of nothing is undefined, not 0."""
    return torch.where(whole > 0, part / whole.clamp(min=1), torch.full_like(part, UNDEFINED))


def confusion_counts(called: Tensor, answers: Tensor) -> Tensor:
    """Confusion matrix int64 `[K, K]`, rows are targets, of one-hot verdicts and targets bool `[N, K]`."""
    # A product, since bincount would wait for the GPU at every step; float32 counts exactly up to 2**24.
    return (answers.T.float() @ called.float()).long()


def figures_of_confusion(
    counts: Tensor, classes: Sequence[str], defect: int | None, ordered: bool = False
) -> dict[str, float]:
    """Accuracy, balanced accuracy, precision, recall and F1 out of a confusion matrix.

    Args:
        counts: `[K, K]`, rows are targets, columns verdicts.
        classes: Class names, K.
        defect: Index of the defect class: `precision`, `recall` and `f1` are of this class. None: they are
            means over the classes that have a value.
        ordered: The classes are steps of one scale, in their order: adds `kappa`, see `quadratic_kappa`.

    Returns:
        Figures in 0..1 by name (`kappa` is below 0 when worse than chance), and `precision/<class>`,
        `recall/<class>`, `f1/<class>` with more than two classes. A figure without a case to count is NaN (a
        recall without a defect, a precision without an alarm; an F1 without either).

    Example:
        >>> figures = figures_of_confusion(torch.tensor([[8, 2], [1, 4]]), ["ok", "defect"], 1)
        >>> round(figures["f1"], 4), round(figures["balanced_accuracy"], 4)
        (0.7273, 0.8)
    """
    figures = {name: float(value) for name, value in confusion_values(counts, defect, ordered).items()}
    if len(classes) > 2 or defect is None:
        each = zip(("precision", "recall", "f1"), _precision_recall_f1(counts.double()), strict=True)
        for name, values in each:
            figures |= {f"{name}/{label}": float(value) for label, value in zip(classes, values, strict=True)}
    return figures


def confusion_values(counts: Tensor, defect: int | None, ordered: bool = False) -> dict[str, Tensor]:
    """The figures over all classes of any number of confusion matrices at once.

    Args:
        counts: `[..., K, K]`, rows are targets, columns verdicts.
        defect: See `figures_of_confusion`.
        ordered: See there.

    Returns:
        `accuracy`, `balanced_accuracy`, `precision`, `recall`, `f1` and, of ordered classes, `kappa`: float64
        `[...]`.
    """
    counts = counts.double()
    precision, recall, f1 = _precision_recall_f1(counts)
    figures = {
        "accuracy": share_of(counts.diagonal(dim1=-2, dim2=-1).sum(-1), counts.sum((-2, -1))),
        "balanced_accuracy": recall.nanmean(-1),
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        figures[name] = values.nanmean(-1) if defect is None else values[..., defect]
    return figures | ({"kappa": _quadratic_kappa(counts)} if ordered else {})


def quadratic_kappa(counts: Tensor) -> float:
    """Agreement of ordered classes beyond chance; a mistake costs the square of the steps it is off.

    Cohen, "Weighted kappa", Psychological Bulletin 70 (1968): 1 less the cost of the verdicts over the cost that
    verdicts of the same frequencies would have by chance.

    Args:
        counts: `[K, K]`, rows are targets, columns verdicts, both in the order of the scale.

    Returns:
        1: every verdict right; 0: no better than chance; below 0: worse. NaN when chance makes no mistake either
        (no image, or one and the same class in all targets and verdicts).

    Example:
        >>> taken_for_minor = torch.tensor([[5, 0, 0], [0, 5, 0], [0, 1, 4]])  # one severe state of five
        >>> taken_for_normal = torch.tensor([[5, 0, 0], [0, 5, 0], [1, 0, 4]])
        >>> round(quadratic_kappa(taken_for_minor), 3), round(quadratic_kappa(taken_for_normal), 3)
        (0.947, 0.8)
    """
    return float(_quadratic_kappa(counts.double()))


def _quadratic_kappa(counts: Tensor) -> Tensor:
    """Of float64 counts `[..., K, K]`, `[...]`."""
    steps = torch.arange(counts.shape[-1], dtype=torch.float64, device=counts.device)
    cost = (steps[:, None] - steps) ** 2
    # Times the number of images: whole numbers are exact.
    by_chance = counts.sum(-1, keepdim=True) * counts.sum(-2, keepdim=True)
    total = counts.sum((-2, -1))
    return 1 - share_of((cost * counts).sum((-2, -1)) * total, (cost * by_chance).sum((-2, -1)))


class ReportRow(NamedTuple):
    """A line of a classification report; the figures are in 0..1, NaN when undefined."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def report_of_confusion(counts: Tensor, classes: Sequence[str]) -> list[ReportRow]:
    """Precision, recall, F1 and the number of images of each class, and their means.

    Args:
        counts: `[K, K]`, rows are targets, columns verdicts.
        classes: Class names, K.

    Returns:
        A row a class, then `macro mean` (every class counts the same) and `weighted mean` (every image does); the
        means are over the classes that have a value.

    Example:
        >>> rows = report_of_confusion(torch.tensor([[8, 2], [1, 4]]), ["ok", "defect"])
        >>> [(row.name, round(row.f1, 3), row.support) for row in rows]
        [('ok', 0.842, 10), ('defect', 0.727, 5), ('macro mean', 0.785, 15), ('weighted mean', 0.804, 15)]
    """
    counts = counts.double()
    support = counts.sum(1)
    values = torch.stack(_precision_recall_f1(counts), 1)  # [K, 3]
    weights = support[:, None] * ~values.isnan()
    weighted = share_of((values.nan_to_num() * weights).sum(0), weights.sum(0))
    names = (*classes, "macro mean", "weighted mean")
    figures = torch.cat([values, values.nanmean(0)[None], weighted[None]]).tolist()
    numbers = [*support.tolist(), *[float(support.sum())] * 2]
    return [
        ReportRow(name, precision, recall, f1, int(number))
        for name, (precision, recall, f1), number in zip(names, figures, numbers, strict=True)
    ]


def _precision_recall_f1(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each class, `[..., K]`, of float64 counts `[..., K, K]`."""
    hits, targets, called = counts.diagonal(dim1=-2, dim2=-1), counts.sum(-1), counts.sum(-2)
    return share_of(hits, called), share_of(hits, targets), share_of(2 * hits, targets + called)


def score_figures(probabilities: Tensor, targets: Tensor, defect: int | None) -> dict[str, float]:
    """What the probabilities are worth at any threshold.

    Args:
        probabilities: `[N, K]`, rows that sum to 1.
        targets: Class indices int64 `[N]`.
        defect: Index of the defect class, whose probability is looked at; None: means over the classes.

    Returns:
        `auroc` and `average_precision` in 0..1; NaN without a positive or, for the first, without a negative.
    """
    number = probabilities.shape[1]
    per_class = targets.bincount(minlength=number)
    if defect is None:
        if not bool((per_class > 0).all()):
            return {"auroc": UNDEFINED, "average_precision": UNDEFINED}
        return {
            "auroc": float(multiclass_auroc(probabilities, targets, number)),
            "average_precision": float(multiclass_average_precision(probabilities, targets, number)),
        }
    scores, is_defect = probabilities[:, defect], (targets == defect).long()
    present = bool(per_class[defect] > 0)
    ranked = present and len(targets) > int(per_class[defect])
    return {
        "auroc": float(binary_auroc(scores, is_defect)) if ranked else UNDEFINED,
        "average_precision": float(binary_average_precision(scores, is_defect)) if present else UNDEFINED,
    }
