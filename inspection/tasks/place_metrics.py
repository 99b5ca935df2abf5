"""How good a place is: of boxes, of a map's order of pixels, of its hottest one.

Figures without a case to count are NaN. Maps and masks are compared pixel by pixel, as large as the network's
images.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.tasks.metrics import UNDEFINED

LEVELS = 2**16
"""Different scores that are told apart: all float16 values."""
COARSE = 64  # of these levels are one where each image is counted by itself: scores to 6 %
AREA_LIMIT = 0.3  # false-positive rate up to which overlaps are compared


class CoarseScores(NamedTuple):
    """Scores of the pixels of one image, counted in a few kilobytes; see `PixelScores` for what is counted.

    Attributes:
        levels: Those that occur, rising, uint16 `[L]`.
        good: `[L]`.
        defective: `[L]`.
        covered: `[L]`.
        regions: Number of connected defects.
    """

    levels: NDArray[np.uint16]
    good: NDArray[np.int32]
    defective: NDArray[np.int32]
    covered: NDArray[np.float32]
    regions: int


class PixelScores:
    """Scores of pixels within and beside defects, counted exactly by their float16 value.

    Five thousand maps of 224x224 would be 1 GB of floats; this is 1.5 MB, whatever their number. Counts of parts
    of a set add up to those of the set. A score is rounded to float16: 11 bits, and what is beyond +-65504 counts
    as that.

    Attributes:
        good: Pixels without a defect by score, int64 `[LEVELS]`, in the order of the scores.
        defective: Pixels of defects by score, int64 `[LEVELS]`.
        covered: Shares of connected defects by score, float64 `[LEVELS]`: each sums to 1.
        regions: Number of connected defects.
    """

    def __init__(self) -> None:
        self.good = np.zeros(LEVELS, np.int64)
        self.defective = np.zeros(LEVELS, np.int64)
        self.covered = np.zeros(LEVELS, np.float64)
        self.regions = 0

    def add(self, scores: NDArray[np.floating], masks: NDArray[np.bool_]) -> None:
        """Count maps.

        Args:
            scores: Float `[N, H, W]`, finite, of one scale for all images.
            masks: Bool `[N, H, W]`, where the defects are.
        """
        if scores.shape != masks.shape or scores.ndim != 3:
            raise ValueError(f"Expected maps and masks [N, H, W] but got {scores.shape} and {masks.shape}.")
        levels = _levels(scores)
        self.good += np.bincount(levels[~masks], minlength=LEVELS)
        self.defective += np.bincount(levels[masks], minlength=LEVELS)
        for image in np.flatnonzero(masks.any(axis=(1, 2))):
            mask = masks[image]
            count, regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
            which = regions[mask]
            share = 1 / np.bincount(which, minlength=count)[which]
            self.covered += np.bincount(levels[image][mask], share, minlength=LEVELS)
            self.regions += count - 1

    def __add__(self, other: "PixelScores") -> "PixelScores":
        """The counts of both."""
        total = PixelScores()
        total.good = self.good + other.good
        total.defective = self.defective + other.defective
        total.covered = self.covered + other.covered
        total.regions = self.regions + other.regions
        return total

    def coarse(self) -> CoarseScores:
        """The same counts, every `COARSE` levels in one."""
        good, defective, covered = (
            each.reshape(-1, COARSE).sum(1) for each in (self.good, self.defective, self.covered)
        )
        some = np.flatnonzero(good + defective)
        return CoarseScores(
            some.astype(np.uint16),
            good[some].astype(np.int32),
            defective[some].astype(np.int32),
            covered[some].astype(np.float32),
            self.regions,
        )

    def auroc(self) -> float:
        """Probability that a pixel of a defect has a higher score than one without (a tie counts half)."""
        pairs = float(self.good.sum()) * float(self.defective.sum())
        if pairs == 0:
            return UNDEFINED
        below = np.cumsum(self.good, dtype=np.float64) - 0.5 * self.good
        return float(below @ self.defective.astype(np.float64) / pairs)

    def aupro(self, limit: float = AREA_LIMIT) -> float:
        """Area under the per-region overlap.

        For each threshold, the share of a connected defect that scores at least as much, averaged over all
        defects, large or small, is plotted over the share of good pixels that do. The area up to a false-positive
        rate of `limit`, divided by it. Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021.
        """
        if self.regions == 0 or self.good.sum() == 0:
            return UNDEFINED
        alarms = np.concatenate([[0.0], np.cumsum(self.good[::-1]) / self.good.sum()])
        overlap = np.concatenate([[0.0], np.cumsum(self.covered[::-1]) / self.regions])
        within = alarms <= limit
        # Steps within one value of x (defects alone) are upright and have no area.
        x = np.append(alarms[within], limit)
        last = within.sum() - 1
        if last + 1 < len(alarms):
            slope = (overlap[last + 1] - overlap[last]) / (alarms[last + 1] - alarms[last])
            end = overlap[last] + slope * (limit - alarms[last])
        else:
            end = overlap[last]
        y = np.append(overlap[within], end)
        return float(np.diff(x) @ (y[1:] + y[:-1]) / 2 / limit)


def _levels(scores: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Numbers in the order of the scores, rounded to float16."""
    highest = float(np.finfo(np.float16).max)
    rounded = np.clip(scores, -highest, highest).astype(np.float16)
    bits = (rounded + np.float16(0)).view(np.uint16)  # there is one zero now
    return np.where(bits & 0x8000, ~bits, bits | 0x8000)


def points_inside(scores: NDArray[np.floating], mask: NDArray[np.bool_]) -> bool:
    """Whether the hottest pixel of a map lies in the mask; the first one of equals. A flat map points nowhere.

    Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016 (the pointing game).

    Args:
        scores: Float `[H, W]`.
        mask: Bool `[H, W]`.
    """
    hottest = int(scores.argmax())
    return bool(scores.max() > scores.min()) and bool(mask.flat[hottest])


def box_ious(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of boxes `[N, 4]` and `[M, 4]` (left, top, right, bottom), `[N, M]`.

    >>> box_ious(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    a, b = np.asarray(one, np.float64).reshape(-1, 1, 4), np.asarray(other, np.float64).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return shared / np.maximum(areas - shared, np.finfo(np.float64).tiny)


def match_boxes(found: NDArray[np.floating], true: NDArray[np.floating]) -> NDArray[np.float64]:
    """How well each true box was found.

    The pair with the largest intersection over union is taken out first, then the next of those that are left:
    each box has one partner at most.

    Args:
        found: Boxes `[N, 4]`.
        true: Boxes `[M, 4]`.

    Returns:
        Intersection over union with its partner of each true box, `[M]`; 0 without one.

    >>> found = np.array([[0, 0, 4, 4], [0, 0, 4, 2]])
    >>> match_boxes(found, np.array([[0, 0, 4, 3], [8, 8, 9, 9]])).tolist()
    [0.75, 0.0]
    """
    ious = box_ious(found, true)
    matched = np.zeros(ious.shape[1])
    while ious.size and ious.max() > 0:
        which, target = np.unravel_index(int(ious.argmax()), ious.shape)
        matched[target] = ious[which, target]
        ious[which, :] = 0
        ious[:, target] = 0
    return matched
