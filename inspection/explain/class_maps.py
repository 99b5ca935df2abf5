"""Class activation maps out of the forward pass itself, for networks that end in pooling and one linear layer.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016,
https://arxiv.org/abs/1512.04150. With the last feature maps A [C, h, w] and the linear row w of a class:

    CAM = sum_c w_c * A_c        and        logit = mean_hw(CAM) + bias

Grad-CAM and HiResCAM are the same map there, over h * w, for twice the work and more: they need a backward pass.

The head is known by its property `class_weights` [K, C]; it takes the feature maps and gives the logits. It may be
anywhere in the network, so that the network can be wrapped in its normalisation or be one of a DDP process.
"""

from typing import Any

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


def class_maps(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and signed class activation maps of one forward pass, without a backward pass.

    The maps are of one scale for all images, unlike heatmaps, which are each scaled by their own maximum.

    Args:
        network: Images in, logits [N, K] out; it ends in a head as above. The caller sets `network.eval()`.
        images: What the network takes, [N, C, H, W].

    Returns:
        Logits [N, K] and maps [N, K, h, w], float32, as small as the last feature maps. The bias is not in them.

    Raises:
        InputError: The network has no such head.
    """
    logits, features, weights = weigh_features(network, images)
    with torch.autocast(images.device.type, enabled=False):  # bf16 sums would lose small evidence
        maps = torch.einsum("kc,nchw->nkhw", weights.float(), features.float())
    return logits.float(), maps


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
