"""Two or more finished runs side by side, on the images that all of them were tested on."""

import csv
import itertools
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inspection.config.suggest import did_you_mean
from inspection.data.geometry import Geometry
from inspection.data.images import read_image
from inspection.data.splits import PARTS
from inspection.decide.paired import Paired, compare_paired
from inspection.drift.two_samples import holm
from inspection.errors import InputError
from inspection.pictures.files import write_png
from inspection.pictures.grid import sample_grid
from inspection.pictures.panel import fit_width
from inspection.pictures.text import title_bar
from inspection.runs import said
from inspection.runs.console import number, table
from inspection.runs.finished import FinishedRun
from inspection.runs.results import write_json

DISAGREEMENTS = "disagreements"
_COLUMNS = 6  # pictures in a row of the sheet
_WIDTH = 220  # px of a picture

Runs = Mapping[str, FinishedRun]
"""By the letter that they are called by."""


@dataclass(frozen=True)
class PairTest:
    """Two runs compared on the common images.

    Attributes:
        first: Letter of a run.
        second: Of another.
        of: The attribute that is compared; empty: all that is said of an image.
        measured: Whether errors of quantities are compared, and not what is right.
        found: The first's figure minus the second's; right is 1 and wrong 0, so `above` counts the images that
            only the first got right. Of errors the smaller one is better.
        p: P-value, adjusted for all pairs that were compared (Holm).
    """

    first: str
    second: str
    of: str
    measured: bool
    found: Paired
    p: float


def compare(config: dict[str, Any]) -> int:
    """Compare runs; print it, and write `compare.json`, `disagreements.csv` and `disagreements.png`.

    Args:
        config: Plain values, see `conf/compare.yaml`.

    Returns:
        Exit status 0.

    Raises:
        InputError: If a run is none, or the runs answer different questions, or share no image.
    """
    runs = _read_runs(config["runs"])
    part = config["part"]
    if part not in PARTS[1:]:
        raise InputError(f"part={part}: expected val or test{did_you_mean(part, PARTS[1:])}")
    check_same_question(runs, part)
    files, notes = find_common(runs, part)
    tests = compare_pairs(runs, part, files)
    differing = find_disagreements(runs, part, files)
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    output = Path(config["output"] or next(iter(runs.values())).folder / "compare" / stamp)
    output.mkdir(parents=True, exist_ok=True)

    _announce(runs)
    print(f"\n{part} images: each run on all of its own (95 % intervals)")
    print(table(table_of_figures(runs, part)))
    print(f"\n{part} images that all runs share: {len(files)}")
    for note in notes:
        print(f"note: {note}")
    print(table(table_of_tests(tests)))
    for line in conclusions(tests, len(files)):
        print(line)
    write_disagreements(output / f"{DISAGREEMENTS}.csv", runs, part, differing)
    print(f"\n{len(differing)} images of which they say different things")
    if differing and config["pictures"]:
        sheet, missing = draw_disagreements(runs, part, differing, config["pictures"])
        if missing:
            print(f"note: {missing}")
        else:
            write_png(output / f"{DISAGREEMENTS}.png", sheet)
    write_json(
        output / "compare.json",
        {
            "runs": {letter: run.folder.as_posix() for letter, run in runs.items()},
            "part": part,
            "images": len(files),
            "notes": notes,
            "figures": {letter: _figures(run, part) for letter, run in runs.items()},
            "right": {letter: _share_right(run, part, files) for letter, run in runs.items()},
            "tests": [asdict(test) for test in tests],
            "disagreements": len(differing),
        },
    )
    print(output, flush=True)
    return 0


def _read_runs(folders: Sequence[str]) -> dict[str, FinishedRun]:
    given = [Path(folder).expanduser() for folder in folders]
    if len({folder.resolve() for folder in given}) < max(2, len(given)):
        raise InputError(
            f"runs={list(folders)}: expected two or more different run folders: runs=[<run>,<run>]"
        )
    if len(given) > len(string.ascii_uppercase):
        raise InputError(f"runs: {len(given)} folders; expected {len(string.ascii_uppercase)} at most")
    return {
        letter: FinishedRun.read(folder)
        for letter, folder in zip(string.ascii_uppercase, given, strict=False)
    }


