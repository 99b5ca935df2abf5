"""Which names hold for an image: one class, or any of several attributes."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from inspection.decide.decisions import AnyOf, NameDecision, OneOf
from inspection.explain.cam import heatmaps_of
from inspection.explain.heatmaps import METHOD_NAMES
from inspection.inspector.answers import Answers, Row
from inspection.inspector.verdict import Verdict
from inspection.models.flips import Flipped
from inspection.pictures.colours import shown_colours
from inspection.pictures.label_panel import LabelVerdict, label_panel
from inspection.pictures.panel import heat_panel


class NameAnswers(Answers):
    """What classes and attributes share."""

    decision: NameDecision

    @abstractmethod
    def to_explain(self) -> list[int | None]:
        """Outputs whose evidence is shown; None stands for the verdict's."""

    def verdicts(
        self, model: nn.Module, images: Tensor, camera_shapes: Sequence[tuple[int, int]], evidence: bool
    ) -> list[Verdict]:
        """Names, their probabilities and, as evidence, heatmaps."""
        plain = model.model if isinstance(model, Flipped) else model
        maps = heatmaps_of(
            plain,  # evidence of the image as it stands
            images,
            self.to_explain() if evidence else (),
            method=self.passport.heatmap_method,
            layer=self.passport.heatmap_layer,
        )
        if maps and plain is model:
            logits = maps[0].logits  # of the same pass: verdict and evidence belong together
        else:
            with torch.inference_mode():
                logits = model(images)
        names = self.decision.names
        results = []
        for row, (verdict, shape) in enumerate(zip(self.named(logits), camera_shapes, strict=True)):
            shown: dict[str, np.ndarray | None] = {}
            for each in maps:
                found = each.of(row)
                shown[names[int(each.targets[row])]] = (
                    None if found is None else self.geometry.heatmap_to_camera(found, shape)
                )
            results.append(replace(verdict, heatmaps=shown, method=maps[0].method if maps else None))
        return results

    def named(self, logits: Tensor) -> list[Verdict]:
        """Verdicts on names alone, of logits `[N, K]`."""
        probabilities = self.decision.probabilities(logits.cpu())
        called = self.decision.called(probabilities)
        names = self.decision.names
        results = []
        for row in range(len(logits)):
            values = dict(zip(names, probabilities[row].tolist(), strict=True))
            label = self.decision.words(called[row])
            results.append(
                Verdict(
                    label=label,
                    probability=values[label] if self.decision.exclusive else None,
                    probabilities=values,
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

    def to_explain(self) -> list[int | None]:
        """The defect class, without one the verdict."""
        return [self.decision.defect]

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
        """Image, heatmap and overlay."""
        lines = [title, f"{verdict.label} {verdict.probability:.2f}"]
        explained, heat = next(iter(verdict.heatmaps.items()))
        if verdict.method is not None:
            lines[1] += f" · {METHOD_NAMES[verdict.method]} for {explained}"
        return heat_panel(picture, heat, lines, width=480)


class LabelAnswers(NameAnswers):
    """Any of several attributes an image."""

    decision: AnyOf

    def to_explain(self) -> list[int | None]:
        """The attributes that have a colour."""
        shown = [name for name, _ in self.passport.colours or ()] or self.decision.names
        return [self.decision.names.index(name) for name in shown]

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
        """The evidence for each attribute in its colour."""
        colours = shown_colours(self.decision.names, self.passport.colours)
        said = {name: LabelVerdict(verdict.probabilities[name], verdict.called[name]) for name in colours}
        return label_panel(picture, verdict.heatmaps, colours, [title, verdict.label], said)
