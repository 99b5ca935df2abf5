"""Brushes that the generators of synthetic photographs share.

Grey values are floats from 0 (black) to 1 (the sensor's white) until `photograph` makes 8 bits of them; colour
is RGB in the last dimension. Lengths are pixels, x to the right and y downwards.
"""

from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
Image: TypeAlias = NDArray[np.uint8]
Points: TypeAlias = NDArray[np.float64]


def grid(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Coordinates x [1, W] and y [H, 1] of the pixels, 0 in the middle of the image."""
    x = np.arange(width, dtype=np.float32)[None] - np.float32((width - 1) / 2)
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)
    return x, y


def noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float = 1.0) -> FloatArray:
    """White noise of standard deviation `scale`."""
    return np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)


def blur(image: NDArray[Any], sigma: float, sigma_y: float = 0) -> FloatArray:
    """Gaussian blur; `sigma_y` where it differs from that along x."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, sigmaY=sigma_y), np.float32)


def resize(image: FloatArray, width: int, height: int, interpolation: int = cv2.INTER_LINEAR) -> FloatArray:
    """The image in another size."""
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.float32)


def cloud(
    rng: np.random.Generator,
    height: int,
    width: int,
    cell: float,
    octaves: int = 3,
    stretch: float = 1.0,
    fading: float = 0.5,
) -> FloatArray:
    """Smooth noise [H, W] of mean 0 and about unit spread, as in smoke, stains and uneven light.

    Args:
        rng: source of the randomness.
        height: pixels.
        width: pixels.
        cell: size of the largest blots, pixels.
        octaves: layers, each of half the size of the one before.
        stretch: how much longer the blots are along x than along y.
        fading: strength of a layer beside the one before.
    """
    total = np.zeros((height, width), np.float32)
    power = 0.0
    for octave in range(octaves):
        size, weight = cell / 2**octave, fading**octave
        rows, columns = (max(2, round(side / size) + 1) for side in (height, width / stretch))
        total += np.float32(weight) * resize(noise(rng, (rows, columns)), width, height, cv2.INTER_CUBIC)
        power += weight * weight
    return total / np.float32(0.83 * np.sqrt(power))  # the interpolation leaves about 0.83 of the spread


def fixed(points: Points) -> NDArray[np.int32]:
    """Points for cv2's drawing with `shift=3`: eighths of a pixel."""
    return np.rint(points * 8).astype(np.int32)


def stroke(height: int, width: int, line: Points, thickness: int) -> FloatArray:
    """Cover 0..1 [H, W] of a line through points [N, 2]."""
    layer = np.zeros((height, width), np.uint8)
    cv2.polylines(layer, [fixed(line)], False, 255, thickness, cv2.LINE_AA, 3)
    return layer.astype(np.float32) / np.float32(255)


def wander(rng: np.random.Generator, start: Points, heading: float, length: float, bend: float) -> Points:
    """A line [N, 2] of steps of two pixels whose heading (radians) drifts by about `bend` over its length."""
    steps = max(2, round(length / 2))
    turns = heading + np.cumsum(rng.normal(0, bend / np.sqrt(steps), steps))
    line: Points = start + 2 * np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1), 0)
    return line


def photograph(image: FloatArray, rng: np.random.Generator, gain: float) -> Image:
    """What a colour sensor makes of light [H, W, 3]: shot noise that grows with it, read noise, 8 bits.

    Args:
        image: light, 1 is white.
        rng: source of the noise.
        gain: variance of the noise of white in squared grey levels of 8 bits; 1 is a good camera.
    """
    light = np.clip(image, 0, 1)
    levels = light * np.float32(255)
    levels += np.sqrt(light * np.float32(gain) + np.float32(0.4)) * noise(rng, image.shape)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def write_png(path: Path, image: Image) -> None:
    """Write an RGB image [H, W, 3]."""
    # Encoded in memory: cv2.imwrite fails silently, and on Windows for letters outside the code page.
    bgr = np.ascontiguousarray(image[..., ::-1])
    path.write_bytes(cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
