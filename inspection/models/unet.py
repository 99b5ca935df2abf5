"""U-Net: a mask of the defects, pixel by pixel."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inspection.models.tiling import check_tiles, tiled

LEVELS = 4
PRIOR = 0.01  # probability of a defect that an untrained network gives each pixel, about


class UNet(nn.Module):
    """Four halvings and four doublings of the maps, joined at each size.

    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015,
    https://arxiv.org/abs/1505.04597; with padded convolutions and batch norm, as it is used today, so that the
    mask is as large as the image.

    Args:
        in_channels: Channels of the image.
        width: Filters of the first level; each halving doubles them. 64 as published: 64 to 1024.
        tile: Side in pixels of the tiles in which larger images are evaluated, a multiple of 16, so that memory is
            bounded; see `tiled`. None: whole images. Training sees whole images in any case.
        overlap: Of two tiles, in pixels, a multiple of 16.

    Attributes:
        stride: Inside, sides are padded to multiples of it; tiles that begin at multiples of it give the same maps
            as the whole image.

    Example:
        >>> sum(p.numel() for p in UNet(3).parameters())
        31043521
    """

    stride = 2**LEVELS
    # The coarsest maps see the most context; the last convolution is the mask itself. Layer-CAM as measured in
    # docs/evidence.md: the other methods lose the place there, or find nothing.
    heatmap_layer = f"down.{LEVELS}"
    heatmap_method = "layer_cam"

    def __init__(
        self, in_channels: int, width: int = 64, tile: int | None = None, overlap: int = 128
    ) -> None:
        super().__init__()
        if tile is not None:
            check_tiles(tile, overlap, self.stride)
        self.tile, self.overlap = tile, overlap
        if width < 1:
            raise ValueError(f"width={width}: expected 1 or more")
        filters = [width * 2**level for level in range(LEVELS + 1)]
        self.down = nn.ModuleList(
            _convolutions(channels, count)
            for channels, count in zip([in_channels, *filters], filters, strict=False)
        )
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(2 * count, count, 2, stride=2) for count in reversed(filters[:-1])
        )
        self.up = nn.ModuleList(_convolutions(2 * count, count) for count in reversed(filters[:-1]))
        self.head = nn.Conv2d(width, 1, 1)
        # Few pixels are defective: to begin at one half would take many steps to unlearn (Lin et al., 2017,
        # https://arxiv.org/abs/1708.02002).
        nn.init.constant_(self.head.bias, math.log(PRIOR / (1 - PRIOR)))  # type: ignore[arg-type]  # it has one

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a defect `[N, 1, H, W]` of float images `[N, in_channels, H, W]` of any size."""
        if self.tile is None or self.training or max(images.shape[-2:]) <= self.tile:
            return self._whole(images)
        return tiled(self._whole, images, self.tile, self.overlap, stride=self.stride)

    def _whole(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        # Repeated edges, cut off again below: a black margin would be an edge that the image does not have.
        beyond = (0, -width % self.stride, 0, -height % self.stride)
        maps = F.pad(images, beyond, mode="replicate") if any(beyond) else images
        skipped = []
        for level, block in enumerate(self.down):
            maps = block(maps if level == 0 else F.max_pool2d(maps, 2))
            skipped.append(maps)
        skipped.pop()
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            maps = block(torch.cat([skipped.pop(), enlarge(maps)], 1))
        return self.head(maps)[..., :height, :width]


def _convolutions(in_channels: int, filters: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, filters, 3, padding=1),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, 3, padding=1),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
    )
