"""How well heatmaps point at the known defects. Used to choose the method for a network by measurement."""

from collections.abc import Sequence

import torch
from torch import Tensor


def heat_inside(maps: Tensor, regions: Tensor | Sequence[Tensor]) -> Tensor:
    """Return the share of each map's heat that lies inside the known region (energy-based pointing game).

    Source: Wang et al., "Score-CAM", CVPR workshops 2020, https://arxiv.org/abs/1910.01279.

    Args:
        maps: Float [N, H, W], not negative.
        regions: Masks [N, H, W] (what is not 0 is inside), or for each image its boxes [M, 4] as
            (x0, y0, x1, y1) in pixels; boxes may overlap, and a pixel is inside if its centre is.

    Returns:
        Float [N] in 0..1; NaN (undefined) where the map holds no heat.

    Raises:
        ValueError: Maps and regions do not fit together.

    >>> maps = torch.tensor([[[0.0, 1.0], [1.0, 2.0]]])
    >>> heat_inside(maps, [torch.tensor([[1.0, 0.0, 2.0, 2.0]])])
    tensor([0.7500])
    """
    if maps.ndim != 3:
        raise ValueError(f"Expected argument `maps` to be [N, H, W] but got {list(maps.shape)}.")
    if isinstance(regions, Tensor):
        inside = regions.to(maps.device) != 0
    else:
        covered = [_covered(boxes.to(maps.device), maps.shape[-2], maps.shape[-1]) for boxes in regions]
        inside = torch.stack(covered) if covered else maps.new_zeros((0, *maps.shape[1:]), dtype=torch.bool)
    if inside.shape != maps.shape:
        raise ValueError(f"Expected regions for maps {list(maps.shape)} but got {list(inside.shape)}.")
    # 0 / 0 is NaN: a map without heat points neither at the region nor beside it.
    return (maps * inside).sum(dim=(1, 2)) / maps.sum(dim=(1, 2))


def hits(maps: Tensor, masks: Tensor) -> Tensor:
    """Return whether the hottest pixel of each map lies in the mask (pointing game).

    Source: Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016,
    https://arxiv.org/abs/1608.00507; without their margin of 15 pixels.

    Args:
        maps: Float [N, H, W], not negative.
        masks: [N, H, W]; what is not 0 is inside.

    Returns:
        Float [N] of 0 and 1; NaN (undefined) where the map holds no heat.

    >>> hits(torch.tensor([[[0.0, 2.0]], [[0.0, 0.0]]]), torch.tensor([[[0, 1]], [[0, 1]]]))
    tensor([1., nan])
    """
    flat = maps.flatten(1)
    found = (masks.flatten(1) != 0).to(flat).gather(1, flat.argmax(dim=1, keepdim=True))[:, 0]
    return torch.where(flat.amax(dim=1) > 0, found, torch.nan)


def _covered(boxes: Tensor, height: int, width: int) -> Tensor:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"Expected boxes [M, 4] but got {list(boxes.shape)}.")
    x = torch.arange(width, device=boxes.device) + 0.5
    y = torch.arange(height, device=boxes.device) + 0.5
    x0, y0, x1, y1 = (side[:, None] for side in boxes.unbind(dim=1))
    columns, rows = (x0 <= x) & (x < x1), (y0 <= y) & (y < y1)
    return (rows[:, :, None] & columns[:, None, :]).any(dim=0)
