"""Hot spots: the places of a thermal image that are hotter than the rest, found without a network."""

from dataclasses import dataclass

import cv2
import numpy as np

_SIGMA = 1.0  # pixels: single noisy ones are no spot
_SURE = 6.0  # the hottest place must lie so many times the noise above the usual temperature


@dataclass(frozen=True)
class HotSpot:
    """A hot place.

    Attributes:
        left: Pixels of the image.
        top: As `left`.
        right: The first pixel outside.
        bottom: The first pixel outside.
        peak: The hottest value in it, in the image's own unit.
        area: Its pixels.
    """

    left: int
    top: int
    right: int
    bottom: int
    peak: float
    area: int


def find_hot_spots(
    image: np.ndarray, share: float = 0.75, min_area: int = 25, most: int = 5
) -> list[HotSpot]:
    """Find connected places that are hotter than a share of the way from the usual to the hottest temperature.

    The usual temperature is the median. Slightly blurred, so that single pixels neither make a spot nor split one;
    spots that touch, by a corner too, are one.

    Args:
        image: `[H, W]`, larger is hotter, any unit.
        share: 0..1: how far up a spot begins.
        min_area: Pixels of the smallest spot.
        most: Spots at most; those with the hottest peaks.

    Returns:
        The hottest first; none in an image that is even but for its noise.

    Raises:
        ValueError: If the image is no `[H, W]`, or the share outside 0..1.

    Example:
        >>> image = np.full((40, 60), 300.0)
        >>> image[10:16, 20:30] = 350.0
        >>> [(spot.left, spot.top, spot.right, spot.bottom, spot.area) for spot in find_hot_spots(image, 0.4)]
        [(20, 10, 30, 16, 60)]
    """
    if image.ndim != 2:
        raise ValueError(f"Expected an image [H, W] but got {list(image.shape)}.")
    if not 0 <= share < 1:
        raise ValueError(f"share={share}: expected 0 to below 1")
    values = np.nan_to_num(np.asarray(image, np.float32), nan=float(np.nanmin(image)))
    smooth = cv2.GaussianBlur(values, (0, 0), _SIGMA)
    usual, hottest = float(np.median(smooth)), float(smooth.max())
    # What is left between a pixel and its blurred self is noise, and at edges more; the median looks past edges.
    noise = 1.4826 * float(np.median(np.abs(values - smooth)))
    if hottest - usual <= max(_SURE * noise, 1e-6 * max(abs(usual), 1.0)):
        return []
    hot = (smooth > usual + share * (hottest - usual)).astype(np.uint8)
    number, labels, stats, _ = cv2.connectedComponentsWithStats(hot, connectivity=8)
    spots = []
    for label in range(1, number):
        left, top, width, height, area = (int(value) for value in stats[label])
        if area >= min_area:
            part = (slice(top, top + height), slice(left, left + width))
            peak = float(values[part][labels[part] == label].max())
            spots.append(HotSpot(left, top, left + width, top + height, peak, area))
    return sorted(spots, key=lambda spot: -spot.peak)[:most]
