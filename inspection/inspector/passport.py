"""What an inspector is besides its weights, and the network that it asks for."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from inspection.data.geometry import Geometry
from inspection.decide.kinds import decision_from
from inspection.errors import InputError
from inspection.explain.heatmaps import Method
from inspection.inspector.plain import as_json

NETWORKS = "inspection.models."


@dataclass(frozen=True)
class Passport:
    """What an inspector is besides its weights: plain values, kept as JSON in its file.

    Attributes:
        task: Name of the task.
        question: What is asked of each image.
        network: `_target_` and arguments of the network.
        decision: Names of the outputs and operating point, see `Decision.to_dict`.
        mean: Normalisation, a value a channel.
        std: Normalisation, a value a channel.
        geometry: See `Geometry.to_dict`.
        heatmap_method: `auto`, or one of `inspection.explain.heatmaps.METHOD_NAMES`.
        heatmap_layer: Dotted name in the network, or None for the last convolution.
        colours: Pairs of attribute and colour, of those that are shown; None: all, in colours of our choice.
        window: What black and white of the images stand for, in the unit of what is measured, or None where
            they have no absolute scale.
        flips: Of test-time augmentation: what the network gives is averaged over the image and these flips of it.
        operating: How the decision was chosen and what it achieves, see `OperatingPoint.to_dict`; empty while the
            network is trained.
        reference: What validation images look like, for telling when the camera's no longer do; None: not known.
        made: Where it comes from: run, data, whether synthetic, versions.
    """

    task: str
    question: str
    network: dict[str, Any]
    decision: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    geometry: dict[str, Any]
    heatmap_method: Method | Literal["auto"] = "auto"
    heatmap_layer: str | None = None
    colours: list[list[str]] | None = None
    window: list[float] | None = None
    flips: list[str] = field(default_factory=list)
    operating: dict[str, Any] = field(default_factory=dict)
    reference: dict[str, Any] | None = None
    made: dict[str, Any] = field(default_factory=dict)


def write_passport(passport: Passport) -> str:
    """A passport as JSON."""
    return json.dumps(as_json(asdict(passport)), ensure_ascii=False, allow_nan=False)


def read_passport(text: str) -> Passport:
    """A passport out of JSON.

    Raises:
        InputError: If it is none, or of another version.
    """
    try:
        values = json.loads(text)
        passport = Passport(**values | {name: tuple(values[name]) for name in ("mean", "std")})
        decision_from(passport.decision)
        Geometry.from_dict(passport.geometry)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"its passport is damaged, or of another version ({error})") from None
    return passport


def network_class(target: str) -> type[nn.Module]:
    """The class of a network of this package.

    Raises:
        InputError: If `inspection.models` has no such network.
    """
    module_name, _, name = target.rpartition(".")
    if not target.startswith(NETWORKS):
        raise InputError(
            f"an inspector's network must be one of {NETWORKS}*, but this one asks for {target!r}"
        )
    try:
        network = getattr(importlib.import_module(module_name), name, None)
    except ModuleNotFoundError:
        network = None
    # Its own module, too: what a file of ours merely imports is not one of ours.
    if not (
        isinstance(network, type) and issubclass(network, nn.Module) and network.__module__ == module_name
    ):
        raise InputError(f"this version has no network {target!r}")
    return network


def build_network(config: Mapping[str, Any]) -> nn.Module:
    """A network out of `_target_` and its arguments; only classes of `inspection.models` are built."""
    network = network_class(str(config.get("_target_")))
    return network(**{key: value for key, value in config.items() if key != "_target_"})


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a network, or say in which way they are another network's.

    Raises:
        InputError: If names or shapes differ.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in weights]
    foreign = [name for name in weights if name not in own]
    shapes = [
        f"{name} is {list(weights[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in weights and own[name].shape != weights[name].shape
    ]
    if missing or foreign or shapes:
        differences = [
            *(f"{name} is missing" for name in missing[:2]),
            *(f"{name} is not in this network" for name in foreign[:2]),
            *shapes[:2],
        ]
        raise InputError(
            f"{source} holds the weights of another network than {type(network).__name__}: "
            f"{'; '.join(differences)}. Use the model, image size, channels and classes that it was trained with"
        )
    network.load_state_dict(weights)
