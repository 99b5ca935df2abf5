"""Heatmaps: where in the image the evidence for a class is. One interface for all methods.

With activations A [C, h, w] of a layer and the gradient G of the class *logit* with respect to A:

    Grad-CAM    ReLU( sum_c mean_hw(G_c) * A_c )                  Selvaraju et al., ICCV 2017, arXiv 1610.02391
    Grad-CAM++  ReLU( sum_c sum_hw(alpha_c * ReLU(G_c)) * A_c )   Chattopadhyay et al., WACV 2018, arXiv 1710.11063
    Layer-CAM   ReLU( sum_c ReLU(G_c) * A_c )                     Jiang et al., IEEE TIP 2021
    HiResCAM    ReLU( sum_c      G_c  * A_c )                     Draelos and Carin, 2020, arXiv 2011.08891

with alpha = G^2 / (2 G^2 + S_c G^3) and S_c = sum_hw(A_c), but 0 where that is negative: the paper's activations
are behind a ReLU, those of a convolution itself are not, and its denominator would pass through 0. Class
activation maps ("cam", see `class_maps.py`) need no backward pass; Grad-CAM and HiResCAM are the same as they for
a network that ends in global average pooling and one linear layer. Where the head flattens the map into linear
layers (LeNet, VGG), a channel counts for one place and against another; the mean over places loses that, and
HiResCAM is the faithful one. Occlusion (see `occlusion.py`) asks nothing of the network's inside and checks the
others.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from inspection.errors import InputError
from inspection.explain.class_maps import (
    Grid,
    checked_targets,
    find_grid,
    to_heat,
    weigh_features,
    weighed,
)
from inspection.explain.grids import watching
from inspection.explain.heatmaps import METHOD_NAMES, Heatmaps, Method, known_method
from inspection.explain.hooks import eager
from inspection.explain.layers import heatmap_layer
from inspection.explain.occlusion import occlusion
from inspection.explain.recording import gradients_of, record, without_cast_cache
from inspection.explain.weighing import signed_maps

__all__ = ["METHOD_NAMES", "Heatmaps", "Method", "heatmap", "heatmap_method", "heatmaps_of"]


def heatmap(
    network: nn.Module,
    images: Tensor,
    targets: Tensor | int | None = None,
    *,
    method: Method | Literal["auto"] = "auto",
    layer: str | nn.Module | None = None,
    size: tuple[int, int] | None = None,
    aligned: bool = True,
) -> Heatmaps:
    """Explain the class logits of a batch in one forward and one backward pass, or "cam" in the forward one alone.

    The network comes back as it went in: its mode, its parameters, their `.grad` and its hooks. Frozen
    networks, `torch.no_grad`, `torch.inference_mode`, autocast and compiled networks (run eagerly here) are
    fine. The caller sets `network.eval()`: in training mode batch normalisation mixes the images of the batch
    and updates its statistics as in any forward pass. Not for one network in several threads at once.

    Args:
        network: Images in, logits [N, K] out. It may hold its own normalisation.
        images: What the network takes, [N, C, H, W]; uint8 too where the network does.
        targets: Int64 [N], the class to explain for each image; a number: the same for all. None: the predicted
            class.
        method: "auto" takes the `heatmap_method` of the network or of the first module in it that has one,
            and "grad_cam" where there is none. "cam" needs a head as in `class_maps.py`. "occlusion" takes its
            default patch, and some hundred forward passes.
        layer: The module, or its dotted name, whose output [N, C, h, w] is explained; a name may leave out
            what the network is wrapped in ("layer4" finds "network.layer4"). None: the `heatmap_layer` that the
            network asks for, else the convolution that runs last, see `layers.last_convolution`.
            The output of a module that runs several times is the last one. For "cam" it is always what the
            head is given, and "occlusion" has none.
        size: (H, W) of the maps. None: that of the images.
        aligned: Whether each place of the layer is drawn where its convolutions look, as far as strides and
            paddings tell, see `grids.py`. False spreads the places evenly over the image, as the grad-cam package
            does. "cam" and "occlusion" know their places.

    Returns:
        Maps scaled by their own maximum, each for itself: heat says where, not how much.

    Raises:
        InputError: The layer is unknown, ambiguous, or gives no map; the method is unknown.
        ValueError: The targets do not fit the batch, or the network does not return logits [N, K].
    """
    return heatmaps_of(network, images, [targets], method=method, layer=layer, size=size, aligned=aligned)[0]


def heatmaps_of(
    network: nn.Module,
    images: Tensor,
    targets: Sequence[Tensor | int | None],
    *,
    method: Method | Literal["auto"] = "auto",
    layer: str | nn.Module | None = None,
    size: tuple[int, int] | None = None,
    aligned: bool = True,
) -> list[Heatmaps]:
    """Explain several logits of each image, such as every attribute; they share the forward pass.

    Args:
        network: As in `heatmap`.
        images: As in `heatmap`.
        targets: What each result explains: `range(K)` for all outputs; see `heatmap`.
        method: As in `heatmap`.
        layer: As in `heatmap`.
        size: As in `heatmap`.
        aligned: As in `heatmap`.

    Returns:
        One result a target, in their order.

    Raises:
        InputError: As `heatmap`.
        ValueError: As `heatmap`.
    """
    chosen = heatmap_method(network) if method == "auto" else known_method(method, "method")
    targets = list(targets)
    if not targets:
        return []
    if chosen == "cam":
        return _forward_only(network, images, targets, layer, size)
    if chosen == "occlusion":
        if layer is not None:
            raise InputError(
                "heatmap method occlusion: no layer is looked at; leave it out (null), or take another method."
            )
        return occlusion(network, images, targets, size=size)
    layer = layer or heatmap_layer(network)
    results = []
    # Inference tensors can't take part in a backward pass, not even as constants.
    with torch.inference_mode(False), without_cast_cache(images.device.type), eager(network):
        images = images.clone() if images.is_inference() else images.detach()
        with torch.no_grad(), watching(network, images) if aligned else nullcontext() as watch:
            logits, activations = record(network, images, layer)
        if not logits.requires_grad:
            # A network with a `with torch.no_grad():` of its own around the layer turns the recording off
            # again as it leaves it, because it was off outside. With recording on outside it stays on.
            with torch.enable_grad():
                logits, activations = record(network, images, layer)
        if logits.ndim != 2 or len(logits) != len(images):
            raise ValueError(f"Expected logits [{len(images)}, K] but got {list(logits.shape)}.")
        shape, grid = (
            (images.shape[-2], images.shape[-1]),
            None if watch is None else watch.grid_of(activations),
        )
        for number, target in enumerate(targets, 1):
            which = checked_targets(target, logits)
            gradients = gradients_of(logits, which, activations, keep=number < len(targets))
            # Autocast would take the sums over the channels back to bf16.
            with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
                raw, evidence = signed_maps(activations, gradients, chosen)
                maps = _sized(raw, shape, grid, size)
            results.append(Heatmaps(maps, evidence, chosen, logits.detach().float(), which))
    return results


def heatmap_method(network: nn.Module) -> Method:
    """Return the method a network asks for: its own `heatmap_method` or that of a module in it."""
    for name, module in network.named_modules():
        wanted = getattr(module, "heatmap_method", None)
        if wanted is not None:
            return known_method(wanted, f"{name or type(network).__name__}.heatmap_method")
    return "grad_cam"


def _sized(maps: Tensor, shape: tuple[int, int], grid: Grid | None, size: tuple[int, int] | None) -> Tensor:
    """Heat over the image, and then in another size; without a grid at once."""
    if grid is None or size is None or size == shape:
        return to_heat(maps, size or shape, grid)
    return to_heat(to_heat(maps, shape, grid), size)


def _forward_only(
    network: nn.Module,
    images: Tensor,
    targets: Sequence[Tensor | int | None],
    layer: str | nn.Module | None,
    size: tuple[int, int] | None,
) -> list[Heatmaps]:
    if layer is not None:
        raise InputError(
            "heatmap method cam: the layer is what the head is given; leave the layer out (null), or "
            "take another method."
        )
    results = []
    with torch.no_grad(), without_cast_cache(images.device.type):
        logits, features, weights = weigh_features(network, images)
        shape = images.shape[-2], images.shape[-1]
        for target in targets:
            seen = weighed(logits, features, weights, target)
            maps = _sized(seen.maps, shape, find_grid(network), size)
            results.append(Heatmaps(maps, seen.evidence, "cam", seen.logits.detach(), seen.targets))
    return results
