"""Changes of image batches, each image by its own amount: pure functions, on any device."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in the grey of a colour (ITU-R BT.601, as torchvision rounds them)."""


def flip_and_shift(
    images: Tensor, left_right: Tensor, upside_down: Tensor, roll: Tensor, shift: Tensor
) -> Tensor:
    """Roll, flip and shift by whole pixels: pixels change their place, never their value.

    Each row of the result is a stretch of a row of the padded images, so all of it is one gather of rows. What
    comes in from outside is 0, as in torchvision's `RandomCrop(size, padding)`.

    Args:
        images: Any dtype, `[N, C, H, W]`.
        left_right: Whether left and right change places, bool `[N]`.
        upside_down: Whether top and bottom change places, bool `[N]`.
        roll: Pixel rows at the top that are cut off and put below the rest, int64 `[N]`, 0 to H.
        shift: Pixels down and to the right, int64 `[N, 2]`; after the rest.

    All amounts lie on the CPU.
    """
    count, channels, height, width = images.shape
    border = int(shift.abs().max())
    sources = [images, images.flip(-1)] if bool(left_right.any()) else [images]
    padded = images.new_zeros(len(sources), count, channels, height + 2 * border, width + 2 * border)
    for place, source in zip(padded, sources, strict=True):
        place[..., border : border + height, border : border + width] = source

    down, right = shift.unbind(1)
    rows = torch.arange(height) - down[:, None]
    outside = (rows < 0) | (rows >= height)
    rows = torch.where(upside_down[:, None], height - 1 - rows, rows)
    rows = (rows + roll[:, None]).remainder(height) + border
    rows = rows.masked_fill(outside, 0)  # a row of the border: it is there when anything is outside

    version = left_right.long() if len(sources) > 1 else torch.zeros(count, dtype=torch.long)
    image = version * count + torch.arange(count)
    first_row = (image[:, None] * channels + torch.arange(channels)) * padded.shape[-2]
    starts = (first_row[:, :, None] + rows[:, None]) * padded.shape[-1] + (border - right)[:, None, None]
    # Every stretch of `width` neighbours as a row of its own, without a copy.
    stretches = padded.view(-1).unfold(0, width, 1)
    return stretches.index_select(0, starts.flatten().to(images.device)).view(images.shape)


def rotate(images: Tensor, radians: Tensor, nearest: bool = False) -> Tensor:
    """Turn each image counterclockwise about its centre; what comes in from outside repeats the border.

    Args:
        images: Float `[N, C, H, W]`.
        radians: Float `[N]`.
        nearest: Take the nearest pixel instead of interpolating bilinearly (for labels).
    """
    height, width = images.shape[-2:]
    radians = radians.to(images.device)[:, None, None]
    cos, sin = radians.cos(), radians.sin()
    x = (torch.arange(width, device=images.device) + 0.5 - width / 2)[None, None, :]
    y = (torch.arange(height, device=images.device) + 0.5 - height / 2)[None, :, None]
    # grid_sample's coordinates are -1..1 on both sides. Broadcast sums are twice as fast as F.affine_grid.
    grid = images.new_empty(len(images), height, width, 2)
    grid[..., 0] = x * (cos * (2 / width)) - y * (sin * (2 / width))
    grid[..., 1] = x * (sin * (2 / height)) + y * (cos * (2 / height))
    mode = "nearest" if nearest else "bilinear"
    return F.grid_sample(images, grid, mode, padding_mode="border", align_corners=False)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Smooth each image with a Gaussian of its own width, mirrored at the border.

    Args:
        images: Float `[N, C, H, W]`.
        sigma: Standard deviations in pixels, float `[N]`, above 0, on the CPU.
    """
    count, channels, height, width = images.shape
    radius = min(math.ceil(3 * float(sigma.max())), height - 1, width - 1)
    distance = torch.arange(-radius, radius + 1)
    kernels = torch.exp(-0.5 * (distance / sigma[:, None]) ** 2)
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(channels, 0).to(images)
    planes = F.pad(images, (radius,) * 4, mode="reflect").flatten(0, 1)[None]
    planes = F.conv2d(planes, kernels[:, None, :, None], groups=count * channels)
    return F.conv2d(planes, kernels[:, None, None, :], groups=count * channels).view(images.shape)


def colour_matrices(saturation: Tensor, hue: Tensor) -> Tensor:
    """Matrices `[N, 3, 3]` that change the colour of RGB pixels and leave grey pixels as they are.

    Saturation comes first, then hue.

    Args:
        saturation: Factor of the distance to the pixel's own grey, float `[N]`: 0 grey, 1 unchanged.
        hue: Turns of the colour circle, float `[N]`: 1/3 makes red green. A rotation of the RGB cube about its
            grey axis, which is the hue of the HSI model; it is linear, unlike that of HSV, keeps `R + G + B`,
            and joins all colour changes in one matrix.
    """
    factor = saturation.view(-1, 1, 1)
    grey = torch.tensor(LUMA).expand(3, 3)
    saturated = factor * torch.eye(3) + (1 - factor) * grey
    angle = (2 * math.pi * hue).view(-1, 1, 1)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    turned = angle.cos() * torch.eye(3) + (1 - angle.cos()) / 3 + angle.sin() * cross  # Rodrigues' formula
    return turned @ saturated
