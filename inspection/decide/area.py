"""When a mask makes a defective part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inspection.decide.arrays import Array, library_of
from inspection.decide.decisions import Decision

if TYPE_CHECKING:
    from torch import Tensor


class Area(Decision):
    """A pixel is defective from a probability on, and a part from a number of such pixels on.

    Args:
        names: The two class names, in the order of the targets.
        defect: The one of them that is the defect.
        threshold: Smallest probability with which a pixel is called defective.
        min_area: Smallest number of called pixels, of the image after the geometry, that makes a defective part.

    Raises:
        ValueError: If there are not two names, the defect is none of them, or a number is out of range.

    Example:
        >>> decision = Area(["ok", "defect"], "defect", min_area=3)
        >>> import numpy as np
        >>> called = decision.called(np.array([[[[0.9, 0.6], [0.5, 0.4]]]]))
        >>> decision.labels(called.sum((1, 2, 3))).tolist()
        [1]
    """

    kind = "area"

    def __init__(
        self, names: Sequence[str], defect: str | None, threshold: float = 0.5, min_area: int = 1
    ) -> None:
        self.names = tuple(names)
        if len(self.names) != 2 or defect not in self.names:
            raise ValueError(
                f"classes={list(names)}, defect={defect!r}: a mask tells what is defective from what is in order; "
                "expected two classes, one of them the defect"
            )
        if not _is_number(threshold) or not 0 < threshold <= 1:
            raise ValueError(f"threshold={threshold}: expected a probability, above 0 and at most 1")
        if not _is_number(min_area) or min_area < 1 or min_area != int(min_area):
            raise ValueError(f"min_area={min_area}: expected a number of pixels, 1 or more")
        self.defect = self.names.index(defect)
        self.threshold, self.min_area = float(threshold), int(min_area)

    def called(self, probabilities: Array) -> Array:
        """Which pixels are called defective, bool, of probabilities of any shape."""
        good: Array = probabilities < self.threshold
        return ~good  # NaN is nothing that could be called good

    def outputs(self, answers: Tensor) -> Tensor:
        """Logits of the pixels."""
        return answers.float().logit(1e-7)

    def labels(self, areas: Array) -> Array:
        """Class indices int64 `[N]`, of the numbers of called pixels `[N]`."""
        labels: Array = library_of(areas).where(areas >= self.min_area, self.defect, 1 - self.defect)
        return labels

    def at(self, threshold: float | Mapping[str, float]) -> Area:
        """With another threshold of the pixels, or with `{pixel: 0.3, min_area: 20}`, or one of these.

        Areas are whole numbers: a `min_area` of 19.5 is one of 20.
        """
        given = dict(threshold) if isinstance(threshold, Mapping) else {"pixel": threshold}
        strange = [name for name in given if name not in ("pixel", "min_area")]
        if strange:
            raise ValueError(
                f"threshold: {strange[0]!r} is neither pixel (a probability) nor min_area (pixels)"
            )
        min_area = given.get("min_area", self.min_area)
        if _is_number(min_area):
            min_area = math.ceil(min_area)
        pixel = given.get("pixel", self.threshold)
        return Area(self.names, self.names[self.defect], pixel, min_area)  # type: ignore[arg-type]  # checked there

    def points(self) -> dict[str, float]:
        """The number of pixels; that of a pixel's probability is fixed while the network is evaluated."""
        return {"min_area": float(self.min_area)}

    def movable(self) -> tuple[str, ...]:
        """Also the probability of a pixel, before images are evaluated."""
        return "pixel", "min_area"

    def to_dict(self) -> dict[str, Any]:
        """See `inspection.decide.kinds`."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "defect": self.names[self.defect],
            "threshold": self.threshold,
            "min_area": self.min_area,
        }


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
