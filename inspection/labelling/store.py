"""The labels of one video on disk: a table, and a picture a row."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from inspection.data.attributes import read_attributes, read_columns, read_rows, write_attributes
from inspection.data.replace import replace_file
from inspection.errors import InputError
from inspection.labelling.lock import lock

PICTURES = "pics"
Values = tuple[bool, ...]
_Stamp = tuple[int, int]


class Store(Protocol):
    """The labels of frames, wherever they lie."""

    table: Path
    pictures: Path

    def __len__(self) -> int:
        """Number of labelled frames."""

    @property
    def names(self) -> list[str]:
        """Of the labelled frames."""

    def get(self, name: str) -> Values | None:
        """The labels of a frame, None when it has none."""

    def hold(self) -> None:
        """Keep other labelling tools away.

        Raises:
            InputError: One is at it.
            OSError: The folder can't be written to.
        """

    def put(self, name: str, values: Values, content: Callable[[], bytes]) -> None:
        """Write the labels of a frame; `content` gives its picture where that is to be kept, too.

        Raises:
            OSError, InputError: It could not be written; the labels are as they were.
        """

    def remove(self, name: str) -> tuple[Values, bytes]:
        """Remove the labels of a frame and its saved picture; gives both, to put them back.

        Raises:
            KeyError: It has no labels.
            OSError, InputError: It could not be done, or is not to be done; the labels are as they were.
        """

    def refresh(self) -> None:
        """Read again what another program has changed.

        Raises:
            InputError: It can't be read.
        """

    def close(self) -> None:
        """Let others at it, until the next change."""


class Labels:
    """`<video>_data.csv` in a folder, and its pictures in `pics/`.

    The table on disk is complete after each change. A picture is written before its row and removed after it, so
    that no row is ever without picture; a process that is killed in between leaves a picture without a row.
    What another program changes in the table meanwhile is read before the next change. Other labelling tools are
    kept out from the first change, or `hold`, until `close`; so of many videos only those at hand have a lock.

    Args:
        folder: Of the table; made with the first label.
        video: Name of the video.
        attributes: Columns of the table.

    Raises:
        InputError: The table is there and can't be read with these attributes, or has further columns, which would
            be lost.
    """

    def __init__(self, folder: Path, video: str, attributes: Sequence[str]) -> None:
        self.table = folder / f"{video}_data.csv"
        self.pictures = folder / PICTURES
        self.attributes = tuple(attributes)
        self._lock: IO[str] | None = None
        self._rows: dict[str, Values] = {}
        self._stamp: _Stamp | None = None
        self.refresh()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def names(self) -> list[str]:
        """Of the labelled pictures."""
        return list(self._rows)

    def get(self, name: str) -> Values | None:
        """The labels of a picture, None when it has none."""
        return self._rows.get(name)

    def hold(self) -> None:
        """Keep other labelling tools from the table.

        Raises:
            InputError: One has it.
            OSError: The folder can't be written to.
        """
        if self._lock is None:
            self._lock = lock(self.table)

    def put(self, name: str, values: Values, content: Callable[[], bytes]) -> None:
        """Write the labels of a picture, and the picture unless it is there.

        Args:
            name: Of the picture.
            values: One an attribute.
            content: Gives the content of the picture's file.

        Raises:
            OSError, InputError: It could not be written; the labels are as they were.
        """
        self.hold()
        self.refresh()
        picture = self.pictures / name
        # A picture without a row was left by a killed process, or is of somebody else: it is not to be trusted.
        if name not in self._rows or not picture.is_file():
            replace_file(picture, content())
        self._write({**self._rows, name: tuple(values)})

    def remove(self, name: str) -> tuple[Values, bytes]:
        """Remove the labels of a picture and, unless somebody has it open or guards it, the picture.

        Returns:
            Both, to put them back; the content is empty when there was no picture.

        Raises:
            KeyError: It has no labels.
            OSError, InputError: The picture could not be read or the table not be written; the labels are as they
                were.
        """
        self.hold()
        self.refresh()
        values, picture = self._rows[name], self.pictures / name
        content = picture.read_bytes() if picture.is_file() else b""
        self._write({other: row for other, row in self._rows.items() if other != name})
        with suppress(
            OSError
        ):  # the labels are gone; a picture without a row is written anew by the next save
            picture.unlink(missing_ok=True)
        return values, content

    def refresh(self) -> None:
        """Read the table if it is not as it was left.

        Raises:
            InputError: It can't be read.
        """
        stamp = _stamp(self.table)
        if stamp is None or stamp == self._stamp:
            return  # a table that was taken away is written anew, from what is known
        further = [column for column in read_columns(self.table) if column not in self.attributes]
        if further:
            raise InputError(
                f"{self.table}: saving would lose the column {further[0]!r}; "
                f"add it to attributes=[{','.join(self.attributes)}], or give another folder: output=<folder>"
            )
        rows: dict[str, Values] = {}
        if read_rows(self.table, self.attributes):
            table = read_attributes([self.table], self.attributes)
            rows = {name: tuple(row) for name, row in zip(table.names, table.values.tolist(), strict=True)}
        self._rows, self._stamp = rows, stamp

    def close(self) -> None:
        """Let others have the table, until the next change."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _write(self, rows: dict[str, Values]) -> None:
        names = sorted(rows)
        write_attributes(
            self.table, names, np.array([rows[name] for name in names], dtype=bool), self.attributes
        )
        self._rows, self._stamp = rows, _stamp(self.table)


def _stamp(path: Path) -> _Stamp | None:
    """By which a change is noticed; None when there is no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
