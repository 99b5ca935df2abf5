"""Class activation maps: where in the image the evidence for a class is.

Grad-CAM: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, https://arxiv.org/abs/1610.02391.
HiResCAM: Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
neural networks", 2020, https://arxiv.org/abs/2011.08891.

With activations A [C, h, w] of a layer and the gradient G of the class *logit* with respect to A:

    Grad-CAM  = ReLU( sum_c mean_hw(G_c) * A_c )
    HiResCAM  = ReLU( sum_c      G_c     * A_c )

Both are the same for a network that ends in global average pooling and one linear layer, and need no backward
pass there: method "cam", see `class_maps.py`. Where the head flattens the map into linear layers (LeNet, VGG), a
channel counts for one place and against another; the mean over places loses that, and HiResCAM is the faithful
one.
"""

import difflib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from inspection.errors import InputError
from inspection.explain.class_maps import checked_targets, class_maps, find_evidence, find_grid, to_heat
from inspection.explain.hooks import eager, hooked

CamMethod = Literal["grad_cam", "hires_cam", "cam"]

METHOD_NAMES: dict[str, str] = {"grad_cam": "Grad-CAM", "hires_cam": "HiResCAM", "cam": "CAM"}
"""How a method is written in titles and reports."""


@dataclass(frozen=True)
class Heatmaps:
    """Heatmaps of a batch.

    Attributes:
        maps: Float32 [N, H, W] in 0..1. A map with evidence has its maximum at exactly 1.
        evidence: Bool [N]. False: nothing in the layer speaks for the class, and the map is all zero.
        method: "grad_cam", "hires_cam" or "cam", the one that was used.
        logits: Float32 [N, K] of the same forward pass, so that verdict and heatmap belong together.
        targets: Int64 [N], the class that each map explains.
    """

    maps: Tensor
    evidence: Tensor
    method: CamMethod
    logits: Tensor
    targets: Tensor

    def of(self, row: int) -> np.ndarray | None:
        """The map of one image, float32 [H, W] on the CPU; None without evidence."""
        return self.maps[row].cpu().numpy() if bool(self.evidence[row]) else None


def heatmap(
    network: nn.Module,
    images: Tensor,
    targets: Tensor | None = None,
    *,
    method: CamMethod | Literal["auto"] = "auto",
    layer: str | nn.Module | None = None,
    size: tuple[int, int] | None = None,
) -> Heatmaps:
    """Explain the class logits of a batch in one forward and one backward pass, or "cam" in the forward one alone.

    The network comes back as it went in: its mode, its parameters, their `.grad` and its hooks. Frozen
    networks, `torch.no_grad`, `torch.inference_mode`, autocast and compiled networks (run eagerly here) are
    fine. The caller sets `network.eval()`: in training mode batch normalisation mixes the images of the batch
    and updates its statistics as in any forward pass. Not for one network in several threads at once.

    Args:
        network: Images in, logits [N, K] out. It may hold its own normalisation.
        images: What the network takes, [N, C, H, W]; uint8 too where the network does.
        targets: Int64 [N], the class to explain for each image. None: the predicted class.
        method: "auto" takes the `heatmap_method` of the network or of the first module in it that has one,
            and "grad_cam" where there is none. "cam" needs a head as in `class_maps.py`.
        layer: The module, or its dotted name, whose output [N, C, h, w] is explained; a name may leave out
            what the network is wrapped in ("layer4" finds "network.layer4"). None: the `heatmap_layer` that the
            network asks for, else the convolution that runs last, see `last_convolution`.
            The output of a module that runs several times is the last one. For "cam" it is always what the
            head is given.
        size: (H, W) of the maps. None: that of the images.

    Returns:
        Maps scaled by their own maximum, each for itself: heat says where, not how much.

    Raises:
        InputError: The layer is unknown, ambiguous, or gives no map; the method is unknown.
        ValueError: The targets do not fit the batch, or the network does not return logits [N, K].
    """
    chosen = heatmap_method(network) if method == "auto" else _known_method(method, "method")
    if chosen == "cam":
        return _forward_only(network, images, targets, layer, size)
    layer = layer or heatmap_layer(network)
    if layer is None:
        candidates, accepts = _convolutions(network), _has_places
    else:
        candidates, accepts = [_find_layer(network, layer)], _gives_map

    # Inference tensors can't take part in a backward pass, not even as constants.
    with torch.inference_mode(False), _without_cast_cache(images.device.type), eager(network):
        images = images.clone() if images.is_inference() else images.detach()
        with torch.no_grad():
            logits, activations = _record(network, images, candidates, accepts)
        if activations is not None and not logits.requires_grad:
            # A network with a `with torch.no_grad():` of its own around the layer turns the recording off
            # again as it leaves it, because it was off outside. With recording on outside it stays on.
            with torch.enable_grad():
                logits, activations = _record(network, images, candidates, accepts)
        if activations is None:
            raise InputError(_no_map_message(network, layer))
        if logits.ndim != 2 or len(logits) != len(images):
            raise ValueError(f"Expected logits [{len(images)}, K] but got {list(logits.shape)}.")
        targets = checked_targets(targets, logits)
        gradients = _gradients(logits, targets, activations)
        # Autocast would take the sums over the channels back to bf16.
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            raw, scale = _class_activation(activations, gradients, chosen)
            evidence = find_evidence(raw, scale, torch.finfo(activations.dtype).eps)
            maps = to_heat(
                torch.where(evidence[:, None, None], raw, 0.0), size or (images.shape[-2], images.shape[-1])
            )
    return Heatmaps(maps, evidence, chosen, logits.detach().float(), targets)


