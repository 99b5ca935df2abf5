"""The network of the process article: three convolutions and a large linear layer."""

from collections.abc import Sequence

from torch import Tensor, nn

from inspection.models.halving import halved

_FILTERS = (32, 64, 128)


class SimpleCNN(nn.Module):
    """Three blocks of 3x3 convolution, batch norm, ReLU and max-pool, then two linear layers.

    It sees fine detail and where it is, but hardly any context: 99.8 % of its parameters are in the linear
    layer behind the maps. For a camera that always sees the same scene.

    Args:
        in_channels: Channels of the image.
        image_size: Height and width of the image in pixels, at least 8 each.
        num_classes: Outputs, one logit a class.
        dropout: Probability of dropping a hidden unit, 0..1.

    Raises:
        ValueError: If the image is too small for three blocks.

    Example:
        >>> sum(p.numel() for p in SimpleCNN(3, (224, 224), 3).parameters())
        51475971
    """

    # The linear layer weighs each place by itself, as in LeNet (docs/heatmaps.md). At the last batch norm the
    # maps are not yet thinned by the pooling, and what the ReLU cuts off has no gradient there.
    heatmap_layer = "features.9"
    heatmap_method = "hires_cam"

    def __init__(
        self, in_channels: int, image_size: Sequence[int], num_classes: int, dropout: float = 0.5
    ) -> None:
        super().__init__()
        height, width = halved(image_size, len(_FILTERS), "SimpleCNN")
        layers: list[nn.Module] = []
        channels = in_channels
        for filters in _FILTERS:
            layers += [
                nn.Conv2d(channels, filters, 3, padding=1),
                nn.BatchNorm2d(filters),
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
        self.head = nn.Linear(512, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, num_classes]` of float images `[N, in_channels, H, W]`."""
        return self.head(self.hidden(self.features(images)))
