"""Pictures as files."""

from pathlib import Path

import cv2
import numpy as np


def write_png(path: str | Path, rgb: np.ndarray) -> Path:
    """Write a picture, making the folders above it.

    `cv2.imwrite` fails silently on Windows for a path with letters outside the system's code page; here
    OpenCV only encodes, and Python writes.

    Args:
        path: Any letters; ends in .png.
        rgb: Uint8 [H, W, 3] in RGB order, or [H, W] grey.

    Returns:
        The path.

    Raises:
        ValueError: Not a uint8 picture.
        OSError: The file can't be written.
    """
    if rgb.dtype != np.uint8 or not (rgb.ndim == 2 or (rgb.ndim == 3 and rgb.shape[2] == 3)):
        raise ValueError(
            f"Expected a uint8 picture [H, W] or [H, W, 3] but got {rgb.dtype} {list(rgb.shape)}."
        )
    done, data = cv2.imencode(".png", rgb if rgb.ndim == 2 else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"OpenCV could not encode {path}.")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())
    return path
