"""Measured quantities that stand out, or contradict each other."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from inspection.audit.findings import Case, Finding, counted
from inspection.audit.look import Album
from inspection.audit.outliers import robust_z

_FAR = 8.0  # robust z
_ROUNDING = 0.05  # by which a mean may exceed a maximum


def check_quantities(
    album: Album, statistics: Sequence[str], window: tuple[float, float] | None
) -> list[Finding]:
    """Look at the targets of a set of quantities.

    Args:
        album: The images, with targets float64 `[N, T]`.
        statistics: What each quantity is of the pixels (`max`, `mean`, `min`), in their order.
        window: Smallest and largest value that the images can show, or None.
    """
    if album.targets is None:
        return []
    values, names = np.asarray(album.targets, np.float64), album.labels.names
    order, beyond, far = [], [], []
    ranks = {name: place for place, name in enumerate(statistics)}
    ladder = [ranks[name] for name in ("max", "mean", "min") if name in ranks]
    for row, file in enumerate(album.files):
        for high, low in pairwise(ladder):
            if values[row, high] + _ROUNDING < values[row, low]:
                text = (
                    f"{file}: {names[high]} {values[row, high]:g} is below {names[low]} {values[row, low]:g}"
                )
                order.append(Case(text, (file,)))
        if window is not None and not window[0] <= values[row].min() <= values[row].max() <= window[1]:
            beyond.append(Case(f"{file}: {album.label(row)}", (file,)))
    for place, name in enumerate(names):
        scores = robust_z(values[:, place])
        far += [
            Case(f"{album.files[row]}: {name} {values[row, place]:g}", (album.files[row],))
            for row in np.argsort(-np.abs(scores), kind="stable").tolist()
            if abs(scores[row]) >= _FAR
        ]
    found = []
    if order:
        title = f"{counted(len(order), 'image has', 'images have')} values in the wrong order"
        found.append(
            Finding("order_of_values", "error", title, tuple(order), "mend the table, or data.columns")
        )
    if beyond:
        title = (
            f"{counted(len(beyond), 'image has', 'images have')} values outside of what the network sees "
            f"({window[0]:g} to {window[1]:g}, data.window)"  # type: ignore[index]
        )
        found.append(
            Finding("outside_window", "warning", title, tuple(beyond), "widen data.window, or mend them")
        )
    if far:
        title = f"{counted(len(far), 'value stands', 'values stand')} far from the others"
        found.append(
            Finding("strange_values", "warning", title, tuple(far), "a wrong unit or a slipped comma?")
        )
    return found
