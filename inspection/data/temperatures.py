"""Tables of quantities: the name of an image and a number for each of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspection.data.csv_rows import NAME, find_column, image_path, read_lines, refuse
from inspection.errors import InputError


@dataclass(frozen=True)
class QuantityTable:
    """A table, each name once, in the order of its rows.

    Attributes:
        names: Paths of the images N, with forward slashes.
        values: float64 `[N, T]`.
        lines: Line of each image in the file; the header is line 1.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    lines: tuple[int, ...]


def read_quantities(path: Path, columns: Sequence[str]) -> QuantityTable:
    """Read a table with a column `name` and columns of numbers; other columns are ignored.

    Args:
        path: A CSV file; commas, semicolons or tabs between the fields.
        columns: Names of the columns T, in the wanted order.

    Raises:
        InputError: If the table can't be read or has no row, a column is missing, a field is no finite number,
            or an image stands there twice.
    """
    path = Path(path)
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path}: is empty; expected the columns {', '.join([NAME, *columns])}")
    header = [column.strip() for column in lines[0][1]]
    places = [find_column(path, header, column) for column in (NAME, *columns)]
    names: dict[str, int] = {}
    values: list[list[float]] = []
    faults: list[str] = []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            faults.append(
                f"{path}, line {line}: {len(fields)} fields, the header has {len(header)}; mend the line"
            )
            continue
        text, *cells = (fields[place].strip() for place in places)
        numbers = [_number(cell) for cell in cells]
        wrong = [(c, t) for c, t, value in zip(columns, cells, numbers, strict=True) if value is None]
        name = image_path(text)
        if wrong:
            faults.append(
                f"{path}, line {line}, column {wrong[0][0]!r}: {wrong[0][1]!r}; expected a number: "
                "mend or remove the row"
            )
        elif name is None:
            faults.append(
                f"{path}, line {line}, column {NAME!r}: {text!r}; expected the path of an image below the folder "
                "of images"
            )
        elif name in names:
            faults.append(
                f"{path}, line {line}: {name!r} stands in line {names[name]}, too; remove one of them"
            )
        else:
            names[name] = line
            values.append([value for value in numbers if value is not None])
    refuse(faults, "rows that can't be used")
    if not names:
        raise InputError(f"{path}: has no row; expected one for each image")
    return QuantityTable(tuple(names), np.asarray(values, np.float64), tuple(names.values()))


def _number(text: str) -> float | None:
    """A finite number; a comma may stand for its point (spreadsheets of half the world).

    >>> _number("300.15"), _number("300,15"), _number("nan"), _number("")
    (300.15, 300.15, None, None)
    """
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
