"""The operating point of a trained network: chosen on validation images by a named rule."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inspection.decide.bootstrap import interval, least_share, resampling_weights
from inspection.decide.calibration import TEMPERATURES
from inspection.decide.decisions import Decision
from inspection.decide.rule import Point, Rule
from inspection.tasks.outcomes import Outcome

Interval = tuple[float, float] | None
_SHOWN = 4  # figures of the effect of flips
_SEED = 0  # of the resamples: the same figures have the same intervals


@dataclass(frozen=True)
class Chosen:
    """A point and how sure it is.

    Attributes:
        point: What the rule chose, and what it achieves.
        what: What is compared with the threshold, in words: `P(defect)`.
        interval: Where its threshold lies when the validation images are drawn anew; None: not known.
    """

    point: Point
    what: str
    interval: Interval


@dataclass(frozen=True)
class OperatingPoint:
    """How the verdicts of a trained network are made, and why so.

    Attributes:
        rule: In words.
        images: Validation images that it was chosen on.
        chosen: One for each thing that is called from a score on.
        decision: With these points.
        confidence: Of the intervals, 0..1.
        resamples: That they are of.
        calibration: Expected calibration error of these images, `before` and `after` the temperature, by name;
            empty where there are no probabilities of names.
        flips: Of test-time augmentation.
        effect: Main figures of these images without and with the flips; empty without flips.
    """

    rule: str
    images: int
    chosen: Sequence[Chosen]
    decision: Decision
    confidence: float
    resamples: int
    calibration: dict[str, dict[str, float]]
    flips: tuple[str, ...] = ()
    effect: dict[str, dict[str, float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values: `operating_point.json`."""
        in_force = self.decision.points()
        return {
            "rule": self.rule,
            "chosen_on": {"part": "val", "images": self.images},
            "points": [
                {
                    "name": each.point.name,
                    "what": each.what,
                    "threshold": in_force[each.point.name],
                    "chosen": each.point.threshold is not None,
                    "interval": each.interval,
                    "met": each.point.met,
                    "policy": each.point.policy,
                    "says": each.point.says,
                    "figures": each.point.figures,
                }
                for each in self.chosen
            ],
            "confidence": self.confidence,
            "resamples": self.resamples,
            "calibration": self.calibration,
            "flips": list(self.flips),
            "effect": self.effect or {},
            "decision": self.decision.to_dict(),
        }


