"""A small network for quantities that are statistics of an image: how hot anywhere, how hot on the whole."""

import torch
from torch import Tensor, nn


class ThermalPool(nn.Module):
    """Four blocks of 3x3 convolution, batch norm, ReLU and mean-pool; of each, largest and mean feature count.

    What is asked (the hottest and the coldest place, the mean) are extremes and means over places, and so is what
    tells the scale of an image that has lost it: how strong the noise is beside the contrast, what things
    there are to be seen. So everything is pooled over the whole image, at each resolution, the image itself
    included.

    Args:
        in_channels: Channels of the image.
        num_outputs: Quantities that are asked for.
        width: Filters of the first block; each further block doubles them.
        dropout: Probability of dropping a hidden unit, 0..1.

    Example:
        >>> sum(p.numel() for p in ThermalPool(1, 3, width=16).parameters())
        160697
    """

    heatmap_layer = "blocks.3"

    def __init__(self, in_channels: int, num_outputs: int, width: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width={width}: expected 1 or more")
        filters = [width * 2**block for block in range(4)]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
            )
            for before, after in zip([in_channels, *filters[:-1]], filters, strict=True)
        )
        self.shrink = nn.AvgPool2d(2)
        pooled = 3 * in_channels + 2 * sum(filters)
        # Extremes are larger than means and vary more: without the norm they drown them.
        self.hidden = nn.Sequential(
            nn.BatchNorm1d(pooled), nn.Linear(pooled, 128), nn.ReLU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(128, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Outputs `[N, num_outputs]` of float images `[N, in_channels, H, W]`, H and W at least 8."""
        maps = images
        pooled = [maps.amax(dim=(2, 3)), maps.mean(dim=(2, 3)), maps.amin(dim=(2, 3))]
        for number, block in enumerate(self.blocks):
            maps = block(self.shrink(maps) if number else maps)
            pooled += [maps.amax(dim=(2, 3)), maps.mean(dim=(2, 3))]
        return self.head(self.hidden(torch.cat(pooled, 1)))
