"""Figures of several answers an image: of each attribute, of their mean, and of whole images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_average_precision

from inspection.decide.verdicts import label_verdicts
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
    counts = counts.double()
    hits, right = counts[:, 1, 1], counts[:, 0, 0] + counts[:, 1, 1]
    targets, called = counts[:, 1].sum(1), counts[:, :, 1].sum(1)
    by_name = {
        "accuracy": share_of(right, counts.sum((1, 2))),
        "precision": share_of(hits, called),
        "recall": share_of(hits, targets),
        "f1": share_of(2 * hits, targets + called),
    }
    return _with_means(by_name, attributes)


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


def label_figures(
    probabilities: Tensor, targets: Tensor, attributes: Sequence[str], thresholds: Sequence[float]
) -> tuple[dict[str, float], Tensor]:
    """All figures of one pass over a part.

    Args:
        probabilities: `[N, A]`, 0..1.
        targets: Bool `[N, A]`.
        attributes: Names, A.
        thresholds: Smallest probability that counts as a yes, one an attribute.

    Returns:
        Figures by name (NaN when undefined): those of `figures_of_labels`, `average_precision` of each attribute
        and their mean, and `exact_match`, the share of images with every attribute right; and the counts, int64
        `[A, 2, 2]`.
    """
    called = label_verdicts(probabilities, thresholds)
    counts = label_counts(called, targets)
    figures = figures_of_labels(counts, attributes)
    figures |= _with_means({"average_precision": average_precisions(probabilities, targets)}, attributes)
    exact = (called == targets.bool()).all(1)
    figures["exact_match"] = float(exact.double().mean())  # of no image at all: NaN
    return figures, counts


class LabelMetrics(nn.Module):
    """Collects one pass over a part and computes its figures; exact over several processes.

    Args:
        attributes: Names, A.
        thresholds: Smallest probability that counts as a yes, one an attribute; None: 0.5 for each.
    """

    def __init__(self, attributes: Sequence[str], thresholds: Sequence[float] | None = None) -> None:
        super().__init__()
        self.attributes = tuple(attributes)
        self.thresholds = tuple(thresholds if thresholds is not None else [0.5] * len(self.attributes))
        if len(self.thresholds) != len(self.attributes):
            raise ValueError(
                f"thresholds={list(self.thresholds)}: expected one for each of {', '.join(self.attributes)}"
            )
        self._seen: list[tuple[Tensor, Tensor]] = []

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Take in logits `[N, A]` and bool targets `[N, A]`."""
        probabilities = logits.detach().cpu().double().sigmoid()  # as everywhere that a verdict is given
        self._seen.append((probabilities, targets.bool().cpu()))

    def compute(self) -> tuple[dict[str, float], Tensor]:
        """Figures by name and counts int64 `[A, 2, 2]` over all processes: see `label_figures`."""
        seen = [pair for share in _of_all_processes(self._seen) for pair in share]
        number = len(self.attributes)
        probabilities = torch.cat([torch.zeros(0, number, dtype=torch.float64), *(pair[0] for pair in seen)])
        targets = torch.cat([torch.zeros(0, number, dtype=torch.bool), *(pair[1] for pair in seen)])
        return label_figures(probabilities, targets, self.attributes, self.thresholds)

    def reset(self) -> None:
        """Forget the last pass."""
        self._seen.clear()


def _with_means(by_name: dict[str, Tensor], attributes: Sequence[str]) -> dict[str, float]:
    """`<name>`, the mean over the attributes that have a value, and `<name>/<attribute>`."""
    figures: dict[str, float] = {}
    for name, values in by_name.items():
        figures[name] = float(values.nanmean())
        figures |= {f"{name}/{label}": float(value) for label, value in zip(attributes, values, strict=True)}
    return figures


def _of_all_processes(seen: list[tuple[Tensor, Tensor]]) -> list[list[tuple[Tensor, Tensor]]]:
    """What each process saw, in the order of the ranks; a process may have seen nothing."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [seen]
    # NumPy arrays: pickled tensors go through shared memory files, which some containers have little of.
    own = [(np.asarray(probabilities), np.asarray(targets)) for probabilities, targets in seen]
    shares: list[list[tuple[np.ndarray, np.ndarray]]] = [[]] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(shares, own)
    return [[(torch.from_numpy(p), torch.from_numpy(t)) for p, t in share] for share in shares]
