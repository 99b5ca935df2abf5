"""What a network makes of one image: the maps after each convolution, activation and pooling, as they run."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from inspection.explain.hooks import eager, hooked
from inspection.explain.layers import has_places

_KINDS = {
    "convolution": ("convolution",),
    "activation": (
        *("relu", "leaky_relu", "hardtanh", "silu", "gelu", "elu", "hardswish", "mish"),
        *("sigmoid", "tanh", "softplus", "_prelu_kernel"),
    ),
    "pooling": (
        *("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"),
        *("_adaptive_avg_pool2d", "adaptive_max_pool2d"),
    ),
}
_KIND_OF = {operation: kind for kind, operations in _KINDS.items() for operation in operations}


@dataclass(frozen=True)
class FeatureMaps:
    """What one operation gave.

    Attributes:
        name: Dotted name of the module it ran in; the image has none.
        kind: `image`, `convolution`, `activation` or `pooling`.
        shape: All of its output, (channels, height, width).
        channels: Which of them are in `maps`, from the one that differs most over the image on.
        maps: Float32 [M, h, w] on the CPU.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    channels: list[int]
    maps: Tensor


def trace_features(network: nn.Module, image: Tensor, most: int = 64) -> list[FeatureMaps]:
    """Run a network on one image and keep what it computes on the way, in the order in which it ran.

    Operations are caught where they run, not modules: `F.relu` in a forward method counts as `nn.ReLU` does. What
    has no places any more (behind global pooling) is no map, and left out.

    Args:
        network: In eval mode.
        image: What it takes, [C, H, W].
        most: Channels kept of each operation: those that differ most over the image, by standard deviation.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        >>> [(each.kind, each.shape) for each in trace_features(network, torch.rand(1, 8, 8))][1:]
        [('convolution', (2, 6, 6)), ('activation', (2, 6, 6)), ('pooling', (2, 3, 3))]
    """
    found = [_kept("", "image", image.float(), most)]
    names = {module: name for name, module in network.named_modules()}
    running: list[str] = []

    def enter(module: nn.Module, _: Any) -> None:
        running.append(names[module])

    def leave(*_: Any) -> None:
        running.pop()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            output = func(*args, **(kwargs or {}))
            kind = _KIND_OF.get(func.overloadpacket.__name__.removesuffix("_"))
            maps = output[0] if isinstance(output, tuple) else output
            if kind is not None and has_places(maps):
                # Copied at once: an activation that works in place writes into the convolution's output.
                found.append(_kept(running[-1] if running else "", kind, maps[0].float(), most))
            return output

    modules = list(names)
    with (
        torch.no_grad(),
        eager(network),
        hooked(modules, enter, before=True),
        hooked(modules, leave),
        Watch(),
    ):
        network(image[None])
    return found


def _kept(name: str, kind: str, maps: Tensor, most: int) -> FeatureMaps:
    channels = maps.flatten(1).std(dim=1, correction=0).topk(min(most, len(maps))).indices
    shape = (maps.shape[0], maps.shape[1], maps.shape[2])
    return FeatureMaps(name, kind, shape, channels.tolist(), maps[channels].cpu().clone())
