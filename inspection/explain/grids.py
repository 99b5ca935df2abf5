"""Where the places of a layer lie over the image, followed through strides and paddings.

A convolution with stride 2 and padding 1 begins at the first pixel itself, pooling without padding between two
pixels, and convolutions without padding lose the edge: maps are not simply spread evenly over the image. Drawn so,
those of a ResNet are half a place off, 16 of 224 pixels, down and to the right. Dumoulin and Visin, "A guide to
convolution arithmetic for deep learning", 2016, https://arxiv.org/abs/1603.07285.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from inspection.explain.class_maps import Grid

_POOLING = ("max_pool2d", "max_pool2d_with_indices", "avg_pool2d")
_START: Grid = (0.0, 1.0)
_FOUND: "WeakKeyDictionary[nn.Module, dict[tuple[int, ...], GridWatch]]" = WeakKeyDictionary()


class GridWatch(TorchDispatchMode):
    """Follows the places of maps while a network runs, by the size of the maps: `with watch: network(images)`.

    Maps of one size lie alike, whichever branch made them. What it does not know (an image padded or enlarged by
    other means, a kernel that is not the same down and across) it leaves out.

    Args:
        images: What the network is given, [N, C, H, W].

    Example:
        >>> import torch
        >>> from torch import nn
        >>> network, images = nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), nn.MaxPool2d(2)), torch.rand(1, 1, 32, 32)
        >>> with GridWatch(images) as watch:
        ...     maps = network(images)
        >>> watch.grid_of(maps)
        (1.0, 4.0)
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self._grids: dict[tuple[int, ...], Grid] = {tuple(images.shape[-2:]): _START}

    def grid_of(self, maps: Tensor) -> Grid | None:
        """Pixel that the first place of these maps is centred on, and pixels to the next; None: not known."""
        return self._grids.get(tuple(maps.shape[-2:]))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and note where its output lies."""
        output = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name == "convolution":
            # input, weight, bias, stride, padding, dilation, transposed, ...
            self._note(args[0], output, args[1].shape[2:], args[3], args[4], args[5], transposed=args[6])
        elif name in _POOLING:
            # input, kernel, stride, padding, and of max pooling dilation; those at the end can be left out
            usual: list[Any] = [[], 0, 1]
            kernel, stride, padding, dilation = list(args[1:5]) + usual[len(args) - 2 :]
            maps = output[0] if isinstance(output, tuple) else output
            self._note(
                args[0], maps, kernel, stride or kernel, padding, 1 if name == "avg_pool2d" else dilation
            )
        return output

    def _note(
        self,
        seen: Tensor,
        made: Tensor,
        kernel: Sequence[int] | int,
        stride: Sequence[int] | int,
        padding: Sequence[int] | int,
        dilation: Sequence[int] | int,
        transposed: bool = False,
    ) -> None:
        grid, sides = self.grid_of(seen), (kernel, stride, padding, dilation)
        down, across = ([_side(value, axis) for value in sides] for axis in (0, 1))
        # Beside the kernel itself, how far its middle lies from the first pixel: that alone must be alike.
        if grid is None or made.ndim != 4 or down[1] != across[1] or _shift(*down) != _shift(*across):
            return
        start, step = grid
        if transposed:
            step /= down[1]
            found = start - _shift(*down) * step, step
        else:
            found = start + _shift(*down) * step, step * down[1]
        self._grids.setdefault(tuple(made.shape[-2:]), found)


@contextmanager
def watching(network: nn.Module, images: Tensor) -> Iterator[GridWatch]:
    """Follow the places of maps while a network runs; what was found for images of this size is kept.

    To look at every operation takes some 0.01 ms each, which counts for a small network. A network that is changed
    afterwards and gives maps of the same sizes would be said to have the old grids.

    Args:
        network: It is forgotten with the network.
        images: [N, C, H, W].
    """
    sizes = _FOUND.setdefault(network, {})
    size = tuple(images.shape[-2:])
    if size in sizes:
        yield sizes[size]
        return
    watch = GridWatch(images)
    with watch:
        yield watch
    sizes[size] = watch


def _side(value: Sequence[int] | int, axis: int) -> int:
    return value if isinstance(value, int) else value[min(axis, len(value) - 1)]


def _shift(kernel: int, stride: int, padding: int, dilation: int) -> float:
    return dilation * (kernel - 1) / 2 - padding