def check_same_question(runs: Runs, part: str) -> None:
    """Raise an `InputError` unless all runs have answers of one kind, about the same names, for the part."""
    first = next(iter(runs.values()))
    for run in runs.values():
        if part not in run.rows:
            raise InputError(
                f"runs: {run.folder}: none of its {part} images was evaluated; "
                + ("compare them with part=val" if part == "test" else "give another run")
            )
        if run.classes != first.classes:
            raise InputError(
                f"runs: {first.folder} tells {', '.join(first.classes)} apart, but {run.folder} "
                f"{', '.join(run.classes)}; give runs that answer the same question"
            )
        kinds = [_kind(_any_row(each, part)) for each in (first, run)]
        if kinds[0] != kinds[1]:
            raise InputError(
                f"runs: {first.folder} gives {kinds[0]}, but {run.folder} {kinds[1]}; "
                "give runs that answer the same question"
            )


def _any_row(run: FinishedRun, part: str) -> said.Row:
    return next(iter(run.rows[part].values()))


def _kind(row: said.Row) -> str:
    if said.attributes_of(row):
        return "attributes"
    if said.quantities_of(row):
        return "quantities"
    return "boxes" if "missed" in row else "a verdict"


def find_common(runs: Runs, part: str) -> tuple[list[str], list[str]]:
    """The images that can be compared, in the first run's order, and what a person should know about them.

    Raises:
        InputError: If there are none.
    """
    notes = []
    first = next(iter(runs.values()))
    questions = {run.passport.question for run in runs.values()}
    if len(questions) > 1:
        notes.append(f"the runs ask different questions: {'; '.join(sorted(questions))}")
    roots = {run.data_root for run in runs.values()}
    if len(roots) > 1:
        places = ", ".join(sorted(roots))
        notes.append(f"the data lay in {places}: images of one name are taken for the same")
    for (a, run), (b, other) in itertools.permutations(runs.items(), 2):
        learned = sum(other.parts.get(file) == "train" for file in run.rows[part])
        if learned:
            notes.append(
                f"{learned} of {len(run.rows[part])} {part} images of {a} are training images of {b}: they are "
                "left out, and the figures above are of different images"
            )
    shared = [file for file in first.rows[part] if all(file in run.rows[part] for run in runs.values())]
    if not shared:
        raise InputError(
            f"runs: no {part} image is in all of them; train them on the same data with the same split "
            "(data.splits=<run>/splits.csv)"
        )
    outside = {a: len(run.rows[part]) - len(shared) for a, run in runs.items()}
    if any(outside.values()):
        left = ", ".join(f"{a} {count}" for a, count in outside.items())
        notes.append(f"{part} images of one run that are not in all others are left out: {left}")
    agreed = [
        file
        for file in shared
        if len({tuple(said.truth(run.rows[part][file])) for run in runs.values()}) == 1
    ]
    if len(agreed) < len(shared):
        notes.append(
            f"{len(shared) - len(agreed)} images are left out: the runs were given different targets for them, "
            f"{next(file for file in shared if file not in agreed)} for one"
        )
    if not agreed:
        raise InputError("runs: they were given different targets for every image that they share")
    if len({first.groups[file] for file in agreed}) < len(agreed):
        notes.append(
            "images of one group (data.group) are not independent: "
            f"{len({first.groups[file] for file in agreed})} groups are compared"
        )
    return agreed, notes


def compare_pairs(runs: Runs, part: str, files: Sequence[str]) -> list[PairTest]:
    """Each run against each other one; of several attributes, each attribute by itself, too."""
    first = next(iter(runs.values()))
    example = _any_row(first, part)
    measured = said.is_right(example) is None
    groups = [first.groups[file] for file in files]
    tests: list[PairTest] = []
    for of in ("", *said.attributes_of(example)):
        values = {letter: _values(run, part, files, of) for letter, run in runs.items()}
        for a, b in itertools.combinations(runs, 2):
            found = compare_paired(values[a] - values[b], groups)
            tests.append(PairTest(a, b, of, measured, found, found.p))
    adjusted = holm([test.p for test in tests])
    return [replace(test, p=p) for test, p in zip(tests, adjusted, strict=True)]


def _values(run: FinishedRun, part: str, files: Sequence[str], of: str = "") -> np.ndarray:
    """Of each image 1 for right and 0 for wrong, or how far off it is; float64 `[N]`."""
    rows = [run.rows[part][file] for file in files]
    if of:
        return np.array([float(said.holds_right(row, of)) for row in rows])
    rights = [said.is_right(row) for row in rows]
    if None in rights:
        return np.array([said.error(row) for row in rows])
    return np.array(rights, np.float64)


