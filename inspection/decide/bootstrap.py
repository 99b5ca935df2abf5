"""How far a figure could have been another one, had other images come by."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

ENOUGH = 0.5  # share of the resamples that must have a value


def resampling_weights(
    images: int, repeats: int, seed: int, groups: Sequence[Hashable] | None = None
) -> NDArray[np.float64]:
    """How often each image is in each resample: drawn with replacement, as many as there are.

    Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7 (1979). Images that belong
    together (frames of a video, tiles of a board) are drawn together: ten frames of one part are not ten parts,
    and intervals that take them for such are too narrow.

    Args:
        images: N.
        repeats: B.
        seed: Same seed, same resamples.
        groups: Of each image; None: each is its own.

    Returns:
        Whole numbers, `[B, N]`. Each row adds up to N without groups; with groups, as many groups are drawn as
        there are, and rows differ in sum where groups differ in size.

    Raises:
        ValueError: If there are not as many groups as images.

    Example:
        >>> resampling_weights(4, 1, seed=3, groups=["a", "a", "b", "b"]).tolist()
        [[0.0, 0.0, 2.0, 2.0]]
    """
    if groups is not None and len(groups) != images:
        raise ValueError(f"Expected {images} groups, one an image, but got {len(groups)}.")
    if not images:
        return np.ones((repeats, 0))
    places: dict[Hashable, int] = {}
    which = [places.setdefault(group, len(places)) for group in (range(images) if groups is None else groups)]
    number = len(places)
    counts = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=repeats)
    return counts[:, which].astype(np.float64)


def interval(values: NDArray[np.floating], confidence: float) -> tuple[float, float] | None:
    """The percentile interval of a figure over resamples.

    Args:
        values: Of each resample, `[B]`; NaN where the figure is undefined (no defect was drawn): left out.
        confidence: Share of the resamples within, 0..1.

    Returns:
        Its ends, or None where fewer than half of the resamples have a value: an interval of the few that do would
        look surer than it is.

    Example:
        >>> interval(np.arange(101), 0.5)
        (25.0, 75.0)
    """
    values = np.asarray(values, np.float64)
    defined = values[~np.isnan(values)]
    if not len(defined) or len(defined) < ENOUGH * len(values):
        return None
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return low, high


def least_share(number: int, confidence: float) -> float:
    """The lower end of the interval of a share of which all were so, where every resample says 1.

    Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934): the exact binomial
    interval, which reaches from here to 1. Where none were so, it reaches from 0 to 1 less this.

    Args:
        number: Of independent trials, 1 or more.
        confidence: Of the two-sided interval, 0..1.

    Example:
        >>> round(least_share(6, 0.95), 2)  # 6 of 6 found
        0.54
    """
    return float(((1 - confidence) / 2) ** (1 / number))
