"""How a threshold is chosen on validation data, and what it gave in words and figures."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspection.decide.curve import Curve, Floats, curves
from inspection.decide.decisions import Decision
from inspection.decide.scores import Scored

QUANTILE = "quantile of good"
UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Point:
    """A chosen threshold.

    Attributes:
        name: Of what is called, see `Scored`.
        threshold: What scores at least as much is called; None: nothing was chosen, the decision's own stays.
        met: Whether the rule was met; if not, `says` tells what was taken instead.
        policy: What the threshold was chosen by: the rule in words, `quantile of good` where there was nothing to
            find, or `unchanged`.
        says: One line in words.
        figures: At the threshold on what it was chosen on: `precision`, `recall`, `f1`, `specificity`, `youden`
            (recall + specificity - 1), `missed`, `false_alarms` and, where the rule has one, `cost`; NaN when
            undefined. Where nothing was chosen, at the decision's own.
    """

    name: str
    threshold: float | None
    met: bool
    policy: str
    says: str
    figures: dict[str, float]


class Rule(ABC):
    """A rule that chooses a threshold; the same for all kinds of decision.

    Args:
        good_quantile: Where there is nothing to find in the validation data, the smallest threshold is taken that
            leaves at least this share of good ones to come uncalled, as far as these can tell; above 0 to 1.
        calibrate: Whether the caller is to fit a temperature first.
        flips: Also shown to the network and averaged: any of horizontal, vertical.
        resamples: Bootstrap samples for intervals; 0: no intervals.
        confidence: Of the intervals, 0..1.

    Raises:
        ValueError: If one of them is out of range.
    """

    def __init__(
        self,
        good_quantile: float = 0.99,
        calibrate: bool = True,
        flips: Sequence[Literal["horizontal", "vertical"]] = (),
        resamples: int = 1000,
        confidence: float = 0.95,
    ) -> None:
        self.good_quantile = share_of("good_quantile", good_quantile)
        self.calibrate = calibrate
        if set(flips) - {"horizontal", "vertical"} or len(set(flips)) != len(flips):
            raise ValueError(f"flips={list(flips)}: expected horizontal, vertical, both or none")
        self.flips = tuple(flips)
        if resamples < 0:
            raise ValueError(f"resamples={resamples}: expected 0 or more")
        self.resamples = resamples
        if not 0 < confidence < 1:
            raise ValueError(f"confidence={confidence}: expected above 0, below 1")
        self.confidence = confidence

    @abstractmethod
    def words(self) -> str:
        """The rule in words."""

    @abstractmethod
    def values(self, curve: Curve) -> Floats:
        """How good each candidate of a curve is, `[B, C]`; the largest is chosen, see `Curve.best`."""

    @abstractmethod
    def verdict(self, curve: Curve, place: int) -> tuple[bool, str]:
        """Whether the candidate that was chosen meets the rule, and what it reaches in words."""

    def start(self, decision: Decision) -> Decision:
        """The decision that images are evaluated with before a threshold is chosen: here as it is.

        Raises:
            ValueError: If what the rule gives is no threshold of the decision.
        """
        return decision

    def fits(self, scored: Scored) -> bool:
        """Whether all that the rule looks at can be counted; where not, the largest F1 is taken."""
        return True

    def choose(self, scored: Scored, present: float | None = None) -> Point:
        """The threshold for what was seen in validation.

        Where nothing should be called, the rule has no say: `good_quantile` chooses. Where everything should be
        called, or nothing has a score, or nothing should be called from a limit in physical units on, nothing is
        chosen.

        Args:
            scored: What is called.
            present: The decision's own threshold, which stays where nothing is chosen; None: not known.
        """
        reason = _nothing_to_choose(scored)
        if reason:
            return self.unchanged(scored, f"{reason}; the threshold stays", present)
        curve = Curve.of(scored)
        if not scored.positives:
            return self._of_good(curve)
        place = int(curve.best(self._wanted(curve))[0])
        if self.fits(scored):
            met, says = self.verdict(curve, place)
            return self._point(curve, place, met, self.words(), says)
        says = (
            f"{self.words()} needs a number of good ones, and boxes have none; taken instead the largest F1"
        )
        return self._point(curve, place, False, "largest F1", f"{says}, {curve.f1[0, place]:.3g}")

    def thresholds(self, scored: Scored, weights: NDArray[np.floating]) -> Floats:
        """The thresholds that would be chosen for B weightings of the images, e.g. resamples.

        By the policy that `choose` has for all images: where these have something to find, a resample without
        has no threshold.

        Args:
            scored: What is called, on N images.
            weights: How often each image counts, `[B, N]`.

        Returns:
            `[B]`, NaN where nothing can be chosen.
        """
        if _nothing_to_choose(scored):
            return np.full(len(weights), np.nan)
        chosen = []
        for curve in curves(scored, np.asarray(weights, np.float64)):
            if not scored.positives:
                chosen.append(curve.thresholds(self._place_of_good(curve), just_above=True))
                continue
            places = curve.best(self._wanted(curve))
            some = curve.hits[:, curve.available].max(1) > 0
            if scored.countable_negatives:
                some &= curve.negatives > 0
            chosen.append(curve.thresholds(np.where(some, places, -1)))
        return np.concatenate(chosen)

    def figures(self, curve: Curve, place: int) -> dict[str, float]:
        """Figures of the candidate at a place of a curve with one weighting."""
        youden = curve.recall[0, place] + curve.specificity[0, place] - 1
        figures = {
            "precision": curve.precision[0, place],
            "recall": curve.recall[0, place],
            "f1": curve.f1[0, place],
            "specificity": curve.specificity[0, place],
            "youden": youden,
            "missed": curve.positives[0] - curve.hits[0, place],
            "false_alarms": curve.alarms[0, place],
        }
        if not curve.scored.countable_negatives:
            figures |= {"specificity": math.nan, "youden": math.nan}
        return {name: float(value) for name, value in figures.items()}

    def at(self, scored: Scored, threshold: float) -> dict[str, float]:
        """Figures at any threshold, e.g. on the test part."""
        return self.figures(*at_threshold(scored, threshold))

    def unchanged(self, scored: Scored, says: str, present: float | None, met: bool = False) -> Point:
        """Nothing was chosen; what holds is the decision's own threshold."""
        if present is None:
            undefined = dict.fromkeys(self.figures(Curve.of(scored), 0), math.nan)
            return Point(scored.name, None, met, UNCHANGED, says, undefined)
        curve, place = at_threshold(scored, present)
        says = f"{says}: {counts_in_words(curve, place)}"
        return Point(scored.name, None, met, UNCHANGED, says, self.figures(curve, place))

    def _wanted(self, curve: Curve) -> Floats:
        """What is to be as large as possible, `[B, C]`."""
        return self.values(curve) if self.fits(curve.scored) else curve.f1

    def _point(self, curve: Curve, place: int, met: bool, policy: str, says: str) -> Point:
        threshold = float(curve.thresholds(np.array([place]))[0])
        says = f"{says}: {counts_in_words(curve, place)}"
        return Point(curve.scored.name, threshold, met, policy, says, self.figures(curve, place))

    def _of_good(self, curve: Curve) -> Point:
        place = self._place_of_good(curve)
        called, number = curve.alarms[0, place[0]], curve.negatives[0]
        most = f"at most {100 * (1 - self.good_quantile):.3g} % false alarms"
        kept = float(_kept(curve)[0, place[0]])
        if kept >= self.good_quantile:
            says = f"the smallest threshold with {most}, {called:.0f} of them"
        elif called:
            says = (
                f"the fewest false alarms ({most}, which was asked for, can't be had), {called:.0f} of them"
            )
        else:
            says = f"a threshold above all of them ({most} {_takes(self.good_quantile)})"
        says = f"nothing to find in {number:.0f}: {says}; of good ones to come up to {100 * (1 - kept):.2g} %"
        threshold = float(curve.thresholds(place, just_above=True)[0])
        figures = self.figures(curve, int(place[0]))
        return Point(curve.scored.name, threshold, False, QUANTILE, says, figures)

    def _place_of_good(self, curve: Curve) -> NDArray[np.int64]:
        """The last candidate that leaves enough of the good ones uncalled; the first one if none does."""
        fits = curve.available & (_kept(curve) >= self.good_quantile)
        last = fits.shape[1] - 1 - fits[:, ::-1].argmax(1)
        place = np.where(fits.any(1), last, curve.available.argmax())
        return np.where(curve.negatives > 0, place, -1)


