"""Losses that torch does not have."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inspection.errors import InputError


class WeightedCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy with class weights, and never without.

    Args:
        label_smoothing: 0..1, share of each target that goes to all classes alike.
        weight: Weight of each class, float `[K]`, from the data.

    Raises:
        InputError: If the data give no weights.
    """

    def __init__(self, label_smoothing: float = 0.0, weight: Tensor | None = None) -> None:
        if weight is None:
            raise InputError(
                "loss=weighted_cross_entropy has no weights: they are those of data.balance=loss, which something "
                "else has set; leave data.balance out, or take loss=cross_entropy"
            )
        super().__init__(weight=weight, label_smoothing=label_smoothing)


class ClassWeightedCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy with class weights that a person has chosen.

    Args:
        class_weights: Of each class, K positive numbers.
        label_smoothing: 0..1, share of each target that goes to all classes alike.
        weight: Weights from the data, of which there must be none: an imbalance is made up for once.

    Raises:
        InputError: If the data give weights, too.
        ValueError: If a weight is not positive.
    """

    def __init__(
        self, class_weights: Sequence[float], label_smoothing: float = 0.0, weight: Tensor | None = None
    ) -> None:
        if weight is not None:
            raise InputError(
                f"loss.class_weights={list(class_weights)} and data.balance=loss: both weight the classes; "
                "keep one of them (data.balance=none, or loss=weighted_cross_entropy)"
            )
        if min(class_weights, default=0) <= 0:
            raise ValueError(f"class_weights={list(class_weights)}: expected positive numbers, one a class")
        super().__init__(torch.as_tensor(class_weights, dtype=torch.float32), label_smoothing=label_smoothing)


class FocalLoss(nn.Module):
    """Cross-entropy in which an image counts the less, the surer the network is of its class already.

    With p the softmax of the logits: `-(1 - p[target])**gamma * log(p[target])`. Lin et al., "Focal loss for
    dense object detection", 2017, https://arxiv.org/abs/1708.02002, there for one output and the sigmoid, which
    is the case of two classes here.

    Args:
        gamma: 0 or more; 0 is `torch.nn.CrossEntropyLoss`.
        label_smoothing: 0..1, share of each target that goes to all K classes alike.
        weight: Weight of each class, float `[K]`, or None. As in `torch.nn.CrossEntropyLoss` the loss is divided
            by the summed weights of the targets.

    Raises:
        ValueError: If gamma or label_smoothing is out of range.

    Example:
        >>> logits, targets = torch.tensor([[0.0, 0.0]]), torch.tensor([1])
        >>> round(float(FocalLoss(gamma=2.0)(logits, targets)), 4)  # log(2) / 4
        0.1733
    """

    weight: Tensor | None

    def __init__(
        self, gamma: float = 2.0, label_smoothing: float = 0.0, weight: Tensor | None = None
    ) -> None:
        super().__init__()
        if gamma < 0:
            raise ValueError(f"gamma={gamma}: expected 0 or more")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing={label_smoothing}: expected 0 to 1")
        self.gamma, self.label_smoothing = gamma, label_smoothing
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of logits `[N, K]` and targets int64 `[N]`."""
        log_probabilities = F.log_softmax(logits, dim=1)
        # 1 - p without its rounding near 1, and away from 0: there the slope of a power below 1 is infinite.
        missing = (-torch.expm1(log_probabilities)).clamp_min(torch.finfo(logits.dtype).tiny)
        losses = -(missing**self.gamma) * log_probabilities
        weight = torch.ones_like(logits[0]) if self.weight is None else self.weight
        losses = losses * weight
        number = logits.shape[1]
        shares = F.one_hot(targets, number) * (1 - self.label_smoothing) + self.label_smoothing / number
        return (losses * shares).sum() / weight[targets].sum()
