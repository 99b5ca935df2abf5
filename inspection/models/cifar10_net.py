"""The CIFAR-10 network: three blocks of two convolutions, then two linear layers."""

from collections.abc import Sequence

from torch import Tensor, nn

from inspection.models.halving import halved

_FILTERS = (64, 128, 256)


class CIFAR10Net(nn.Module):
    """Three blocks of two 3x3 convolutions, each with batch norm and ReLU, and a max-pool; two linear layers.

    For small images, 32x32 as published. The flattened maps grow with the image: at 224x224 the hidden layer
    alone has 51 million parameters.

    Source: the plain VGG-style network of many CIFAR-10 articles; Simonyan and Zisserman, "Very Deep
    Convolutional Networks for Large-Scale Image Recognition", 2015, with the batch norm of Ioffe and Szegedy.

    Args:
        in_channels: Channels of the image.
        image_size: Height and width of the image in pixels, at least 8 each.
        num_classes: Outputs, one logit a class.
        dropout: Probability of dropping a value before each of the two linear layers, 0..1.

    Raises:
        ValueError: If the image is too small for three blocks.

    Example:
        >>> sum(p.numel() for p in CIFAR10Net(3, (32, 32), 10).parameters())
        2198602
    """

    # The linear layers weigh each place by itself, as in LeNet (docs/heatmaps.md). The last batch norm is the
    # last place before the pooling thins the maps to 4x4, and what the ReLU cuts off has no gradient there.
    heatmap_layer = "features.18"
    heatmap_method = "hires_cam"

    def __init__(
        self, in_channels: int, image_size: Sequence[int], num_classes: int, dropout: float = 0.5
    ) -> None:
        super().__init__()
        height, width = halved(image_size, len(_FILTERS), "CIFAR10Net")
        layers: list[nn.Module] = []
        channels = in_channels
        for filters in _FILTERS:
            layers += [
                nn.Conv2d(channels, filters, 3, padding=1),
                nn.BatchNorm2d(filters),
                nn.ReLU(inplace=True),
                nn.Conv2d(filters, filters, 3, padding=1),
                nn.BatchNorm2d(filters),
                nn.MaxPool2d(2),  # before the ReLU: the same numbers, and a quarter of the values to cut
                nn.ReLU(inplace=True),
            ]
            channels = filters
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(channels * height * width, 256),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(256, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, num_classes]` of float images `[N, in_channels, H, W]`."""
        return self.head(self.hidden(self.features(images)))
