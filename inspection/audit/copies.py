"""Copies and near copies among many images.

Two pictures of one part under another light, a moment later, or saved once more are near copies: a network that
was trained on one knows the answer for the other. They are found by what is fine in them. Thumbnails of 48 x 48
pixels lose their light (each pixel is set against the mean and the spread of its surroundings) and what all
images of the set have in common (the fixture, the background). A perceptual hash of that (64 bits of its discrete
cosine transform; Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010) says which
pairs to look at; it mostly survives a move by two pixels of the 48. Those pairs are laid over each other where
they fit best, and count as near copies from a correlation of `ALIKE` on. An image with too little in it (a blank
surface) is like every other blank one: it is compared by its exact pixels alone. Turned and mirrored copies are
not looked for.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 48
"""Pixels, height and width of a thumbnail."""
ALIKE = 0.62
"""Correlation from which two images are near copies.

Measured on 1344 photographs of magnetic tiles, each taken under several exposures: of the pairs above it that were
looked at all were of one tile, down to 0.60.
"""
_RADIUS = 16  # bits by which the hashes of a pair that is looked at differ: 98 % of the pairs from ALIKE on
_SHIFT = 3  # pixels
_LIGHT = 2.0  # pixels: sigma of the surroundings; finer is noise, coarser is illumination
_FLOOR = 1.0  # grey values (of 255): what varies less is noise
_DETAIL = 0.5  # root mean square from which there is something in an image to tell it by
_OWN = 0.3  # the least share of it that the image has for itself
_BACKGROUND = 20  # images, from which on what they have in common can be told from what is in them
_BLUR = 3.0  # pixels: sigma of what is compared first, in which a shift changes little
_PLAUSIBLE = 0.3  # correlation of that, below which the shifts are not tried
_ROWS = 1024  # hashes compared with all others at a time

Pairs = NDArray[np.int64]
Progress = Callable[[int, int], None]


def group_equal(keys: Sequence[str]) -> list[list[int]]:
    """Rows that have one key, for each key of several rows, in the order of their first rows.

    >>> group_equal(["a", "b", "a", "c", "b"])
    [[0, 2], [1, 4]]
    """
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return [found for found in rows.values() if len(found) > 1]


def near_copies(thumbnails: NDArray[np.uint8], partners: int = 50) -> tuple[Pairs, NDArray[np.float32]]:
    """Pairs of images that show the same thing, see the module.

    Args:
        thumbnails: `[N, 48, 48]`, grey.
        partners: Images that each is compared with at most, see `close_hashes`.

    Returns:
        Rows of each pair, int64 `[M, 2]`, the smaller first, and its correlation, `[M]`; the most alike first.
    """
    detail = fine_detail(thumbnails)
    rms = np.sqrt(np.square(detail).mean((1, 2)))
    own = detail
    if len(detail) >= _BACKGROUND:
        own -= detail.mean(0)
    left = np.sqrt(np.square(own).mean((1, 2)))
    telling = np.flatnonzero((rms >= _DETAIL) & (left >= _OWN * rms))
    own = own[telling]
    pairs = close_hashes(perceptual_hashes(own), _RADIUS, partners)
    alike = correlations(own, pairs)
    kept = alike >= ALIKE
    pairs, alike = telling[pairs[kept]], alike[kept]
    order = np.argsort(-alike, kind="stable")
    return pairs[order], alike[order]


def fine_detail(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Thumbnails without their light: each pixel against the mean and the spread of its surroundings.

    Args:
        thumbnails: uint8 `[N, S, S]`.

    Returns:
        float32 `[N, S, S]`, about 0, with a spread near 1 where there is texture and near 0 where there is none.
    """
    found = np.empty(thumbnails.shape, np.float32)
    for row, thumbnail in enumerate(thumbnails):
        grey = thumbnail.astype(np.float32)
        around = grey - cv2.GaussianBlur(grey, (0, 0), _LIGHT)
        spread = cv2.GaussianBlur(around * around, (0, 0), _LIGHT)
        found[row] = around / np.sqrt(spread + _FLOOR)
    return found


def perceptual_hashes(images: NDArray[np.float32]) -> NDArray[np.uint64]:
    """64 bits of each image: whether a low frequency is above the median of them.

    Args:
        images: `[N, S, S]`.

    Returns:
        `[N]`; the bits of images that look alike are mostly the same.
    """
    side = images.shape[1]
    place = np.arange(side)
    # Frequencies 1 to 8 along either side: the zeroth is the mean of a row or column, light mostly.
    basis = np.cos(np.pi * (2 * place + 1) * np.arange(1, 9)[:, None] / (2 * side)).astype(np.float32)
    low = (basis @ images @ basis.T).reshape(-1, 64)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def close_hashes(hashes: NDArray[np.uint64], radius: int, partners: int) -> Pairs:
    """Pairs of hashes that differ in `radius` bits or fewer, int64 `[M, 2]`, the smaller row first.

    Each is compared with each, at a few bytes and a few instructions a pair: 20,000 hashes take half a second.

    Args:
        hashes: `[N]`.
        radius: Bits.
        partners: Later rows that a row is paired with at most, the closest ones: of many that are all alike, each
            with each would not end.
    """
    found = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(hashes), _ROWS):
        differ = np.bitwise_count(hashes[start : start + _ROWS, None] ^ hashes[start:])
        differ[np.tril_indices(len(differ))] = 255  # itself, and earlier rows of the block
        close = np.count_nonzero(differ <= radius, axis=1)
        for row in np.flatnonzero(close > partners).tolist():
            far = np.argsort(differ[row], kind="stable")[partners:]
            differ[row, far] = 255
        found.append(np.argwhere(differ <= radius) + start)
    return np.concatenate(found)


def correlations(images: NDArray[np.float32], pairs: Pairs) -> NDArray[np.float32]:
    """How alike the two images of each pair are when one is moved to where they fit best.

    Args:
        images: `[N, S, S]`.
        pairs: Rows, `[M, 2]`.

    Returns:
        Normalised cross-correlation, -1..1, `[M]`: the largest over shifts of up to three pixels; of those
        that are not alike when blurred, the correlation of that.
    """
    coarse = np.empty((len(images), (images.shape[1] // 3) ** 2), np.float32)
    for row, image in enumerate(images):
        side = images.shape[1] // 3
        blurred = cv2.GaussianBlur(image, (0, 0), _BLUR)
        coarse[row] = cv2.resize(blurred, (side, side), interpolation=cv2.INTER_AREA).ravel()
    coarse -= coarse.mean(1, keepdims=True)
    coarse /= np.maximum(np.linalg.norm(coarse, axis=1, keepdims=True), 1e-6)
    inner = slice(_SHIFT, images.shape[1] - _SHIFT)
    found = np.empty(len(pairs), np.float32)
    for at, (one, other) in enumerate(pairs.tolist()):
        found[at] = coarse[one] @ coarse[other]
        if found[at] >= _PLAUSIBLE:
            moved = cv2.matchTemplate(images[other], images[one][inner, inner], cv2.TM_CCOEFF_NORMED)
            found[at] = moved.max()
    return found


def connected(pairs: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Groups of rows that pairs join, directly or through others.

    Args:
        pairs: Rows, `[M, 2]`.
        count: Number of rows N.

    Returns:
        The first row of each row's group, `[N]`.

    >>> connected(np.array([[1, 3], [3, 4]]), 5).tolist()
    [0, 1, 2, 1, 1]
    """
    first = list(range(count))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    for one, other in pairs.tolist():
        low, high = sorted((root(one), root(other)))
        first[high] = low
    return np.array([root(row) for row in range(count)], np.int64)
