"""What an image looks like, whatever is on it: numbers that light, lens and pose of the camera move."""

import torch
from torch import Tensor

_AT_A_TIME = 8_000_000  # pixels: the float copies of a batch of large images would fill the memory

MONO = ("brightness", "contrast", "sharpness", "across", "down")
COLOUR = (*MONO, "red", "blue")
"""Statistics of images with one and with three channels."""


def measure_optics(images: Tensor) -> dict[str, Tensor]:
    """Measure what light, lens and pose do to images.

    * `brightness`: mean grey value, 0..255.
    * `contrast`: standard deviation of the grey values.
    * `sharpness`: logarithm of the share of finest detail, variance of the Laplacian over variance of the image.
      A ratio: less light alone does not move it. Pech-Pacheco et al., "Diatom autofocusing in brightfield
      microscopy", ICPR 2000, have the variance alone.
    * `across`, `down`: centre of gravity of the edges, as a share of width and height, 0..1.
    * `red`, `blue`: share of these channels in the sum of all three, 0..1; of images with three channels.

    Args:
        images: uint8 `[N, C, H, W]`, what the geometry gave.

    Returns:
        float64 `[N]` on the CPU, by name.

    Example:
        >>> optics = measure_optics(torch.full((1, 1, 8, 8), 90, dtype=torch.uint8))
        >>> {name: round(value.item(), 2) for name, value in optics.items()}
        {'brightness': 90.0, 'contrast': 0.0, 'sharpness': -2.3, 'across': 0.5, 'down': 0.5}
    """
    pixels = max(1, images.shape[-1] * images.shape[-2])
    parts = [_measure(part) for part in images.split(max(1, _AT_A_TIME // pixels))]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _measure(images: Tensor) -> dict[str, Tensor]:
    channels = images.float()
    grey = channels.mean(1)
    mean, variance = grey.mean((1, 2)), grey.var((1, 2), correction=0)
    right, below = grey[:, :, 1:] - grey[:, :, :-1], grey[:, 1:] - grey[:, :-1]
    detail = torch.zeros_like(mean)
    if min(grey.shape[1:]) > 2:
        laplacian = right[:, 1:-1].diff(dim=2) + below[:, :, 1:-1].diff(dim=1)
        detail = laplacian.var((1, 2), correction=0)
    measured = {
        "brightness": mean,
        "contrast": variance.sqrt(),
        # What is added is the noise of rounding to whole grey values: of a flat image nothing is known.
        "sharpness": ((detail + 0.1) / (variance + 1)).log(),
        "across": _centre(right.square().sum(1)),
        "down": _centre(below.square().sum(2)),
    }
    if images.shape[1] == 3:
        share = (channels.mean((2, 3)) + 1e-3) / (3 * mean[:, None] + 3e-3)
        measured |= {"red": share[:, 0], "blue": share[:, 2]}
    return {name: values.double().cpu() for name, values in measured.items()}


def _centre(weights: Tensor) -> Tensor:
    """Centre of gravity of weights `[N, P]` at P places from 0 to 1; 0.5 where there are none."""
    if not weights.shape[1]:
        return torch.full((len(weights),), 0.5, device=weights.device)
    places = torch.arange(weights.shape[1], device=weights.device) + 0.5
    even = 1e-3  # so little that only an image without edges feels it
    weights = weights + even
    return (weights @ places) / (weights.sum(1) * weights.shape[1])
