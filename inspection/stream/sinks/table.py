"""A row of CSV a frame."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from inspection.data.replace import replace_file
from inspection.errors import InputError
from inspection.stream.frames import Result
from inspection.stream.sink import About, Sink
from inspection.stream.sinks.about import described
from inspection.stream.sinks.lines import LineFile, bytes_of, iso_time, whole_lines

BEFORE = ["frame", "name", "time", "position", "latency_ms", "status", "reason"]
"""Columns before those of the verdict, which are those of `predictions.csv`."""
BEHIND = ["is_alarm", "unlike", "error"]


class CsvSink(Sink):
    """`frames.csv`, and once beside it `frames_about.json`: who judges, and when a part is called what.

    A frame is a line: no cell has a line break.

    Args:
        megabytes: From which size on a next file is begun; None: never.
    """

    name = "csv"

    def __init__(self, megabytes: float | None = 256) -> None:
        self._limit = bytes_of(megabytes, "sinks.csv.megabytes")

    def open(self, about: About) -> None:
        """Begin the file."""
        self._answers = about.inspector.answers
        columns = self._answers.columns()
        self._empty = [""] * len(columns)
        self._file = LineFile(
            about.output, "frames", ".csv", _lines([[*BEFORE, *columns, *BEHIND]]), self._limit
        )
        path = self._file.path
        self._beside = path.with_name(f"{path.stem}_about.json")
        text = json.dumps(described(about), ensure_ascii=False, indent=2) + "\n"
        try:
            replace_file(self._beside, text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._file.close()
            raise InputError(f"{self._beside}: can't be written ({error.strerror or error})") from None
        self.where = str(path)

    def write(self, results: Sequence[Result]) -> None:
        """All or none."""
        self._file.append(_lines([self._row(result) for result in results]))

    def close(self) -> None:
        """End the file; without a frame there is none."""
        self._file.close()
        if not self._file.some:
            self._beside.unlink(missing_ok=True)

    def _row(self, result: Result) -> list[str]:
        judged = result.verdict is not None
        return [
            str(result.number),
            result.name,
            iso_time(result.time),
            "" if result.position is None else f"{result.position:.3f}",
            f"{1000 * result.seconds:.3f}",
            result.status,
            result.reason,
            *(self._empty if result.verdict is None else self._answers.cells(result.verdict)),
            str(result.alarm) if judged else "",
            ", ".join(result.unlike),
            result.error,
        ]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The frames of a file; a line at its end that was torn by a power cut is no frame."""
    lines, _ = whole_lines(path.read_bytes())
    return list(csv.DictReader(line.decode("utf-8") for line in lines))


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([" ".join(cell.splitlines()) for cell in row])
    return text.getvalue().encode("utf-8", "backslashreplace")
