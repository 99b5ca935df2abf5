"""Files that grow by whole lines."""

import contextlib
import os
from datetime import datetime
from io import FileIO
from pathlib import Path

from inspection.errors import InputError

MEGABYTE = 1_000_000


class LineFile:
    """Appends lines that are in the file when `append` returns, or not at all.

    A file that is there is never written to: another start in the same folder, and a part that has become too
    large, begin the next one: `frames.csv`, `frames_2.csv`, `frames_3.csv`.

    A process that is killed loses nothing: what was appended is the system's. (A power cut loses what the system
    had not written out, and may leave a part of a line at the end of the last file, see `whole_lines`.)

    Args:
        folder: It is there.
        stem: `frames`.
        suffix: `.csv`.
        head: What each part begins with, whole lines.
        limit: Bytes of a part at most, as far as whole calls of `append` allow; None: any number.

    Attributes:
        path: Of the newest part.
        some: Whether a line was appended.

    Raises:
        InputError: The first part can't be begun.
    """

    def __init__(self, folder: Path, stem: str, suffix: str, head: bytes, limit: int | None) -> None:
        self._folder, self._stem, self._suffix = folder, stem, suffix
        self._head, self._limit, self._number = head, limit, 0
        try:
            self.path, self._file = self._begun()
        except OSError as error:
            raise InputError(f"{folder}: {stem}{suffix} can't be begun ({error.strerror or error})") from None
        self._whole, self.some = len(head), False

    def append(self, lines: bytes) -> None:
        """Write whole lines.

        Raises:
            OSError: They could not be written, and nothing of them is in the file.
        """
        filled = self._whole > len(self._head)
        if filled and self._limit is not None and self._whole + len(lines) > self._limit:
            path, file = self._begun()
            self._file.close()
            self.path, self._file, self._whole = path, file, len(self._head)
        self._file.seek(self._whole)
        try:
            _write(self._file, lines)
        except OSError:
            with contextlib.suppress(OSError):  # the next one is written over it
                self._file.truncate(self._whole)
            raise
        self._whole += len(lines)
        self.some = True

    def close(self) -> None:
        """Cut off what a failed attempt may have left; a file that nothing was appended to goes."""
        try:
            self._file.truncate(self._whole)
        finally:
            self._file.close()
            if not self.some:
                self.path.unlink(missing_ok=True)

    def _begun(self) -> tuple[Path, FileIO]:
        """The next part that is not there yet, with its head."""
        while True:
            self._number += 1
            number = "" if self._number == 1 else f"_{self._number}"
            path = self._folder / f"{self._stem}{number}{self._suffix}"
            try:
                file = open(path, "xb", buffering=0)  # noqa: SIM115  (stays open)
            except FileExistsError:
                continue
            try:
                _write(file, self._head)
            except OSError:
                self._number -= 1
                file.close()
                path.unlink()
                raise
            return path, file


def whole_lines(data: bytes) -> tuple[list[bytes], bytes]:
    r"""The lines of such a file, and what is left of one that was torn by a power cut.

    Example:
        >>> whole_lines(b"one\ntwo\nthr")
        ([b'one', b'two'], b'thr')
    """
    *lines, torn = data.split(b"\n")
    return lines, torn


def iso_time(seconds: float) -> str:
    """Seconds since 1970 in the machine's own time zone, which is stated: `2026-11-21T15:04:05.678+01:00`."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")


def bytes_of(megabytes: float | None, key: str) -> int | None:
    """A limit in bytes.

    Raises:
        InputError: It is none.
    """
    if megabytes is None:
        return None
    if not megabytes > 0:
        raise InputError(f"{key}={megabytes}: expected more than 0, or null for no limit")
    return max(1, round(megabytes * MEGABYTE))


def _write(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file.fileno(), rest) :]
