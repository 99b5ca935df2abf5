"""Large images, shown to a network tile by tile."""

import math
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor


class Tile(NamedTuple):
    """A stretch of one axis that is computed at once.

    Attributes:
        start: First pixel.
        weights: Share of each pixel in the result, float32; those of all tiles add up to 1 at every pixel.
    """

    start: int
    weights: Tensor


def tiled(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    tile: int,
    overlap: int,
    *,
    stride: int = 1,
    batch_size: int = 4,
) -> Tensor:
    """Maps of images of any size in bounded memory, as if the network had seen each image whole.

    Tiles overlap. What a network says near a cut is wrong for lack of surroundings and gets no weight at all: the
    outer three eighths of the overlap on either side. Over the quarter between them one tile fades into the next,
    so that no seam shows. The result is that of the whole image when a network sees no further than three eighths
    of the overlap to each side.

    Args:
        network: Images `[n, C, h, w]` to maps `[n, K, h, w]`; in evaluation mode.
        images: `[N, C, H, W]`, of the type that the network takes, on its device.
        tile: Side of a tile in pixels, a multiple of `stride`.
        overlap: Of two neighbours in pixels, a multiple of `stride`, less than `tile`.
        stride: Of the network's coarsest maps: tiles begin at its multiples, since a pooling grid that is shifted
            gives other values.
        batch_size: Tiles at a time.

    Returns:
        Float32 `[N, K, H, W]`, on the images' device.

    Raises:
        ValueError: Tile or overlap do not fit.

    Example:
        >>> blur = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        >>> images = torch.rand(1, 1, 50, 70)
        >>> torch.allclose(tiled(blur, images, tile=24, overlap=8), blur(images), atol=1e-6)
        True
    """
    height, width = images.shape[-2:]
    if max(height, width) <= tile:
        check_tiles(tile, overlap, stride)
        return torch.cat([network(part).float() for part in images.split(batch_size)])
    rows, columns = (cut(length, tile, overlap, stride) for length in (height, width))
    # The last row and column of tiles may be smaller; only tiles of one size make a batch.
    places = sorted(
        ((row, column) for row in rows for column in columns),
        key=lambda place: (len(place[0].weights), len(place[1].weights)),
    )
    result: Tensor | None = None
    for (row, column), maps in _computed(network, images, places, batch_size):
        if result is None:
            result = maps.new_zeros((*maps.shape[:2], height, width), dtype=torch.float32)
        below, right = row.start + len(row.weights), column.start + len(column.weights)
        share = (row.weights[:, None] * column.weights).to(maps.device)
        result[:, :, row.start : below, column.start : right] += maps.float() * share
    assert result is not None
    return result


def cut(length: int, tile: int, overlap: int, stride: int = 1) -> list[Tile]:
    """Cut an axis into overlapping tiles, the first at its start and the last at its end.

    Args:
        length: Of the axis, in pixels.
        tile: Longest tile.
        overlap: Of two neighbours, at least.
        stride: Tiles begin at its multiples.

    Raises:
        ValueError: Tile or overlap do not fit.

    Example:
        >>> [(tile.start, len(tile.weights)) for tile in cut(100, 48, 16, 16)]
        [(0, 48), (32, 48), (64, 36)]
    """
    check_tiles(tile, overlap, stride)
    last = math.ceil(max(0, length - tile) / stride) * stride
    starts = [*range(0, last, tile - overlap), last]
    weights = []
    for start in starts:
        count = min(tile, length - start)
        fade_in, fade_out = start > 0, start + count < length
        weights.append(_weights(count, overlap, fade_in, fade_out))
    total = torch.zeros(length)
    for start, share in zip(starts, weights, strict=True):
        total[start : start + len(share)] += share
    return [
        Tile(start, share / total[start : start + len(share)])
        for start, share in zip(starts, weights, strict=True)
    ]


def check_tiles(tile: int, overlap: int, stride: int = 1) -> None:
    """Refuse tiles that can't be laid.

    Raises:
        ValueError: Tile or overlap do not fit.
    """
    if tile < 1 or tile % stride:
        raise ValueError(f"tile={tile}: expected a positive multiple of {stride} pixels")
    if not 0 <= overlap < tile or overlap % stride:
        raise ValueError(f"overlap={overlap}: expected a multiple of {stride} pixels, less than tile={tile}")


def _weights(count: int, overlap: int, fade_in: bool, fade_out: bool) -> Tensor:
    weights = torch.ones(count)
    if not overlap:
        return weights
    blend = max(overlap // 4, 1)
    ramp = 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(blend) + 0.5) / blend)
    edge = torch.cat([torch.zeros((overlap - blend) // 2), ramp])
    if fade_in:
        weights[: len(edge)] *= edge
    if fade_out:
        weights[count - len(edge) :] *= edge.flip(0)
    return weights


def _computed(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    places: list[tuple[Tile, Tile]],
    batch_size: int,
) -> Iterator[tuple[tuple[Tile, Tile], Tensor]]:
    """Maps `[N, K, h, w]` of each tile, of all images."""
    count = images.shape[0]
    free = isinstance(count, torch.SymInt)  # while a graph is recorded that takes any number of images
    together = 1 if free else batch_size
    for (tall, wide), group in groupby(
        places, key=lambda place: (len(place[0].weights), len(place[1].weights))
    ):
        alike = list(group)
        for first in range(0, len(alike), together):
            chosen = alike[first : first + together]
            cutouts = torch.cat(
                [
                    images[:, :, row.start : row.start + tall, column.start : column.start + wide]
                    for row, column in chosen
                ]
            )
            parts = [cutouts] if free else cutouts.split(batch_size)
            maps = torch.cat([network(part) for part in parts])
            yield from zip(chosen, maps.unflatten(0, (len(chosen), count)), strict=True)
