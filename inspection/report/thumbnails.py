"""Pictures that are small enough for a file that is mailed."""

import cv2
import numpy as np

from inspection.report.contents import Picture


def thumbnail(image: np.ndarray, longest: int = 240, quality: int = 82) -> Picture:
    """A JPEG of an image.

    Args:
        image: RGB uint8 `[H, W, 3]` or grey `[H, W]`.
        longest: Its longer side in pixels at most; a smaller image stays as it is.
        quality: 0 to 100.

    Raises:
        ValueError: If it is no uint8 image with one or three channels.
    """
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] not in (1, 3))
    ):
        raise ValueError(f"Expected uint8 [H, W] or [H, W, 3] but got {image.dtype} {list(image.shape)}.")
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale < 1:
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    blue_first = image if image.ndim == 2 or image.shape[2] == 1 else image[..., ::-1]
    done, data = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done  # of uint8 with one or three channels
    return Picture(data.tobytes(), width, height)
