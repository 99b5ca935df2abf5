"""Copies and near copies among many images.

Two pictures of one part under another light, a moment later, or saved once more are near copies: a network that
was trained on one knows the answer for the other. They are found by what is fine in them. Thumbnails of 48 x 48
pixels lose their light (each pixel is set against the mean and the spread of its surroundings) and what all
images of the set have in common (the fixture, the background). A perceptual hash of that (64 bits of its discrete
cosine transform; Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010) says which
pairs to look at; it mostly survives a move by two pixels of the 48. Those pairs are laid over each other where
they fit best, and count as near copies from a correlation on that unrelated images of the same set do not reach
(`unrelated`): textures differ in all of the picture, but of parts that lie alike much is alike. An image with too
little in it (a blank surface) is like every other blank one: it is compared by its exact pixels alone. Turned and
mirrored copies are not looked for.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 48
"""Pixels, height and width of a thumbnail."""
ALIKE = 0.62, 0.9
"""Correlation from which two images are near copies, at the least and at the most; each set has its own between.

The least was measured on 1344 photographs of magnetic tiles, each taken under several exposures: of the pairs
above it that were looked at all were of one tile, down to 0.60. Where copies are so many that pairs drawn at
random are some (a few videos), the set's own would be too high: what is alike by more than the most counts anyway.
"""
_DRAWN = 2000  # pairs drawn at random, to see what unrelated images have in common
_RADIUS = 16  # bits by which the hashes of a pair that is looked at differ: 98 % of the pairs from 0.62 on
_SHIFT = 3  # pixels
_LIGHT = 2.0  # pixels: sigma of the surroundings; finer is noise, coarser is illumination
_FLOOR = 1.0  # grey values (of 255): what varies less is noise
_DETAIL = 0.5  # root mean square from which there is something in an image to tell it by
_OWN = 0.3  # the least share of it that the image has for itself
_BACKGROUND = 20  # images, from which on what they have in common can be told from what is in them
_BLUR = 3.0  # pixels: sigma of what is compared first, in which a shift changes little
_PLAUSIBLE = 0.3  # correlation of that, below which the shifts are not tried
_ROWS = 1024  # hashes compared with all others at a time
_AT_A_TIME = 1000  # pairs laid over each other

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


@dataclass(frozen=True)
class NearCopies:
    """Pairs of images that show the same thing.

    Attributes:
        pairs: Rows, int64 `[M, 2]`, the smaller first; the most alike pair first.
        alike: Their correlations, `[M]`.
        least: Correlation from which a pair counts.
        cut: Whether pairs with close hashes were left out, so that there may be more.
    """

    pairs: Pairs
    alike: NDArray[np.float32]
    least: float
    cut: bool


def near_copies(
    thumbnails: NDArray[np.uint8],
    partners: int = 50,
    until: float | None = None,
    progress: Progress | None = None,
) -> NearCopies:
    """Pairs of images that show the same thing, see the module.

    Args:
        thumbnails: `[N, 48, 48]`, grey.
        partners: Images that each is compared with at most, see `close_hashes`.
        until: Of `time.monotonic()`: from then on nothing is compared any more; None: all is.
        progress: Called as `progress(done, total)` with numbers of pairs.
    """
    detail = fine_detail(thumbnails)
    rms = np.sqrt(np.square(detail).mean((1, 2)))
    own = detail
    if len(detail) >= _BACKGROUND:
        own -= detail.mean(0)
    left = np.sqrt(np.square(own).mean((1, 2)))
    telling = np.flatnonzero((rms >= _DETAIL) & (left >= _OWN * rms))
    own = own[telling]
    hashes = perceptual_hashes(own)
    close, cut = close_hashes(hashes, _RADIUS, partners)
    if not len(close):
        return NearCopies(close, np.zeros(0, np.float32), ALIKE[0], cut)
    # The closest first: they are the likeliest, should the time be over.
    close = close[np.argsort(np.bitwise_count(hashes[close[:, 0]] ^ hashes[close[:, 1]]), kind="stable")]
    least = unrelated(own)
    coarse = _coarse(own)
    alike = []
    for start in range(0, len(close), _AT_A_TIME):
        if until is not None and time.monotonic() > until:
            cut = True
            break
        alike.append(correlations(own, close[start : start + _AT_A_TIME], coarse))
        if progress is not None:
            progress(min(start + _AT_A_TIME, len(close)), len(close))
    scores = np.concatenate(alike) if alike else np.zeros(0, np.float32)
    kept = np.flatnonzero(scores >= least)
    pairs = telling[close[kept]]
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -scores[kept]))
    return NearCopies(pairs[order], scores[kept][order], least, cut)


def unrelated(images: NDArray[np.float32], seed: int = 0) -> float:
    """Correlation that unrelated images of a set are expected to reach once among all of its pairs.

    Of pairs drawn at random nearly all are unrelated, even in a set full of copies. The upper half of their
    correlations, as Fisher's z, falls off about exponentially: median and 90 % quantile tell how fast, and the
    number of all pairs where it ends. Of 400 synthetic coils, none a copy, 0.85 was the highest of all pairs.

    Args:
        images: `[N, S, S]`, of which the common was taken.
        seed: Which pairs are drawn.

    Returns:
        Within `ALIKE`; the least of it where there are too few images to tell.
    """
    if len(images) < _BACKGROUND:
        return ALIKE[0]
    drawn = np.random.default_rng(seed).integers(0, len(images), (_DRAWN, 2))
    drawn = drawn[drawn[:, 0] != drawn[:, 1]]
    z = np.arctanh(np.clip([_overlaid(images[one], images[other]) for one, other in drawn], -0.999, 0.999))
    middle, high = np.quantile(z, [0.5, 0.9])
    fall = (high - middle) / np.log(0.5 / 0.1)
    pairs = len(images) * (len(images) - 1) / 2
    return float(np.clip(np.tanh(middle + fall * np.log(0.5 * pairs)), *ALIKE))


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


def close_hashes(hashes: NDArray[np.uint64], radius: int, partners: int) -> tuple[Pairs, bool]:
    """Pairs of hashes that differ in `radius` bits or fewer.

    Each is compared with each, at a few bytes and a few instructions a pair: 20,000 hashes take half a second.

    Args:
        hashes: `[N]`.
        radius: Bits.
        partners: Later rows that a row is paired with at most, the closest ones: of many that are all alike, each
            with each would not end.

    Returns:
        Rows, int64 `[M, 2]`, the smaller first, and whether a row had more partners than it may have.
    """
    found = [np.zeros((0, 2), np.int64)]
    cut = False
    for start in range(0, len(hashes), _ROWS):
        differ = np.bitwise_count(hashes[start : start + _ROWS, None] ^ hashes[start:])
        differ[np.tril_indices(len(differ))] = 255  # itself, and earlier rows of the block
        close = np.count_nonzero(differ <= radius, axis=1)
        crowded = np.flatnonzero(close > partners).tolist()
        cut = cut or bool(crowded)
        for row in crowded:
            far = np.argsort(differ[row], kind="stable")[partners:]
            differ[row, far] = 255
        found.append(np.argwhere(differ <= radius) + start)
    return np.concatenate(found), cut


def correlations(
    images: NDArray[np.float32], pairs: Pairs, coarse: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """How alike the two images of each pair are when one is moved to where they fit best.

    Args:
        images: `[N, S, S]`.
        pairs: Rows, `[M, 2]`.
        coarse: The images blurred, for several calls; None: made here.

    Returns:
        Normalised cross-correlation, -1..1, `[M]`: the largest over shifts of up to three pixels; of those
        that are not alike when blurred, the correlation of that.
    """
    coarse = _coarse(images) if coarse is None else coarse
    found = np.empty(len(pairs), np.float32)
    for at, (one, other) in enumerate(pairs.tolist()):
        found[at] = coarse[one] @ coarse[other]
        if found[at] >= _PLAUSIBLE:
            found[at] = _overlaid(images[one], images[other])
    return found


def _coarse(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blurred images, of mean 0 and length 1, `[N, (S // 3) ** 2]`."""
    side = images.shape[1] // 3
    coarse = np.empty((len(images), side * side), np.float32)
    for row, image in enumerate(images):
        blurred = cv2.GaussianBlur(image, (0, 0), _BLUR)
        coarse[row] = cv2.resize(blurred, (side, side), interpolation=cv2.INTER_AREA).ravel()
    coarse -= coarse.mean(1, keepdims=True)
    return np.asarray(coarse / np.maximum(np.linalg.norm(coarse, axis=1, keepdims=True), 1e-6))


def _overlaid(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Largest correlation of two images over shifts."""
    inner = slice(_SHIFT, len(one) - _SHIFT)
    return float(cv2.matchTemplate(other, one[inner, inner], cv2.TM_CCOEFF_NORMED).max())


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
