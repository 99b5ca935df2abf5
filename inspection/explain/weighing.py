"""From the activations of a layer and their gradients to a signed map: what the gradient methods differ in."""

import torch
from torch import Tensor

from inspection.explain.class_maps import find_evidence
from inspection.explain.heatmaps import Method


def signed_maps(
    activations: Tensor, gradients: Tensor, method: Method, eps: float | None = None
) -> tuple[Tensor, Tensor]:
    """What speaks for and against a class at each place of a layer.

    Args:
        activations: See `weigh`.
        gradients: See `weigh`.
        method: See `weigh`.
        eps: Relative rounding error of what computed them; None: that of the activations' type.

    Returns:
        Maps `[N, h, w]`, all zero without evidence, and whether there is any, bool `[N]`; see `find_evidence`.
    """
    raw, scale = weigh(activations, gradients, method)
    evidence = find_evidence(raw, scale, eps or torch.finfo(activations.dtype).eps)
    return torch.where(evidence[:, None, None], raw, 0.0), evidence


def weigh(activations: Tensor, gradients: Tensor, method: Method) -> tuple[Tensor, Tensor]:
    """Weigh the activations of a layer by their gradients, see `inspection.explain.cam` for the formulas.

    Args:
        activations: Float [N, C, h, w].
        gradients: Of the class logit with respect to them, likewise.
        method: One that takes gradients.

    Returns:
        The signed map [N, h, w] and the size [N] of the terms that cancelled in it, at least float32.
    """
    dtype = torch.promote_types(activations.dtype, torch.float32)  # bf16 sums would lose small evidence
    a, g = activations.to(dtype), gradients.to(dtype)
    if method in ("hires_cam", "layer_cam"):
        product = (g if method == "hires_cam" else g.relu()) * a
        raw, terms = product.sum(dim=1), product.abs().sum(dim=1)
    elif method == "grad_cam_plus_plus":
        weights = _plus_plus(a, g)
        raw, terms = _mixed(weights, a), _mixed(weights, a.abs())
    else:
        raw, terms = _mixed(g.mean(dim=(2, 3)), a), _mixed(g.abs().mean(dim=(2, 3)), a.abs())
    return raw, terms.flatten(1).amax(dim=1)


def _mixed(weights: Tensor, activations: Tensor) -> Tensor:
    return torch.einsum("nc,nchw->nhw", weights, activations)


def _plus_plus(a: Tensor, g: Tensor) -> Tensor:
    """Weights [N, C] of Grad-CAM++: the sum over the places of alpha * ReLU(g).

    alpha = g^2 / (2 g^2 + S g^3) with S the sum of the channel's activations. It is 1 / (2 + S g), so that no tiny
    gradient is squared to nothing. The paper's activations are behind a ReLU. A convolution's own can sum up to
    less than 0, where the denominator would pass through 0 and one channel would drown the others: S is 0 then.
    """
    sums = a.sum(dim=(2, 3), keepdim=True).clamp_min(0)
    positive = g.relu()
    return (positive / (2 + sums * positive)).sum(dim=(2, 3))
