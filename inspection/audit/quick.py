"""The part of an audit that costs little, for the start of every training."""

import hashlib
import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.audit.copies import SIDE
from inspection.audit.findings import counted
from inspection.audit.sameness import concerned_in_words, find_copies
from inspection.data.module import ImageDataModule

SECONDS = 2.0
"""That all of it may take, about; then a part of the images, or of their pairs, has to do."""
MOST = 6_000
"""Images that are compared with one another."""
_LOOKING = 0.6  # share of the time; hashes and pairs have the rest
_PARTNERS = 10
_AT_A_TIME = 64  # images


def quick_findings(data: ImageDataModule, seconds: float = SECONDS) -> list[str]:
    """What copies in a set do to its figures, from the decoded images alone.

    Copies are those of `audit.copies`, of what the network sees. 2,000 images take about a second on one core of a
    server; what is not looked at within the time is said.

    Args:
        data: After `setup`.
        seconds: That may be spent, but for a block of images or pairs.

    Returns:
        Sentences for a person: copies and near copies in several parts, and copies with different labels.
    """
    samples = data.samples
    order = _order(len(samples.files), data.split_seed)
    start = time.monotonic()
    pixels, thumbnails = _look(data, order, start + _LOOKING * seconds)
    rows = order[: len(pixels)]
    copies = find_copies(pixels, thumbnails, _PARTNERS, start + seconds)
    late = time.monotonic() > start + seconds
    parts = np.asarray(samples.parts)[rows]
    labels = ["\0".join(samples.labels.cells(samples.targets[row])) for row in rows]
    notes = []
    across = [group for group in copies.equal if len(set(parts[group].tolist())) > 1]
    if across:
        notes.append(
            f"{counted(len(across), 'picture lies', 'pictures lie')} in more than one part "
            f"(for example {_named(samples.files, rows, across[0])})"
        )
    near = [pair for pair in copies.near.tolist() if parts[pair[0]] != parts[pair[1]]]
    if near:
        least = "at least " if copies.cut else ""
        told, many = concerned_in_words({row for pair in near for row in pair}, parts)
        size = "x".join(map(str, data.geometry.image_size))
        pairs = counted(len(near), "pair of images looks", "pairs of images look")
        notes.append(
            f"{least}{pairs} like near copies in two parts, seen as {size}, {told} "
            f"(for example {_named(samples.files, rows, near[0])})"
        )
    if across or (near and many):
        notes[-1] += (
            ": the figures flatter the network; python scripts/audit.py with the same words writes a better split"
        )
    elif near:
        notes[-1] += ": python scripts/audit.py shows them"
    differ = [group for group in copies.equal if len({labels[at] for at in group}) > 1]
    if differ and samples.labels.kind != "quantity":
        notes.append(
            f"{counted(len(differ), 'picture has', 'pictures have')} several files with different labels "
            f"(for example {_named(samples.files, rows, differ[0])}): python scripts/audit.py shows them"
        )
    if len(pixels) < len(samples.files):
        notes.append(
            f"copies were looked for among {len(pixels)} of {len(samples.files)} images, drawn at random; "
            "python scripts/audit.py looks at all"
        )
    elif copies.cut and late:
        notes.append("the time was over before all pairs were compared; python scripts/audit.py compares all")
    return notes


def _order(count: int, seed: int) -> NDArray[np.int64]:
    """Rows as they are looked at: in order when that may be all, else at random, in runs that read well."""
    starts = np.array(range(0, count, _AT_A_TIME))
    np.random.default_rng(seed).shuffle(starts)
    order = np.concatenate([np.arange(at, min(at + _AT_A_TIME, count)) for at in starts])
    return order[:MOST]


def _look(
    data: ImageDataModule, order: NDArray[np.int64], until: float
) -> tuple[list[str], NDArray[np.uint8]]:
    """Digests and thumbnails of rows, as far as the time goes."""
    pixels: list[str] = []
    thumbnails: list[NDArray[np.uint8]] = []
    for start in range(0, len(order), _AT_A_TIME):
        if start and time.monotonic() > until:
            break
        for image in data.images(order[start : start + _AT_A_TIME]).numpy():
            pixels.append(hashlib.sha1(image.data, usedforsecurity=False).hexdigest())
            grey = (
                image[0] if len(image) == 1 else cv2.cvtColor(np.moveaxis(image, 0, -1), cv2.COLOR_RGB2GRAY)
            )
            thumbnails.append(np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)))
    return pixels, np.stack(thumbnails)


def _named(files: Sequence[str], rows: NDArray[np.int64], group: Sequence[int]) -> str:
    return " = ".join(files[rows[at]] for at in group[:2])
