"""Images that are much brighter, darker, sharper or more blurred than the others of their class."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inspection.audit.findings import Case, Finding, counted
from inspection.audit.look import Album, Look

FAR = 6.0
"""Robust z from which on an image stands out; of normally distributed values two in a thousand million do."""
_FLOOR = 1e-3  # sharpness of a picture without any
_LEAST = 10  # images of a class, to say what is usual

_MEASURES: dict[str, tuple[Callable[[Look], float], str, str]] = {
    "brightness": (lambda look: look.brightness, "darker", "brighter"),
    # Its logarithm: a lens out of focus takes a share of the sharpness, not an amount.
    "sharpness": (lambda look: float(np.log(look.sharpness + _FLOOR)), "more blurred", "sharper or noisier"),
}


def robust_z(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far values lie from their median, in standard deviations as the median deviation tells them.

    Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993. Values that differ from the median where more
    than half are equal to it are set against the mean deviation.

    >>> robust_z(np.array([1.0, 2, 3, 4, 100])).round(1).tolist()
    [-1.3, -0.7, 0.0, 0.7, 65.4]
    """
    deviation = np.asarray(values, np.float64) - np.median(values)
    spread = np.median(np.abs(deviation)) / 0.6745 or np.abs(deviation).mean() / 0.7979
    return np.asarray(deviation / spread if spread else deviation)


def outliers(album: Album) -> list[Finding]:
    """Brightness and sharpness against the images of the same label; of equal pictures one counts."""
    first = {album.look(row).pixels: row for row in album.seen[::-1].tolist()}
    kinds: dict[str, list[int]] = {}
    by_label = album.targets is not None and album.labels.kind != "quantity"
    for row in sorted(first.values()):
        kinds.setdefault(album.label(row) if by_label else "", []).append(row)
    found = []
    for name, (of, less, more) in _MEASURES.items():
        far: list[tuple[float, int, str]] = []
        for own in kinds.values():
            if len(own) < _LEAST:
                continue
            scores = robust_z(np.array([of(album.look(row)) for row in own]))
            far += [
                (abs(score), row, more if score > 0 else less)
                for score, row in zip(scores.tolist(), own, strict=True)
                if abs(score) >= FAR
            ]
        if not far:
            continue
        cases = tuple(
            Case(f"{album.name(row)}: {what}, {score:.1f} standard deviations", (album.files[row],))
            for score, row, what in sorted(far, key=lambda one: (-one[0], one[1]))
        )
        title = f"{counted(len(far), 'image stands', 'images stand')} out by {name}"
        remedy = "look at them: a camera out of focus, a light that failed, or an empty fixture is no example"
        found.append(Finding(name, "warning", title, cases, remedy, pictured=True))
    return found
