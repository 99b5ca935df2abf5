"""The single defects in a mask."""

from typing import NamedTuple

import cv2
import numpy as np

Box = tuple[float, float, float, float]


class Region(NamedTuple):
    """Pixels of a mask that hang together.

    Coordinates are pixels from the upper left corner of the picture; the middle of its first pixel is at 0.5, 0.5.

    Attributes:
        area: Pixels.
        box: Left, top, right, bottom; right and bottom are the first beyond it.
        centre: x, y of the centre of gravity, which lies beside a bent defect.
        score: Mean probability of its pixels, 0..1; 1 where none was given.
    """

    area: float
    box: Box
    centre: tuple[float, float]
    score: float = 1.0


def find_regions(mask: np.ndarray, probabilities: np.ndarray | None = None) -> list[Region]:
    """Find the connected regions of a mask, the largest first.

    Args:
        mask: `[H, W]`, what is not 0 is inside. Pixels that touch at a corner hang together: a thin scratch that
            runs aslant is one defect.
        probabilities: Float `[H, W]` of the pixels, for the scores.

    Raises:
        ValueError: Not a mask, or probabilities of another size.

    Example:
        >>> mask = np.zeros((4, 6), bool)
        >>> mask[1:3, 1:4] = True
        >>> find_regions(mask)
        [Region(area=6, box=(1, 1, 4, 3), centre=(2.5, 2.0), score=1.0)]
    """
    if mask.ndim != 2:
        raise ValueError(f"Expected a mask [H, W] but got {list(mask.shape)}.")
    if probabilities is not None and probabilities.shape != mask.shape:
        raise ValueError(f"Expected probabilities {list(mask.shape)} but got {list(probabilities.shape)}.")
    if not mask.any():  # OpenCV crashes on a picture without a pixel
        return []
    inside = (mask != 0).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas, scores = stats[:, cv2.CC_STAT_AREA], np.ones(count)
    if probabilities is not None:
        scores = np.bincount(labels.ravel(), probabilities.ravel(), count) / areas.clip(1)
    regions = [
        Region(area, (x, y, x + width, y + height), (cx + 0.5, cy + 0.5), score)
        for (x, y, width, height, area), (cx, cy), score in zip(
            stats.tolist(), centres.tolist(), scores.tolist(), strict=True
        )
    ]
    return sorted(regions[1:], key=lambda region: -region.area)  # the first is all that is outside
