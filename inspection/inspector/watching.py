"""An inspector that measures what it sees, so that it can tell when that changes."""

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from inspection.decide.boxes import Boxes
from inspection.decide.decisions import Decision, OneOf
from inspection.drift.observed import Observed
from inspection.drift.optics import measure_optics
from inspection.drift.reference import Reference
from inspection.errors import InputError
from inspection.explain.penultimate import feature_layer, tapped
from inspection.inspector.inspector import Inspector
from inspection.inspector.passport import Passport
from inspection.inspector.verdict import Verdict
from inspection.tasks.defects import CALLED_PIXELS

_NAMES = 20  # classes or attributes that are watched one by one


class Watch:
    """Inspects images, and measures them on the way: no pass of the network is added.

    Args:
        inspector: It.
        layer: Where the features are taken, see `feature_layer`; None: there are none.
    """

    def __init__(self, inspector: Inspector, layer: str | None) -> None:
        self.inspector, self.layer = inspector, layer

    @classmethod
    def of(cls, inspector: Inspector) -> "Watch":
        """The watch of an inspector that has no reference yet: it finds out where its features are."""
        geometry = inspector.geometry
        image = torch.zeros(1, *geometry.shape, dtype=torch.uint8, device=inspector.device)
        try:
            return cls(inspector, feature_layer(inspector.model, image))
        except ValueError:  # a network that looks at an image in parts
            return cls(inspector, None)

    def inspect_pixels(
        self, pixels: Sequence[np.ndarray], camera_shapes: Sequence[tuple[int, int]], heatmaps: bool = False
    ) -> tuple[list[Verdict], Observed]:
        """Verdicts as `Inspector.inspect_pixels` gives them, of one image or more, and what was measured.

        Raises:
            InputError: As there.
        """
        taken: list[Tensor] = []
        tap = nullcontext(taken) if self.layer is None else tapped(self.inspector.model, self.layer)
        with tap as taken:
            verdicts = self.inspector.inspect_pixels(pixels, camera_shapes, heatmaps)
        optics = measure_optics(torch.from_numpy(np.stack(pixels)))
        scores = [scores_of(verdict, self.inspector.decision) for verdict in verdicts]
        return verdicts, Observed(
            {name: values.numpy() for name, values in optics.items()},
            taken[0].double().numpy()
            if taken
            else None,  # of the image as it stands; mirrored ones come later
            {name: np.array([each[name] for each in scores], np.float64) for name in scores[0]},
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


def reference_of(passport: Passport) -> Reference | None:
    """What an inspector's validation images look like; None: not known.

    Raises:
        InputError: If that is damaged.
    """
    if passport.reference is None:
        return None
    try:
        return Reference.from_dict(passport.reference)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"its passport is damaged, or of another version (reference: {error})") from None
