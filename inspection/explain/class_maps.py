"""Class activation maps out of the forward pass itself, for networks that end in pooling and one linear layer.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016,
https://arxiv.org/abs/1512.04150. With the last feature maps A [C, h, w] and the linear row w of a class:

    CAM = sum_c w_c * A_c        and        logit = mean_hw(CAM) + bias

Grad-CAM and HiResCAM are the same map there, over h * w, for twice the work and more: they need a backward pass.

The head is known by its property `class_weights` [K, C]; it takes the feature maps and gives the logits. It may be
anywhere in the network, so that the network can be wrapped in its normalisation or be one of a DDP process.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inspection.errors import InputError
from inspection.explain.hooks import eager, hooked


def find_head(network: nn.Module) -> nn.Module | None:
    """The module that weighs the last feature maps, or None where a network has none (or several)."""
    heads = [module for module in network.modules() if hasattr(module, "class_weights")]
    return heads[0] if len(heads) == 1 else None


def weigh_features(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One forward pass: logits [N, K], the last feature maps [N, C, h, w] and their class weights [K, C].

    Raises:
        InputError: The network has no such head.
    """
    head = find_head(network)
    if head is None:
        bare = getattr(network, "network", network)  # not its normalisation, which a person did not choose
        raise InputError(
            f"heatmap method cam: {type(bare).__name__} does not end in global average pooling and one linear "
            "layer; take grad_cam or hires_cam, or a network such as model=resnet18_cam."
        )
    seen: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        seen.append(inputs[0])

    with eager(network), hooked([head], note, before=True):
        logits = network(images)
    weights = head.class_weights
    assert isinstance(weights, Tensor)
    return logits, seen[-1], weights


class ClassMaps(NamedTuple):
    """What one forward pass tells of a class.

    Attributes:
        logits: Float32 `[N, K]`.
        maps: Signed, of one scale for all images, float32 `[N, h, w]`, as small as the last feature maps. The bias
            is not in them. Without evidence nothing in them is above 0.
        evidence: Bool `[N]`: whether more than rounding noise speaks for the class, see `find_evidence`.
        targets: Int64 `[N]`, the class of each map.
    """

    logits: Tensor
    maps: Tensor
    evidence: Tensor
    targets: Tensor


def class_maps(network: nn.Module, images: Tensor, targets: Tensor | int | None = None) -> ClassMaps:
    """Logits and signed class activation maps of one forward pass, without a backward pass.

    Args:
        network: Images in, logits [N, K] out; it ends in a head as above. The caller sets `network.eval()`.
        images: What the network takes, [N, C, H, W].
        targets: Int64 [N], the class to explain for each image; a number: the same for all; None: the predicted.

    Raises:
        InputError: The network has no such head.
        ValueError: The targets do not fit the batch.
    """
    return weighed(*weigh_features(network, images), targets)


def weighed(
    logits: Tensor,
    features: Tensor,
    weights: Tensor,
    targets: Tensor | int | None = None,
    eps: float | None = None,
) -> ClassMaps:
    """Class activation maps out of what `weigh_features` gave.

    Args:
        logits: `[N, K]`.
        features: `[N, C, h, w]`.
        weights: `[K, C]`.
        targets: As in `class_maps`.
        eps: Relative rounding error of what computed the features; None: that of their type.

    Raises:
        ValueError: The targets do not fit the batch.
    """
    targets = checked_targets(targets, logits)
    with torch.autocast(features.device.type, enabled=False):  # bf16 sums would lose small evidence
        w, a = weights[targets].float(), features.float()
        raw = torch.einsum("nc,nchw->nhw", w, a)
        scale = torch.einsum("nc,nchw->nhw", w.abs(), a.abs()).flatten(1).amax(dim=1)
        eps = eps or torch.finfo(features.dtype).eps
        evidence = find_evidence(raw, scale, eps)
        # What is left of terms that cancelled is no place, on either side of 0.
        noise = (raw.abs() <= noise_floor(scale, eps)[:, None, None]) | ~raw.isfinite()
        maps = torch.where(~evidence[:, None, None] & noise, 0.0, raw)
    return ClassMaps(logits.float(), maps, evidence, targets)


NOISE = 1.0
"""Positive evidence up to `NOISE * eps * scale` counts as none; see `find_evidence`."""


def noise_floor(scale: Tensor, eps: float) -> Tensor:
    """Up to where a map may be rounding noise, `[N]`; see `find_evidence`."""
    return (NOISE * eps * scale).clamp_min(torch.finfo(scale.dtype).tiny)


