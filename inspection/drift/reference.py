"""What an inspector's validation images look like, compact enough to ship with it."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.drift.observed import Array, Observed, first_of_each
from inspection.drift.ruler import Ruler, short

STORED = 500
"""Images of which the statistics are kept."""
LEAST_IMAGES = 8
"""Fewer images are no distribution that could be judged."""


@dataclass(frozen=True)
class Reference:
    """What images look like on which the inspector was validated.

    Two sets of images make it. On usual ones (of training) a ruler is fitted: which values are usual, and how
    much is a deviation. Validation images, which that ruler has not seen, then tell how large deviations are where
    nothing is wrong. So a new image that is like them exceeds the k-th largest of N such deviations with
    probability k / (N + 1), whatever the distribution, and never more: a conformal test, Vovk et al., "Algorithmic
    Learning in a Random World", 2005.

    A line makes other shares of defects than a validation set has, and defects look different: all images of both
    compared would tell of nothing but that. What is judged good looks the same whatever that share is, but for the
    few defects that are missed. So images of one verdict are compared with those of the same verdict.

    Attributes:
        ruler: Of usual images.
        images: Number of validation images behind it, one of each group.
        samples: Of each statistic and score the values on these images, `[M]`; of more than 500 images, of so many
            of them, evenly picked.
        scores: Names of those of `samples` that are what was said of an image.
        largest: The largest deviations, at most 500, the largest first.
        verdict: Whose images are compared with those of the same verdict; None: all images are.
        compared: Which of the M images have it, bool `[M]`.
        grouped: Number of validation images of which one of each group was taken; None: each was its own.
        layer: Where in the network the features were taken; None: there are none.
        group: Regular expression that finds an image's group in its file name; None: it is not known there.
    """

    ruler: Ruler
    images: int
    samples: Mapping[str, Array]
    scores: tuple[str, ...]
    largest: Array
    verdict: str | None
    compared: NDArray[np.bool_]
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
        verdict: str | None = None,
    ) -> "Reference":
        """The reference of an inspector.

        Args:
            validation: Images that neither the network nor the ruler has learned from.
            usual: Images to fit the ruler on, those of training; None: every other validation image, which then is
                none of the reference.
            groups: Of each validation image what it belongs to (a video, a part). Images of one group are no
                independent witnesses of what is usual: the first of each is taken.
            layer: As above.
            verdict: That of good images, as they are compared; None: the most frequent one.

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
        kept = _kept(len(validation))
        verdict, compared = _images_of(verdict, validation.verdicts, kept)
        return cls(
            ruler=ruler,
            images=len(validation),
            samples={name: values[kept] for name, values in (statistics | scores).items()},
            scores=tuple(scores),
            largest=np.sort(deviations)[::-1][:STORED],
            verdict=verdict,
            compared=compared,
            grouped=None if groups is None or len(set(groups)) == count else count,
            layer=layer,
        )

    def at(self, compared: NDArray[np.bool_] | None) -> "Reference":
        """The same at another operating point, with other images of its verdict.

        Args:
            compared: Which of the M images have it now; None: that is not known, and none can be compared.
        """
        if compared is None:
            return replace(self, samples={}, scores=(), verdict=None, compared=np.zeros(0, bool))
        if compared.sum() < LEAST_IMAGES:
            return replace(self, verdict=None, compared=np.ones(len(compared), bool))
        return replace(self, compared=compared)

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
            "verdict": self.verdict,
            "compared": self.compared.astype(int).tolist(),
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
            verdict=values["verdict"],
            compared=np.asarray(values["compared"], bool),
            grouped=values["grouped"],
            layer=values["layer"],
            group=values["group"],
        )


def _images_of(
    verdict: str | None, verdicts: NDArray[np.str_] | None, kept: NDArray[np.int64]
) -> tuple[str | None, NDArray[np.bool_]]:
    """The verdict, and which of the images have it; all images and none, where too few have."""
    if verdicts is not None and len(kept):
        verdict = verdict or str(Counter(verdicts[kept].tolist()).most_common(1)[0][0])
        of_verdict = verdicts[kept] == verdict
        if int(of_verdict.sum()) >= LEAST_IMAGES:
            return verdict, of_verdict
    return None, np.ones(len(kept), bool)


def _kept(count: int) -> NDArray[np.int64]:
    """Of more images than are stored so many, from the middles of as many equal shares: a sample, unsorted."""
    if count <= STORED:
        return np.arange(count)
    return np.floor((np.arange(STORED) + 0.5) / STORED * count).astype(np.int64)
