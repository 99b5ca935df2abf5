"""Tables with a row an image: what is read of them whatever they hold."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath, PureWindowsPath

from inspection.errors import InputError

NAME = "name"
"""The column with the path of the image."""
SHOWN = 3
"""Faults of one kind that a message lists; it counts the others."""


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and fields of each line that is not empty; fields end at commas, semicolons or tabs.

    Raises:
        InputError: The table can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: does not exist; expected a table with a column {NAME!r}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 (byte {error.start}); save the table as CSV UTF-8") from None
    except OSError as error:
        found = "is a folder" if path.is_dir() else f"can't be read ({error.strerror})"
        raise InputError(f"{path}: {found}; expected a table with a column {NAME!r}") from None
    header = next((line for line in text.split("\n") if line.strip()), "")
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        return [(reader.line_num, fields) for fields in reader if any(field.strip() for field in fields)]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}; is the file a CSV table?") from None


def find_column(path: Path, header: Sequence[str], column: str) -> int:
    """Place of a column in a table's header.

    Raises:
        InputError: It is not there, or twice.
    """
    if header.count(column) > 1:
        raise InputError(f"{path}: the column {column!r} is there twice; remove one")
    if column in header:
        return header.index(column)
    close = [other for other in header if other.lower() == column.lower()]
    close = close or get_close_matches(column, header, n=1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    found = ", ".join(name for name in header if name) or "none"
    raise InputError(f"{path}: no column {column!r}{meant}; columns found: {found}")


def image_path(text: str) -> str | None:
    """What a field of a table names, with forward slashes; None when that is nothing below a folder."""
    text = text.strip()
    windows = PureWindowsPath(text)
    if not windows.name or windows.anchor or ".." in windows.parts:
        return None
    # Control characters break lines, surrogates (a file name that is not UTF-8) can't be written; a no-break
    # space, as in the names of screenshots, does no harm.
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        return None
    return PurePosixPath(text.replace("\\", "/")).as_posix()


def refuse(faults: Sequence[str], what: str) -> None:
    """Raise an `InputError` for what is not empty among `faults`."""
    found = [fault for fault in faults if fault]
    if not found:
        return
    if len(found) > SHOWN:
        found = [*found[:SHOWN], f"... {SHOWN} of {len(found)} {what}"]
    raise InputError("\n".join(found))
