"""What an inspector's validation images look like, compact enough to ship with it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inspection.drift.observed import Array, Observed, first_of_each
from inspection.drift.ruler import Ruler, short

STORED = 500
"""Values that are kept of each statistic."""


@dataclass(frozen=True)
class Reference:
    """What images look like on which the inspector was validated.

    Two sets of images make it. On usual ones (of training) a ruler is fitted: which values are usual, and how
    much is a deviation. Validation images, which that ruler has not seen, then tell how large deviations are where
    nothing is wrong. So a new image that is like them exceeds the k-th largest of N such deviations with
    probability k / (N + 1), whatever the distribution, and never more: a conformal test, Vovk et al., "Algorithmic
    Learning in a Random World", 2005.

    Attributes:
        ruler: Of usual images.
        images: Number of validation images behind it, one of each group.
        samples: Of each statistic and score the values on these images, sorted; of more than 500, so many of them,
            evenly picked.
        scores: Names of those of `samples` that are what was said of an image.
        largest: The largest deviations, at most 500, the largest first.
        grouped: Number of validation images of which one of each group was taken; None: each was its own.
        layer: Where in the network the features were taken; None: there are none.
        group: Regular expression that finds an image's group in its file name; None: each is its own.
    """

    ruler: Ruler
    images: int
    samples: Mapping[str, Array]
    scores: tuple[str, ...]
    largest: Array
    grouped: int | None = None
    layer: str | None = None
    group: str | None = None

    @classmethod
    def of(
        cls,
        validation: Observed,
        usual: Observed | None = None,
        groups: Sequence[str] | None = None,
        layer: str | None = None,
    ) -> "Reference":
        """The reference of an inspector.

        Args:
            validation: Images that neither the network nor the ruler has learned from.
            usual: Images to fit the ruler on, those of training; None: every other validation image, which then is
                none of the reference.
            groups: Of each validation image what it belongs to (a video, a part). Images of one group are no
                independent witnesses of what is usual: the first of each is taken.
            layer: As above.

        Raises:
            ValueError: If there are too few images.
        """
        count = len(validation)
        if groups is not None:
            validation = validation.take(first_of_each(groups))
        if usual is None:
            usual = validation.take(np.arange(0, len(validation), 2))
            validation = validation.take(np.arange(1, len(validation), 2))
        if not len(validation) or not len(usual):
            raise ValueError(f"Expected 2 or more images (or groups of them) but got {count}.")
        ruler = Ruler.fit(usual)
        statistics = ruler.statistics(validation)
        deviations = ruler.deviations(statistics).max(1)
        scores = {name: short(values) for name, values in validation.scores.items()}
        return cls(
            ruler=ruler,
            images=len(validation),
            samples={name: _thinned(values) for name, values in (statistics | scores).items()},
            scores=tuple(scores),
            largest=np.sort(deviations)[::-1][:STORED],
            grouped=None if groups is None or len(set(groups)) == count else count,
            layer=layer,
        )

    def without_scores(self) -> "Reference":
        """The same, where verdicts are made in another way and their scores can't be compared."""
        kept = {name: values for name, values in self.samples.items() if name not in self.scores}
        return replace(self, samples=kept, scores=())

    def group_of(self, file: str) -> str:
        """What an image belongs to, by its file name; one that the expression does not find is its own group."""
        found = None if self.group is None else re.search(self.group, file)
        return file if found is None or found[1] is None else found[1]

    def rank(self, rate: float) -> int:
        """Which of the largest deviations an image must exceed to be called unlike at this rate, 1 or more."""
        return min(len(self.largest), max(1, math.floor(rate * (self.images + 1) + 1e-9)))

    def least_rate(self) -> float:
        """The smallest false-alarm rate of an image that so few images can give."""
        return 1 / (self.images + 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "ruler": self.ruler.to_dict(),
            "images": self.images,
            "samples": {name: values.tolist() for name, values in self.samples.items()},
            "scores": list(self.scores),
            # JSON has no infinity, which a deviation is where something was no number.
            "largest": np.minimum(self.largest, 1e30).tolist(),
            "grouped": self.grouped,
            "layer": self.layer,
            "group": self.group,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Reference":
        """Out of what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: If the values are of none.
        """
        return cls(
            ruler=Ruler.from_dict(values["ruler"]),
            images=int(values["images"]),
            samples={name: np.asarray(own, np.float64) for name, own in values["samples"].items()},
            scores=tuple(values["scores"]),
            largest=np.asarray(values["largest"], np.float64),
            grouped=values["grouped"],
            layer=values["layer"],
            group=values["group"],
        )


def _thinned(values: Array) -> Array:
    """Sorted, and of more than are stored so many, from the middles of as many equal shares."""
    values = np.sort(values)
    if len(values) <= STORED:
        return values
    return values[np.floor((np.arange(STORED) + 0.5) / STORED * len(values)).astype(np.int64)]