def in_words(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """When a part is called what, and why so: pairs of a heading and a line.

    Args:
        record: Of `OperatingPoint.to_dict`.

    Returns:
        The rule first, then each threshold, a temperature that no calibration should need, and the flips; nothing
        of an empty record.
    """
    if not record:
        return []
    count = record["chosen_on"]["images"]
    pairs = [("rule", f"{record['rule']}, on {count:,} validation {'image' if count == 1 else 'images'}")]
    for point in record["points"]:
        where = f"from {point['threshold']:.4g} on"
        if point["interval"] is not None:
            low, high = point["interval"]
            where += f" ({low:.3g} to {high:.3g} in {record['confidence']:.0%} of resampled sets)"
        pairs.append((point["what"], f"{where}: {point['says']}"))
    if not record["points"]:
        pairs.append(("threshold", "none: the verdict is what the network finds most probable"))
    pairs += _extreme_temperatures(record["decision"])
    if record["flips"]:
        better = [
            f"{name} {record['effect']['without'][name]:.4g} -> {value:.4g}"
            for name, value in list(record["effect"]["with"].items())[:_SHOWN]
            if value is not None and record["effect"]["without"][name] is not None
        ]
        pairs.append(("flips", f"also {', '.join(record['flips'])}, the mean counts: {', '.join(better)}"))
    return pairs


def _extreme_temperatures(decision: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Temperatures at an end of what is fitted: the best one lies beyond, and probabilities stay wrong."""
    coldest, hottest = TEMPERATURES
    says = {
        hottest: f"{hottest:g}, the largest that is fitted: what the network says hardly tells what is so",
        coldest: f"{coldest:g}, the smallest that is fitted: the network is far less sure than it could be",
    }
    fitted = {"": decision.get("temperature")} | dict(decision.get("temperatures", {}))
    return [
        (f"temperature {name}".rstrip(), f"{says[value]}; probabilities are not shares")
        for name, value in fitted.items()
        if value in says
    ]


def groups_of(outcome: Outcome, groups: Sequence[str] | None) -> list[str] | None:
    """The group of each image of an outcome; None where every image is one of its own."""
    if groups is None:
        return None
    own = [groups[row] for row in outcome.rows.tolist()]
    return own if len(set(own)) < len(own) else None


def choose(
    judge: Callable[[Decision], Outcome],
    calibrated: Decision,
    rule: Rule,
    groups: Sequence[str] | None,
    flips: Sequence[str] = (),
) -> tuple[OperatingPoint, Outcome]:
    """Choose the operating point of validation images by a rule.

    Args:
        judge: Gives the outcome of the images under a decision.
        calibrated: The decision whose points are chosen.
        rule: By which they are.
        groups: Of all samples, by row: images of one group are drawn together for the intervals. None: none.
        flips: That the images went through.

    Returns:
        The point, and the outcome under it.
    """
    outcome = judge(calibrated)
    scored, decision = outcome.scored(), calibrated
    in_force = decision.points()
    points = [rule.choose(each, in_force[each.name]) for each in scored]
    moved = {point.name: point.threshold for point in points if point.threshold is not None}
    if moved:
        decision = decision.at(moved)
        outcome = judge(decision)
    chosen = [Chosen(point, outcome.axis(point.name).score, None) for point in points]
    if moved and rule.resamples:
        weights = resampling_weights(len(outcome.rows), rule.resamples, _SEED, groups_of(outcome, groups))
        chosen = [
            replace(each, interval=interval(rule.thresholds(own, weights), rule.confidence))
            if each.point.threshold is not None
            else each
            for each, own in zip(chosen, scored, strict=True)
        ]
    point = OperatingPoint(
        rule=rule.words(),
        images=len(outcome.rows),
        chosen=chosen,
        decision=decision,
        confidence=rule.confidence,
        resamples=rule.resamples,
        calibration=outcome.calibration(),
        flips=tuple(flips),
    )
    return point, outcome


def add_intervals(outcome: Outcome, rule: Rule, groups: Sequence[str] | None) -> None:
    """Fill in how sure the main figures of an outcome are: images, or groups of them, are drawn anew.

    A share of 0 or 1, of which every resample says the same, gets its exact binomial interval, of as many trials
    as there are images that it is of, or groups with such an image.
    """
    if not rule.resamples:
        return
    own_groups = groups_of(outcome, groups)
    weights = resampling_weights(len(outcome.rows), rule.resamples, _SEED, own_groups)
    for name, values in outcome.resampled(weights).items():
        own = interval(np.asarray(values), rule.confidence)
        # Without a single false alarm, every resample has a precision of 1: that is no knowledge of its spread.
        if own is not None and own[0] < own[1] and not math.isnan(outcome.figures.get(name, math.nan)):
            outcome.intervals[name] = own
    for name, among in outcome.shares().items():
        value = outcome.figures.get(name, math.nan)
        if value not in (0, 1):
            continue
        places = np.flatnonzero(among).tolist()
        trials = len(places if own_groups is None else {own_groups[place] for place in places})
        ends = (least_share(trials, rule.confidence), 1.0)
        if value == 0:
            ends = (0.0, 1 - ends[0])
        if name == "f1":  # of J = hits / (hits + missed + false alarms), which is the share
            ends = (2 * ends[0] / (1 + ends[0]), 2 * ends[1] / (1 + ends[1]))
        outcome.intervals[name] = ends
