"""The filters that a network has learned, convolution by convolution."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_SEEN = (1, 3)  # channels of a camera image: a filter over all of them is a picture itself


@dataclass(frozen=True)
class Filters:
    """The filters of one convolution.

    Attributes:
        name: Dotted name of the convolution in the network.
        weights: Float32 [O, I, h, w] on the CPU; I are the channels that one filter sees.
    """

    name: str
    weights: Tensor

    @property
    def pointwise(self) -> bool:
        """Whether a filter covers one place alone: it mixes channels, and has no shape to look at."""
        return self.weights.shape[-2] * self.weights.shape[-1] == 1

    def kernels(self) -> tuple[Tensor, list[int | None]]:
        """What of each filter can be looked at.

        Returns:
            Of filters over a grey or colour image the whole filter [O, I, h, w], and None each. Of others
            [O, 1, h, w], the kernel of the channel that counts most (by its norm), and this channel: the mean over
            all channels would cancel what they tell apart.
        """
        if self.weights.shape[1] in _SEEN:
            return self.weights, [None] * len(self.weights)
        channels = self.weights.flatten(2).norm(dim=2).argmax(dim=1)
        rows = torch.arange(len(self.weights))
        return self.weights[rows, channels][:, None], list(channels.tolist())


def convolution_filters(network: nn.Module) -> list[Filters]:
    """The filters of every two-dimensional convolution, transposed ones too, in the order of the modules.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ConvTranspose2d(8, 4, 2))
        >>> [(each.name, list(each.weights.shape)) for each in convolution_filters(network)]
        [('0', [8, 3, 5, 5]), ('1', [4, 8, 2, 2])]
    """
    found = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            found.append(Filters(name, module.weight.detach().float().cpu()))
        elif isinstance(module, nn.ConvTranspose2d):
            found.append(Filters(name, _turned(module).detach().float().cpu()))
    return found


def _turned(module: nn.ConvTranspose2d) -> Tensor:
    """The weights of a transposed convolution [I, O / groups, h, w] as [O, I / groups, h, w]."""
    weights = module.weight.unflatten(0, (module.groups, -1))
    return weights.transpose(1, 2).flatten(0, 1)
