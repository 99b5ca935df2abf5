"""Two or more finished runs side by side, on the images that all of them were tested on."""

import itertools
import string
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from inspection.config.suggest import did_you_mean
from inspection.data.splits import PARTS
from inspection.decide.paired import Paired, compare_paired
from inspection.drift.two_samples import holm
from inspection.errors import InputError
from inspection.inspector.plain import write_json
from inspection.pictures.files import write_png
from inspection.runs import said
from inspection.runs.commands import number, open_output, table
from inspection.runs.common_images import check_same_question, find_common, joint_groups
from inspection.runs.disagreements import draw_disagreements, find_disagreements, write_disagreements
from inspection.runs.finished import FinishedRun, Runs

DISAGREEMENTS = "disagreements"


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
    if config["pictures"] < 0:
        raise InputError(f"pictures={config['pictures']}: expected 0 or more")
    check_same_question(runs, part)
    files, notes = find_common(runs, part)
    tests = compare_pairs(runs, part, files)
    differing = find_disagreements(runs, part, files)
    output = open_output(config["output"], next(iter(runs.values())).folder, "compare")

    _announce(runs)
    print(f"\n{part} images: each run on all of its own{_intervals_in_words(runs)}")
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


def compare_pairs(runs: Runs, part: str, files: Sequence[str]) -> list[PairTest]:
    """Each run against each other one; of several attributes, each attribute by itself, too."""
    first = next(iter(runs.values()))
    example = first.any_row(part)
    measured = said.is_right(example) is None
    groups = joint_groups(runs, files)
    tests: list[PairTest] = []
    for of in ("", *said.attributes_of(example)):
        values = {letter: said.values(run, part, files, of) for letter, run in runs.items()}
        for a, b in itertools.combinations(runs, 2):
            found = compare_paired(values[a] - values[b], groups)
            tests.append(PairTest(a, b, of, measured, found, found.p))
    adjusted = holm([test.p for test in tests])
    return [replace(test, p=p) for test, p in zip(tests, adjusted, strict=True)]


def _intervals_in_words(runs: Runs) -> str:
    """Of which confidence the intervals of the runs are, as far as they say it."""
    known = {letter: run.confidence for letter, run in runs.items()}
    if len(set(known.values())) > 1:
        each = ", ".join(f"{a} {'unknown' if c is None else f'{c:.4g}'}" for a, c in known.items())
        return f" (intervals of different confidence: {each}; their widths can't be compared)"
    confidence = next(iter(known.values()))
    return " (intervals)" if confidence is None else f" ({100 * confidence:.4g} % intervals)"


def _share_right(run: FinishedRun, part: str, files: Sequence[str]) -> float:
    """Share of images that are right; of quantities without an alarm the mean absolute error."""
    return float(said.values(run, part, files).mean())


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
        name = f"{test.first} - {test.second}" + (f", {test.of or 'all together'}" if several else "")
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


def _announce(runs: Runs) -> None:
    first = next(iter(runs.values()))
    print(f"\n{first.passport.task}: {first.passport.question}")
    for letter, run in runs.items():
        kind = "SYNTHETIC images" if run.synthetic else "images"
        print(f"  {letter}  {run.folder}  ({kind} in {run.data_root})")
        if run.rule is not None:
            print(f"     decided by: {run.rule}{': ' * bool(run.points)}{run.points}")
