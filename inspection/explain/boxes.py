"""Boxes around the hot places of a heatmap."""

from typing import NamedTuple

import cv2
import numpy as np


class HotBox(NamedTuple):
    """A box around a connected hot place.

    Attributes:
        box: Left, top, right, bottom in pixels of the map; right and bottom are the first beyond it.
        score: Heat of its hottest pixel, relative to that of the whole map: 1 for the hottest box.
    """

    box: tuple[int, int, int, int]
    score: float


def find_boxes(heatmap: np.ndarray | None, threshold: float = 0.8) -> list[HotBox]:
    """Find the places of a heatmap that are about as hot as the hottest, each with its box.

    Several defects give several boxes, if the map is about equally hot there. A map that is hot everywhere says
    nothing of the place, and gives none.

    Args:
        heatmap: Float [H, W], 0 and up; None: no evidence.
        threshold: Share of the greatest heat from which on a pixel is hot, above 0 to 1.

    Returns:
        The hottest first; of equals the larger.

    Raises:
        ValueError: The threshold is none, or the map has another shape.

    Example:
        >>> heat = np.zeros((4, 8))
        >>> heat[1:3, 1:4], heat[0, 6:] = 1.0, 0.9
        >>> find_boxes(heat, 0.8)
        [HotBox(box=(1, 1, 4, 3), score=1.0), HotBox(box=(6, 0, 8, 1), score=0.9)]
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold}: expected a share of the greatest heat, above 0 to 1")
    if heatmap is None:
        return []
    if heatmap.ndim != 2:
        raise ValueError(f"Expected a heatmap [H, W] but got {list(heatmap.shape)}.")
    peak = float(heatmap.max(initial=0))
    if not 0 < peak < np.inf:  # NaN, too
        return []
    hot = heatmap >= threshold * peak
    if hot.all():
        return []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(hot.astype(np.uint8), connectivity=8)
    peaks = [float(heatmap[labels == region].max()) / peak for region in range(count)]
    order = sorted(range(1, count), key=lambda region: (-peaks[region], -stats[region, cv2.CC_STAT_AREA]))
    found = []
    for region in order:
        left, top, width, height, _ = stats[region].tolist()
        found.append(HotBox((left, top, left + width, top + height), peaks[region]))
    return found
