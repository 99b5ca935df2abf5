"""Whether a probability is the share of cases that it says, and the temperature that makes it so."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

TEMPERATURES = (0.05, 20.0)
"""Smallest and largest temperature that is given."""
FEWEST = 10  # images: of fewer, a temperature says more about them than about the network


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """The number to divide logits by, so that their softmax is as calibrated as one number can make it.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: the smallest negative log-likelihood. The
    order of the classes stays as it is; above 1 the network was too sure. The targets are those of Platt,
    "Probabilistic Outputs for Support Vector Machines", 1999: of n images of a class the probability is to be
    (n + 1) / (n + 2), not 1. Else a network that judges all validation images rightly, be it a dozen, would be
    made as sure as numbers allow, and its first mistake would come with a probability of 1. Of more than two
    classes n is the number of all images: each class has few of them, and targets that far from 1 would make
    every network unsure.

    Args:
        logits: Float `[N, K]`, of validation images.
        targets: Class indices int64 `[N]`.

    Returns:
        The temperature, within `TEMPERATURES`; 1 where nothing can be learned: of fewer than `FEWEST` images, of
        targets that are all of one class (the sharpest answer would win), or of logits that are all the same.

    Raises:
        ValueError: If a logit is no finite number.

    Example:
        >>> logits = torch.tensor([[4.0, -4.0]] * 1200)  # as good as sure of the first class, right in 3 of 4
        >>> targets = torch.tensor([0, 0, 0, 1] * 300)
        >>> t = fit_temperature(logits, targets)
        >>> round(float((logits / t).softmax(1)[0, 0]), 2)
        0.75
    """
    logits, targets = _checked(logits), targets.cpu()
    number = logits.shape[1]
    counts = targets.bincount(minlength=number).double()
    if len(targets) < FEWEST or int((counts > 0).sum()) < 2:
        return 1.0
    seen = counts[targets, None] if number == 2 else counts.sum()
    true = F.one_hot(targets, number).bool()
    wanted = torch.where(true, _smoothed(seen), (1 - _smoothed(seen)) / (number - 1))
    return _flattest(lambda scale: float(((logits * scale).softmax(1) - wanted).mul(logits).sum(1).mean()))


def fit_temperatures(logits: Tensor, targets: Tensor) -> list[float]:
    """The temperature of each attribute, whose probability is a sigmoid of its own; see `fit_temperature`.

    Args:
        logits: Float `[N, A]`.
        targets: 0 or 1, `[N, A]`.

    Returns:
        A temperatures; 1 for an attribute that all images have, or none.
    """
    columns, answers = _checked(logits).T, (targets.cpu() > 0.5).T
    return [_fit_sigmoid(column, truth) for column, truth in zip(columns, answers, strict=True)]


def _fit_sigmoid(logits: Tensor, truth: Tensor) -> float:
    positives = int(truth.sum())
    if len(truth) < FEWEST or positives in (0, len(truth)):
        return 1.0
    likely = _smoothed(torch.where(truth, positives, len(truth) - positives).double())
    wanted = torch.where(truth, likely, 1 - likely)
    return _flattest(lambda scale: float(((logits * scale).sigmoid() - wanted).mul(logits).mean()))


def _smoothed(counts: Tensor) -> Tensor:
    """The probability wanted of what was so in all of `counts` images: as if one more were so, and one not."""
    return (counts + 1) / (counts + 2)


def _checked(logits: Tensor) -> Tensor:
    """Float64, on the CPU."""
    if not bool(logits.isfinite().all()):
        raise ValueError(
            "logits are no finite numbers: the network has diverged; no temperature can be fitted"
        )
    return logits.detach().cpu().double()


def _flattest(slope: Callable[[float], float]) -> float:
    """The temperature where a slope over 1 / T is 0.

    The negative log-likelihood is convex in 1 / T, so its slope only rises: bisection finds the one place, and an
    end of the range where there is none.
    """
    coldest, hottest = TEMPERATURES
    low, high = 1 / hottest, 1 / coldest
    if slope(low) == slope(high) == 0:
        return 1.0
    if slope(low) >= 0:
        return hottest
    if slope(high) <= 0:
        return coldest
    for _ in range(60):  # in log T: each time half of it is left
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 1 / math.sqrt(low * high)


class Reliability(NamedTuple):
    """What came true of what was said with about the same confidence.

    Attributes:
        edges: Of the bins, `[bins + 1]`, 0 to 1.
        confidence: Mean confidence in each bin, `[bins]`; NaN in an empty one.
        right: Share that was right, `[bins]`; NaN in an empty one.
        counts: int64 `[bins]`.
    """

    edges: NDArray[np.float64]
    confidence: NDArray[np.float64]
    right: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap of confidence and share, by how many were said so; 0..1."""
        if not self.counts.sum():
            return math.nan
        gaps = np.abs(np.nan_to_num(self.confidence) - np.nan_to_num(self.right))
        return float(gaps @ self.counts / self.counts.sum())


def reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> Reliability:
    """What a reliability diagram shows.

    Args:
        confidence: `[N]`, 0..1: what was said, e.g. the probability of the chosen class, or that of a defect.
        right: Bool `[N]`: whether it was so, e.g. the chosen class was right, or there was a defect.
        bins: Of equal width; a bin begins above its lower edge, and the first one at 0.

    Raises:
        ValueError: If lengths differ, or a confidence is outside 0..1.
    """
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    if confidence.shape != right.shape or confidence.ndim != 1:
        raise ValueError(f"Expected confidence and right [N] but got {confidence.shape} and {right.shape}.")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("Expected confidences within 0..1.")
    edges = np.linspace(0, 1, bins + 1)
    which = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        said, came = (np.bincount(which, each, minlength=bins) / counts for each in (confidence, right))
    return Reliability(edges, said, came, counts)


def expected_calibration_error(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15
) -> float:
    """How far confidence and what came true are apart, on average; see `reliability` for the arguments.

    Returns:
        0..1; NaN of nothing.

    Example:
        >>> said, so = np.array([0.9] * 10 + [0.6] * 10), np.array([True] * 9 + [False] + [True] * 5 + [False] * 5)
        >>> round(expected_calibration_error(said, so), 3)  # 0 and 0.1
        0.05
    """
    return reliability(confidence, right, bins).error