def _share_right(run: FinishedRun, part: str, files: Sequence[str]) -> float:
    """Share of images that are right; of quantities without an alarm the mean absolute error."""
    return float(_values(run, part, files).mean())


def table_of_figures(runs: Runs, part: str) -> list[list[str]]:
    """A row a figure, a column a run; with intervals where the runs have them."""
    figures = {letter: _figures(run, part) for letter, run in runs.items()}
    names = list(dict.fromkeys(name for own in figures.values() for name in own))
    rows = [["", *runs], ["images", *(str(len(run.rows[part])) for run in runs.values())]]
    for name in names:
        rows.append([name, *(_with_interval(run, part, name) for run in runs.values())])
    return rows


def _figures(run: FinishedRun, part: str) -> dict[str, float | None]:
    """The main figures: those of no single class or attribute."""
    own = run.figures.get(part) or {}
    return {
        name: value
        for name, value in own.items()
        if "/" not in name and (value is None or isinstance(value, (int, float)))
    }


def _with_interval(run: FinishedRun, part: str, name: str) -> str:
    own = run.figures.get(part) or {}
    interval = ((run.figures.get("intervals") or {}).get(part) or {}).get(name)
    value = number(own.get(name))
    if not interval or None in interval:
        return value
    return f"{value} [{number(interval[0])}, {number(interval[1])}]"


def table_of_tests(tests: Sequence[PairTest]) -> list[list[str]]:
    """A row a pair."""
    measured = tests[0].measured
    what = "smaller error: the" if measured else "right: only the"
    rows = [["", f"{what} first", f"{what} second", "difference", "95 % interval", "p"]]
    several = len({test.of for test in tests}) > 1
    for test in tests:
        found = test.found
        alone = (found.below, found.above) if measured else (found.above, found.below)
        name = f"{test.first} - {test.second}" + (f", {test.of}" if several else "")
        interval = f"[{found.low:+.4f}, {found.high:+.4f}]"
        rows.append(
            [name, *map(str, alone), f"{found.difference:+.4f}", interval, _p(test.p).removeprefix("= ")]
        )
    return rows


def _p(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.4f}"


def conclusions(tests: Sequence[PairTest], images: int, alpha: float = 0.05) -> list[str]:
    """What the tests say, in a sentence a pair."""
    lines = []
    several = "" if len(tests) == 1 else f", adjusted for {len(tests)} comparisons"
    for test in tests:
        if test.of and test.p > alpha:
            continue
        of = f" about {test.of}" if test.of else ""
        a, b = test.first, test.second
        if test.p > alpha:
            lines.append(
                f"{a} and {b}: {images} images show no difference that is more than chance "
                f"(p {_p(test.p)}{several})"
            )
            continue
        better, worse = (a, b) if (test.found.difference > 0) != test.measured else (b, a)
        what = "has smaller errors than" if test.measured else f"is right{of} more often than"
        lines.append(f"{better} {what} {worse} (p {_p(test.p)}{several})")
    return lines


def find_disagreements(runs: Runs, part: str, files: Sequence[str]) -> list[str]:
    """Images of which the runs say different things: first those that some got right, the others after.

    Measured quantities differ always; there the largest difference of errors comes first.
    """
    first = next(iter(runs.values()))
    if said.is_right(_any_row(first, part)) is None:
        errors = np.stack([_values(run, part, files) for run in runs.values()])
        return [files[place] for place in np.argsort(-np.ptp(errors, axis=0), kind="stable")]
    differing = [
        file for file in files if len({said.verdict(run.rows[part][file]) for run in runs.values()}) > 1
    ]
    return sorted(differing, key=lambda file: len(set(_rights(runs, part, file))) == 1)


def _rights(runs: Runs, part: str, file: str) -> list[bool | None]:
    return [said.is_right(run.rows[part][file]) for run in runs.values()]


def write_disagreements(path: Path, runs: Runs, part: str, files: Sequence[str]) -> None:
    """Write `file, target`, and of each run what it said and whether that is right (or how far off it is)."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        first = next(iter(runs.values()))
        measured = said.is_right(_any_row(first, part)) is None
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


def _announce(runs: Runs) -> None:
    first = next(iter(runs.values()))
    print(f"\n{first.passport.task}: {first.passport.question}")
    for letter, run in runs.items():
        kind = "SYNTHETIC images" if run.synthetic else "images"
        print(f"  {letter}  {run.folder}  ({kind} in {run.data_root})")
