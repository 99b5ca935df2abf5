"""Whether two samples can be of one distribution: tests whose false-alarm rate is known, not estimated."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-10  # below it 1 - (1 - p) has no digits left

Array = NDArray[np.float64]


def ks_test(sample: Array, reference: Array) -> tuple[float, float]:
    """Kolmogorov and Smirnov's test of two samples, exact.

    The distance is the largest difference of the two empirical distribution functions. Its p-value is counted,
    over all ways in which two samples of these sizes can be shuffled together (Hodges, "The significance
    probability of the Smirnov two-sample test", 1958). It holds for any distribution; where values are equal
    it is too large, never too small.

    Args:
        sample: `[n]`, n at least 1.
        reference: `[m]`, m at least 1.

    Returns:
        Distance 0..1 and p-value, at least 1e-10.

    Example:
        >>> distance, p = ks_test(np.arange(4.0), np.arange(4.0) + 10)
        >>> distance, round(p * 70)  # 2 of the 70 ways to shuffle 4 and 4 part them like this
        (1.0, 2)
    """
    n, m = len(sample), len(reference)
    places = np.concatenate([sample, reference])
    below_sample = np.searchsorted(np.sort(sample), places, side="right")
    below_reference = np.searchsorted(np.sort(reference), places, side="right")
    # In whole numbers, as multiples of 1 / (n * m): a distance that is reached exactly counts as reached.
    most = int(np.abs(below_sample.astype(np.int64) * m - below_reference.astype(np.int64) * n).max())
    return most / (n * m), max(_LEAST, 1 - _share_of_paths_within(n, m, most))


def _share_of_paths_within(n: int, m: int, limit: int) -> float:
    """Share of the lattice paths from (0, 0) to (n, m) that stay at all points within |i m - j n| < limit."""
    if limit <= 0:
        return 0.0
    reference = np.arange(m + 1, dtype=np.int64) * n
    paths = (reference < limit).astype(np.float64)  # one path along the first row, until it leaves
    scale = 0.0  # logarithm of what the counts were divided by: they grow beyond any float
    for i in range(1, n + 1):
        paths = np.where(np.abs(reference - i * m) < limit, paths, 0.0)
        first = int(np.argmax(np.abs(reference - i * m) < limit))
        last = m - int(np.argmax((np.abs(reference - i * m) < limit)[::-1]))
        paths[first : last + 1] = np.cumsum(paths[first : last + 1])
        largest = paths.max()
        if largest == 0:
            return 0.0
        paths /= largest
        scale += math.log(largest)
    if paths[m] == 0:
        return 0.0
    every = math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
    return min(1.0, math.exp(math.log(paths[m]) + scale - every))


def rank_tail(count: int, new: int, rank: int, known: int) -> float:
    """Probability that so many of new values exceed the `rank`-th largest of known ones, or more.

    All values are exchangeable, so the number is beta-binomial, whatever they are.

    Args:
        count: How many new values exceed it.
        new: How many there are.
        rank: 1 is the largest of the known values.
        known: How many of them there are.

    Example:
        >>> rank_tail(1, 1, rank=1, known=99)  # a new value is the largest of 100
        0.01
    """
    if count <= 0:
        return 1.0

    def beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    def choose(k: int) -> float:
        return math.lgamma(new + 1) - math.lgamma(k + 1) - math.lgamma(new - k + 1)

    a, b = rank, known - rank + 1
    whole = beta(a, b)
    chances = [math.exp(choose(k) + beta(k + a, new - k + b) - whole) for k in range(count, new + 1)]
    return round(min(1.0, math.fsum(chances)), 12)


def larger_share(count: int, new: int, known_count: int, known: int) -> float:
    """Probability of so large a share of new values, or a larger one, if known and new ones are exchangeable.

    Fisher's exact test, one-sided.

    Args:
        count: How many of the new values are counted.
        new: How many there are.
        known_count: How many of the known values are counted.
        known: How many there are.

    Example:
        >>> round(larger_share(3, 3, 0, 3) * 20)  # 1 of the 20 ways to choose 3 of 6
        1
    """
    total = count + known_count
    whole = math.lgamma(known + new + 1) - math.lgamma(total + 1) - math.lgamma(known + new - total + 1)

    def choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    most = min(new, total)
    chances = (
        math.exp(choose(new, k) + choose(known, total - k) - whole)
        for k in range(max(count, total - known), most + 1)
    )
    return min(1.0, round(math.fsum(chances), 12))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, each made so large that one at most `alpha` is a find at `alpha` overall.

    Holm, "A simple sequentially rejective multiple test procedure", 1979: no assumption on how the tests hang
    together, and never less powerful than Bonferroni's.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(order.tolist()):
        largest = max(largest, min(1.0, (len(p_values) - place) * float(p_values[index])))
        adjusted[index] = largest
    return adjusted
