"""What an image looks like, whatever is on it: numbers that light, lens and pose of the camera move."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

MONO = ("brightness", "contrast", "sharpness", "across", "down")
COLOUR = (*MONO, "red", "blue")
"""Statistics of images with one and with three channels."""


def measure_optics(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
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
        float64 `[N]`, by name.

    Example:
        >>> optics = measure_optics(np.full((1, 1, 8, 8), 90, np.uint8))
        >>> {name: round(value.item(), 2) for name, value in optics.items()}
        {'brightness': 90.0, 'contrast': 0.0, 'sharpness': -2.3, 'across': 0.5, 'down': 0.5}
    """
    measured = [_measure(image) for image in images]  # one by one: they stay in the processor's cache
    names = COLOUR if images.shape[1] == 3 else MONO
    return {name: np.array([each[name] for each in measured], np.float64) for name in names}


def _measure(image: NDArray[np.uint8]) -> dict[str, float]:
    """Of one image `[C, H, W]`."""
    grey = image[0].astype(np.float32) if len(image) == 1 else image.mean(0, dtype=np.float32)
    mean, variance = _moments(grey)
    right, below = grey[:, 1:] - grey[:, :-1], grey[1:] - grey[:-1]
    detail = 0.0
    if min(grey.shape) > 2:
        detail = _moments(cv2.Laplacian(grey, cv2.CV_32F, ksize=1)[1:-1, 1:-1])[1]
    measured = {
        "brightness": mean,
        "contrast": np.sqrt(variance),
        # What is added is the noise of rounding to whole grey values: of a flat image nothing is known.
        "sharpness": np.log((detail + 0.1) / (variance + 1)),
        "across": _centre(np.einsum("hw,hw->w", right, right)),
        "down": _centre(np.einsum("hw,hw->h", below, below)),
    }
    if len(image) == 3:
        red, _, blue = cv2.mean(np.moveaxis(image, 0, -1))[:3]
        whole = 3 * mean + 3e-3
        measured |= {"red": (red + 1e-3) / whole, "blue": (blue + 1e-3) / whole}
    return measured


def _moments(values: NDArray[np.float32]) -> tuple[float, float]:
    """Mean and variance, summed in float64."""
    mean, deviation = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(deviation[0, 0]) ** 2


def _centre(weights: Array) -> float:
    """Centre of gravity of weights `[P]` at P places from 0 to 1; 0.5 where there are none."""
    if not len(weights):
        return 0.5
    even = weights.astype(np.float64) + 1e-3  # so little that only an image without edges feels it
    return float(even @ (np.arange(len(even)) + 0.5) / (even.sum() * len(even)))
