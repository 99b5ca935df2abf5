"""The rules that a threshold can be chosen by."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.decide.curve import Curve, Floats
from inspection.decide.decisions import Decision
from inspection.decide.rule import Point, Rule, at_threshold, counts_in_words, share_of
from inspection.decide.scores import Scored


class F1(Rule):
    """The largest F1.

    Example:
        >>> scores, truth = np.array([0.1, 0.4, 0.6, 0.8]), np.array([False, True, False, True])
        >>> point = F1().choose(Scored("defect", scores, truth, np.arange(4), low=0, high=1))
        >>> point.threshold, point.says
        (0.25, 'largest F1, 0.8: 2 of 2 found, 1 false alarm in 2')
    """

    def words(self) -> str:
        """In words."""
        return "largest F1"

    def values(self, curve: Curve) -> Floats:
        """F1."""
        return curve.f1

    def verdict(self, curve: Curve, place: int) -> tuple[bool, str]:
        """Always met."""
        return True, f"largest F1, {curve.f1[0, place]:.3g}"


class Recall(Rule):
    """The largest precision of those thresholds with a recall of at least `r`.

    Args:
        r: Smallest recall, above 0 to 1.
        **common: See `Rule`.
    """

    def __init__(self, r: float = 0.99, **common: Any) -> None:
        super().__init__(**common)
        self.r = share_of("r", r)

    def words(self) -> str:
        """In words."""
        return f"largest precision at a recall of at least {self.r:g}"

    def values(self, curve: Curve) -> Floats:
        """Precision where the recall is enough, or as large as it gets."""
        reachable = np.where(curve.available, curve.recall, 0).max(1, keepdims=True)
        enough = curve.recall >= np.minimum(self.r, reachable)
        # A recall of 0 is reached by calling nothing, which has no precision.
        return np.where(enough, np.nan_to_num(curve.precision), -np.inf)

    def verdict(self, curve: Curve, place: int) -> tuple[bool, str]:
        """Not met where what should be called has no score, or too small a one."""
        recall = curve.recall[0, place]
        if recall >= self.r:
            return True, f"recall {self.r:g} reached"
        return False, f"recall {self.r:g} can't be reached, taken instead the largest one, {recall:.3g}"


class Precision(Rule):
    """The largest recall of those thresholds with a precision of at least `p`; if none has, the largest precision.

    Args:
        p: Smallest precision, above 0 to 1.
        **common: See `Rule`.
    """

    def __init__(self, p: float = 0.99, **common: Any) -> None:
        super().__init__(**common)
        self.p = share_of("p", p)

    def words(self) -> str:
        """In words."""
        return f"largest recall at a precision of at least {self.p:g}"

    def values(self, curve: Curve) -> Floats:
        """Recall where the precision is enough, or as large as it gets."""
        precision = np.where(curve.available & (curve.hits > 0), curve.precision, -1)
        enough = precision >= np.minimum(self.p, precision.max(1, keepdims=True))
        return np.where(enough, curve.recall, -np.inf)

    def verdict(self, curve: Curve, place: int) -> tuple[bool, str]:
        """Not met where every threshold that finds something has too many false alarms."""
        precision = curve.precision[0, place]
        if precision >= self.p:
            return True, f"precision {self.p:g} reached"
        return False, f"precision {self.p:g} can't be reached, taken instead the largest one, {precision:.3g}"


class Cost(Rule):
    """The smallest cost of what is missed and of what is called for nothing.

    Args:
        missed: Cost of a missed defect, above 0, in any unit.
        false_alarm: Cost of a false alarm, above 0, in the same unit.
        **common: See `Rule`.
    """

    def __init__(self, missed: float = 10.0, false_alarm: float = 1.0, **common: Any) -> None:
        super().__init__(**common)
        for name, value in (("missed", missed), ("false_alarm", false_alarm)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name}={value}: expected a cost, above 0")
        self.missed, self.false_alarm = missed, false_alarm
        # In whole numbers: 3 false alarms of 0.1 cost as much as a missed defect of 0.3, not a rounding more.
        ratio = Fraction(str(missed)) / Fraction(str(false_alarm))
        self._whole = float(ratio.numerator), float(ratio.denominator)

    def words(self) -> str:
        """In words."""
        return f"missed defect : false alarm = {self.missed:g} : {self.false_alarm:g}"

    def values(self, curve: Curve) -> Floats:
        """Less than nothing: the cost in whole numbers."""
        missed, false_alarm = self._whole
        return -(missed * (curve.positives[:, None] - curve.hits) + false_alarm * curve.alarms)

    def verdict(self, curve: Curve, place: int) -> tuple[bool, str]:
        """Always met."""
        return True, f"smallest cost, {self.figures(curve, place)['cost']:g} ({self.words()})"

    def figures(self, curve: Curve, place: int) -> dict[str, float]:
        """Also the cost."""
        figures = super().figures(curve, place)
        cost = self.missed * figures["missed"] + self.false_alarm * figures["false_alarms"]
        return figures | {"cost": cost}


class Youden(Rule):
    """The largest recall + specificity - 1. Youden, "Index for rating diagnostic tests", Cancer 3 (1950)."""

    def words(self) -> str:
        """In words."""
        return "largest Youden index (recall + specificity - 1)"

    def fits(self, scored: Scored) -> bool:
        """A specificity needs a number of negatives."""
        return scored.countable_negatives

    def values(self, curve: Curve) -> Floats:
        """Times both numbers: whole ones are exact, and equal values stay equal."""
        return curve.hits * curve.negatives[:, None] - curve.alarms * curve.positives[:, None]

    def verdict(self, curve: Curve, place: int) -> tuple[bool, str]:
        """Always met."""
        return True, f"largest Youden index, {self.figures(curve, place)['youden']:.3g}"


class Fixed(Rule):
    """A threshold that is given.

    Args:
        threshold: One for all, or by name (of a mask always by name: `pixel`, `min_area`); what is not named, or
            None, keeps that of the task's config.
        **common: See `Rule`.

    Raises:
        ValueError: If a threshold is no number.
    """

    def __init__(self, threshold: float | Mapping[str, float] | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.threshold = dict(threshold) if isinstance(threshold, Mapping) else threshold
        given = self.threshold if isinstance(self.threshold, dict) else {"threshold": self.threshold}
        for name, value in given.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise ValueError(f"{name}={value}: expected a number")

    def start(self, decision: Decision) -> Decision:
        """The decision at what is given.

        So what can't be a threshold of it is said before anything is trained, and what has to be known before
        images are looked at, the probability of a pixel, is.
        """
        if self.threshold is None:
            return decision
        if not isinstance(self.threshold, dict) and set(decision.movable()) != set(decision.points()):
            raise ValueError(
                f"{self.threshold:g} may be meant for any of {', '.join(decision.movable())}; give it by name, "
                f"{{name: {self.threshold:g}}}"
            )
        return decision.at(self.threshold)

    def of(self, name: str) -> float | None:
        """The threshold of a name."""
        return self.threshold.get(name) if isinstance(self.threshold, dict) else self.threshold

    def words(self) -> str:
        """In words."""
        if isinstance(self.threshold, dict):
            return "fixed, " + ", ".join(f"{name} {value:g}" for name, value in self.threshold.items())
        return "as configured" if self.threshold is None else f"fixed at {self.threshold:g}"

    def choose(self, scored: Scored, present: float | None = None) -> Point:
        """Whatever the data."""
        threshold = self.of(scored.name)
        if threshold is None:
            return self.unchanged(scored, "as configured", present, met=True)
        curve, place = at_threshold(scored, threshold)
        says = f"fixed at {threshold:g}: {counts_in_words(curve, place)}"
        return Point(scored.name, threshold, True, self.words(), says, self.figures(curve, place))

    def thresholds(self, scored: Scored, weights: NDArray[np.floating]) -> Floats:
        """None is chosen, by no resample either."""
        return np.full(len(weights), np.nan)

    def values(self, curve: Curve) -> Floats:
        """Nothing is compared."""
        return np.zeros_like(curve.hits)

    def verdict(self, curve: Curve, place: int) -> tuple[bool, str]:
        """Always met."""
        return True, self.words()
