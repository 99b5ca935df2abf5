"""One forward pass that is recorded from a layer on, and the gradients at that layer."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from inspection.errors import InputError
from inspection.explain.hooks import hooked
from inspection.explain.layers import convolutions, find_layer, gives_map, has_places, no_map_message


def record(network: nn.Module, images: Tensor, layer: str | nn.Module | None) -> tuple[Tensor, Tensor]:
    """Run the network so that only what follows the layer's last output is recorded for the backward pass.

    Each output that may be explained is cut from what made it and becomes a new leaf. So nothing before it is kept
    in memory, no parameter needs a gradient, and which convolution runs last need not be known beforehand.

    Args:
        network: Images in, logits [N, K] out.
        images: What it takes.
        layer: See `find_layer`; None: the convolution that runs last and has more than one place.

    Returns:
        Logits, and the activations [N, C, h, w] that they can be traced back to.

    Raises:
        InputError: The layer is unknown, did not run, or gives no map.
        ValueError: The network does not return a tensor.
    """
    if layer is None:
        candidates, accepts = convolutions(network), has_places
    else:
        candidates, accepts = [find_layer(network, layer)], gives_map
    leaf: Tensor | None = None

    def restart(module: nn.Module, _: Any, output: Any) -> Tensor | None:
        nonlocal leaf
        if not accepts(output):
            return None
        # Other modules than convolutions may hand through memory that something else writes to later.
        fresh = output.detach() if isinstance(module, nn.Conv2d) else output.detach().clone()
        leaf = fresh.requires_grad_()
        torch.set_grad_enabled(True)  # the caller's context restores it
        return leaf.clone()  # an in-place ReLU behind the layer must not write into the activations

    with hooked(candidates, restart):
        logits = network(images)
    if not isinstance(logits, Tensor):
        raise ValueError(f"Expected a network that returns logits [N, K] but got {type(logits).__name__}.")
    if leaf is None:
        raise InputError(no_map_message(network, layer))
    return logits, leaf


def gradients_of(logits: Tensor, targets: Tensor, activations: Tensor, keep: bool = False) -> Tensor:
    """Return d logit[target] / d activations for each image.

    Images do not mix in a network, so the gradient of the sum holds that of each image. `autograd.grad` with
    one input leaves the `.grad` of the parameters alone and never computes them.

    Args:
        logits: Of `record`, [N, K].
        targets: Int64 [N].
        activations: Of `record`, [N, C, h, w].
        keep: Whether gradients of other targets are going to be asked for.
    """
    with torch.enable_grad():
        total = logits.gather(1, targets[:, None]).sum()
    if not total.requires_grad:
        return torch.zeros_like(activations)  # the layer ran but nothing of it reaches the logits
    (gradients,) = torch.autograd.grad(total, activations, allow_unused=True, retain_graph=keep)
    return torch.zeros_like(activations) if gradients is None else gradients


def without_cast_cache(device: str) -> AbstractContextManager[Any]:
    """Keep the caller's autocast, but not its cache of cast weights.

    Weights that were cast here, without recording, would come out of the cache in the caller's next training
    step, and no gradient would reach the parameters.
    """
    if not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, dtype=torch.get_autocast_dtype(device), cache_enabled=False)
