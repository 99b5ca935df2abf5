"""Boxes that move with their images: pure functions, on any device.

A box is left, top, right, bottom in pixels, right and bottom exclusive: that of a single pixel (x, y) is
x, y, x + 1, y + 1.
"""

import torch
from torch import Tensor


def flip_and_shift_boxes(
    boxes: Tensor,
    left_right: Tensor,
    upside_down: Tensor,
    roll: Tensor,
    shift: Tensor,
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """What `transforms.flip_and_shift` does to images, done to their boxes.

    Args:
        boxes: Float `[N, M, 4]`.
        left_right: bool `[N]`.
        upside_down: bool `[N]`.
        roll: Pixel rows, int64 `[N]`.
        shift: Pixels down and to the right, int64 `[N, 2]`.
        size: Height and width of the images.

    Returns:
        The boxes, not cut at the border, and which share (0..1) of each they are: less than 1 where the roll cuts
        a box in two, of which the larger part is given.
    """
    height, width = size
    left, top, right, bottom = boxes.unbind(-1)
    roll, down, across = (values.to(boxes)[:, None] for values in (roll, shift[:, 0], shift[:, 1]))
    # The part below the cut moves up, the part above it comes back below the rest.
    below, above = (bottom - top.maximum(roll)).clamp_min(0), (bottom.minimum(roll) - top).clamp_min(0)
    lower = below >= above
    share = torch.where(bottom > top, torch.maximum(below, above) / (bottom - top), 1.0)
    top, bottom = (
        torch.where(lower, top.maximum(roll) - roll, top - roll + height),
        torch.where(lower, bottom - roll, bottom.minimum(roll) - roll + height),
    )
    mirror, over = (values.to(boxes.device)[:, None] for values in (left_right, upside_down))
    left, right = torch.where(mirror, width - right, left), torch.where(mirror, width - left, right)
    top, bottom = torch.where(over, height - bottom, top), torch.where(over, height - top, bottom)
    return torch.stack([left + across, top + down, right + across, bottom + down], -1), share


def rotate_boxes(boxes: Tensor, radians: Tensor, size: tuple[int, int]) -> Tensor:
    """The upright boxes around boxes `[N, M, 4]` turned as by `transforms.rotate`; not cut at the border."""
    height, width = size
    radians = radians.to(boxes)[:, None, None]
    cos, sin = radians.cos(), radians.sin()
    left, top, right, bottom = boxes.unbind(-1)
    x = torch.stack([left, right, right, left], -1) - width / 2
    y = torch.stack([top, top, bottom, bottom], -1) - height / 2
    x, y = x * cos + y * sin + width / 2, y * cos - x * sin + height / 2
    return torch.stack([x.amin(-1), y.amin(-1), x.amax(-1), y.amax(-1)], -1)


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Boxes `[..., 4]` cut at the border of an image, and which share (0..1) of each one's area stays.

    Example:
        >>> clip_boxes(torch.tensor([-10.0, 0.0, 30.0, 20.0]), (20, 20))
        (tensor([ 0.,  0., 20., 20.]), tensor(0.5000))
    """
    height, width = size
    limits = boxes.new_tensor([width, height, width, height])
    clipped = boxes.clamp_min(0).minimum(limits)
    before, after = ((b[..., 2:] - b[..., :2]).clamp_min(0).prod(-1) for b in (boxes, clipped))
    return clipped, torch.where(before > 0, after / before, 0.0)


def drop_boxes(boxes: Tensor, box_class: Tensor, stays: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes `[..., 4]` and classes `[...]`, with zeros and -1 where a box does not stay or there was none."""
    stays = stays & (box_class >= 0)
    return boxes.where(stays[..., None], 0.0), box_class.where(stays, -1)
