"""Classes with too few images to learn from, or to measure by."""

import numpy as np

from inspection.audit.findings import Case, Finding, counted
from inspection.audit.look import Album
from inspection.data.splits import PARTS

FEW = 20
"""Images of a class in the part that is measured: fewer make a figure that one image moves by 5 points or more."""
EXTREME = 20.0
"""Images of the commonest class for one of the rarest, from which on a warning is due."""


def balance(album: Album) -> list[Finding]:
    """What of classes or attributes is rare.

    Quantities have no classes, and of what could not be read nothing is known.
    """
    if album.targets is None or album.labels.kind == "quantity":
        return []
    holds = album.labels.indicators(album.targets)
    counts, names = holds.sum(0), album.labels.names
    groups = np.asarray(album.groups)
    found: list[Finding] = []
    absent = [Case(f"no image {_of(album, name)}") for name, n in zip(names, counts, strict=True) if n == 0]
    if absent:
        title = f"{counted(len(absent), 'class has', 'classes have')} no image at all"
        found.append(
            Finding("absent_class", "error", title, tuple(absent), "name the classes that there are")
        )
    scarce = []
    for name, column in zip(names, holds.T, strict=True):
        own = len(set(groups[column]))
        if 0 < own < len(PARTS):
            unit = counted(own, "group", "groups") if album.grouped else counted(own, "image", "images")
            scarce.append(Case(f"{_of(album, name)}: {unit}, fewer than there are parts"))
    if scarce:
        title = f"{counted(len(scarce), 'class', 'classes')} can't be in each part of the split"
        found.append(
            Finding("scarce_class", "error", title, tuple(scarce), "add images, or leave the class out")
        )
    if album.parts is not None:
        found += _few(album, holds)
    rare, common = min(counts[counts > 0].tolist(), default=0), int(counts.max(initial=0))
    exclusive = album.labels.columns == ("class",)
    if exclusive and rare and common >= EXTREME * rare:
        pair = [names[int(np.flatnonzero(counts == number)[0])] for number in (common, rare)]
        title = f"{common} images of {pair[0]!r} for {rare} of {pair[1]!r} ({common / rare:.0f} to 1)"
        remedy = "see that data.balance makes up for it (sampler or loss), and judge by recall and precision"
        found.append(Finding("imbalance", "warning", title, (), remedy))
    return found


def _few(album: Album, holds: np.ndarray) -> list[Finding]:
    """Classes with too few images to measure by, in the part that is tested (or else validated)."""
    assert album.parts is not None
    part = "test" if (album.parts == "test").any() else "val"
    rows = album.parts == part
    cases = tuple(
        Case(f"{_of(album, name)}: {counted(int(column[rows].sum()), 'image', 'images')} in the {part} part")
        for name, column in zip(album.labels.names, holds.T, strict=True)
        if 0 < column[rows].sum() < FEW and len(set(np.asarray(album.groups)[column])) >= len(PARTS)
    )
    if not cases:
        return []
    title = f"figures of {counted(len(cases), 'class', 'classes')} are of fewer than {FEW} images"
    remedy = "read their intervals, or test every image once: -m data.fold=0,1,2,3,4"
    return [Finding("few_to_measure", "warning", title, cases, remedy)]


def _of(album: Album, name: str) -> str:
    return f"of {name!r}" if album.labels.columns == ("class",) else f"with {name!r}"
