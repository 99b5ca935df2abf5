"""Images of which runs say different things: as a table, and as a sheet of pictures."""

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inspection.data.geometry import Geometry
from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.pictures.grid import sample_grid
from inspection.pictures.panel import fit_width
from inspection.pictures.text import title_bar
from inspection.runs import said
from inspection.runs.finished import Runs

_COLUMNS = 6  # pictures in a row of the sheet
_WIDTH = 220  # px of a picture


def find_disagreements(runs: Runs, part: str, files: Sequence[str]) -> list[str]:
    """Images of which the runs say different things: first those that some got right, the others after.

    Measured quantities differ always; there the largest difference of errors comes first.
    """
    first = next(iter(runs.values()))
    if said.is_right(first.any_row(part)) is None:
        errors = np.stack([said.values(run, part, files) for run in runs.values()])
        return [files[place] for place in np.argsort(-np.ptp(errors, axis=0), kind="stable")]
    differing = [
        file for file in files if len({said.decided(run.rows[part][file]) for run in runs.values()}) > 1
    ]
    return sorted(differing, key=lambda file: len(set(_rights(runs, part, file))) == 1)


def _rights(runs: Runs, part: str, file: str) -> list[bool | None]:
    return [said.is_right(run.rows[part][file]) for run in runs.values()]


def write_disagreements(path: Path, runs: Runs, part: str, files: Sequence[str]) -> None:
    """Write `file, target`, and of each run what it said and whether that is right (or how far off it is)."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        first = next(iter(runs.values()))
        measured = said.is_right(first.any_row(part)) is None
        judged = "error" if measured else "right"
        writer.writerow(["file", "target", *(f"{what}_{a}" for a in runs for what in ("verdict", judged))])
        for file in files:
            cells = [file, said.target(first.rows[part][file])]
            for run in runs.values():
                row = run.rows[part][file]
                cells += [
                    said.verdict(row),
                    f"{said.error(row):.3f}" if measured else str(said.is_right(row)),
                ]
            writer.writerow(cells)


def draw_disagreements(runs: Runs, part: str, files: Sequence[str], count: int) -> tuple[np.ndarray, str]:
    """A sheet of images with what each run said, in rows by who is right.

    Returns:
        RGB uint8, and why there is no sheet, or an empty string.
    """
    first = next(iter(runs.values()))
    root = Path(first.data_root)
    empty = np.zeros((1, 1, 3), np.uint8)
    geometry = Geometry.from_dict(first.passport.geometry)
    by_who: dict[str, list[str]] = {}
    for file in files:
        by_who.setdefault(_who(runs, part, file), []).append(file)
    # One of each in turn, until there are enough.
    turns = itertools.zip_longest(*by_who.values())
    chosen = set(list(filter(None, itertools.chain.from_iterable(turns)))[:count])
    rows: dict[str, list[tuple[np.ndarray, str]]] = {}
    for who, own in by_who.items():
        shown = [file for file in own if file in chosen]
        for position, file in enumerate(shown):
            try:
                picture = geometry.picture(read_image(root / file))
            except InputError as error:
                return empty, f"no pictures: {error}"
            lines = [file, f"target: {said.target(first.rows[part][file])}"]
            lines += [f"{a}: {said.verdict(run.rows[part][file])}" for a, run in runs.items()]
            panel = title_bar(fit_width(picture, _WIDTH, _WIDTH), lines, height=11)
            start = position // _COLUMNS * _COLUMNS
            end = min(start + _COLUMNS, len(shown))
            which = f"{start + 1} to {end} of {len(own)}" if end - start < len(own) else str(len(own))
            rows.setdefault(f"{who}: {which}", []).append((panel, ""))
    tallest = max(panel.shape[0] for pictures in rows.values() for panel, _ in pictures)
    return sample_grid(rows, cell=_WIDTH, height=tallest), ""


def _who(runs: Runs, part: str, file: str) -> str:
    """Who is right about an image, in words."""
    rights = dict(zip(runs, _rights(runs, part, file), strict=True))
    if None in rights.values():
        return "largest difference of errors"
    right = [a for a, is_right in rights.items() if is_right]
    if not right:
        return "none is right"
    alone = " alone" if len(right) == 1 else ""
    return f"{', '.join(right)}{alone} {'is' if len(right) == 1 else 'are'} right"
