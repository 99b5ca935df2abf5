"""Pictures of thermal images with their hot spots and what was measured."""

import numpy as np
from torch import Tensor

from inspection.callbacks.panels import PanelLogger, origin
from inspection.data.module import ImageDataModule
from inspection.data.thermal import ThermalDataModule
from inspection.explain.hot_spots import find_hot_spots
from inspection.pictures.thermal import Box, thermal_panel
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome
from inspection.tasks.quantity_outcome import QuantityOutcome
from inspection.tasks.regression import Regression

_YES = {True: "yes", False: "no"}
_LABELLED = 3  # spots whose temperature is written beside them: more would cover one another


class ThermalLogger(PanelLogger):
    """False colours with a scale, boxes around hot spots, true and predicted quantities.

    The boxes come from the image and not from the network: they show where the heat is that is spoken of.

    Args:
        every_n_epochs: As in `PanelLogger`.
        per_class: Validation images of each third, from low to high values.
        mistakes: Validation images with the largest errors.
        test_mistakes: Test images with the largest errors.
        share: Where a hot spot begins, see `find_hot_spots`.
    """

    folder = "thermal"
    draws = Regression

    def __init__(
        self,
        every_n_epochs: int = 5,
        per_class: int = 4,
        mistakes: int = 8,
        test_mistakes: int = 16,
        share: float = 0.75,
    ) -> None:
        super().__init__(every_n_epochs, per_class, mistakes, test_mistakes)
        if not 0 <= share < 1:
            raise ValueError(f"share={share}: expected 0 to below 1")
        self.share = share

    def panels(
        self,
        task: InspectionTask,
        data: ImageDataModule,
        outcome: Outcome,
        positions: np.ndarray,
        images: Tensor,
    ) -> list[np.ndarray]:
        """One picture an image."""
        assert isinstance(outcome, QuantityOutcome)
        decision = outcome.decision
        window = data.window if isinstance(data, ThermalDataModule) else None
        panels = []
        for place, position in enumerate(positions):
            grey, row = images[place, 0].numpy(), int(outcome.rows[position])
            hidden = data.hidden(row) if isinstance(data, ThermalDataModule) else None
            spots = find_hot_spots(_without(grey, hidden), self.share)
            said, true = outcome.values[position], outcome.targets[position]
            lines = [
                f"{name} {value:.1f} {decision.unit}, true {target:.1f} ({value - target:+.1f})"
                for name, value, target in zip(decision.names, said.tolist(), true.tolist(), strict=True)
            ]
            if decision.alarm is not None:
                raised, due = bool(decision.alarms(said[None])), bool(decision.deserved(true[None]))
                name, limit, _ = decision.watched
                lines.append(f"alarm from {name} {limit:g} {decision.unit}: {_YES[raised]}, true {_YES[due]}")
            panel = thermal_panel(
                grey,
                [(spot.left, spot.top, spot.right, spot.bottom) for spot in spots],
                [data.samples.files[row], *lines],
                note=origin(data),
                window=window,
                unit=decision.unit,
                hidden=hidden,
                labels=[_kelvin(spot.peak, window, decision.unit) for spot in spots[:_LABELLED]],
            )
            panels.append(panel)
        return panels


def _without(grey: np.ndarray, hidden: Box | None) -> np.ndarray:
    """The image with what is hidden at its usual value: a bright label is no hot spot."""
    if hidden is None:
        return grey
    left, top, right, bottom = (int(side) for side in hidden)
    seen = grey.copy()
    seen[top:bottom, left:right] = np.median(grey)
    return seen


def _kelvin(shade: float, window: tuple[float, float] | None, unit: str) -> str:
    """What a grey value stands for; nothing where it stands for nothing absolute."""
    if window is None:
        return ""
    low, high = window
    return f"{low + shade / 255 * (high - low):.0f} {unit}"
