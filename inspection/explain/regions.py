"""The single defects in a mask."""

from typing import NamedTuple

import cv2
import numpy as np


class Region(NamedTuple):
    """Pixels of a mask that hang together.

    Coordinates are pixels from the upper left corner of the picture; the middle of its first pixel is at 0.5, 0.5.

    Attributes:
        area: Pixels.
        box: Left, top, right, bottom; right and bottom are the first beyond it.
        centre: x, y of the centre of gravity, which lies beside a bent defect.
    """

    area: int
    box: tuple[int, int, int, int]
    centre: tuple[float, float]


def find_regions(mask: np.ndarray, min_area: int = 1) -> list[Region]:
    """Find the connected regions of a mask, the largest first.

    Args:
        mask: `[H, W]`, what is not 0 is inside. Pixels that touch at a corner hang together: a thin scratch that
            runs aslant is one defect.
        min_area: Smaller regions are left out, in pixels.

    Raises:
        ValueError: Not a mask.

    Example:
        >>> mask = np.zeros((4, 6), bool)
        >>> mask[1:3, 1:4] = True
        >>> find_regions(mask)
        [Region(area=6, box=(1, 1, 4, 3), centre=(2.5, 2.0))]
    """
    if mask.ndim != 2:
        raise ValueError(f"Expected a mask [H, W] but got {list(mask.shape)}.")
    if not mask.any():  # OpenCV crashes on a picture without a pixel
        return []
    _, _, stats, centres = cv2.connectedComponentsWithStats((mask != 0).astype(np.uint8), connectivity=8)
    regions = [
        Region(int(area), (int(x), int(y), int(x + width), int(y + height)), (cx + 0.5, cy + 0.5))
        for (x, y, width, height, area), (cx, cy) in zip(
            stats[1:].tolist(), centres[1:].tolist(), strict=True
        )
        if area >= min_area
    ]
    return sorted(regions, key=lambda region: -region.area)
