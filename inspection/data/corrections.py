"""Labels that were found wrong and put right, beside or in the tables of a data set."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from inspection.data.attributes import check_names
from inspection.data.csv_rows import NAME, find_column, image_path, read_lines, refuse
from inspection.data.replace import replace_file

CORRECTIONS = "corrections.csv"
"""In the root of a set of class folders: what a folder says wrongly."""
CLASS = "class"


def read_corrections(path: Path, classes: Sequence[str]) -> dict[str, str]:
    """The class of each image that its folder says wrongly, by its path below the root.

    Args:
        path: A table with the columns `name` and `class`; it need not be there.
        classes: That there are.

    Raises:
        InputError: The table can't be read, names another class, or an image twice with different ones.
    """
    if not path.is_file():
        return {}
    lines = read_lines(path)
    if not lines:
        return {}
    header = [column.strip() for column in lines[0][1]]
    places = [find_column(path, header, column) for column in (NAME, CLASS)]
    found: dict[str, str] = {}
    faults = []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            faults.append(f"{path}, line {line}: {len(fields)} fields, the header has {len(header)}")
            continue
        text, name = (fields[place].strip() for place in places)
        image = image_path(text)
        if image is None:
            faults.append(f"{path}, line {line}: {text!r}; expected the path of an image below {path.parent}")
        elif name not in classes:
            faults.append(f"{path}, line {line}: class {name!r}; expected one of {', '.join(classes)}")
        elif found.setdefault(image, name) != name:
            faults.append(
                f"{path}, line {line}: {image!r} is {found[image]!r} in an earlier line; remove one"
            )
    refuse(faults, "rows that can't be used")
    return found


def write_corrections(path: Path, corrections: Mapping[str, str]) -> None:
    """Write what `read_corrections` reads; without a correction there is no table.

    Raises:
        InputError: A table can't hold the name of an image.
        OSError: It can't be written.
    """
    if not corrections:
        path.unlink(missing_ok=True)
        return
    check_names(path, corrections)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([NAME, CLASS])
    writer.writerows(sorted(corrections.items()))
    replace_file(path, text.getvalue().encode())


def correct_attributes(path: Path, name: str, values: Mapping[str, bool]) -> bool:
    """Change the attributes of one image in a table; all else in it stays, also columns that nobody asked for.

    Args:
        path: A table of attributes, see `attributes`.
        name: Of the image.
        values: By attribute.

    Returns:
        Whether the image stands in this table.

    Raises:
        InputError: The table can't be read, or lacks a column.
        OSError: It can't be written; the old one is as it was.
    """
    lines = [fields for _, fields in read_lines(path)]
    if not lines:
        return False
    header = [column.strip() for column in lines[0]]
    place = find_column(path, header, NAME)
    columns = {find_column(path, header, attribute): value for attribute, value in values.items()}
    rows = [row for row in lines[1:] if len(row) == len(header) and image_path(row[place]) == name]
    for row in rows:
        for column, value in columns.items():
            row[column] = str(int(value)) if row[column].strip() in ("0", "1") else str(value)
    if not rows:
        return False
    raw = path.read_bytes()
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    first = next(line for line in raw.decode("utf-8-sig").split("\n") if line.strip())
    text = io.StringIO()
    csv.writer(text, delimiter=max(",;\t", key=first.count), lineterminator="\n").writerows(lines)
    replace_file(path, mark + text.getvalue().encode())
    return True
