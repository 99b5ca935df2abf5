"""All that an inspector's network answers, as one module: raw pixels in, probabilities and heatmaps out.

It computes an inspector as it was trained, and is recorded when one is exported: so both say the same.
"""

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import Decision, NameDecision
from inspection.decide.quantities import Quantities
from inspection.explain.class_maps import Grid, checked_targets, find_grid, to_heat, weigh_features, weighed
from inspection.explain.grids import watching
from inspection.explain.heatmaps import Method
from inspection.explain.layers import find_layer, heatmap_layer
from inspection.explain.occlusion import occlusion
from inspection.explain.penultimate import tapped
from inspection.explain.recording import gradients_of, record
from inspection.explain.weighing import signed_maps
from inspection.inspector.backends import BOXES, FEATURES, HEATMAPS, PROBABILITIES, QUANTITIES
from inspection.models.flips import Flipped
from inspection.models.normalised import Normalised


class AnsweringGraph(nn.Module):
    """What an inspector computes, without the geometry before and the words behind.

    One pass over the image as it stands gives answer, evidence and features; passes over mirror images, if any,
    follow and count for the answer alone.

    Args:
        model: Raw pixels to the network's outputs; in eval mode.
        decision: What makes probabilities or quantities of them: temperature, centre and scale.
        flips: See `Flipped`.
        explained: Outputs that heatmaps explain; None: the most probable one. Empty: there are no heatmaps.
        method: How, see `METHOD_NAMES`.
        layer: Dotted name of the explained layer; None: as the network asks, else its last convolution.
        features: Dotted name of the layer whose input is the features; None: there are none.
        eps: Relative rounding error of what computes, below which evidence is noise (see `find_evidence`); None:
            that of the maps' own type.

    Attributes:
        answer: Name of the output that verdicts are made of.
    """

    def __init__(
        self,
        model: Normalised,
        decision: Decision,
        flips: Sequence[str] = (),
        explained: Sequence[int | None] = (),
        method: Method = "grad_cam",
        layer: str | None = None,
        features: str | None = None,
        eps: float | None = None,
    ) -> None:
        super().__init__()
        self.model, self.decision, self.flips = model, decision, tuple(flips)
        self.explained, self.method, self.eps = tuple(explained), method, eps
        self.features = features
        asked = heatmap_layer(model) if layer is None else find_layer(model, layer)
        # By its name: registered here, too, the layer would have two.
        self.layer = next((name for name, module in model.named_modules() if module is asked), None)
        self.answer = {Boxes: BOXES, Quantities: QUANTITIES}.get(type(decision), PROBABILITIES)
        self._grids: dict[tuple[int, int], Grid | None] = {}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what can be asked for, in their order."""
        there = {self.answer: True, HEATMAPS: self.explained, FEATURES: self.features is not None}
        return tuple(name for name, given in there.items() if given)

    def takes_gradients(self, wanted: Collection[str]) -> bool:
        """Whether these outputs need a backward pass."""
        return HEATMAPS in wanted and self.method not in ("cam", "occlusion")

    def forward(self, images: Tensor, wanted: Collection[str] | None = None) -> dict[str, Tensor]:
        """Outputs by name, see `Backend`; the answer is NaN of an image for which the network gives no numbers.

        Args:
            images: uint8 `[N, C, H, W]`.
            wanted: Names of outputs; nothing else is computed. None: all.
        """
        wanted = self.outputs if wanted is None else wanted
        size, maps = (images.shape[-2], images.shape[-1]), None
        taken: list[Tensor] = []
        tap = (
            tapped(self.model, self.features) if FEATURES in wanted and self.features else nullcontext(taken)
        )
        grid = self._grid(images) if HEATMAPS in wanted else None
        with torch.no_grad(), tap as taken:
            if HEATMAPS in wanted and self.method == "cam":
                seen, *maps = weigh_features(self.model, images)
            elif self.takes_gradients(wanted):
                seen, *maps = record(self.model, images, self.layer)
            else:
                seen = self.model(images)
            features = taken[:1]
            judged = Flipped(self.model, self.flips).with_first(seen, images) if self.flips else seen
            results = {self.answer: self._answer(judged.detach())}
        if maps is not None:
            results[HEATMAPS] = self._heat(seen, judged, maps, size, grid)
        elif HEATMAPS in wanted:
            results[HEATMAPS] = self._occluded(images, judged)
        if features:
            results[FEATURES] = features[0]
        return {name: results[name] for name in wanted}

    def _answer(self, outputs: Tensor) -> Tensor:
        if isinstance(self.decision, Boxes):
            return outputs.float()
        if isinstance(self.decision, NameDecision):
            outputs = outputs.cpu()  # where there is float64 for certain
            values = self.decision.probabilities(outputs)
        elif isinstance(self.decision, Quantities):
            values = self.decision.values(outputs.float())
        else:
            assert isinstance(self.decision, Area)
            values = outputs.float().sigmoid()
        # A sigmoid of an infinite output looks like a number.
        known = outputs.isfinite().flatten(1).all(1)
        return torch.where(known.view(-1, *[1] * (values.ndim - 1)), values, torch.nan)

    def _grid(self, images: Tensor) -> Grid | None:
        """Where the explained maps lie over images of this size, found out once."""
        if self.method == "cam":
            return find_grid(self.model)
        size = images.shape[-2], images.shape[-1]
        if self.takes_gradients([HEATMAPS]) and size not in self._grids:
            with torch.no_grad(), watching(self.model, images) as watch:
                _, activations = record(self.model, images, self.layer)
            self._grids[size] = watch.grid_of(activations)
        return self._grids.get(size)

    def _heat(
        self, seen: Tensor, judged: Tensor, maps: Any, size: tuple[int, int], grid: Grid | None
    ) -> Tensor:
        """Heatmaps `[N, T, H, W]` out of what the pass over the image as it stands left behind."""
        heats = []
        for number, target in enumerate(self.explained, 1):
            if self.method == "cam":
                features, weights = maps
                signed = weighed(judged, features, weights, target, self.eps).maps
            else:
                (activations,) = maps
                which = checked_targets(target, judged)
                gradients = gradients_of(seen, which, activations, keep=number < len(self.explained))
                with torch.no_grad():
                    signed, _ = signed_maps(activations, gradients, self.method, self.eps)
            with torch.no_grad():
                heats.append(to_heat(signed, size, grid))
        return torch.stack(heats, 1)

    def _occluded(self, images: Tensor, judged: Tensor) -> Tensor:
        """The same by occlusion, which is no part of a graph that can be exported."""
        targets = [judged.argmax(1) if target is None else target for target in self.explained]
        return torch.stack([each.maps for each in occlusion(self.model, images, targets)], 1)
