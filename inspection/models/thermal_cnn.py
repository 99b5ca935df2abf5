"""The network of the thermal article: three convolutions and a large linear layer."""

from collections.abc import Sequence

from torch import Tensor, nn

from inspection.models.halving import halved

_BLOCKS = ((32, 5), (64, 5), (128, 3))  # filters, and the side of their kernels


class ThermalCNN(nn.Module):
    """Three blocks of convolution, ReLU and max-pool, then a linear layer of 512, dropout and the outputs.

    99.8 % of its parameters are in the linear layer, which learns each place of the image by itself: it needs many
    images. `ThermalPool` asks the same everywhere, and is better on every set that was tried (docs/thermal.md).

    Args:
        in_channels: Channels of the image.
        image_size: Height and width of the image in pixels, at least 8 each.
        num_outputs: Quantities that are asked for.
        dropout: Probability of dropping a hidden unit, 0..1.

    Raises:
        ValueError: If the image is too small for three blocks.

    Example:
        >>> sum(p.numel() for p in ThermalCNN(1, (224, 224), 3).parameters())
        51508227
    """

    def __init__(
        self, in_channels: int, image_size: Sequence[int], num_outputs: int, dropout: float = 0.5
    ) -> None:
        super().__init__()
        height, width = halved(image_size, len(_BLOCKS), "ThermalCNN")
        layers: list[nn.Module] = []
        channels = in_channels
        for filters, side in _BLOCKS:
            layers += [
                nn.Conv2d(channels, filters, side, padding=side // 2),
                nn.MaxPool2d(2),  # before the ReLU: the same numbers, and a quarter of the values to cut
                nn.ReLU(inplace=True),
            ]
            channels = filters
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * height * width, 512),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(512, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Outputs `[N, num_outputs]` of float images `[N, in_channels, H, W]`."""
        return self.head(self.hidden(self.features(images)))
