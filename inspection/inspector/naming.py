"""Which names hold for an image: one class, or any of several attributes."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inspection.decide.decisions import AnyOf, NameDecision, OneOf
from inspection.explain.heatmaps import METHOD_NAMES
from inspection.inspector.answers import Answers, Row
from inspection.inspector.backends import HEATMAPS, PROBABILITIES, Said
from inspection.inspector.verdict import Verdict
from inspection.pictures.box_panel import found_panel
from inspection.pictures.colours import shown_colours
from inspection.pictures.label_panel import LabelVerdict, label_panel
from inspection.pictures.panel import heat_panel


class NameAnswers(Answers):
    """What classes and attributes share."""

    decision: NameDecision
    answer = PROBABILITIES

    @abstractmethod
    def explained(self) -> list[int | None]:
        """Some."""

    def wanted(self, evidence: bool) -> list[str]:
        """The evidence when it is shown."""
        return [PROBABILITIES, HEATMAPS] if evidence else [PROBABILITIES]

    def verdicts(
        self,
        said: Said,
        pixels: NDArray[np.uint8],
        camera_shapes: Sequence[tuple[int, int]],
        evidence: bool,
    ) -> list[Verdict]:
        """Names, their probabilities and, as evidence, heatmaps."""
        verdicts = self.named(said[PROBABILITIES])
        if not evidence:
            return verdicts
        method = self.passport.heatmap_method
        return [
            replace(verdict, heatmaps=self._shown(heats, probabilities, shape), method=method)
            for verdict, heats, probabilities, shape in zip(
                verdicts, said[HEATMAPS], said[PROBABILITIES], camera_shapes, strict=True
            )
        ]

    def _shown(
        self, heats: NDArray[np.float32], probabilities: NDArray[np.floating], shape: tuple[int, int]
    ) -> dict[str, np.ndarray | None]:
        """Heatmaps of an image `[T, H, W]` over its camera image, by the name of what they explain."""
        places = (int(probabilities.argmax()) if place is None else place for place in self.explained())
        return {
            self.decision.names[place]: self.geometry.heatmap_to_camera(heat, shape) if heat.any() else None
            for place, heat in zip(places, heats, strict=True)
        }

    def named(self, probabilities: NDArray[np.floating]) -> list[Verdict]:
        """Verdicts on names alone, of probabilities `[N, K]`."""
        called = self.decision.called(probabilities)
        names = self.decision.names
        results = []
        for row, values in enumerate(probabilities.tolist()):
            by_name = dict(zip(names, values, strict=True))
            label = self.decision.words(called[row])
            results.append(
                Verdict(
                    label=label,
                    probability=by_name[label] if self.decision.exclusive else None,
                    probabilities=by_name,
                    called=dict(zip(names, called[row].tolist(), strict=True)),
                )
            )
        return results

    def tally(self, verdict: Verdict) -> list[str]:
        """The names that hold."""
        return [name for name, on in verdict.called.items() if on]


class ClassAnswers(NameAnswers):
    """One class an image."""

    decision: OneOf

    def explained(self) -> list[int | None]:
        """The defect class, without one the verdict."""
        return [self.decision.defect]

    def alarming(self) -> list[str]:
        """The defect class, if there is one."""
        return [] if self.decision.defect is None else [self.decision.names[self.decision.defect]]

    def operating_point(self) -> str:
        """The defect class's threshold, if there is one."""
        if self.decision.defect is None:
            return "the most probable class is the verdict"
        defect = self.decision.names[self.decision.defect]
        return f"a part is {defect!r} at a probability of {self.decision.threshold:g} or more"

    def columns(self) -> Row:
        """The verdict, its probability and one a class."""
        return ["verdict", "probability", *(f"probability_{name}" for name in self.decision.names)]

    def cells(self, verdict: Verdict) -> Row:
        """In words and decimals."""
        values = (verdict.probability or 0.0, *verdict.probabilities.values())
        return [verdict.label, *(f"{value:.6f}" for value in values)]

    def headings(self) -> Row:
        """The defect's probability, whatever the verdict: one can sort by it, and a threshold speaks of it."""
        defect = self.decision.defect
        return ["probability" if defect is None else f"P({self.decision.names[defect]})"]

    def figures(self, verdict: Verdict) -> Row:
        """One probability."""
        defect = self.decision.defect
        value = verdict.probability if defect is None else verdict.probabilities[self.decision.names[defect]]
        return [f"{value:.4f}"]

    def overlay(self, title: str, picture: np.ndarray, verdict: Verdict) -> np.ndarray:
        """Image, heatmap and overlay; the image alone of a verdict that does not say what speaks for it."""
        lines = [title, f"{verdict.label} {verdict.probability:.2f}"]
        if verdict.method is None:
            return found_panel(picture, [], lines)
        ((explained, heat),) = verdict.heatmaps.items()
        lines[1] += f" · {METHOD_NAMES[verdict.method]} for {explained}"
        return heat_panel(picture, heat, lines, width=480)


class LabelAnswers(NameAnswers):
    """Any of several attributes an image."""

    decision: AnyOf

    def explained(self) -> list[int | None]:
        """The attributes that have a colour."""
        return [self.decision.names.index(name) for name in self.alarming()]

    def alarming(self) -> list[str]:
        """The attributes that have a colour, where some do: what is in order needs none."""
        return [name for name, _ in self.passport.colours or ()] or list(self.decision.names)

    def operating_point(self) -> str:
        """Each attribute's threshold."""
        limits = zip(self.decision.names, self.decision.thresholds, strict=True)
        each = ", ".join(f"{name!r} {threshold:g}" for name, threshold in limits)
        return f"an attribute holds at a probability of at least: {each}"

    def columns(self) -> Row:
        """Verdict and probability of each attribute."""
        names = self.decision.names
        return [f"{what}_{name}" for what in ("verdict", "probability") for name in names]

    def cells(self, verdict: Verdict) -> Row:
        """True or False, and decimals."""
        probabilities = [f"{value:.6f}" for value in verdict.probabilities.values()]
        return [*(str(on) for on in verdict.called.values()), *probabilities]

    def headings(self) -> Row:
        """Each probability."""
        return [f"P({name})" for name in self.decision.names]

    def figures(self, verdict: Verdict) -> Row:
        """Each probability."""
        return [f"{value:.4f}" for value in verdict.probabilities.values()]

    def overlay(self, title: str, picture: np.ndarray, verdict: Verdict) -> np.ndarray:
        """The evidence for each attribute in its colour; without any the image alone."""
        if verdict.method is None:
            return found_panel(picture, [], [title, verdict.label])
        colours = shown_colours(self.decision.names, self.passport.colours)
        said = {name: LabelVerdict(verdict.probabilities[name], verdict.called[name]) for name in colours}
        return label_panel(picture, verdict.heatmaps, colours, [title, verdict.label], said)