def heatmap_method(network: nn.Module) -> CamMethod:
    """Return the method a network asks for: its own `heatmap_method` or that of a module in it."""
    for name, module in network.named_modules():
        wanted = getattr(module, "heatmap_method", None)
        if wanted is not None:
            return _known_method(wanted, f"{name or type(network).__name__}.heatmap_method")
    return "grad_cam"


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
        if _has_places(output):
            ran.append(names[module])

    with torch.no_grad(), eager(network), hooked(_convolutions(network), note):
        network(images[:1])
    if not ran:
        raise InputError(_no_map_message(network, None))
    return ran[-1]


# --- one pass -----------------------------------------------------------------------------------------------


def _record(
    network: nn.Module, images: Tensor, candidates: Iterable[nn.Module], accepts: Callable[[Any], bool]
) -> tuple[Tensor, Tensor | None]:
    """Run the network so that only what follows the last accepted output is recorded for the backward pass.

    Each accepted output is cut from what made it and becomes a new leaf. So nothing before it is kept in
    memory, no parameter needs a gradient, and which candidate runs last need not be known beforehand.
    """
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
    return logits, leaf


def _gradients(logits: Tensor, targets: Tensor, activations: Tensor) -> Tensor:
    """Return d logit[target] / d activations for each image.

    Images do not mix in a network, so the gradient of the sum holds that of each image. `autograd.grad` with
    one input leaves the `.grad` of the parameters alone and never computes them.
    """
    with torch.enable_grad():
        total = logits.gather(1, targets[:, None]).sum()
    if not total.requires_grad:
        return torch.zeros_like(activations)  # the layer ran but nothing of it reaches the logits
    (gradients,) = torch.autograd.grad(total, activations, allow_unused=True)
    return torch.zeros_like(activations) if gradients is None else gradients


def _without_cast_cache(device: str) -> AbstractContextManager[Any]:
    """Keep the caller's autocast, but not its cache of cast weights.

    Weights that were cast here, without recording, would come out of the cache in the caller's next training
    step, and no gradient would reach the parameters.
    """
    if not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, dtype=torch.get_autocast_dtype(device), cache_enabled=False)


def _forward_only(
    network: nn.Module,
    images: Tensor,
    targets: Tensor | None,
    layer: str | nn.Module | None,
    size: tuple[int, int] | None,
) -> Heatmaps:
    if layer is not None:
        raise InputError(
            "heatmap method cam: the layer is what the head is given; leave the layer out (null)."
        )
    with torch.no_grad(), _without_cast_cache(images.device.type):
        seen = class_maps(network, images, targets)
        shape = images.shape[-2], images.shape[-1]
        maps = to_heat(seen.maps, shape, find_grid(network))
        if size is not None and size != shape:
            maps = to_heat(maps, size)
    return Heatmaps(maps, seen.evidence, "cam", seen.logits.detach(), seen.targets)


# --- from activations to a map ------------------------------------------------------------------------------


def _class_activation(activations: Tensor, gradients: Tensor, method: CamMethod) -> tuple[Tensor, Tensor]:
    """Return the signed map [N, h, w] and the size [N] of the terms that cancelled in it."""
    dtype = torch.promote_types(activations.dtype, torch.float32)  # bf16 sums would lose small evidence
    a, g = activations.to(dtype), gradients.to(dtype)
    if method == "grad_cam":
        raw = torch.einsum("nc,nchw->nhw", g.mean(dim=(2, 3)), a)
        terms = torch.einsum("nc,nchw->nhw", g.abs().mean(dim=(2, 3)), a.abs())
    else:
        product = g * a
        raw, terms = product.sum(dim=1), product.abs().sum(dim=1)
    return raw, terms.flatten(1).amax(dim=1)


# --- checks -------------------------------------------------------------------------------------------------


def _known_method(method: str, where: str) -> CamMethod:
    for known in get_args(CamMethod):
        if method == known:
            return known
    raise InputError(
        f"{where}: unknown heatmap method {method!r}; expected grad_cam, hires_cam, cam or auto."
    )


def _convolutions(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def _gives_map(output: Any) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and output.is_floating_point()


def _has_places(output: Any) -> bool:
    return _gives_map(output) and output.shape[-2] * output.shape[-1] > 1


def _find_layer(network: nn.Module, layer: str | nn.Module) -> nn.Module:
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


def _no_map_message(network: nn.Module, layer: str | nn.Module | None) -> str:
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
