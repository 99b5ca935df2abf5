"""How far an image is from what is usual, in one number."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inspection.drift.observed import Array, Observed

FEATURES = "features"
_DIMENSIONS = 32
_TAIL = 0.05  # below and above these shares of the images a statistic is measured out
_DEVIATIONS = 1.645  # standard deviations at which a normal distribution has that tail
_WORTH = {
    "brightness": 1.0,
    "contrast": 0.5,
    "sharpness": 0.02,
    "across": 0.002,
    "down": 0.002,
    "red": 0.001,
    "blue": 0.001,
    FEATURES: 0.02,
}
"""The least scale of each statistic: of images that are all alike, a hair's breadth is no deviation."""


@dataclass(frozen=True)
class FeatureSpace:
    """Where the features of usual images lie, and how they scatter there.

    Features are standardised each by itself, projected to a few random directions and whitened, so that the
    distance is Mahalanobis': the usual one is about 1. Lee et al., "A Simple Unified Framework for Detecting
    Out-of-Distribution Samples and Adversarial Attacks", 2018. Random directions, other than the principal
    ones, keep what usual images do not show, and need not be stored.

    Attributes:
        mean: `[D]`.
        std: `[D]`.
        whitener: `[K, K]`, makes the projected features uncorrelated with variance 1.
    """

    mean: Array
    std: Array
    whitener: Array

    @classmethod
    def fit(cls, features: Array) -> "FeatureSpace":
        """The space of features `[N, D]`, N at least 1."""
        count, width = features.shape
        mean, std = features.mean(0), features.std(0)
        # A feature that is never there would be divided by 0; should it come up, it counts like another.
        moving = std > 1e-6 * max(float(std.max()), 1e-30)
        std = np.where(moving, std, np.median(std[moving]) if moving.any() else 1.0)
        dimensions = max(1, min(_DIMENSIONS, width, count // 4))
        projected = (features - mean) / std @ _directions(width, dimensions)
        covariance = projected.T @ projected / count
        # Shrunk towards a ball, by as much as so few images leave the covariance unknown.
        shrinkage = dimensions / (dimensions + count)
        ball = max(float(np.trace(covariance)) / dimensions, 1e-12)
        covariance = (1 - shrinkage) * covariance + shrinkage * ball * np.eye(dimensions)
        whitener = np.linalg.inv(np.linalg.cholesky(covariance)).T
        return cls(*(short(each) for each in (mean, std, whitener)))

    def distance(self, features: Array) -> Array:
        """Mahalanobis' distance over the root of the number of directions, `[N]`."""
        dimensions = len(self.whitener)
        projected = (features - self.mean) / self.std @ _directions(len(self.mean), dimensions)
        return np.linalg.norm(projected @ self.whitener, axis=1) / math.sqrt(dimensions)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "whitener": self.whitener.tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FeatureSpace":
        """Out of what `to_dict` gave."""
        return cls(*(np.asarray(values[name], np.float64) for name in ("mean", "std", "whitener")))


@dataclass(frozen=True)
class Ruler:
    """What is usual, and how much of each statistic is one deviation from it.

    Attributes:
        space: Of the features; None: there are none.
        scales: Median of each statistic, and how far it is from there to a deviation below and above.
    """

    space: FeatureSpace | None
    scales: Mapping[str, tuple[float, float, float]]

    @classmethod
    def fit(cls, usual: Observed) -> "Ruler":
        """The ruler of usual images."""
        space = None if usual.features is None else FeatureSpace.fit(usual.features)
        scales = {}
        for name, values in _statistics(usual, space).items():
            low, middle, high = np.quantile(values, (_TAIL, 0.5, 1 - _TAIL)).tolist()
            least = _WORTH.get(name, 1e-9)
            below, above = ((end / _DEVIATIONS) for end in (middle - low, high - middle))
            scales[name] = (middle, max(below, least), max(above, least))
        return cls(space, {name: _short_tuple(scale) for name, scale in scales.items()})

    def statistics(self, observed: Observed) -> dict[str, Array]:
        """What images are told apart by, `[N]` by name: their optics, and the distance of their features."""
        return {name: short(values) for name, values in _statistics(observed, self.space).items()}

    def deviations(self, statistics: Mapping[str, Array]) -> Array:
        """By how many deviations each statistic of each image is off, `[N, S]` in the order of `scales`."""
        columns = []
        for name, (middle, below, above) in self.scales.items():
            off = statistics[name] - middle
            columns.append(np.where(off < 0, -off / below, off / above))
        return short(np.nan_to_num(np.stack(columns, 1), nan=np.inf, posinf=np.inf))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "space": None if self.space is None else self.space.to_dict(),
            "scales": {name: list(scale) for name, scale in self.scales.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Ruler":
        """Out of what `to_dict` gave."""
        space = None if values["space"] is None else FeatureSpace.from_dict(values["space"])
        return cls(space, {name: _short_tuple(scale) for name, scale in values["scales"].items()})


def _statistics(observed: Observed, space: FeatureSpace | None) -> dict[str, Array]:
    statistics = dict(observed.optics)
    if space is not None and observed.features is not None:
        statistics[FEATURES] = space.distance(observed.features)
    return statistics


@functools.cache
def _directions(width: int, dimensions: int) -> Array:
    """Directions `[D, K]`, the same on every machine and in every version; all there are where they are few."""
    if dimensions == width:
        return np.eye(width)
    # NumPy promises that this older generator's numbers never change.
    return np.random.RandomState(0).standard_normal((width, dimensions)) / math.sqrt(width)


def short(values: Array) -> Array:
    """To five digits: what is stored as text and what is compared with it are rounded alike.

    Example:
        >>> short(np.array([0.99999876, 1234.5678, 0.0])).tolist()
        [1.0, 1234.6, 0.0]
    """
    values = np.asarray(values, np.float64)
    # By way of text: what scaling by a power of ten gives would print with 17 digits.
    rounded = [float(f"{value:.4e}") for value in values.ravel().tolist()]
    return np.array(rounded, np.float64).reshape(values.shape)


def _short_tuple(values: Any) -> tuple[float, float, float]:
    low, middle, high = short(np.asarray(values, np.float64)).tolist()
    return low, middle, high
