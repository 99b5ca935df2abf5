"""From which score on a box counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inspection.decide.arrays import Array, library_of
from inspection.decide.decisions import Decision

if TYPE_CHECKING:
    from torch import Tensor


class Boxes(Decision):
    """A box counts from a score on, the same for all classes or one for each.

    Which of several boxes on one object stays (non-maximum suppression), and how many there are at most, is up to
    the network: it belongs to its decoding and ships with it.

    Args:
        names: Of the classes.
        score: Smallest score of a box that counts, above 0 and at most 1; or one for each class, by its name.

    Raises:
        ValueError: If a score is none, or of no class, or a class has none.

    Example:
        >>> import numpy as np
        >>> decision = Boxes(["motor", "valve"], {"motor": 0.5, "valve": 0.2})
        >>> detections = np.array([[0, 0, 9, 9, 0.3, 1], [0, 0, 9, 9, 0.3, 0]])
        >>> decision.called(detections).tolist()
        [True, False]
    """

    kind = "boxes"

    def __init__(self, names: Sequence[str], score: float | Mapping[str, float] = 0.5) -> None:
        self.names = tuple(names)
        given = dict(score) if isinstance(score, Mapping) else dict.fromkeys(self.names, score)
        strange = [name for name in given if name not in self.names]
        if strange:
            raise ValueError(f"score: {strange[0]!r} is none of {', '.join(self.names)}")
        # Scores of different training runs differ much: no number would do for a class that is left out.
        missing = [name for name in self.names if name not in given]
        if missing:
            raise ValueError(
                f"score={given}: none for {', '.join(missing)}; give one of each class, or one for all"
            )
        for value in given.values():
            if not 0 < value <= 1:
                raise ValueError(f"score={value}: expected above 0, at most 1")
        self.scores = tuple(float(given[name]) for name in self.names)

    def called(self, detections: Array) -> Array:
        """Which detections `[..., D, 6]` count, bool `[..., D]`: those at least at their score.

        Args:
            detections: As a detector gives them, on the CPU.
        """
        library = library_of(detections)
        limits = library.asarray(self.scores, dtype=library.float64)
        which = library.asarray(detections[..., 5], dtype=library.int64)
        called: Array = library.asarray(detections[..., 4], dtype=library.float64) >= limits[which]
        return called

    def outputs(self, answers: Tensor) -> Tensor:
        """Detections as they are."""
        return answers

    def at(self, threshold: float | Mapping[str, float]) -> Boxes:
        """With one score for all classes, or other ones for those that are named."""
        if not isinstance(threshold, Mapping):
            return Boxes(self.names, threshold)
        return Boxes(self.names, dict(zip(self.names, self.scores, strict=True)) | dict(threshold))

    def points(self) -> dict[str, float]:
        """The score of each class."""
        return dict(zip(self.names, self.scores, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Names and scores."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "score": dict(zip(self.names, self.scores, strict=True)),
        }

    def words(self, classes: Sequence[int]) -> str:
        """Class indices of boxes in words: `2 motor, 1 valve`, or `none`."""
        counted = [(list(classes).count(place), name) for place, name in enumerate(self.names)]
        return ", ".join(f"{number} {name}" for number, name in counted if number) or "none"

    def limits(self) -> str:
        """The scores in words."""
        if len(set(self.scores)) == 1:
            return f"a score of {self.scores[0]:g} or more"
        each = ", ".join(f"{name} {score:g}" for name, score in zip(self.names, self.scores, strict=True))
        return f"a score of at least: {each}"
