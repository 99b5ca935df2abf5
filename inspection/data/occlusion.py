"""Something before the scene: a label, a colour bar, a hand that hides a part of each image."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspection.data.module import Rows


class Occluded:
    """Images a part of which is covered by a rectangle of one grey value.

    Size, place and grey value follow from the file's name: the same image is hidden alike in every epoch and run.

    Args:
        images: Rows uint8 `[N, C, H, W]`.
        files: Names of the images, N.
        most: The largest share of an image that is hidden, 0..1; each image has a share between 0 and this.
    """

    def __init__(self, images: Rows, files: Sequence[str], most: float) -> None:
        self.images, self.files, self.most = images, files, most

    def gather(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint8]:
        """Copies of some rows, covered."""
        images = self.images.gather(indices)
        for image, index in zip(images, indices, strict=True):
            left, top, right, bottom, grey = cover(
                self.files[int(index)], image.shape[1], image.shape[2], self.most
            )
            image[:, top:bottom, left:right] = grey
        return images


def cover(file: str, height: int, width: int, most: float) -> tuple[int, int, int, int, int]:
    """What is hidden of an image: left, top, right and bottom in pixels, and the grey value.

    Example:
        >>> left, top, right, bottom, grey = cover("pics/a.png", 100, 200, most=0.2)
        >>> 0 <= left <= right <= 200, 0 <= top <= bottom <= 100, (right - left) * (bottom - top) <= 0.2 * 20000
        (True, True, True)
    """
    rng = np.random.default_rng(zlib.crc32(file.encode("utf-8", "surrogatepass")))
    share, form = rng.uniform(0, most), np.exp(rng.uniform(-1, 1))  # form: width by height, as the image's
    down = min(height, int(height * np.sqrt(share / form)))
    across = min(width, int(width * np.sqrt(share * form)))
    top, left = rng.integers(0, height - down + 1), rng.integers(0, width - across + 1)
    return int(left), int(top), int(left) + across, int(top) + down, int(rng.integers(0, 256))
