"""What is measured on images, for today's to be compared with yesterday's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Observed:
    """Measurements of N images.

    Attributes:
        optics: Of the images themselves, `[N]` by name, see `measure_optics`.
        features: What the network makes of them, `[N, D]`; None: not known.
        scores: What was said of them, `[N]` by name: the probability of a defect, an area, kelvin.
        verdicts: What each was judged to be, in a word, `[N]`; None: there are no verdicts of images.
    """

    optics: Mapping[str, Array]
    features: Array | None
    scores: Mapping[str, Array]
    verdicts: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.optics.values())))

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "Observed":
        """Some of the images."""
        rows = np.asarray(rows, np.int64)
        return Observed(
            {name: values[rows] for name, values in self.optics.items()},
            None if self.features is None else self.features[rows],
            {name: values[rows] for name, values in self.scores.items()},
            None if self.verdicts is None else self.verdicts[rows],
        )


def joined(parts: Sequence[Observed]) -> Observed:
    """The images of several batches, of which there is at least one."""
    first = parts[0]
    return Observed(
        {name: np.concatenate([part.optics[name] for part in parts]) for name in first.optics},
        None
        if first.features is None
        else np.concatenate([part.features for part in parts if part.features is not None]),
        {name: np.concatenate([part.scores[name] for part in parts]) for name in first.scores},
        None
        if first.verdicts is None
        else np.concatenate([part.verdicts for part in parts if part.verdicts is not None]),
    )


def first_of_each(groups: Sequence[str]) -> NDArray[np.int64]:
    """Positions of the first image of each group, in order.

    Example:
        >>> first_of_each(["video_1", "video_1", "video_2"]).tolist()
        [0, 2]
    """
    seen: dict[str, int] = {}
    for position, group in enumerate(groups):
        seen.setdefault(group, position)
    return np.fromiter(seen.values(), np.int64, len(seen))
