"""Figures of several answers an image: of each attribute, of their mean, and of whole images."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_average_precision

from inspection.tasks.metrics import UNDEFINED, share_of


def label_counts(called: Tensor, targets: Tensor) -> Tensor:
    """Count right and wrong answers of each attribute.

    Args:
        called: Bool `[N, A]`: what each image was said to have.
        targets: Bool `[N, A]`: what it has.

    Returns:
        Int64 `[A, 2, 2]`: target in the row, verdict in the column, no before yes.

    Example:
        >>> called, targets = torch.tensor([[1], [1], [0]]), torch.tensor([[1], [0], [0]])
        >>> label_counts(called, targets).tolist()
        [[[1, 1], [0, 1]]]
    """
    cells = targets.long() * 2 + called.long()
    return torch.stack([(cells == cell).sum(0) for cell in range(4)], 1).view(-1, 2, 2)


def figures_of_labels(counts: Tensor, attributes: Sequence[str]) -> dict[str, float]:
    """Accuracy, precision, recall and F1 out of one 2x2 matrix an attribute.

    Args:
        counts: `[A, 2, 2]`, see `label_counts`.
        attributes: Names, A.

    Returns:
        Figures in 0..1: `f1/<attribute>` and so on of each attribute, and `f1` and so on: means over the
        attributes that have a value. A figure without a case to count is NaN (a recall without a positive, a
        precision without a call; an F1 without either).

    Example:
        >>> figures = figures_of_labels(torch.tensor([[[8, 2], [1, 4]], [[15, 0], [0, 0]]]), ["break", "length"])
        >>> round(figures["f1/break"], 4), figures["f1/length"], round(figures["f1"], 4), figures["accuracy"]
        (0.7273, nan, 0.7273, 0.9)
    """
    return with_means(label_values(counts), attributes)


def label_values(counts: Tensor) -> dict[str, Tensor]:
    """Accuracy, precision, recall and F1 of each attribute, float64 `[..., A]`, of counts `[..., A, 2, 2]`."""
    counts = counts.double()
    hits, right = counts[..., 1, 1], counts[..., 0, 0] + counts[..., 1, 1]
    targets, called = counts[..., 1, :].sum(-1), counts[..., 1].sum(-1)
    return {
        "accuracy": share_of(right, counts.sum((-2, -1))),
        "precision": share_of(hits, called),
        "recall": share_of(hits, targets),
        # Without a true image undefined whatever is called: a mean over attributes must not gain or lose one by a
        # false alarm, since it chooses the best epoch.
        "f1": share_of(2 * hits, torch.where(targets > 0, targets + called, 0)),
    }


def average_precisions(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Area under the precision-recall curve of each attribute.

    Args:
        probabilities: `[N, A]`, 0..1.
        targets: Bool `[N, A]`.

    Returns:
        Float64 `[A]`; NaN for an attribute that no image has (torchmetrics: -0, which would pull down the mean).
    """
    values = [
        float(binary_average_precision(column, truth.long())) if bool(truth.any()) else UNDEFINED
        for column, truth in zip(probabilities.T, targets.T, strict=True)
    ]
    return torch.tensor(values, dtype=torch.float64)


def with_means(by_name: dict[str, Tensor], attributes: Sequence[str]) -> dict[str, float]:
    """`<name>`, the mean over the attributes that have a value, and `<name>/<attribute>`."""
    figures: dict[str, float] = {}
    for name, values in by_name.items():
        figures[name] = float(values.nanmean())
        figures |= {f"{name}/{label}": float(value) for label, value in zip(attributes, values, strict=True)}
    return figures
