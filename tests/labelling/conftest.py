"""Videos whose frames say their own number."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

BITS = 9


def numbered(number: int) -> np.ndarray:
    """A noisy frame, BGR uint8 [64, 160, 3], with its number in black and white blocks."""
    random = np.random.default_rng(number)
    frame = random.normal(110, 6, (64, 160, 3)).clip(0, 255).astype(np.uint8)
    for bit in range(BITS):
        frame[16:48, 8 + 16 * bit : 20 + 16 * bit] = 255 if number >> bit & 1 else 0
    return frame


def number_on(picture: np.ndarray) -> int:
    """The number that the blocks of a frame say."""
    return sum(1 << bit for bit in range(BITS) if picture[24:40, 11 + 16 * bit : 17 + 16 * bit].mean() > 128)


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Writes a video of numbered frames; skips where OpenCV lacks the codec."""

    def write(path: Path, frames: int = 30, codec: str = "MJPG", first: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        code = cv2.VideoWriter.fourcc(*codec)
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25, (160, 64))
        if not writer.isOpened():
            pytest.skip(f"this OpenCV writes no {codec}")
        for number in range(first, first + frames):
            writer.write(numbered(number))
        writer.release()
        return path

    return write


@pytest.fixture(scope="session")
def read_number() -> Callable[[np.ndarray], int]:
    """The number that a frame shows."""
    return number_on
