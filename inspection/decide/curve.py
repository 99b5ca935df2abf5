"""What is found and what is called for nothing, at every threshold that makes a difference."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inspection.decide.scores import Scored

Floats = NDArray[np.float64]

AT_A_TIME = 2**22  # numbers in an array: 32 MB
_ABOVE = 1e-6  # of a score, or of 1: more than another machine's rounding
_SAME = 1e-12  # of a score: equal margins of logits give probabilities that differ in their last digit
_ROUNDING = 4 * float(np.finfo(np.float64).eps)  # of a softmax next to 1


@dataclass(frozen=True)
class Curve:
    """Right and wrong calls at all C thresholds that make a difference, for B weightings of the images at once.

    The first candidate calls nothing, the next ones one more distinct score each, down to the lowest. So recall
    never falls along the curve, and things with one score are called together.

    Attributes:
        scored: What is called.
        levels: The distinct scores, falling, `[C - 1]`; of those that differ by a rounding, the lowest.
        tops: The highest score of each level.
        hits: Weight of what is called and should be, `[B, C]`.
        alarms: Weight of what is called and should not be, `[B, C]`.
        positives: Weight of all that should be called, `[B]`; more than the last `hits` where some have no score.
        available: Whether there is a threshold for a candidate, bool `[C]`: see `Scored.low` and `Scored.high`.
    """

    scored: Scored
    levels: Floats
    tops: Floats
    hits: Floats
    alarms: Floats
    positives: Floats
    available: NDArray[np.bool_]

    @classmethod
    def of(cls, scored: Scored) -> "Curve":
        """The curve of images that all count once: B = 1."""
        return next(curves(scored, np.ones((1, _number_of_images(scored)))))

    @property
    def negatives(self) -> Floats:
        """Weight of all with a score that should not be called, `[B]`."""
        return self.alarms[:, -1]

    @cached_property
    def precision(self) -> Floats:
        """Share of the called that should be, `[B, C]`; NaN where nothing is called."""
        return _share(self.hits, self.hits + self.alarms)

    @cached_property
    def recall(self) -> Floats:
        """Share of those that should be called that are, `[B, C]`; NaN without any."""
        return _share(self.hits, self.positives[:, None])

    @cached_property
    def specificity(self) -> Floats:
        """Share of those that should not be called that are not, `[B, C]`; NaN without any."""
        negatives = self.negatives[:, None]
        return _share(negatives - self.alarms, negatives)

    @cached_property
    def f1(self) -> Floats:
        """`[B, C]`; NaN where nothing should be called and nothing is."""
        return _share(2 * self.hits, self.positives[:, None] + self.hits + self.alarms)

    def best(self, values: Floats) -> NDArray[np.int64]:
        """The candidate with the largest value of each weighting, int64 `[B]`; -1 where none has a value.

        Of equal values the one with the larger recall, then the one with fewer false alarms.

        Args:
            values: `[B, C]`; NaN or -inf: not to be chosen.
        """
        values = np.where(self.available & ~np.isnan(values), values, -np.inf)
        top = values.max(1, keepdims=True)
        equal = (values == top) & np.isfinite(values)
        hits = np.where(equal, self.hits, -1)
        return np.where(equal.any(1), (hits == hits.max(1, keepdims=True)).argmax(1), -1)

    def thresholds(self, chosen: NDArray[np.int64], just_above: bool = False) -> Floats:
        """The thresholds `[B]` of chosen candidates `[B]`, NaN for -1.

        Each lies in the middle between the lowest score that is called and the highest one that is not, of those
        that have a weight: another batch size or machine, which gives a score other last digits, calls the same.

        Args:
            chosen: int64 `[B]`.
            just_above: Where nothing is called, take a threshold just above the highest score, not one halfway to
                the largest that there can be.
        """
        rows = np.arange(len(chosen))
        calls = np.diff(self.hits + self.alarms, axis=1) > 0  # levels that are there, [B, C - 1]
        places = np.arange(len(self.levels))
        # The called level next to the cut, and the one behind the cut: -1 and C - 1 where there is none.
        called = np.maximum.accumulate(np.where(calls, places, -1), axis=1)
        beyond = np.minimum.accumulate(np.where(calls, places, len(places))[:, ::-1], axis=1)[:, ::-1]
        called = np.pad(called, ((0, 0), (1, 0)), constant_values=-1)[rows, chosen]
        beyond = np.pad(beyond, ((0, 0), (0, 1)), constant_values=len(places))[rows, chosen]
        upper = np.append(self.levels, np.nan)[called]  # also at -1
        lower = np.append(self.tops, np.nan)[beyond]
        return np.where(chosen < 0, np.nan, self._between(lower, upper, just_above))

    def _between(self, lower: Floats, upper: Floats, just_above: bool) -> Floats:
        """Thresholds: above the highest score that is not called, at most the lowest that is; NaN: no such."""
        low, high = self.scored.low, self.scored.high
        above = lower + _ABOVE * np.maximum(1, np.abs(lower))
        end = above if high is None else np.minimum(above, high) if just_above else high
        upper = np.where(np.isnan(upper), end, upper)
        lower = np.where(np.isnan(lower), upper if low is None else np.minimum(low, upper), lower)
        middle = lower + (upper - lower) / 2
        middle = np.where(middle > lower, middle, upper)  # neighbouring floats have no middle
        return middle if low is None else np.maximum(middle, low)


def curves(scored: Scored, weights: Floats) -> Iterator[Curve]:
    """The curve of B weightings of the images, in parts of as many of them as memory has room for.

    Args:
        scored: M things with a score, on N images.
        weights: How often each image counts, `[B, N]`: 1, or 0, 1, 2, ... in a resample.
    """
    order = np.argsort(-scored.scores, kind="stable")
    falling, truth, images = scored.scores[order], scored.truth[order], scored.images[order]
    apart = np.abs(np.diff(falling)) > _rounding(falling[1:], scored.high)
    starts = np.flatnonzero(np.concatenate([[True], apart])) if len(falling) else order
    tops, levels = falling[starts], falling[np.append(starts, len(falling))[1:] - 1]
    available = np.ones(len(levels) + 1, bool)
    if scored.low is not None:
        available[1:] = levels >= scored.low
    if scored.high is not None and len(levels):
        available[0] = tops[0] < scored.high
    step = max(1, AT_A_TIME // max(1, len(order)))
    for first in range(0, len(weights), step):
        part = np.asarray(weights[first : first + step], np.float64)
        own = part[:, images]
        hits, alarms = (_cumulated(own * which, starts) for which in (truth, ~truth))
        positives = hits[:, -1] + part[:, scored.unscored].sum(1)
        yield Curve(scored, levels, tops, hits, alarms, positives, available)


def _rounding(scores: Floats, high: float | None) -> Floats:
    """Scores that differ by no more than this are one, `[M]`.

    A probability next to 1 tells as much by its distance from 1 as one next to 0 by itself; less of it is left.
    """
    rounding = _SAME * np.abs(scores)
    if high is None:
        return rounding
    return np.minimum(rounding, np.maximum(_SAME * np.abs(high - scores), _ROUNDING * abs(high)))


def _cumulated(weights: Floats, starts: NDArray[np.int64]) -> Floats:
    """Weights `[B, M]` of falling scores, added up to the end of each distinct one, with 0 before: `[B, C]`."""
    levels = np.add.reduceat(weights, starts, axis=1) if len(starts) else weights
    return np.pad(np.cumsum(levels, axis=1), ((0, 0), (1, 0)))


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def _number_of_images(scored: Scored) -> int:
    return 1 + max(scored.images.max(initial=-1), scored.unscored.max(initial=-1))
