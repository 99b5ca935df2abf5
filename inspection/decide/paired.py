"""Whether one of two inspectors is better, from what both said of the same images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
"""Random draws of a test or interval that is not counted out; the least p-value is about 1 over them."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """What the differences between two inspectors say, image by image.

    Attributes:
        difference: Their mean over the images.
        low: Lower end of its 95 % interval (bootstrap over groups of images).
        high: Upper end.
        p: Probability of a difference as large, or larger, in either direction, if it were a matter of chance
            which of the two said what of each group of images.
        above: Images of which the difference is above 0.
        below: Below 0.
    """

    difference: float
    low: float
    high: float
    p: float
    above: int
    below: int


def compare_paired(differences: Array, groups: Sequence[str] | None = None, seed: int = 0) -> Paired:
    """Compare two inspectors on the same images.

    Where the differences are those of right (1) and wrong (0), and no images belong together, this is McNemar's
    test in its exact form: McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages", 1947. Else signs are flipped at random, of whole groups (Fisher's randomisation test).

    Args:
        differences: One inspector's figure of each image minus the other's, `[N]`, N at least 1.
        groups: Of each image what it belongs to: frames of one video are no independent witnesses. None: each is
            its own.
        seed: Of the random draws.

    Raises:
        ValueError: If there is no difference, or one is no number: it could be neither chance nor none.

    Example:
        >>> found = compare_paired(np.array([1.0] * 9 + [-1.0] + [0.0] * 90))
        >>> round(found.difference, 2), found.above, found.below, round(found.p, 4)  # 2 * (1 + 10) / 2 ** 10
        (0.08, 9, 1, 0.0215)
    """
    differences = np.asarray(differences, np.float64)
    if not len(differences) or not np.isfinite(differences).all():
        raise ValueError(f"Expected finite differences, 1 or more, but got {differences}.")
    above, below = int((differences > 0).sum()), int((differences < 0).sum())
    sums, sizes = _by_group(differences, groups)
    random = np.random.default_rng(seed)
    if (sizes == 1).all() and set(np.unique(differences)) <= {-1.0, 0.0, 1.0}:
        p = binomial_p(above, below)
    else:
        p = _flip_signs(sums, random)
    low, high = _interval(sums, sizes, random)
    return Paired(float(differences.mean()), low, high, p, above, below)


def binomial_p(above: int, below: int) -> float:
    """How probable so uneven a division, or a more uneven one, is by tosses of a coin; two-sided, exact.

    Example:
        >>> binomial_p(5, 0), binomial_p(3, 3)
        (0.0625, 1.0)
    """
    total, few = above + below, min(above, below)
    # In logarithms: 2 ** total overflows from 1,024 images on.
    terms = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) - total * math.log(2)
        for k in range(few + 1)
    ]
    return min(1.0, round(2 * math.fsum(map(math.exp, terms)), 14))


def _by_group(differences: Array, groups: Sequence[str] | None) -> tuple[Array, Array]:
    """Sum of the differences and number of the images of each group."""
    if groups is None:
        return differences, np.ones(len(differences))
    _, place = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(place, differences).astype(np.float64)
    return sums, np.bincount(place).astype(np.float64)


def _flip_signs(sums: Array, random: np.random.Generator) -> float:
    moving = sums[sums != 0]
    if not len(moving):
        return 1.0
    found = abs(moving.sum()) * (1 - 1e-12)  # sums in another order differ in the last bit
    as_far = 0
    for _ in range(10):  # in portions: signs of 5,000 images 10,000 times are 400 MB
        signs = random.integers(0, 2, (DRAWS // 10, len(moving)), dtype=np.int8) * 2 - 1
        as_far += int((np.abs(signs @ moving) >= found).sum())
    return (1 + as_far) / (1 + DRAWS)


def _interval(sums: Array, sizes: Array, random: np.random.Generator) -> tuple[float, float]:
    means = []
    for _ in range(10):
        weights = random.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), DRAWS // 10)
        means.append((weights @ sums) / (weights @ sizes))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975)).tolist()
    return low, high