def _nothing_to_choose(scored: Scored) -> str | None:
    """Why there is nothing to choose, or None."""
    positives = scored.positives
    least = -math.inf if scored.low is None else scored.low
    if not positives and not len(scored.scores):
        return "there are no data to choose on"
    if not positives and scored.physical:
        return f"none of {scored.negatives} reaches the limit"
    if positives and not (scored.truth & (scored.scores >= least)).any():
        return f"none of {positives} is found at any threshold"
    if positives and scored.countable_negatives and not scored.negatives:
        return f"all {positives} are to be found, there is nothing to tell them from"
    return None


def _kept(curve: Curve) -> Floats:
    """The share of good ones to come that each candidate leaves uncalled, at least and on average, `[B, C]`.

    A good one more takes each place among n others alike often: the threshold lies above n - k of them, so it is
    below with a probability of at least (n - k) / (n + 1), not (n - k) / n. Wilks, "Determination of sample sizes
    for setting tolerance limits", Annals of Mathematical Statistics 12 (1941).
    """
    # By what is left uncalled: 1 of 10 is more than the float 1 - 0.9.
    negatives = curve.negatives[:, None]
    kept: Floats = (negatives - curve.alarms) / (negatives + 1)
    return kept


def _takes(share: float) -> str:
    """How many good ones it takes to leave this share of those to come uncalled, in words."""
    rest = 1 - Fraction(str(share))
    return (
        f"takes {math.ceil(1 / rest) - 1} good ones"
        if rest
        else "can't be promised by any number of good ones"
    )


def at_threshold(scored: Scored, threshold: float) -> tuple[Curve, int]:
    """A curve, and the place on it where just what a threshold calls is called."""
    called = scored.scores >= threshold
    return Curve.of(replace(scored, scores=called.astype(np.float64), low=None, high=None)), int(called.any())


def counts_in_words(curve: Curve, place: int) -> str:
    """What is found and called at a place of a curve, in words."""
    hits, alarms, positives = curve.hits[0, place], curve.alarms[0, place], curve.positives[0]
    calls = f"{alarms:.0f} false alarm{'' if alarms == 1 else 's'}"
    among = f" in {curve.negatives[0]:.0f}" if curve.scored.countable_negatives else ""
    # A rule can be met by a threshold that tells nothing apart.
    everything = curve.scored.countable_negatives and alarms == curve.negatives[0] > 0 and hits == positives
    useless = "; that calls everything" if everything else ""
    return f"{hits:.0f} of {positives:.0f} found, {calls}{among}{useless}"


def share_of(name: str, value: float) -> float:
    """The value of an argument that must be above 0 and at most 1."""
    if not 0 < value <= 1:
        raise ValueError(f"{name}={value}: expected above 0, to 1")
    return value
