"""The network as it was trained."""

import contextlib
from collections.abc import Collection, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspection.decide.decisions import Decision
from inspection.decide.located import Located
from inspection.explain.penultimate import feature_layer
from inspection.inspector.backends import Said
from inspection.inspector.graph import AnsweringGraph
from inspection.inspector.network import build_network, fit_weights
from inspection.inspector.passport import Passport
from inspection.models.normalised import Normalised


class TorchBackend:
    """Runs the network eagerly in float32, as every evaluation of a run does.

    Args:
        passport: Of the inspector.
        weights: State dict of the network.
        decision: Of the passport; its temperature is the only thing of it that counts here.
        explained: Outputs whose evidence is shown; None stands for the most probable class.
        device: Where it runs.
        threads: That torch computes with on the CPU, in all of the process; None: as many as it does already.

    Attributes:
        model: The network behind its normalisation.
        graph: What runs, and is recorded when an inspector is exported.

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
        threads: int | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = torch.device(device)
        self.name = f"torch float32 on {self.device}"
        network = build_network(passport.network)
        fit_weights(network, weights, "the inspector")
        self.model = Normalised(network, passport.mean, passport.std).to(self.device).eval()
        located = isinstance(decision, Located)  # its boxes are those of class activation maps
        self.graph = AnsweringGraph(
            self.model,
            decision,
            passport.flips,
            explained,
            "cam" if located else passport.heatmap_method,
            None if located else passport.heatmap_layer,
            (passport.reference or {}).get("layer"),
        )

    def find_features(self, shape: tuple[int, int, int]) -> None:
        """Find out where the features are, of a network whose passport does not say.

        Args:
            shape: Of an image, `(C, H, W)`.
        """
        image = torch.zeros(1, *shape, dtype=torch.uint8, device=self.device)
        with contextlib.suppress(ValueError):  # a network that looks at an image in parts has none
            self.graph.features = feature_layer(self.model, image)

    @property
    def feature_layer(self) -> str | None:
        """Whose inputs are the features, see `inspection.explain.penultimate`; None: there are none."""
        return self.graph.features

    @property
    def outputs(self) -> frozenset[str]:
        """By the kind of decision."""
        return frozenset(self.graph.outputs)

    def run(self, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
        """See `Backend`."""
        pixels = torch.from_numpy(images).to(self.device)
        with torch.inference_mode(not self.graph.takes_gradients(wanted)):
            return {name: values.cpu().numpy() for name, values in self.graph(pixels, wanted).items()}
