"""Residual network of the seam article."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

STAGES = ((2, 64), (4, 128), (2, 256))
"""(blocks, filters), one after the other; all but the first halve the maps."""
POOL = 4
SMALLEST = 32


class SeamResNet(nn.Module):
    """Batch norm on the input, a 3x3 convolution, 2 + 4 + 2 residual blocks, average pooling, one linear layer.

    Every convolution has a bias, and each batch norm follows its ReLU, as published (He et al. put it before).
    The linear layer weighs each place of the pooled maps by itself: its size follows `image_size`.

    Args:
        in_channels: Channels of the image.
        image_size: Height and width of the image in pixels, at least 32 each.
        num_classes: Outputs, one logit an attribute (or class).

    Raises:
        ValueError: If a side of the image is shorter than 32 pixels.

    Example:
        >>> sum(p.numel() for p in SeamResNet(3, (100, 100), 4).parameters())
        3404810
    """

    # Measured on synthetic seams (docs/heatmaps.md): the finest maps that see a whole fault, each place by itself.
    heatmap_layer = "stages.5"
    heatmap_method = "hires_cam"

    def __init__(self, in_channels: int, image_size: Sequence[int], num_classes: int) -> None:
        super().__init__()
        if min(image_size) < SMALLEST:
            raise ValueError(
                f"SeamResNet needs images of at least {SMALLEST}x{SMALLEST} pixels, but image_size is "
                f"{list(image_size)}: set data.image_size=[height,width] to more"
            )
        channels = STAGES[0][1]
        self.input_norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        blocks: list[nn.Module] = []
        height, width = image_size
        for stage, (count, filters) in enumerate(STAGES):
            for block in range(count):
                halves = stage > 0 and block == 0
                blocks.append(ResidualBlock(channels, filters, halves))
                channels = filters
                if halves:
                    height, width = (height + 1) // 2, (width + 1) // 2
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(channels * (height // POOL) * (width // POOL), num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, num_classes]` of float images `[N, in_channels, H, W]`."""
        maps = self.norm(F.relu(self.conv(self.input_norm(images))))
        return self.head(F.avg_pool2d(self.stages(maps), POOL).flatten(1))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; a batch norm behind each ReLU.

    Args:
        in_channels: Channels of the maps that come in.
        filters: Channels of the maps that go out; the same, unless the block halves.
        halves: The first convolution has stride 2, and the shortcut is a 1x1 convolution with stride 2.
    """

    def __init__(self, in_channels: int, filters: int, halves: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, filters, 3, stride=2 if halves else 1, padding=1)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(filters)
        self.shortcut = nn.Conv2d(in_channels, filters, 1, stride=2) if halves else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `[N, filters, H, W]`, or half of H and W (rounded up), of `[N, in_channels, H, W]`."""
        inner = self.conv2(self.norm1(F.relu(self.conv1(maps))))
        return self.norm2(F.relu(self.shortcut(maps) + inner))
