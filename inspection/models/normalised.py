"""The network as it ships: raw pixels in, logits out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalised(nn.Module):
    """A network behind its normalisation, so that it takes the camera's pixels and no other input is possible.

    Args:
        network: Takes float images `[N, C, H, W]`.
        mean: One value a channel, of images scaled to 0..1.
        std: One positive value a channel.

    Raises:
        ValueError: If mean and std differ in length or a std is not positive.
    """

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or min(std) <= 0:
            raise ValueError(
                f"expected as many std as mean values, all positive, but got mean={list(mean)}, std={list(std)}: "
                "set data.mean and data.std"
            )
        self.network = network
        # (x / 255 - mean) / std as one multiplication and one addition
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float32))
        shift = -torch.tensor(mean, dtype=torch.float32) / torch.tensor(std, dtype=torch.float32)
        self.register_buffer("scale", scale.view(1, -1, 1, 1))
        self.register_buffer("shift", shift.view(1, -1, 1, 1))
        self.scale: Tensor
        self.shift: Tensor

    def normalise(self, images: Tensor) -> Tensor:
        """What the network sees of uint8 images `[N, C, H, W]`, float32."""
        return torch.addcmul(self.shift, images.float(), self.scale)

    def forward(self, images: Tensor) -> Tensor:
        """Outputs of the network for uint8 images `[N, C, H, W]`."""
        return self.network(self.normalise(images))
