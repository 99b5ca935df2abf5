"""The picture of an operating point: what its thresholds trade, and whether its probabilities come true."""

import numpy as np

from inspection.decide.calibration import reliability
from inspection.decide.curve import Curve
from inspection.decide.decisions import NameDecision
from inspection.pictures.operating import Kept, Trade, operating_chart
from inspection.tasks.name_outcomes import LabelOutcome, NameOutcome
from inspection.tasks.operating import OperatingPoint
from inspection.tasks.outcomes import Outcome

MOST = 11  # charts of thresholds; a dozen with the calibration


def operating_picture(outcome: Outcome, operating: OperatingPoint) -> np.ndarray | None:
    """Draw an operating point over the images that it was chosen on.

    Args:
        outcome: Of these images, at this point.
        operating: The point.

    Returns:
        RGB uint8; None where there is neither a threshold nor a probability.
    """
    trades = []
    for own, each in list(zip(outcome.scored(), operating.chosen, strict=True))[:MOST]:
        if not len(own.scores):
            continue
        curve = Curve.of(own)
        good = own.countable_negatives
        trades.append(
            Trade(
                outcome.axis(own.name).called,
                each.what,
                each.point.says,
                curve.levels,
                curve.recall[0, 1:],
                (1 - (curve.specificity if good else curve.precision))[0, 1:],
                "good ones called" if good else "boxes that are wrong",
                each.point.threshold,
                each.interval,
            )
        )
    calibration = _calibration(outcome) if isinstance(outcome, NameOutcome) else {}
    if not trades and not calibration:
        return None
    several = len(outcome.decision.names) if isinstance(outcome, LabelOutcome) else 1
    return operating_chart(trades, calibration, several)


def _calibration(outcome: NameOutcome) -> dict[str, Kept]:
    """Before and after the temperature; of several attributes all answers together, and their mean error."""
    decisions: dict[str, NameDecision] = {
        "before": outcome.decision.uncalibrated(),
        "after": outcome.decision,
    }
    kept = {}
    for name, decision in decisions.items():
        own = decision.confidence(decision.probabilities(outcome.logits), outcome.targets).values()
        each = [(sure.numpy(), right.numpy()) for sure, right in own]
        bins = reliability(
            np.concatenate([sure for sure, _ in each]), np.concatenate([right for _, right in each])
        )
        # The figure that the run names: together, what one attribute says too often another one makes up for.
        error = float(np.mean([reliability(*pair).error for pair in each]))
        kept[name] = Kept(bins.confidence, bins.right, bins.counts, error)
    return kept
