"""A small convolutional network for images of any size."""

from typing import Literal

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Four blocks of 3x3 convolution, batch norm, ReLU and max-pool, then global pooling.

    Unlike `LeNet` it does not mind where on the image the evidence is, and has few parameters.

    Args:
        in_channels: Channels of the image.
        num_classes: Outputs, one logit a class.
        width: Filters of the first block; each further block doubles them.
        pooling: `max` asks whether a feature is anywhere on the image: right for small defects, which a mean over
            the image would drown. `mean` asks how much of the image has it.
        dropout: Probability of dropping a pooled feature, 0..1.

    Example:
        >>> sum(p.numel() for p in SmallCNN(1, 2, width=16).parameters())
        97650
    """

    # Measured on tiles with known defects (docs/heatmaps.md): the maps behind batch norm and ReLU, not before.
    heatmap_layer = "features.14"
    heatmap_method = "grad_cam"  # the maps of HiResCAM would be the single pixels that won the pooling

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        width: int = 16,
        pooling: Literal["max", "mean"] = "max",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width={width}: expected 1 or more")
        if pooling not in ("max", "mean"):
            raise ValueError(f"pooling={pooling!r}: expected max or mean")
        self.pooling = pooling
        blocks: list[nn.Module] = []
        channels = in_channels
        for block in range(4):
            filters = width * 2**block
            blocks += [
                nn.Conv2d(channels, filters, 3, padding=1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(),
                nn.MaxPool2d(2)
                if block < 3
                else nn.Identity(),  # the last maps stay fine enough for a heatmap
            ]
            channels = filters
        self.features = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, num_classes]` of float images `[N, in_channels, H, W]`, H and W at least 8."""
        maps = self.features(images)
        pooled = maps.amax(dim=(2, 3)) if self.pooling == "max" else maps.mean(dim=(2, 3))
        return self.head(self.dropout(pooled))
