"""Quantities of an image, and an alarm on one of them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from inspection.decide.quantities import Quantities
from inspection.explain.hot_spots import find_hot_spots
from inspection.inspector.answers import Answers, Row
from inspection.inspector.verdict import Box, Verdict
from inspection.pictures.thermal import thermal_panel

_ALARM, _NONE = "alarm", "no alarm"
_SPOT = "hot spot"
_LABELLED = 3  # spots whose temperature is written beside them


class QuantityAnswers(Answers):
    """Several numbers an image, and as evidence the hot spots of the image itself."""

    decision: Quantities

    def verdicts(
        self, model: nn.Module, images: Tensor, camera_shapes: Sequence[tuple[int, int]], evidence: bool
    ) -> list[Verdict]:
        """Quantities in their unit; the verdict in words is the alarm, without one the quantities."""
        with torch.inference_mode():
            values = self.decision.values(model(images).float()).cpu()
        alarms = self.decision.alarms(values).tolist()
        results = []
        for row, shape in enumerate(camera_shapes):
            label = self.decision.words(values[row])
            called = {}
            if self.decision.alarm is not None:
                label = _ALARM if alarms[row] else _NONE
                called = {_ALARM: alarms[row]}
            results.append(
                Verdict(
                    label=label,
                    called=called,
                    boxes=self._hot_spots(images[row, 0].cpu().numpy(), shape) if evidence else [],
                    quantities=dict(zip(self.decision.names, values[row].tolist(), strict=True)),
                )
            )
        return results

    def _hot_spots(self, image: np.ndarray, shape: tuple[int, int]) -> list[Box]:
        """Of the image, in pixels of the camera; the score is the peak on the image's own scale."""
        spots = find_hot_spots(image)
        places = np.array([[spot.left, spot.top, spot.right, spot.bottom] for spot in spots], float)
        camera = self.geometry.boxes_to_camera(places.reshape(-1, 4), shape)
        return [
            Box(left, top, right, bottom, _SPOT, spot.peak / 255)
            for (left, top, right, bottom), spot in zip(camera.tolist(), spots, strict=True)
        ]

    def operating_point(self) -> str:
        """When there is an alarm."""
        if self.decision.alarm is None:
            return f"{', '.join(self.decision.names)} are measured in {self.decision.unit}; no alarm is set"
        ((name, limit),) = self.decision.alarm.items()
        return f"there is an alarm at a {name} of {limit:g} {self.decision.unit} or more"

    def columns(self) -> Row:
        """Each quantity, and the alarm if there is one."""
        alarm = [] if self.decision.alarm is None else [_ALARM]
        return [*(f"{name}_{self.decision.unit}" for name in self.decision.names), *alarm]

    def cells(self, verdict: Verdict) -> Row:
        """To a thousandth of the unit."""
        numbers = [f"{value:.3f}" for value in verdict.quantities.values()]
        return [*numbers, *(str(on) for on in verdict.called.values())]

    def headings(self) -> Row:
        """Each quantity; without an alarm the verdict has them already."""
        if self.decision.alarm is None:
            return []
        return [f"{name} ({self.decision.unit})" for name in self.decision.names]

    def figures(self, verdict: Verdict) -> Row:
        """To a tenth."""
        if self.decision.alarm is None:
            return []
        return [f"{value:.1f}" for value in verdict.quantities.values()]

    def tallied(self) -> list[str]:
        """Alarms."""
        return [] if self.decision.alarm is None else [_ALARM, _NONE]

    def tally(self, verdict: Verdict) -> list[str]:
        """The alarm, or that there is none."""
        return [] if self.decision.alarm is None else [verdict.label]

    def overlay(self, title: str, picture: np.ndarray, verdict: Verdict) -> np.ndarray:
        """False colours with a scale and the hot spots."""
        window, unit = self.passport.window, self.decision.unit
        numbers = ", ".join(f"{name} {value:.1f} {unit}" for name, value in verdict.quantities.items())
        peaks = []
        if window is not None:
            low, high = window
            peaks = [f"{low + box.score * (high - low):.0f} {unit}" for box in verdict.boxes[:_LABELLED]]
        lines = [title, numbers] if self.decision.alarm is None else [title, verdict.label, numbers]
        return thermal_panel(
            picture,
            [box.sides for box in verdict.boxes],
            lines,
            window=None if window is None else (window[0], window[1]),
            unit=unit,
            labels=peaks,
        )
