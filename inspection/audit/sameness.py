"""What copies and near copies do to a set: contradictory labels, and pictures in two parts of the split."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspection.audit.copies import Progress, connected, group_equal, near_copies
from inspection.audit.findings import Case, Finding, Severity, counted
from inspection.audit.look import Album

_KEEP = "keep copies in one part: {command}"
_LEAST, _SHARE = 3, 0.01
"""Images of a part, and share of it, with near copies in another one, from which on its figures are not true."""


@dataclass(frozen=True)
class Copies:
    """Which images are alike.

    Attributes:
        equal: Rows with the very same pixels, `[[row, ...], ...]`.
        near: Rows of pairs that show the same thing, the most alike first, int64 `[M, 2]`; none of them equal.
        alike: Their correlations, `[M]`.
        least: Correlation from which a pair is one of near copies, in this set.
        cut: Whether pairs were left out, so that there may be more near ones.
        first: The first row of each row's group of copies of both kinds, int64 `[N]`.
    """

    equal: list[list[int]]
    near: NDArray[np.int64]
    alike: NDArray[np.float32]
    least: float
    cut: bool
    first: NDArray[np.int64]


def find_copies(
    pixels: Sequence[str | None],
    thumbnails: NDArray[np.uint8],
    partners: int = 50,
    until: float | None = None,
    progress: Progress | None = None,
) -> Copies:
    """Find equal and near images.

    Args:
        pixels: A digest of the pixels of each image; None: it can't be read, and is like no other.
        thumbnails: Of those that have a digest, uint8 `[M, 48, 48]`.
        partners: Images that each is compared with at most.
        until: When the search for near ones ends, see `near_copies`.
        progress: Called as `progress(done, total)` with numbers of pairs.
    """
    rows = np.flatnonzero([one is not None for one in pixels])
    equal = [
        [int(rows[at]) for at in found] for found in group_equal([one for one in pixels if one is not None])
    ]
    same = np.array([[found[0], other] for found in equal for other in found[1:]], np.int64).reshape(-1, 2)
    # Of equal pictures one is compared with the others: 60 blank ones would be 1770 pairs.
    again = np.zeros(len(pixels), bool)
    again[same[:, 1]] = True
    single = np.flatnonzero(~again[rows])
    found = near_copies(thumbnails[single], partners, until, progress)
    near = rows[single[found.pairs]]
    first = connected(np.concatenate([same, near]), len(pixels))
    return Copies(equal, near, found.alike, found.least, found.cut, first)


def copies_of(album: Album, progress: Progress | None = None) -> Copies:
    """Find the copies in an album; `progress(done, total)` tells of pairs."""
    looks = [album.look(row) for row in album.seen.tolist()]
    pixels = [None if look is None else look.pixels for look in album.looks]
    return find_copies(pixels, np.stack([look.thumbnail for look in looks]), progress=progress)


def sameness(album: Album, copies: Copies, command: str) -> list[Finding]:
    """All that copies and near copies do to a set.

    Args:
        album: The images.
        copies: Of them.
        command: What keeps copies together; empty where nothing does.
    """
    equal = _equal(album, copies)
    shared = [rows for rows in copies.equal if _differ(album, rows)]
    found = [*equal]
    if shared:
        cases = tuple(_case(album, rows) for rows in shared)
        found.append(
            Finding(
                "contradictory_labels",
                "error",
                f"{counted(len(cases), 'picture has', 'pictures have')} several files with different labels",
                cases,
                "look at them, keep the right one, and remove the others",
                pictured=True,
            )
        )
    return [*found, *_near(album, copies), *_across(album, copies, command)]


def _equal(album: Album, copies: Copies) -> list[Finding]:
    if not copies.equal:
        return []
    number = sum(len(rows) for rows in copies.equal)
    title = f"{number} files hold {counted(len(copies.equal), 'picture', 'pictures')}: the same pixels"
    largest = sorted(copies.equal, key=lambda rows: -len(rows))
    cases = tuple(_case(album, rows) for rows in largest)
    remedy = "remove all but one of each: a picture that is there often counts often"
    return [Finding("copies", "warning", title, cases, remedy, pictured=True)]


def _near(album: Album, copies: Copies) -> list[Finding]:
    if not len(copies.near):
        return []
    cases = [
        Case(
            f"{album.name(one)} = {album.name(other)}: likeness {score:.2f}",
            (album.files[one], album.files[other]),
        )
        for (one, other), score in zip(copies.near.tolist(), copies.alike.tolist(), strict=True)
    ]
    first = connected(copies.near, len(album.files))
    members = np.unique(copies.near)
    groups = len(set(first[members].tolist()))
    title = (
        f"{_at_least(copies)}{counted(len(cases), 'pair', 'pairs')} of near copies (likeness from "
        f"{copies.least:.2f} on): {len(members)} images show {counted(groups, 'thing', 'things')}, in other light "
        "or a moment later"
    )
    found = [Finding("near_copies", "note", title, tuple(cases), pictured=True)]
    differ = [case for case, pair in zip(cases, copies.near.tolist(), strict=True) if _differ(album, pair)]
    if differ:
        title = (
            f"{_at_least(copies)}{counted(len(differ), 'pair of near copies has', 'pairs of near copies have')} "
            "different labels"
        )
        remedy = "look at them: either a label is wrong, or they differ in something small"
        found.append(Finding("near_labels", "warning", title, tuple(differ), remedy, pictured=True))
    return found


def _across(album: Album, copies: Copies, command: str) -> list[Finding]:
    """Pictures that lie in more than one part of the split."""
    if album.parts is None:
        return []
    found = []
    remedy = _KEEP.format(command=command) if command else "split so that copies stay in one part"
    equal = [rows for rows in copies.equal if len(set(album.parts[rows].tolist())) > 1]
    if equal:
        cases = tuple(_case(album, rows) for rows in equal)
        lie = counted(len(cases), "picture lies", "pictures lie")
        title = f"{lie} in more than one part: what is tested was learned by heart"
        found.append(Finding("copies_across_parts", "error", title, cases, remedy, pictured=True))
    pairs = [
        (one, other, score)
        for (one, other), score in zip(copies.near.tolist(), copies.alike.tolist(), strict=True)
        if album.parts[one] != album.parts[other]
    ]
    if pairs:
        cases = tuple(
            Case(
                f"{album.name(one)} = {album.name(other)}: likeness {score:.2f}",
                (album.files[one], album.files[other]),
            )
            for one, other, score in pairs
        )
        concerned = {row for one, other, _ in pairs for row in (one, other)}
        told, many = concerned_in_words(concerned, album.parts)
        title = (
            f"{_at_least(copies)}{counted(len(pairs), 'pair of near copies lies', 'pairs of near copies lie')} in "
            f"two parts; {told} {'are' if len(concerned) > 1 else 'is'} concerned"
            + (": the figures will flatter the network" if many else "")
        )
        severity: Severity = "error" if many else "warning"
        found.append(Finding("near_copies_across_parts", severity, title, cases, remedy, pictured=True))
    return found


def concerned_in_words(rows: Collection[int], parts: NDArray[np.str_]) -> tuple[str, bool]:
    """How many images of validation and test have a near copy elsewhere, and whether a figure can tell.

    Args:
        rows: The images that have one, of any part.
        parts: Of all images, `[N]`.
    """
    shares = [
        (sum(parts[row] == part for row in rows), int((parts == part).sum()), part)
        for part in ("val", "test")
    ]
    told = " and ".join(f"{number} of {of} {part} images" for number, of, part in shares if number)
    return told, any(number >= max(_LEAST, _SHARE * of) for number, of, _ in shares)


def _at_least(copies: Copies) -> str:
    return "at least " if copies.cut else ""


def _differ(album: Album, rows: Sequence[int]) -> bool:
    """Whether images have different labels; measured quantities always differ a little."""
    if album.targets is None or album.labels.kind == "quantity":
        return False
    return len({album.label(row) for row in rows}) > 1


def _case(album: Album, rows: Sequence[int]) -> Case:
    named = " = ".join(album.name(row) for row in rows[:4])
    more = f" = ... ({len(rows)} files)" if len(rows) > 4 else ""
    return Case(named + more, tuple(album.files[row] for row in rows))
