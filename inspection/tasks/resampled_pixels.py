"""Figures of pixels in images that count several times or not at all: what a bootstrap asks for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspection.decide.curve import AT_A_TIME
from inspection.tasks.place_metrics import AREA_LIMIT, CoarseScores
from inspection.tasks.resampled import Figures, Floats


def of_pixels(weights: Floats, counts: Sequence[CoarseScores | None], auroc: float, aupro: float) -> Figures:
    """`pixel_auroc` and `aupro`, see `PixelScores`.

    Resamples are counted by coarse scores. What that makes of the figures of the images themselves is off by some
    1e-4; so much is taken off all resamples.

    Args:
        weights: How often each image counts, `[B, N]`.
        counts: Of each image; None: nobody knows where its defects are.
        auroc: The figure of the images themselves.
        aupro: As well.

    Returns:
        `[B]` by figure, NaN where undefined.
    """
    known = np.array([one is not None for one in counts], bool)
    images = [one for one in counts if one is not None]
    levels = np.unique(np.concatenate([one.levels for one in images] or [np.empty(0, np.uint16)]))
    tables = np.zeros((3, len(images), len(levels)), np.float32)  # good, defective, covered
    for row, one in enumerate(images):
        tables[:, row, np.searchsorted(levels, one.levels)] = one.good, one.defective, one.covered
    regions = np.array([one.regions for one in images], np.float64)
    own = np.concatenate([weights[:, known], np.ones((1, len(images)))])
    step = max(1, AT_A_TIME // max(1, len(levels)))
    parts = [_figures(own[first : first + step], tables, regions) for first in range(0, len(own), step)]
    areas = [np.concatenate([part[which] for part in parts]) for which in (0, 1)]
    return {
        name: values[:-1] - values[-1] + exact
        for name, values, exact in zip(("pixel_auroc", "aupro"), areas, (auroc, aupro), strict=True)
    }


def _figures(weights: Floats, tables: NDArray[np.float32], regions: Floats) -> tuple[Floats, Floats]:
    good, defective, covered = ((weights @ table)[:, ::-1] for table in tables)  # the highest score first
    number = weights @ regions
    alarms, overlap = (np.pad(np.cumsum(each, axis=1), ((0, 0), (1, 0))) for each in (good, covered))
    all_good, all_defective = good.sum(1), defective.sum(1)
    # A defective pixel beats the good ones below it, and half of those of its level.
    beaten = (defective * (all_good[:, None] - alarms[:, 1:] + good / 2)).sum(1)
    auroc = _share(beaten, all_good * all_defective)
    x, y = _share(alarms, all_good[:, None]), _share(overlap, number[:, None])
    width = np.diff(x, axis=1)
    slope = np.divide(np.diff(y, axis=1), width, out=np.zeros_like(width), where=width > 0)
    inside = np.clip(AREA_LIMIT - x[:, :-1], 0, width)
    area = (inside * (y[:, :-1] + slope * inside / 2)).sum(1) / AREA_LIMIT
    return auroc, np.where((all_good > 0) & (number > 0), area, np.nan)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
