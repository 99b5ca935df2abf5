"""The network that a passport asks for, and weights that fit it."""

import importlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from inspection.errors import InputError

NETWORKS = "inspection.models."


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
