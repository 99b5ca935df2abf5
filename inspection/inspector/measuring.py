"""Quantities of an image, and an alarm on one of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspection.decide.quantities import Quantities
from inspection.explain.hot_spots import find_hot_spots
from inspection.inspector.answers import Answers, Row
from inspection.inspector.backends import QUANTITIES, Said
from inspection.inspector.verdict import Box, Verdict
from inspection.pictures.thermal import thermal_panel

_ALARM, _NONE = "alarm", "no alarm"
_SPOT = "hot spot"
_LABELLED = 3  # spots whose temperature is written beside them


class QuantityAnswers(Answers):
    """Several numbers an image, and as evidence the hot spots of the image itself.

    An image with an absolute scale (the passport has a window) also says its own largest value, so that nobody
    relies on a network that overlooks it. It is that of the 8 bits that the network sees: cut off at the ends of
    the window, in steps of 1/255 of it, and lower than in the file where making the image smaller averaged a peak.
    """

    decision: Quantities
    answer = QUANTITIES

    def verdicts(
        self,
        said: Said,
        pixels: NDArray[np.uint8],
        camera_shapes: Sequence[tuple[int, int]],
        evidence: bool,
    ) -> list[Verdict]:
        """Quantities in their unit; the verdict in words is the alarm, without one the quantities."""
        values = said[QUANTITIES]
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
                    boxes=self._hot_spots(pixels[row, 0], shape) if evidence else [],
                    quantities=dict(zip(self.decision.names, values[row].tolist(), strict=True)),
                    peak=self._kelvin(float(pixels[row, 0].max()) / 255),
                )
            )
        return results

    def _kelvin(self, shade: float) -> float | None:
        """What a shade 0..1 stands for; None where it stands for nothing absolute."""
        if self.passport.window is None:
            return None
        low, high = self.passport.window
        return low + shade * (high - low)

    def _overlooked(self, verdict: Verdict) -> bool:
        """Whether the pixels reach the alarm, to half a step of their 8 bits, and the network does not.

        Of an alarm on the largest quantity alone: that one pixel is hot says nothing against a cool average.
        """
        if self.decision.alarm is None or verdict.peak is None or verdict.called[_ALARM]:
            return False
        assert self.passport.window is not None
        low, high = self.passport.window
        name, limit, _ = self.decision.watched
        largest = self.decision.ordered and name == self.decision.names[0]
        return largest and verdict.peak + (high - low) / 255 / 2 >= limit

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
        name, limit, called_from = self.decision.watched
        moved = "" if called_from == limit else f", which stands for one of {limit:g} {self.decision.unit}"
        return (
            f"there is an alarm at a measured {name} of {called_from:g} {self.decision.unit} or more{moved}"
        )

    def columns(self) -> Row:
        """Each quantity, the largest value of the pixels if they have a scale, and the alarm if there is one."""
        unit = self.decision.unit
        peak = [] if self.passport.window is None else [f"pixels_maximum_{unit}"]
        alarm = [] if self.decision.alarm is None else [_ALARM]
        return [*(f"{name}_{unit}" for name in self.decision.names), *peak, *alarm]

    def cells(self, verdict: Verdict) -> Row:
        """To a thousandth of the unit."""
        peak = [] if verdict.peak is None else [verdict.peak]
        numbers = [f"{value:.3f}" for value in (*verdict.quantities.values(), *peak)]
        return [*numbers, *(str(on) for on in verdict.called.values())]

    def headings(self) -> Row:
        """Each quantity, which without an alarm the verdict has already, and the largest value of the pixels."""
        names = [] if self.decision.alarm is None else list(self.decision.names)
        peak = [] if self.passport.window is None else ["pixels' maximum"]
        return [f"{name} ({self.decision.unit})" for name in (*names, *peak)]

    def figures(self, verdict: Verdict) -> Row:
        """To a tenth; pixels that reach an alarm that the network does not raise say so."""
        values = [] if self.decision.alarm is None else list(verdict.quantities.values())
        numbers = [f"{value:.1f}" for value in values]
        if verdict.peak is None:
            return numbers
        return [*numbers, f"{verdict.peak:.1f}{' reaches the alarm' if self._overlooked(verdict) else ''}"]

    def tallied(self) -> list[str]:
        """Alarms."""
        return [] if self.decision.alarm is None else [_ALARM, _NONE]

    def tally(self, verdict: Verdict) -> list[str]:
        """The alarm, or that there is none."""
        return [] if self.decision.alarm is None else [verdict.label]

    def alarming(self) -> list[str]:
        """An alarm."""
        return [] if self.decision.alarm is None else [_ALARM]

    def overlay(self, title: str, picture: np.ndarray, verdict: Verdict) -> np.ndarray:
        """False colours with a scale and the hot spots."""
        window, unit = self.passport.window, self.decision.unit
        peaks = [self._kelvin(box.score) for box in verdict.boxes[:_LABELLED]]
        lines = [title, *([] if self.decision.alarm is None else [verdict.label])]
        if self._overlooked(verdict):
            lines.append(f"but the pixels say {verdict.peak:.1f} {unit}, which reaches it")
        lines += [f"{name} {value:.1f} {unit}" for name, value in verdict.quantities.items()]
        return thermal_panel(
            picture,
            [box.sides for box in verdict.boxes],
            lines,
            window=None if window is None else (window[0], window[1]),
            unit=unit,
            labels=[f"{peak:.0f} {unit}" for peak in peaks if peak is not None],
        )
