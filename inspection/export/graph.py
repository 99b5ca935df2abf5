"""All that an inspector answers, as one graph: raw pixels in, probabilities and heatmaps out."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import Decision, NameDecision
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities
from inspection.errors import InputError
from inspection.explain.cam import heatmap_method
from inspection.explain.class_maps import Grid, checked_targets, find_grid, to_heat, weigh_features, weighed
from inspection.explain.grids import watching
from inspection.explain.heatmaps import Method
from inspection.explain.layers import (
    convolutions,
    find_layer,
    gives_map,
    has_places,
    heatmap_layer,
    no_map_message,
)
from inspection.explain.penultimate import tapped
from inspection.explain.recording import gradients_of, record
from inspection.explain.weighing import signed_maps
from inspection.inspector.inspector import Inspector
from inspection.inspector.naming import NameAnswers
from inspection.models.flips import Flipped
from inspection.models.normalised import Normalised

PROBABILITIES, QUANTITIES, BOXES, HEATMAPS, FEATURES = (
    "probabilities",
    "quantities",
    "boxes",
    "heatmaps",
    "features",
)


class AnsweringGraph(nn.Module):
    """What an inspector computes, without the geometry before and the words behind.

    The first pass of the network gives the heatmap and the features; mirror images, if any, follow.

    Args:
        model: Raw pixels to the network's outputs.
        decision: What makes probabilities or quantities of them.
        flips: See `Flipped`.
        explained: Outputs that get a heatmap; None: the most probable one. Empty: no heatmaps.
        method: How, see `METHOD_NAMES`; `auto`: as the network asks.
        layer: Dotted name of the explained layer; None: as the network asks.
        features: Dotted name of the layer whose input is the penultimate features; None: no features.

    Raises:
        InputError: If heatmaps of this method can't be part of a graph, or the layer gives no map.
    """

    def __init__(
        self,
        model: Normalised,
        decision: Decision,
        flips: Sequence[str] = (),
        explained: Sequence[int | None] = (),
        method: str = "auto",
        layer: str | None = None,
        features: str | None = None,
    ) -> None:
        super().__init__()
        self.model, self.decision, self.features = model, decision, features
        self.flips = tuple(flips)
        self.explained = tuple(explained)
        self.method = cast(Method, heatmap_method(model) if method == "auto" else method)
        wanted = layer or heatmap_layer(model)
        self.layer = next((name for name, module in model.named_modules() if module is wanted), wanted)
        self.grid: Grid | None = None
        if self.explained and self.method == "occlusion":
            raise InputError(
                "heatmap method occlusion: it takes some hundred passes of the network and is no part of a graph. "
                "Export without heatmaps (heatmap=false), or train with heatmap.method=grad_cam or hires_cam"
            )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what comes out, in their order."""
        further = [name for name, there in ((HEATMAPS, self.explained), (FEATURES, self.features)) if there]
        return self.answer, *further

    @property
    def answer(self) -> str:
        """Name of the output that the verdict comes from."""
        if isinstance(self.decision, Boxes):
            return BOXES
        return QUANTITIES if isinstance(self.decision, Quantities) else PROBABILITIES

    def locate(self, images: Tensor) -> None:
        """Find out where the explained maps lie over images of this size, once and for all.

        Args:
            images: uint8 `[N, C, H, W]`, any content.
        """
        if not self.explained:
            return
        if self.method == "cam":
            self.grid = find_grid(self.model)
            return
        with torch.no_grad(), watching(self.model, images) as watch:
            _, activations = self._recorded(images)
        self.grid = watch.grid_of(activations)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Float32 outputs by name, of uint8 images `[N, C, H, W]`.

        Returns:
            `probabilities` `[N, K]`, of masks `[N, 1, H, W]`; or `quantities` `[N, T]` in their unit; or `boxes`
            `[N, D, 6]`, see `Detector`. `heatmaps` `[N, E, H, W]` in 0..1 of E explained outputs, zero where
            nothing speaks for them. `features` `[N, F]`.
        """
        tap = nullcontext([]) if self.features is None else tapped(self.model, self.features)
        with torch.no_grad(), tap as taken:
            if not self.explained:
                seen, maps = self.model(images), None
            elif self.method == "cam":
                seen, *maps = weigh_features(self.model, images)
            else:
                seen, *maps = self._recorded(images)
        with torch.no_grad():
            judged = Flipped(self.model, self.flips).with_first(seen, images) if self.flips else seen
            results = {self.answer: self._answer(judged)}
        if maps is not None:
            results[HEATMAPS] = self._heat(seen, judged, maps, (images.shape[-2], images.shape[-1]))
        if self.features is not None:
            results[FEATURES] = taken[0]
        return results

    def _answer(self, outputs: Tensor) -> Tensor:
        if isinstance(self.decision, NameDecision):
            return self.decision.probabilities(outputs).float()
        if isinstance(self.decision, Quantities):
            return self.decision.values(outputs.float()).float()
        return outputs.float().sigmoid() if isinstance(self.decision, Area) else outputs.float()

    def _recorded(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if self.layer is None:
            logits, activations = record(self.model, images, convolutions(self.model), has_places)
        else:
            logits, activations = record(self.model, images, [find_layer(self.model, self.layer)], gives_map)
        if activations is None:
            raise InputError(no_map_message(self.model, self.layer))
        return logits, activations

    def _heat(self, seen: Tensor, judged: Tensor, maps: Any, size: tuple[int, int]) -> Tensor:
        """Heatmaps `[N, E, H, W]` of what the pass over the image as it stands left behind."""
        heats = []
        for number, target in enumerate(self.explained, 1):
            if self.method == "cam":
                features, weights = maps
                raw = weighed(judged, features, weights, target).maps
            else:
                (activations,) = maps
                which = checked_targets(target, judged)
                gradients = gradients_of(seen, which, activations, keep=number < len(self.explained))
                raw, _ = signed_maps(activations, gradients, self.method)
            with torch.no_grad():
                heats.append(to_heat(raw.detach(), size, self.grid))
        return torch.stack(heats, 1)


def graph_of(inspector: Inspector, heatmap: bool = True) -> AnsweringGraph:
    """The graph of an inspector.

    Args:
        inspector: It.
        heatmap: Whether heatmaps are among what comes out, where there are any.
    """
    answers, passport = inspector.answers, inspector.passport
    explained = answers.explained() if heatmap and isinstance(answers, NameAnswers) else []
    located = isinstance(inspector.decision, Located)
    features = None
    if passport.reference is not None:
        features = passport.reference.get("layer")
    return AnsweringGraph(
        inspector.model,
        inspector.decision,
        passport.flips,
        explained,
        "cam" if located else passport.heatmap_method,
        None if located else passport.heatmap_layer,
        features,
    ).eval()
