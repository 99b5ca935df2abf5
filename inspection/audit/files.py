"""Files that can't be read, and files that are not like the others."""

from collections import Counter
from collections.abc import Callable

from inspection.audit.findings import Case, Finding, counted
from inspection.audit.look import Album, Look

_RULE = 0.5  # share of the images that makes a property a rule, and the others exceptions
_PROPERTIES: dict[str, Callable[[Look], str]] = {
    "size": lambda look: f"{look.size[1]}x{look.size[0]} pixels",
    "channels": lambda look: "grey" if look.channels == 1 else "colour",
    "bits": lambda look: f"{look.bits} bits",
}
_MEANING = {
    "size": "a crop cuts another place out of them, and a resize distorts them otherwise: take them out, or bring "
    "all to one size",
    "channels": "was a setting of the camera changed, or are they of another one?",
    "bits": "white is another value in each (data.white_level): convert them to one depth",
}


def unreadable(album: Album) -> list[Finding]:
    """All files that can't be used, each with its reason."""
    if not album.faults:
        return []
    cases = tuple(
        Case(fault if file in fault else f"{file}: {fault}", (file,)) for file, fault in album.faults.items()
    )
    title = f"{counted(len(cases), 'image', 'images')} of {len(album.files)} can't be used"
    return [Finding("unreadable", "error", title, cases, "mend them, or take them out of the folder")]


def odd(album: Album) -> list[Finding]:
    """Images of another size, depth or colour than most."""
    found = []
    for name, of in _PROPERTIES.items():
        values = {row: of(album.look(row)) for row in album.seen.tolist()}
        if len(set(values.values())) < 2:
            continue
        (usual, number), *_ = Counter(values.values()).most_common()
        if number > _RULE * len(values):
            rows = [row for row, value in values.items() if value != usual]
            cases = tuple(Case(f"{album.files[row]}: {values[row]}", (album.files[row],)) for row in rows)
            title = f"{counted(len(rows), 'image is', 'images are')} not {usual}, as the other {number} are"
            found.append(Finding(f"odd_{name}", "warning", title, cases, _MEANING[name]))
        elif name == "size":
            sizes = [album.look(row).size for row in values]
            widths, heights = sorted(width for _, width in sizes), sorted(height for height, _ in sizes)
            title = (
                f"the images have {len(set(sizes))} sizes: {widths[0]} to {widths[-1]} pixels wide, "
                f"{heights[0]} to {heights[-1]} high"
            )
            found.append(Finding("sizes", "note", title))
        else:
            title = ", ".join(
                f"{n} images are {value}" for value, n in Counter(values.values()).most_common()
            )
            found.append(Finding(f"odd_{name}", "warning", title, (), _MEANING[name]))
    return found
