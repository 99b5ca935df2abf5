"""Figures of a classifier: from a confusion matrix, and of its scores."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import (
    BinaryAUROC,
    BinaryAveragePrecision,
    MulticlassAUROC,
    MulticlassAveragePrecision,
    MulticlassConfusionMatrix,
)

from inspection.decide.verdicts import verdicts

UNDEFINED = float("nan")


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """`part / whole`, NaN where the whole is 0: a share of nothing is undefined, not 0."""
    return torch.where(whole > 0, part / whole.clamp(min=1), torch.full_like(part, UNDEFINED))


def figures_of_confusion(counts: Tensor, classes: Sequence[str], defect: int | None) -> dict[str, float]:
    """Accuracy, balanced accuracy, precision, recall and F1 out of a confusion matrix.

    Args:
        counts: `[K, K]`, rows are targets, columns verdicts.
        classes: Class names, K.
        defect: Index of the defect class: `precision`, `recall` and `f1` are of this class. None: they are
            means over the classes that have a value.

    Returns:
        Figures in 0..1 by name, and `precision/<class>`, `recall/<class>`, `f1/<class>` with more than two
        classes. A figure without a case to count is NaN (a recall without a defect, a precision without an
        alarm; an F1 without either).

    Example:
        >>> figures = figures_of_confusion(torch.tensor([[8, 2], [1, 4]]), ["ok", "defect"], 1)
        >>> round(figures["f1"], 4), round(figures["balanced_accuracy"], 4)
        (0.7273, 0.8)
    """
    counts = counts.double()
    hits, targets, called = counts.diag(), counts.sum(1), counts.sum(0)
    recall, precision = _ratio(hits, targets), _ratio(hits, called)
    f1 = _ratio(2 * hits, targets + called)
    figures = {
        "accuracy": float(_ratio(hits.sum(), counts.sum())),
        "balanced_accuracy": float(recall.nanmean()),
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        figures[name] = float(values.nanmean() if defect is None else values[defect])
        if len(classes) > 2 or defect is None:
            figures |= {f"{name}/{label}": float(value) for label, value in zip(classes, values, strict=True)}
    return figures


class ClassificationMetrics(nn.Module):
    """Collects one pass over a part and computes its figures; exact over several processes.

    Args:
        classes: Class names, K.
        defect: Index of the defect class, or None.
    """

    def __init__(self, classes: Sequence[str], defect: int | None) -> None:
        super().__init__()
        self.classes, self.defect = tuple(classes), defect
        number = len(self.classes)
        self.confusion: Metric = MulticlassConfusionMatrix(number)
        self.auroc: Metric = MulticlassAUROC(number) if defect is None else BinaryAUROC()
        self.average_precision: Metric = (
            MulticlassAveragePrecision(number) if defect is None else BinaryAveragePrecision()
        )

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Take in logits `[N, K]` and targets int64 `[N]`."""
        probabilities = logits.double().softmax(1)  # as everywhere that a verdict is given
        self.confusion.update(verdicts(probabilities, self.defect), targets)
        if self.defect is None:
            self.auroc.update(probabilities, targets)
            self.average_precision.update(probabilities, targets)
        else:
            is_defect = (targets == self.defect).long()
            self.auroc.update(probabilities[:, self.defect], is_defect)
            self.average_precision.update(probabilities[:, self.defect], is_defect)

    def compute(self) -> tuple[dict[str, float], Tensor]:
        """Figures by name (NaN when undefined) and the confusion matrix, int64 `[K, K]`."""
        counts = self.confusion.compute()
        figures = figures_of_confusion(counts, self.classes, self.defect)
        per_class = counts.sum(1)
        if self.defect is None:
            ranked = bool((per_class > 0).all())
            present = ranked
        else:
            positives = per_class[self.defect]
            present = bool(positives > 0)
            ranked = present and bool(per_class.sum() > positives)
        figures["auroc"] = float(self.auroc.compute()) if ranked else UNDEFINED
        figures["average_precision"] = float(self.average_precision.compute()) if present else UNDEFINED
        return figures, counts

    def reset(self) -> None:
        """Forget the last pass."""
        for metric in (self.confusion, self.auroc, self.average_precision):
            metric.reset()
