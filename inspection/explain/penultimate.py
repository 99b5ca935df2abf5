"""What a network makes of a whole image, right before it answers: its penultimate features."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inspection.explain.hooks import eager, hooked

_ANSWERING = (nn.Linear, nn.Conv2d)
_MOST = 512  # features that are kept: what is remembered of them has to ship with the inspector


def feature_layer(network: nn.Module, images: Tensor) -> str:
    """The layer that answers: what goes into it are the penultimate features.

    It is the last linear or convolution layer to run that takes one row an image: a classifier's head, the last
    convolution of a U-Net, a convolution of a detector's head, not the layers that judge single proposals.

    Args:
        network: In eval mode; what it gives does not matter.
        images: What the network takes, `[1, C, H, W]`; any content.

    Returns:
        Its dotted name.

    Raises:
        ValueError: If there is none.
    """
    # With several batch sizes: a number of proposals may be the number of images by chance.
    names: dict[nn.Module, str] = {
        module: name for name, module in network.named_modules() if isinstance(module, _ANSWERING)
    }
    seen: list[list[str]] = []
    for count in (2, 3):
        order: list[str] = []

        def note(
            module: nn.Module, inputs: tuple[Any, ...], count: int = count, order: list[str] = order
        ) -> None:
            if len(inputs) == 1 and isinstance(inputs[0], Tensor) and len(inputs[0]) == count:
                order.append(names[module])

        with torch.no_grad(), eager(network), hooked(names, note, before=True):
            network(images.expand(count, *images.shape[1:]))
        seen.append(order)
    both = set(seen[0]) & set(seen[1])
    last = next((name for name in reversed(seen[0]) if name in both), "")
    if not last:
        raise ValueError(
            f"{type(network).__name__} has no linear or convolution layer that sees whole images."
        )
    return last


@contextmanager
def tapped(network: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Collect what goes into a layer while the network runs, without a pass of its own.

    Args:
        network: It.
        layer: Dotted name, see `feature_layer`.

    Yields:
        A list that gets `[N, D]` of each call, float32 on the CPU; maps are averaged over their places, and more
        than 512 features over neighbours, which in flattened maps are places of one channel.
    """
    taken: list[Tensor] = []

    def take(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        features = inputs[0].detach().float()
        if features.ndim > 2:
            features = features.flatten(2).mean(2)
        if features.shape[1] > _MOST:
            features = F.adaptive_avg_pool1d(features[:, None], _MOST)[:, 0]
        taken.append(features.cpu())

    with eager(network), hooked([network.get_submodule(layer)], take, before=True):
        yield taken
