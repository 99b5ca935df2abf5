"""Occlusion: cover a place of the image, and see how far the logit falls. It asks nothing of the network's inside.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
https://arxiv.org/abs/1311.2901. The other methods read the network; this one checks them by an experiment. It
takes a forward pass a position of the patch, some hundred of them. Evidence much larger than the patch
is never covered as a whole, and small patches on noisy textures change little: look at two sizes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inspection.explain.class_maps import checked_targets, resized
from inspection.explain.heatmaps import Heatmaps

_PIXELS = 2**19
"""Of all images of a pass on a CPU, at most where an image has no more itself; see `images_a_pass`."""
_NOISE = 1e-5
"""Share of the largest logit up to which a fall may be rounding: some hundred times that of one number."""


def occlusion(
    network: nn.Module,
    images: Tensor,
    targets: Sequence[Tensor | int | None] = (None,),
    *,
    patch: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: Tensor | None = None,
    batch_size: int = 32,
    size: tuple[int, int] | None = None,
) -> list[Heatmaps]:
    """Explain logits by how far they fall when a patch slides over the image.

    The heat of a pixel is the mean fall over all positions of the patch that cover it; where covering a place
    raises the logit there is none. All targets share the forward passes.

    Args:
        network: Images in, logits [N, K] out, in eval mode.
        images: What the network takes, [N, C, H, W].
        targets: What to explain, a map each: int64 [N], a class an image; a number: the same for all; None:
            the predicted one.
        patch: Pixels of its side, or (height, width). None: an eighth of the image's shorter side.
        stride: Pixels from one position to the next, likewise. None: half of the patch. The last position ends at
            the image's edge, so that each pixel is covered.
        fill: What the patch is filled with, of a shape that can be spread over the images, e.g. the mean image of
            the training set [C, H, W]. None: each image's own mean, see `neutral`.
        batch_size: Covered images a forward pass; large ones on a CPU are fewer, see `images_a_pass`.
        size: (H, W) of the maps. None: that of the images.

    Returns:
        One result a target, in their order.

    Raises:
        ValueError: Patch, stride or targets do not fit the images.

    Example:
        >>> image = torch.zeros(1, 1, 4, 6)
        >>> image[0, 0, 1, 4] = 1.0
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(24, 1, bias=False))
        >>> _ = nn.init.ones_(network[1].weight)
        >>> occlusion(network, image, [0], patch=2, fill=torch.zeros(1))[0].maps[0].nonzero().amin(0).tolist()
        [0, 3]
    """
    height, width = images.shape[-2:]
    rows, columns, (high, wide) = covered_places((height, width), patch, stride)
    filled = neutral(images) if fill is None else fill.to(images)
    with torch.no_grad():
        logits = network(images)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
            raise ValueError(f"Expected a network that returns logits [{len(images)}, K].")
        places = [(y, x) for y in rows for x in columns]
        passes = _covered(images, filled, places, (high, wide), images_a_pass(images, batch_size))
        covered = torch.cat([network(part).float() for part in passes] or [logits[:0].float()])
    logits = logits.float()
    covered = covered.unflatten(0, (len(images), len(rows), len(columns)))
    results = []
    for target in targets:
        which = checked_targets(target, logits)
        before = logits.gather(1, which[:, None])[:, 0]
        after = covered.gather(3, which[:, None, None, None].expand(-1, len(rows), len(columns), 1))[..., 0]
        fall = before[:, None, None] - after
        most = covered.abs().flatten(1).amax(1) if len(images) else before
        evidence = fall.flatten(1).amax(1) > _NOISE * most
        evidence &= fall.isfinite().flatten(1).all(1)
        maps = _spread(
            torch.where(evidence[:, None, None], fall, 0.0), rows, columns, (high, wide), height, width
        )
        if size is not None and size != (height, width):
            maps = resized(maps, size)
        peak = maps.relu().flatten(1).amax(1)
        evidence &= peak > 0  # a fall at one position can be outweighed by its neighbours
        maps = maps.relu() / peak.clamp_min(torch.finfo(maps.dtype).tiny)[:, None, None]
        results.append(Heatmaps(maps, evidence, "occlusion", logits, which))
    return results


class Places(NamedTuple):
    """Where the patch comes to lie: each of the rows with each of the columns takes a forward pass an image.

    Attributes:
        rows: First pixel from above, of each row of places.
        columns: First pixel from the left, of each column of places.
        patch: Its height and width.
    """

    rows: list[int]
    columns: list[int]
    patch: tuple[int, int]


def covered_places(
    size: tuple[int, int],
    patch: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
) -> Places:
    """The places of the patch on images of a size.

    Args:
        size: Height and width.
        patch: As in `occlusion`.
        stride: As in `occlusion`.

    Raises:
        ValueError: Patch or stride do not fit the images.

    >>> covered_places((40, 50), patch=20)
    Places(rows=[0, 10, 20], columns=[0, 10, 20, 30], patch=(20, 20))
    """
    high, wide = _sides("patch", patch, (max(1, min(size) // 8),) * 2, size)
    down, across = _sides("stride", stride, (max(1, high // 2), max(1, wide // 2)), (high, wide))
    return Places(_starts(size[0], high, down), _starts(size[1], wide, across), (high, wide))


def images_a_pass(images: Tensor, most: int) -> int:
    """How many images to give a network at once, where they are many and any number will do.

    On a CPU a pass of large images gets slower an image with each one more, as their maps leave the caches and are
    taken from the system anew: LeNet at 400x700 takes 58 ms an image alone and 95 ms as one of 16, on one core.

    Args:
        images: Some of them, [N, C, H, W].
        most: On other devices, and of small images.

    >>> images_a_pass(torch.empty(1, 1, 400, 700), 16), images_a_pass(torch.empty(1, 1, 112, 112), 16)
    (1, 16)
    """
    if images.device.type != "cpu":
        return most
    return max(1, min(most, _PIXELS // max(1, images.shape[-2] * images.shape[-1])))


def neutral(images: Tensor) -> Tensor:
    """The mean colour of each image, [N, C, 1, 1] in its own dtype: a place so filled shows nothing.

    Black or white would be a new edge in most images, and their brightness differs from one to the next.
    """
    mean = images.double().mean(dim=(2, 3), keepdim=True)
    return (mean if images.is_floating_point() else mean.round()).to(images.dtype)


def _sides(
    name: str, given: int | tuple[int, int] | None, usual: tuple[int, int], most: tuple[int, int]
) -> tuple[int, int]:
    high, wide = (given, given) if isinstance(given, int) else usual if given is None else given
    if not (1 <= high <= most[0] and 1 <= wide <= most[1]):
        raise ValueError(f"{name}={given}: expected 1 to {most[0]} pixels high and 1 to {most[1]} wide")
    return high, wide


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """Where the patch begins; the last position ends at the edge.

    >>> _starts(10, 4, 3), _starts(10, 4, 4), _starts(4, 4, 1)
    ([0, 3, 6], [0, 4, 6], [0])
    """
    starts = list(range(0, length - patch + 1, stride))
    return starts if starts[-1] == length - patch else [*starts, length - patch]


def _covered(
    images: Tensor, fill: Tensor, places: Sequence[tuple[int, int]], patch: tuple[int, int], batch_size: int
) -> Iterator[Tensor]:
    """Batches of each image, one after the other, covered at each place."""
    filled = fill.expand_as(images)
    every = [(row, y, x) for row in range(len(images)) for y, x in places]
    for start in range(0, len(every), batch_size):
        part = every[start : start + batch_size]
        batch = images[[row for row, _, _ in part]]
        for covered, (row, y, x) in zip(batch, part, strict=True):
            window = (slice(None), slice(y, y + patch[0]), slice(x, x + patch[1]))
            covered[window] = filled[row][window]
        yield batch


def _spread(
    fall: Tensor, rows: Sequence[int], columns: Sequence[int], patch: tuple[int, int], height: int, width: int
) -> Tensor:
    """For each pixel the mean over the positions that cover it, [N, H, W] of [N, rows, columns]."""
    down, across = _cover(rows, patch[0], height).to(fall), _cover(columns, patch[1], width).to(fall)
    return (down @ fall @ across.T) / (down.sum(1)[:, None] * across.sum(1)[None])


def _cover(starts: Sequence[int], patch: int, length: int) -> Tensor:
    """Which pixel is covered by which position, [length, positions] of 0 and 1."""
    distance = torch.arange(length)[:, None] - torch.tensor(starts)[None]
    return ((distance >= 0) & (distance < patch)).float()
