"""Is a set of labels in order?"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inspection.data.attributes import AttributeRow, find_tables, parse_rows
from inspection.data.images import find_images
from inspection.errors import InputError
from inspection.labelling.store import PICTURES

_SHOWN = 10
_TABLE = "_data.csv"


@dataclass
class Report:
    """What a label check found.

    Attributes:
        tables: Files.
        rows: Number of rows in them.
        counts: Images that have an attribute, by attribute.
        combinations: Images by the set of attributes that they have.
        faults: What is wrong, a heading and its cases.
        notes: What is worth knowing, a heading and its cases.
    """

    tables: list[Path]
    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    combinations: dict[tuple[str, ...], int] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)


def check_labels(given: Path, attributes: Sequence[str], rules: Sequence[Sequence[str]]) -> Report:
    """Check the tables of a folder, or one table, and the pictures beside them.

    Args:
        given: A folder with `*_data.csv` and `pics/`, or one such table.
        attributes: Columns.
        rules: Attributes that contradict each other, in pairs.

    Returns:
        What was found. Images that stand in the tables twice are counted once, as they stand there first.

    Raises:
        InputError: There is no table.
    """
    tables = [given] if given.is_file() else find_tables(given)
    folder = given.parent if given.is_file() else given
    pictures = folder / PICTURES if (folder / PICTURES).is_dir() else folder
    report = Report(tables)
    rows: list[AttributeRow] = []
    for table in tables:
        try:
            good, bad = parse_rows(table, attributes)
        except InputError as error:
            _add(report.faults, "tables that can't be used", [str(error)])
            continue
        rows += good
        _add(report.faults, "rows that can't be used", bad)
    report.rows = len(rows)
    first: dict[str, AttributeRow] = {}
    for row in rows:
        first.setdefault(row.name, row)
    _count(report, list(first.values()), attributes)
    _add(report.faults, "contradictions", _contradictions(rows, attributes, rules))
    repeated = [row for row in rows if row is not first[row.name]]
    differ = [row for row in repeated if row.values != first[row.name].values]
    same = [row for row in repeated if row.values == first[row.name].values]
    _add(report.faults, "labelled twice, differently", (_twice(first[row.name], row) for row in differ))
    _add(report.faults, "labelled twice, the same", (_twice(first[row.name], row) for row in same))
    _check_pictures(report, first, pictures, given if given.is_file() else None)
    return report


def in_words(report: Report) -> str:
    """A report as text; of many cases the first."""
    images = sum(report.combinations.values())
    lines = [f"{images} images in {report.rows} rows: {', '.join(map(str, report.tables))}", ""]
    lines += _table(["attribute", "images", "share"], report.counts.items(), images)
    named = [(" + ".join(names) or "(none)", number) for names, number in report.combinations.items()]
    lines += ["", *_table(["combination", "images", "share"], named[: 2 * _SHOWN], images)]
    if len(named) > 2 * _SHOWN:
        lines.append(f"  ... {len(named) - 2 * _SHOWN} more combinations")
    for mark, found in (("note", report.notes), ("WRONG", report.faults)):
        for heading, cases in found.items():
            lines += ["", f"{mark}: {heading}: {len(cases)}", *(f"  {case}" for case in cases[:_SHOWN])]
            if len(cases) > _SHOWN:
                lines.append(f"  ... {len(cases) - _SHOWN} more")
    wrong = sum(map(len, report.faults.values()))
    return "\n".join([*lines, "", f"{wrong} wrong" if wrong else "nothing wrong"])


def _count(report: Report, rows: Sequence[AttributeRow], attributes: Sequence[str]) -> None:
    report.counts = {name: sum(row.values[i] for row in rows) for i, name in enumerate(attributes)}
    sets = Counter(tuple(a for a, on in zip(attributes, row.values, strict=True) if on) for row in rows)
    report.combinations = dict(sorted(sets.items(), key=lambda item: (-item[1], item[0])))


def _contradictions(
    rows: Iterable[AttributeRow], attributes: Sequence[str], rules: Sequence[Sequence[str]]
) -> list[str]:
    return [
        f"{row.place}: {row.name} is {' and '.join(rule)}"
        for row in rows
        for rule in rules
        if all(row.values[attributes.index(name)] for name in rule)
    ]


def _twice(first: AttributeRow, row: AttributeRow) -> str:
    again = f"line {row.line}" if row.table == first.table else row.place
    return f"{first.place} and {again}: {row.name}"


def _check_pictures(
    report: Report, rows: dict[str, AttributeRow], pictures: Path, table: Path | None
) -> None:
    there = {path.relative_to(pictures).as_posix(): path for path in find_images(pictures)}
    gone = [f"{row.place}: {row.name}" for name, row in rows.items() if name not in there]
    _add(report.faults, f"rows without a picture in {pictures}", gone)
    extra = [name for name in there if name not in rows]
    if table is not None:  # other tables speak of the other pictures
        video = table.name.removesuffix(_TABLE)
        extra = [name for name in extra if table.name.endswith(_TABLE) and name.startswith(f"{video}_")]
    _add(report.notes, f"pictures without a row in {pictures}", extra)

    names: dict[str, list[str]] = {}
    for name in rows.keys() & there.keys():
        names.setdefault(hashlib.sha256(there[name].read_bytes()).hexdigest(), []).append(name)
    for group in sorted(sorted(group) for group in names.values() if len(group) > 1):
        differ = len({rows[name].values for name in group}) > 1
        kind = "identical pictures with different labels" if differ else "identical pictures, labels the same"
        _add(report.faults if differ else report.notes, kind, [_equal(group)])


def _equal(names: Sequence[str]) -> str:
    more = f" = ... ({len(names)} pictures)" if len(names) > 4 else ""
    return " = ".join(names[: 3 if more else 4]) + more


def _add(found: dict[str, list[str]], heading: str, cases: Iterable[str]) -> None:
    if cases := list(cases):
        found.setdefault(heading, []).extend(cases)


def _table(head: Sequence[str], rows: Iterable[tuple[str, int]], total: int) -> list[str]:
    """Names to the left, numbers and shares to the right."""
    cells = [list(head), *([name, str(n), f"{100 * n / max(total, 1):.1f} %"] for name, n in rows)]
    wide = [max(len(row[column]) for row in cells) for column in range(3)]
    return [f"  {a:<{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}" for a, b, c in cells]
