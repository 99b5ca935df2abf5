"""LeNet of the coil article."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def _after_block(pixels: int) -> int:
    """Length of one image side after a 5x5 convolution without padding and a 2x2 max-pool."""
    return (pixels - 4) // 2


class LeNet(nn.Module):
    """Two 5x5 convolutions with max-pooling, then two linear layers.

    The linear layer sees every position with a weight of its own: right for parts that always lie in the
    same place, and the reason why 99.9 % of the parameters are in it.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998, in the size that
    the coil article uses (6 and 16 filters, 120 hidden units).

    Args:
        in_channels: Channels of the image.
        image_size: Height and width of the image in pixels, at least 16 each.
        num_classes: Outputs, one logit a class.

    Raises:
        ValueError: If the image is too small for two blocks.

    Example:
        >>> sum(p.numel() for p in LeNet(1, (400, 700), 2).parameters())
        32036214
    """

    # Plain Grad-CAM averages the gradient of a map over the image, which says little about a network whose
    # linear layer weighs each position by itself: measured in docs/heatmaps.md.
    heatmap_method = "hires_cam"

    def __init__(self, in_channels: int, image_size: Sequence[int], num_classes: int) -> None:
        super().__init__()
        height, width = (_after_block(_after_block(side)) for side in image_size)
        if height < 1 or width < 1:
            raise ValueError(
                f"LeNet needs images of at least 16x16 pixels, but image_size is {list(image_size)}: "
                "set data.image_size=[height,width] to more"
            )
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.hidden = nn.Linear(16 * height * width, 120)
        self.head = nn.Linear(120, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, num_classes]` of float images `[N, in_channels, H, W]`."""
        # ReLU after the pooling gives the same numbers as before it, on a quarter of the values.
        maps = F.relu(F.max_pool2d(self.conv1(images), 2))
        maps = F.relu(F.max_pool2d(self.conv2(maps), 2))
        return self.head(F.relu(self.hidden(maps.flatten(1))))
