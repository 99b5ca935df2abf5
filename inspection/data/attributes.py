"""Tables of attributes: a name and one True or False an attribute, in a row for each image.

The layout of the seam set, and what pandas writes: `,name,good,error` and `0,video_000001.png,True,False`.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inspection.data.csv_rows import NAME, SHOWN, find_column, image_path, read_lines, refuse
from inspection.data.replace import replace_file
from inspection.errors import InputError

_VALUES = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class AttributeRow:
    """One row, as a table has it.

    Attributes:
        name: Path of the image relative to the folder of images, with forward slashes.
        values: One an attribute.
        table: The file.
        line: Number of the line in it; the header is line 1.
    """

    name: str
    values: tuple[bool, ...]
    table: Path
    line: int

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.table}, line {self.line}"


@dataclass(frozen=True)
class AttributeTable:
    """Several tables as one, each name once, in the order of the tables and their rows.

    Attributes:
        attributes: Names of the columns A.
        names: Of the images N, see `AttributeRow`.
        values: bool `[N, A]`.
        where: Table and line of each image; the first one where it stands several times.
        repeated: Rows that say again what an earlier one says, and were left out.
    """

    attributes: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray
    where: tuple[tuple[Path, int], ...]
    repeated: int = 0


def find_tables(folder: Path, pattern: str = "*data.csv") -> list[Path]:
    """The attribute tables that lie directly in a folder, sorted by name.

    Raises:
        InputError: No folder, or no table in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder}: {found}; expected a folder with tables {pattern}")
    tables = sorted(path for path in folder.glob(pattern) if path.is_file() and path.name[0] != ".")
    if not tables:
        others = sorted(path.name for path in folder.glob("*.csv"))
        there = f"; there is {', '.join(others[:SHOWN])}" if others else ""
        raise InputError(f"{folder}: no table {pattern} in this folder{there}")
    return tables


def read_attributes(paths: Sequence[Path], attributes: Sequence[str]) -> AttributeTable:
    """Read attribute tables and merge them.

    Other columns than the attributes' are ignored. What `read_rows` accepts is accepted.

    Args:
        paths: CSV files.
        attributes: Names of columns, in the wanted order.

    Returns:
        Each name once.

    Raises:
        InputError: A table that can't be read, a column that is missing, a value that is neither true nor false,
            no row at all, or rows that give one name different labels.
    """
    rows = [row for path in paths for row in read_rows(path, attributes)]
    if not rows:
        listed = ", ".join(map(str, paths)) or "no table was given"
        raise InputError(f"no image in the attribute tables ({listed}); expected a row for each image")
    first: dict[str, AttributeRow] = {}
    for row in rows:
        first.setdefault(row.name, row)
    refuse([_difference(first[row.name], row, attributes) for row in rows], "names with different labels")
    kept = list(first.values())
    return AttributeTable(
        attributes=tuple(attributes),
        names=tuple(row.name for row in kept),
        values=np.array([row.values for row in kept], dtype=bool).reshape(len(kept), len(attributes)),
        where=tuple((row.table, row.line) for row in kept),
        repeated=len(rows) - len(kept),
    )


def read_rows(path: Path, attributes: Sequence[str]) -> list[AttributeRow]:
    """All rows of one table, repeated names included.

    The separator is a comma, a semicolon or a tab. True and false in any case, 1 and 0. A byte order mark, empty
    lines and spaces around a value do no harm; backslashes in names become forward slashes.

    Raises:
        InputError: As in `read_attributes`; a table with a header alone has no rows and is no error here.
    """
    rows, faults = parse_rows(path, attributes)
    refuse(faults, "rows that can't be used")
    return rows


