"""Backward passes in forward operations, as other runtimes know them: gradients with respect to maps alone.

PyTorch takes most of its backward operations apart itself; these are the ones that it does not, or does in ways
that a file format has no words for.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._decomp import get_decompositions

aten = torch.ops.aten

_TAKEN_APART = (
    aten._log_softmax_backward_data,
    aten._softmax_backward_data,
    aten.elu_backward,
    aten.gelu_backward,
    aten.hardsigmoid_backward,
    aten.hardswish_backward,
    aten.hardtanh_backward,
    aten.leaky_relu_backward,
    aten.mish_backward,
    aten.native_batch_norm_backward,
    aten.native_layer_norm_backward,
    aten.select_backward,
    aten.sigmoid_backward,
    aten.silu_backward,
    aten.slice_backward,
    aten.softplus_backward,
    aten.tanh_backward,
    aten.threshold_backward,
)


def backward_operations() -> dict[Any, Callable[..., Any]]:
    """What each backward operation is made of, as `make_fx` takes it."""
    return {
        **get_decompositions(_TAKEN_APART),
        aten.convolution_backward.default: _convolution,
        aten.max_pool2d_with_indices_backward.default: _max_pool,
        aten.avg_pool2d_backward.default: _avg_pool,
        aten._adaptive_avg_pool2d_backward.default: _adaptive_avg_pool,
    }


def _convolution(
    gradient: Tensor,
    maps: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The convolution the other way round. Weights are constants here: they get no gradient."""
    if wanted[1] or wanted[2]:
        return NotImplemented
    if transposed:
        back = aten.convolution(gradient, weight, None, stride, padding, dilation, False, [0, 0], groups)
        return back, None, None
    return _back_to(maps, gradient, weight, stride, padding, dilation, groups), None, None


def _back_to(
    maps: Tensor,
    gradient: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """The transposed convolution that ends in maps of this size, as a plain one over thinned out gradients.

    A transposed one is what it is called, but OpenVINO 2026.4 mixes up its weights with those of the forward
    convolution, which are the same constant, where both have as many channels on either side.
    """
    outwards = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip(2, 3)
    thin = _thinned(gradient, stride)
    # All that a kernel reaches; what the stride cut off at the far edge is added again.
    edges = [dilation[axis] * (weight.shape[2 + axis] - 1) - padding[axis] for axis in (0, 1)]
    missing = [maps.shape[2 + axis] - (thin.shape[2 + axis] + edges[axis] - padding[axis]) for axis in (0, 1)]
    thin = F.pad(thin, (edges[1], edges[1] + missing[1], edges[0], edges[0] + missing[0]))
    back: Tensor = aten.convolution(thin, outwards, None, [1, 1], [0, 0], dilation, False, [0, 0], groups)
    return back


def _thinned(maps: Tensor, stride: Sequence[int]) -> Tensor:
    """Maps with zeros between their places."""
    if list(stride) == [1, 1]:
        return maps
    batch, channels, height, width = maps.shape
    blocks = F.pad(maps[:, :, :, None, :, None], (0, stride[1] - 1, 0, 0, 0, stride[0] - 1))
    thin = blocks.reshape(batch, channels, height * stride[0], width * stride[1])
    return thin[:, :, : (height - 1) * stride[0] + 1, : (width - 1) * stride[1] + 1]


def _max_pool(
    gradient: Tensor,
    maps: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """To each pixel that won its window; overlapping windows add up."""
    batch, channels, height, width = maps.shape
    disjoint = list(stride or kernel) == list(kernel) and not any(padding) and list(dilation) == [1, 1]
    if disjoint and not ceil_mode:
        return _to_winners(gradient, maps, kernel)
    nothing = torch.zeros_like(maps).view(batch, channels, height * width)
    back = nothing.scatter_add(2, indices.flatten(2), gradient.flatten(2))
    return back.view(batch, channels, height, width)


def _to_winners(gradient: Tensor, maps: Tensor, kernel: Sequence[int]) -> Tensor:
    """To the first of the largest pixels of each window, of windows side by side.

    Compared pixel by pixel: to give the places beside the largest values, or to scatter to them, is slow in all
    runtimes (OpenVINO: ten times as slow).
    """
    rows, columns = gradient.shape[2:]
    windows = maps[:, :, : rows * kernel[0], : columns * kernel[1]]
    windows = windows.unflatten(3, (columns, kernel[1])).unflatten(2, (rows, kernel[0]))
    pixels = [windows[:, :, :, row, :, column] for row in range(kernel[0]) for column in range(kernel[1])]
    largest = functools.reduce(torch.maximum, pixels)
    shares, free = [], torch.ones_like(largest, dtype=torch.bool)
    for pixel in pixels:
        won = free & (pixel == largest)
        shares.append(torch.where(won, gradient, 0.0))
        free = free & ~won
    back = torch.stack(shares, -1).unflatten(-1, (kernel[0], kernel[1])).permute(0, 1, 2, 4, 3, 5)
    back = back.reshape(*maps.shape[:2], rows * kernel[0], columns * kernel[1])
    return F.pad(back, (0, maps.shape[3] - back.shape[3], 0, maps.shape[2] - back.shape[2]))


def _avg_pool(
    gradient: Tensor,
    maps: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """An equal share to each pixel of a window."""
    if ceil_mode:
        return NotImplemented
    kernel, stride, padding = (
        list(each) * 2 if len(each) == 1 else list(each) for each in (kernel, stride or kernel, padding)
    )
    channels, height, width = maps.shape[1:]
    counted: Tensor | int = divisor_override or kernel[0] * kernel[1]
    if any(padding) and not count_include_pad and not divisor_override:
        there = maps.new_ones(1, 1, height, width)
        counted = F.avg_pool2d(there, kernel, stride, padding) * counted  # pixels of a window on the image
    share = gradient / counted
    if kernel == stride and not any(padding):  # each pixel has one window
        spread = _repeated(share, kernel)
        return F.pad(spread, (0, width - spread.shape[3], 0, height - spread.shape[2]))
    window = maps.new_ones(channels, 1, *kernel)
    return _back_to(maps, share, window, stride, padding, [1, 1], channels)


def _repeated(maps: Tensor, times: Sequence[int]) -> Tensor:
    """Each place as a block of so many pixels."""
    batch, channels, height, width = maps.shape
    blocks = maps[:, :, :, None, :, None].expand(-1, -1, -1, times[0], -1, times[1])
    return blocks.reshape(batch, channels, height * times[0], width * times[1])


def _adaptive_avg_pool(gradient: Tensor, maps: Tensor) -> Tensor:
    """An equal share to each pixel of a window; windows of one size alone."""
    height, width = maps.shape[2:]
    rows, columns = gradient.shape[2:]
    if height % rows or width % columns:
        return _uneven_pool(gradient, (height, width))
    window = height // rows, width // columns
    return _repeated(gradient / (window[0] * window[1]), window)


def _uneven_pool(gradient: Tensor, size: tuple[int, int]) -> Tensor:
    """Windows of adaptive pooling may overlap where the sides are no multiples: two matrix products."""
    down, across = (
        _windows(pixels, places).to(gradient) for pixels, places in zip(size, gradient.shape[2:], strict=True)
    )
    return down.T @ gradient @ across


def _windows(pixels: int, places: int) -> Tensor:
    """Share of each pixel in each place of adaptive pooling, `[places, pixels]`."""
    shares = torch.zeros(places, pixels)
    for place in range(places):
        start, end = place * pixels // places, -(-(place + 1) * pixels // places)
        shares[place, start:end] = 1 / (end - start)
    return shares
