"""Losses that torch does not have."""

import math
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
    """Cross-entropy in which the defect counts more than each other class, by as much as a person has chosen.

    Args:
        classes: Class names, K.
        defect: The one of them that is the defect.
        defect_weight: Its weight; that of each other class is 1.
        balance: How the data make up for the rarer class; it must be `none`: an imbalance is made up for once.
        label_smoothing: 0..1, share of each target that goes to all classes alike.
        weight: Weights from the data, of which there must be none.

    Raises:
        InputError: If the data make up for the rarer class, too.
        ValueError: If the weight is not positive, or there is no defect to give it to.

    Example:
        >>> ClassWeightedCrossEntropy(["defect", "good"], "defect", 3.0).weight
        tensor([3., 1.])
    """

    def __init__(
        self,
        classes: Sequence[str],
        defect: str | None,
        defect_weight: float = 3.0,
        balance: str = "none",
        label_smoothing: float = 0.0,
        weight: Tensor | None = None,
    ) -> None:
        if weight is not None or balance != "none":
            raise InputError(
                f"loss.defect_weight={defect_weight} and data.balance={balance if weight is None else 'loss'}: "
                "both make up for the rarer class; keep one of them (data.balance=none, or loss=cross_entropy)"
            )
        if defect not in classes:
            raise ValueError(
                f"defect={defect!r}, classes={list(classes)}: expected one of the classes to weight"
            )
        if not 0 < defect_weight < math.inf:
            raise ValueError(f"defect_weight={defect_weight}: expected a positive number")
        weights = [defect_weight if name == defect else 1.0 for name in classes]
        super().__init__(torch.tensor(weights, dtype=torch.float32), label_smoothing=label_smoothing)


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
