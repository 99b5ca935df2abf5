"""Which layer of a network is explained: by its name, as the network asks, or the convolution that runs last."""

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from inspection.errors import InputError
from inspection.explain.hooks import eager, hooked


def heatmap_layer(network: nn.Module) -> nn.Module | None:
    """Return the layer a network asks for: its own `heatmap_layer` (a name in it) or that of a module in it."""
    for module in network.modules():
        wanted = getattr(module, "heatmap_layer", None)
        if isinstance(wanted, str):
            return module.get_submodule(wanted)
    return None


def last_convolution(network: nn.Module, images: Tensor) -> str:
    """Return the dotted name of the convolution that `heatmap` explains by default.

    It is the `nn.Conv2d` that *runs* last and still has more than one place in its output. The order in which
    modules are registered does not tell (the shortcut convolution of a ResNet block is registered after the
    ones it runs beside), and a 1x1 map behind global pooling (squeeze-and-excitation, some heads) shows
    nothing. `heatmap` finds the same one in its own pass; this function is for showing the name.

    Args:
        network: As in `heatmap`.
        images: [N, C, H, W]; the first image is used.

    Raises:
        InputError: No convolution of the network ran and gave a map.
    """
    names = {module: name for name, module in network.named_modules()}
    ran: list[str] = []

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if has_places(output):
            ran.append(names[module])

    with torch.no_grad(), eager(network), hooked(convolutions(network), note):
        network(images[:1])
    if not ran:
        raise InputError(no_map_message(network, None))
    return ran[-1]


def find_layer(network: nn.Module, layer: str | nn.Module) -> nn.Module:
    """The module of a dotted name, which may leave out what the network is wrapped in.

    Raises:
        InputError: There is no such module, or several.
    """
    modules = dict(network.named_modules())
    if isinstance(layer, nn.Module):
        if not any(module is layer for module in modules.values()):
            raise InputError(f"Heatmap layer: this {type(layer).__name__} is not part of the network.")
        return layer
    if layer in modules:
        return modules[layer]
    found = [name for name in modules if name.endswith("." + layer)]
    if len(found) == 1:
        return modules[found[0]]
    if found:
        raise InputError(f"Heatmap layer {layer!r} is ambiguous: {', '.join(found)}. Give the whole name.")
    close = difflib.get_close_matches(layer, modules, n=3) or [name for name in modules if name][:8]
    raise InputError(f"Heatmap layer {layer!r} is not in the network.\nDid you mean: {', '.join(close)}?")


def convolutions(network: nn.Module) -> list[nn.Module]:
    """All two-dimensional convolutions, in the order in which they are registered."""
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def gives_map(output: Any) -> bool:
    """Whether this is a float tensor [N, C, h, w]."""
    return isinstance(output, Tensor) and output.ndim == 4 and output.is_floating_point()


def has_places(output: Any) -> bool:
    """Whether this is a float tensor [N, C, h, w] of more than one place."""
    return gives_map(output) and output.shape[-2] * output.shape[-1] > 1


def no_map_message(network: nn.Module, layer: str | nn.Module | None) -> str:
    """What a person reads when a layer gave no map; None: no convolution did."""
    if layer is None:
        return (
            f"No heatmap for {type(network).__name__}: no nn.Conv2d ran that gives more than one place.\n"
            "Name a layer whose output is [N, C, h, w]."
        )
    name = layer if isinstance(layer, str) else type(layer).__name__
    return (
        f"Heatmap layer {name!r} did not run or gave no float tensor [N, C, h, w].\n"
        "Name a convolution or a block of them."
    )