def find_evidence(raw: Tensor, scale: Tensor, eps: float) -> Tensor:
    """Say for which images the map holds more than rounding noise.

    A map is a sum of terms with both signs. Each term carries a relative rounding error of about `eps` (of
    the dtype the network ran in), so what is left after they cancel is uncertain by about `eps * scale`, with
    `scale` the largest sum of the terms' magnitudes. Divided by its own maximum, such a remainder would look
    like a vivid map. It happens: behind instance normalisation the gradient of a channel sums to zero, and
    Grad-CAM is nothing but noise: at most 0.18 of this threshold there, in fp32 and bf16 (54 maps), while
    real evidence is 10^5 to 10^6 times it in fp32 and 2 to 20 times it in bf16 (16 maps each, untrained
    ResNet-18). So bf16 can lose weak evidence that fp32 keeps. A map that is not finite is none either.
    """
    peak = raw.flatten(1).amax(dim=1)
    return (peak > noise_floor(scale, eps)) & raw.isfinite().all(dim=2).all(dim=1) & scale.isfinite()


def checked_targets(targets: Tensor | int | None, logits: Tensor) -> Tensor:
    """Classes to explain, int64 `[N]` beside the logits, of one for all or one an image; None: the predicted ones.

    Raises:
        ValueError: If they do not fit the logits.
    """
    count, classes = logits.shape
    if targets is None:
        return logits.detach().argmax(dim=1)
    if isinstance(targets, int):
        if not 0 <= targets < classes:
            raise ValueError(f"Expected argument `targets` in 0..{classes - 1} but got {targets}.")
        return torch.full((count,), targets, device=logits.device)
    if targets.shape != (count,) or targets.dtype != torch.int64:
        found = f"{targets.dtype} {list(targets.shape)}"
        raise ValueError(f"Expected argument `targets` to be int64 [{count}] but got {found}.")
    if count and not (int(targets.min()) >= 0 and int(targets.max()) < classes):
        raise ValueError(f"Expected argument `targets` in 0..{classes - 1} but got {targets.tolist()}.")
    return targets.to(logits.device, copy=True)


Grid = tuple[float, float]
"""Where maps lie over an image: the pixel that the first place is centred on, and pixels from one to the next."""


def find_grid(network: nn.Module) -> Grid | None:
    """Where the maps of a network lie, by its attribute `map_grid`; None: evenly spread over the image."""
    for module in network.modules():
        grid = getattr(module, "map_grid", None)
        if isinstance(grid, tuple):
            return grid
    return None


def resized(maps: Tensor, size: tuple[int, int], grid: Grid | None = None) -> Tensor:
    """Maps [N, h, w] interpolated bilinearly to the image's size [N, H, W].

    Args:
        maps: Float [N, h, w].
        size: (H, W).
        grid: Where the maps lie. The usual way, to spread them evenly (None), is half a place off for networks
            whose convolutions halve the maps (ResNet, MobileNet): 16 of 224 pixels, down and to the right.
    """
    if grid is not None:
        down, across = (_interpolation(maps.shape[side], size[side], grid).to(maps) for side in (-2, -1))
        return down @ maps @ across.T
    # Towards fewer pixels, plain bilinear sampling could step over the only hot place.
    shrinks = size[0] < maps.shape[-2] or size[1] < maps.shape[-1]
    return F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False, antialias=shrinks)[
        :, 0
    ]


def _interpolation(places: int, pixels: int, grid: Grid) -> Tensor:
    """How much each place counts for each pixel, [pixels, places]; beyond the outermost, they alone do."""
    start, stride = grid
    at = ((torch.arange(pixels) - start) / stride).clamp(0, places - 1)
    return (1 - (at[:, None] - torch.arange(places)).abs()).clamp_min(0)


def to_heat(maps: Tensor, size: tuple[int, int], grid: Grid | None = None) -> Tensor:
    """Heatmaps of signed maps: what speaks for the class, each map scaled by its own maximum.

    Args:
        maps: Float [N, h, w].
        size: (H, W).
        grid: Where the maps lie, see `resized`.

    Returns:
        Float32 [N, H, W] in 0..1; all zero where nothing speaks for the class.
    """
    positive = resized(maps.relu(), size, grid)
    peak = positive.flatten(1).amax(dim=1).clamp_min(torch.finfo(positive.dtype).tiny)
    return (positive / peak[:, None, None]).float()
