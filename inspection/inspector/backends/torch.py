"""The network as it was trained."""

from collections.abc import Collection, Mapping
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import Decision, NameDecision
from inspection.decide.finite import are_finite
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities
from inspection.explain.cam import heatmaps_of
from inspection.explain.class_maps import class_maps, find_grid, to_heat
from inspection.explain.penultimate import feature_layer, tapped
from inspection.inspector.backends import BOXES, FEATURES, HEATMAPS, PROBABILITIES, QUANTITIES, Said
from inspection.inspector.network import build_network, fit_weights
from inspection.inspector.passport import Passport
from inspection.models.flips import Flipped
from inspection.models.normalised import Normalised


class TorchBackend:
    """Runs the network eagerly in float32, as every evaluation of a run does.

    Args:
        passport: Of the inspector.
        weights: State dict of the network.
        decision: Of the passport; its temperature is the only thing of it that counts here.
        explained: Outputs whose evidence is shown; None stands for the most probable class.
        device: Where it runs.

    Attributes:
        model: The network behind its normalisation.
        judge: The same, averaged over the passport's flips.
        feature_layer: Whose inputs are the features, see `inspection.explain.penultimate`; None: there are none.

    Raises:
        InputError: If the weights do not fit the network.
    """

    def __init__(
        self,
        passport: Passport,
        weights: Mapping[str, Tensor],
        decision: Decision,
        explained: list[int | None],
        device: str | torch.device,
    ) -> None:
        self.device = torch.device(device)
        self.name = f"torch float32 on {self.device}"
        self.passport, self.decision, self.explained = passport, decision, explained
        network = build_network(passport.network)
        fit_weights(network, weights, "the inspector")
        self.model = Normalised(network, passport.mean, passport.std).to(self.device).eval()
        self.judge: nn.Module = Flipped(self.model, passport.flips) if passport.flips else self.model
        self.feature_layer: str | None = (passport.reference or {}).get("layer")

    def find_features(self, shape: tuple[int, int, int]) -> None:
        """Find out where the features are, of a network whose passport does not say.

        Args:
            shape: Of an image, `(C, H, W)`.
        """
        try:
            image = torch.zeros(1, *shape, dtype=torch.uint8, device=self.device)
            self.feature_layer = feature_layer(self.model, image)
        except ValueError:  # a network that looks at an image in parts
            self.feature_layer = None

    @property
    def outputs(self) -> frozenset[str]:
        """By the kind of decision."""
        answers = {Boxes: BOXES, Quantities: QUANTITIES}
        given = {answers.get(type(self.decision), PROBABILITIES)}
        if isinstance(self.decision, NameDecision):
            given.add(HEATMAPS)
        if self.feature_layer is not None:
            given.add(FEATURES)
        return frozenset(given)

    def run(self, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
        """See `Backend`; an answer is NaN where the network gives a number that is none."""
        pixels = torch.from_numpy(images).to(self.device)
        layer = self.feature_layer if FEATURES in wanted else None
        taken: list[Tensor] = []
        with nullcontext(taken) if layer is None else tapped(self.model, layer) as taken:
            said = self._said(pixels, HEATMAPS in wanted)
        if layer is not None:  # of the image as it stands; mirrored ones come later
            said[FEATURES] = taken[0].numpy()
        return {name: said[name] for name in wanted}

    def _said(self, images: Tensor, evidence: bool) -> Said:
        if isinstance(self.decision, Located):
            return self._located(images, self.decision)
        if isinstance(self.decision, NameDecision):
            return self._named(images, self.decision, evidence)
        with torch.inference_mode():
            outputs = self.judge(images).float()
            if isinstance(self.decision, Boxes):
                return {BOXES: _answer(outputs, outputs)}
            if isinstance(self.decision, Quantities):
                return {QUANTITIES: _answer(self.decision.values(outputs), outputs)}
            assert isinstance(self.decision, Area)
            return {PROBABILITIES: _answer(outputs.sigmoid(), outputs)}

    def _named(self, images: Tensor, decision: NameDecision, evidence: bool) -> Said:
        one_pass = evidence and self.judge is self.model  # verdict and evidence belong together
        logits, said = None, {}
        if not one_pass:
            with torch.inference_mode():
                logits = self.judge(images)
        if evidence:
            # Of the image as it stands, for what is said of it and its mirror images together.
            best = None if logits is None else logits.argmax(1)
            maps = heatmaps_of(
                self.model,
                images,
                [best if place is None else place for place in self.explained],
                method=self.passport.heatmap_method,
                layer=self.passport.heatmap_layer,
            )
            said[HEATMAPS] = torch.stack([each.maps for each in maps], 1).cpu().numpy()
            logits = maps[0].logits if logits is None else logits
        assert logits is not None
        said[PROBABILITIES] = _answer(decision.probabilities(logits.cpu()), logits)
        return said

    def _located(self, images: Tensor, decision: Located) -> Said:
        with torch.inference_mode():
            seen = class_maps(self.model, images, decision.defect)
            heats = to_heat(seen.maps, (images.shape[-2], images.shape[-1]), find_grid(self.model))
            return {
                PROBABILITIES: _answer(decision.probabilities(seen.logits.cpu()), seen.logits),
                HEATMAPS: heats[:, None].cpu().numpy(),
            }


def _answer(values: Tensor, outputs: Tensor) -> NDArray[np.floating]:
    """An answer as an array; NaN where what the network gave is not finite, though the answer may look so."""
    answer: NDArray[np.floating] = values.cpu().numpy()
    known = are_finite(outputs).numpy()
    return answer if known.all() else np.where(known.reshape(-1, *[1] * (answer.ndim - 1)), answer, np.nan)
