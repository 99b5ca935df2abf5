"""An inspector that measures what it sees, so that it can tell when that changes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, Decision, OneOf
from inspection.decide.quantities import Quantities
from inspection.drift.observed import Observed
from inspection.drift.optics import measure_optics
from inspection.drift.reference import Reference
from inspection.errors import InputError
from inspection.inspector.backends import FEATURES
from inspection.inspector.inspector import Inspector
from inspection.inspector.verdict import Verdict
from inspection.tasks.defects import CALLED_PIXELS

_NAMES = 20  # classes or attributes that are watched one by one


class Watch:
    """Inspects images, and measures them on the way: no pass of the network is added.

    Args:
        inspector: It. Features are measured if its passport's reference has some.
    """

    def __init__(self, inspector: Inspector) -> None:
        self.inspector = inspector

    @classmethod
    def of(cls, inspector: Inspector) -> "Watch":
        """The watch of an inspector as it was trained that has no reference yet: it finds its features."""
        inspector.trained.find_features(inspector.geometry.shape)
        return cls(inspector)

    def inspect_pixels(
        self, pixels: Sequence[np.ndarray], camera_shapes: Sequence[tuple[int, int]], heatmaps: bool = False
    ) -> tuple[list[Verdict], Observed]:
        """Verdicts as `Inspector.inspect_pixels` gives them, of one image or more, and what was measured.

        Raises:
            InputError: As there.
        """
        verdicts, said = self.inspector.observe_pixels(pixels, camera_shapes, heatmaps, self.further)
        return verdicts, self.measured(verdicts, said.get(FEATURES), pixels)

    @property
    def further(self) -> tuple[str, ...]:
        """Outputs of the network that are measured, beside those that verdicts are made of."""
        return tuple(self.inspector.backend.outputs & {FEATURES})

    def measured(
        self, verdicts: Sequence[Verdict], features: NDArray[np.floating] | None, pixels: Sequence[np.ndarray]
    ) -> Observed:
        """What there is to measure on images, one or more.

        Args:
            verdicts: On them.
            features: What the network made of them, `[N, D]`; None: not known.
            pixels: From `geometry.apply`.
        """
        decision = self.inspector.decision
        scores = [scores_of(verdict, decision) for verdict in verdicts]
        words = [verdict_of(verdict, decision) for verdict in verdicts]
        return Observed(
            measure_optics(np.stack(pixels)),
            None if features is None else features.astype(np.float64),
            {name: np.array([each[name] for each in scores], np.float64) for name in scores[0]},
            None if None in words else np.array(words, np.str_),
        )


def scores_of(verdict: Verdict, decision: Decision) -> dict[str, float]:
    """What was said of an image in numbers that a shift of the line would move, by name."""
    if isinstance(decision, Boxes):
        best = max((box.score for box in verdict.boxes), default=0.0)
        return {"boxes": float(len(verdict.boxes)), "best score": best}
    if CALLED_PIXELS in verdict.quantities:
        return {"called pixels": float(verdict.quantities[CALLED_PIXELS])}
    if verdict.quantities:
        return dict(verdict.quantities)
    if isinstance(decision, OneOf) and decision.defect is not None:
        name = decision.names[decision.defect]
        return {f"P({name})": verdict.probabilities[name]}
    names = list(verdict.probabilities)[:_NAMES]
    return {f"P({name})": verdict.probabilities[name] for name in names}


def good_verdict(decision: Decision) -> str | None:
    """What a part in order is judged to be; None: no verdict says that, or there is none on an image."""
    if isinstance(decision, (OneOf, Area)) and decision.defect is not None:
        others = [name for index, name in enumerate(decision.names) if index != decision.defect]
        return others[0] if len(others) == 1 else f"not {decision.names[decision.defect]}"
    if isinstance(decision, Quantities) and decision.alarm is not None:
        return "no alarm"
    return None


def verdict_of(verdict: Verdict, decision: Decision) -> str | None:
    """A verdict in a word, as `good_verdict` has it: all that is no defect is one. None: there is none."""
    if isinstance(decision, Boxes) or (isinstance(decision, Quantities) and decision.alarm is None):
        return None
    good = good_verdict(decision)
    if good is None:
        return verdict.label
    if isinstance(decision, Quantities):
        return good if not any(verdict.called.values()) else "alarm"
    defect = decision.names[decision.defect]  # type: ignore[attr-defined]  # it has one
    return defect if verdict.label == defect else good


def at_point(reference: Reference, decision: Decision) -> Reference:
    """The reference where the same network judges by another threshold than the one it was made with."""
    if isinstance(decision, Area):  # other pixels are called: neither the scores nor the verdicts are known
        return reference.at(None)
    if isinstance(decision, Boxes):
        return reference.without_scores()
    return reference if reference.verdict is None else reference.at(_judged_again(reference, decision))


def _judged_again(reference: Reference, decision: Decision) -> NDArray[np.bool_] | None:
    """Which of the reference's images have its verdict, by what it knows was said of them."""
    samples = reference.samples
    if isinstance(decision, OneOf) and decision.defect is not None:
        return samples[f"P({decision.names[decision.defect]})"] < decision.threshold
    names = decision.names if isinstance(decision, Quantities) else [f"P({name})" for name in decision.names]
    if not set(names) <= set(samples):  # more than are watched
        return None
    values = np.stack([samples[name] for name in names], 1)
    if isinstance(decision, Quantities):
        return ~decision.alarms(values)
    assert isinstance(decision, AnyOf)
    return np.array([decision.words(called) for called in decision.called(values)]) == reference.verdict


def reference_of(inspector: Inspector) -> Reference | None:
    """What validation images look like to an inspector, at the operating point that it judges by; None: not known.

    Raises:
        InputError: If that is damaged.
    """
    known = inspector.passport.reference
    if known is None:
        return None
    try:
        reference = Reference.from_dict(known)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"its passport is damaged, or of another version (reference: {error})") from None
    return at_point(reference, inspector.decision) if inspector.moved else reference
