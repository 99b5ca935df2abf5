"""What a threshold is chosen on."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scored:
    """Things that are called from a score on: images, an attribute of images, boxes.

    Attributes:
        name: Of what is called: the defect class, an attribute, a class of boxes, a quantity.
        scores: float64 `[M]`, the higher the more a defect; called if `score >= threshold`.
        truth: Bool `[M]`: which of them should be called.
        images: int64 `[M]`: the image of each, by its position in the outcome.
        unscored: int64 `[U]`: the image of each one that should be called but has no score (an object without a
            box): missed at any threshold.
        low: Smallest threshold that there can be, or None. What scores less can never be called.
        high: Largest threshold that there can be, or None. What scores as much is always called.
        countable_negatives: Whether those that should not be called can be counted. False for boxes: how many
            places without an object there are, nobody can say.
        physical: Whether scores are in a unit of the process, 450 K. The present threshold, a limit of it, means
            something without any data then: where nothing should be called, it stays.

    Raises:
        ValueError: If lengths differ, or a score is not a finite number.

    Example:
        >>> Scored("defect", np.array([0.2, 0.9]), np.array([False, True]), np.arange(2), low=0, high=1).positives
        1
    """

    name: str
    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    images: NDArray[np.int64]
    unscored: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    low: float | None = None
    high: float | None = None
    countable_negatives: bool = True
    physical: bool = False

    def __post_init__(self) -> None:
        if not self.scores.shape == self.truth.shape == self.images.shape or self.scores.ndim != 1:
            shapes = f"{self.scores.shape}, {self.truth.shape} and {self.images.shape}"
            raise ValueError(f"Expected scores, truth and images [M] but got {shapes}.")
        if not np.isfinite(self.scores).all():
            count = int((~np.isfinite(self.scores)).sum())
            raise ValueError(
                f"{count} of {len(self.scores)} scores of {self.name!r} are no finite numbers: the network has "
                "diverged; no threshold can be chosen"
            )

    @property
    def positives(self) -> int:
        """Number of those that should be called, with and without a score."""
        return int(self.truth.sum()) + len(self.unscored)

    @property
    def negatives(self) -> int:
        """Number of those with a score that should not be called."""
        return int((~self.truth).sum())