def parse_rows(path: Path, attributes: Sequence[str]) -> tuple[list[AttributeRow], list[str]]:
    """As `read_rows`, with the rows that can't be used apart.

    Returns:
        The good rows, and what is wrong with each of the others.

    Raises:
        InputError: The table can't be read, or lacks a column.
    """
    _check_attributes(attributes)
    path = Path(path)
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path}: is empty; expected the columns {', '.join([NAME, *attributes])}")
    header = [column.strip() for column in lines[0][1]]
    places = [find_column(path, header, column) for column in (NAME, *attributes)]
    rows: list[AttributeRow] = []
    faults: list[str] = []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            faults.append(
                f"{path}, line {line}: {len(fields)} fields, the header has {len(header)}; mend the line"
            )
            continue
        name, *texts = (fields[place].strip() for place in places)
        values = [_VALUES.get(text.lower()) for text in texts]
        wrong = [(a, t) for a, t, value in zip(attributes, texts, values, strict=True) if value is None]
        if wrong:
            column, text = wrong[0]
            faults.append(
                f"{path}, line {line}, column {column!r}: {text!r}; expected True or False: mend or remove the row"
            )
        elif (image := image_path(name)) is None:
            faults.append(f"{path}, line {line}, column {NAME!r}: {name!r}; expected the path of an image below "
                          "the folder of images")  # fmt: skip
        else:
            rows.append(AttributeRow(image, tuple(v is True for v in values), path, line))
    return rows, faults


def read_columns(path: Path) -> list[str]:
    """Names of a table's columns but the name and an index without a name (pandas' `Unnamed: 0`).

    Raises:
        InputError: The table can't be read.
    """
    lines = read_lines(Path(path))
    columns = [column.strip() for column in lines[0][1]] if lines else []
    index = {"", "Unnamed: 0"} & set(columns[:1])
    return [column for column in columns if column != NAME and column not in index]


def can_be_named(name: str) -> bool:
    """Whether a table gives the name of an image back as it was written.

    >>> can_be_named("line 3/ä.png"), can_be_named(" a.png"), can_be_named("../a.png")
    (True, False, False)
    """
    return image_path(name) == name


def check_names(path: Path, names: Iterable[str]) -> None:
    """Raise an `InputError` when a table at this place can't hold one of these names of images."""
    for name in names:
        if not can_be_named(name):
            raise InputError(
                f"{path}: {name!r} can't stand in a table as the name of an image; rename the file"
            )


def write_attributes(
    path: Path, names: Sequence[str], values: np.ndarray | Sequence[Sequence[bool]], attributes: Sequence[str]
) -> None:
    """Write a table, or put a new one in the place of the old: who reads meanwhile sees either, whole.

    Args:
        path: The CSV file; its folder is made.
        names: Paths of the images N, with forward slashes.
        values: bool `[N, A]`.
        attributes: Names of the columns A.

    Raises:
        ValueError: The shapes do not fit, or a name stands twice.
        InputError: The attributes can't be names of columns, or `can_be_named` says no to a name.
        OSError: The file can't be written; the old one is as it was.
    """
    _check_attributes(attributes)
    table = np.asarray(values, dtype=bool).reshape(len(names), -1) if len(names) else np.zeros((0, 0), bool)
    if len(names) and table.shape[1] != len(attributes):
        raise ValueError(
            f"Expected values [{len(names)}, {len(attributes)}] but got {list(np.shape(values))}."
        )
    if len(set(names)) != len(names):
        raise ValueError("Expected each name once.")
    check_names(Path(path), names)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([NAME, *attributes])
    writer.writerows([name, *row] for name, row in zip(names, table.tolist(), strict=True))
    replace_file(Path(path), text.getvalue().encode())


def _check_attributes(attributes: Sequence[str]) -> None:
    names = list(attributes)
    if not names:
        raise InputError("attributes=[]: expected the names of one column or more")
    for name in names:
        if name in ("", NAME) or name != name.strip() or not name.isprintable():
            raise InputError(f"attributes={names}: {name!r} can't be the name of an attribute")
    if len(set(names)) != len(names):
        raise InputError(f"attributes={names}: a name stands there twice")


def _difference(first: AttributeRow, row: AttributeRow, attributes: Sequence[str]) -> str:
    """What two rows of one name say differently; empty when nothing."""
    differ = [a for a, x, y in zip(attributes, first.values, row.values, strict=True) if x != y]
    if not differ:
        return ""
    again = f"line {row.line}" if row.table == first.table else row.place
    return f"{first.place} and {again}: {row.name!r} differs in {', '.join(differ)}; keep one of the rows"
