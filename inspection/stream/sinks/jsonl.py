"""A line of JSON a frame."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspection.inspector.plain import as_json
from inspection.inspector.verdict import Box, Verdict
from inspection.stream.frames import Result
from inspection.stream.sink import About, Sink
from inspection.stream.sinks.about import described
from inspection.stream.sinks.lines import LineFile, bytes_of, iso_time, whole_lines

FORMAT = "inspection.stream.1"


class JsonLinesSink(Sink):
    """`frames.jsonl`: the first line says who judges and when a part is called what, each further one is a frame.

    Heatmaps and masks are no part of it.

    Args:
        megabytes: From which size on a next file is begun; None: never.
    """

    name = "jsonl"

    def __init__(self, megabytes: float | None = 256) -> None:
        self._limit = bytes_of(megabytes, "sinks.jsonl.megabytes")

    def open(self, about: About) -> None:
        """Begin the file."""
        head = _line({"format": FORMAT, **described(about)})
        self._file = LineFile(about.output, "frames", ".jsonl", head, self._limit)
        self.where = str(self._file.path)

    def write(self, results: Sequence[Result]) -> None:
        """All or none."""
        self._file.append(b"".join(_line(record(result)) for result in results))

    def close(self) -> None:
        """End the file."""
        self._file.close()


def record(result: Result) -> dict[str, Any]:
    """What became of a frame, as plain values; what its kind of question does not ask for is left out."""
    values: dict[str, Any] = {
        "frame": result.number,
        "name": result.name,
        "time": iso_time(result.time),
        "position": None if result.position is None else round(result.position, 3),
        "latency_ms": round(1000 * result.seconds, 3),
        "status": result.status,
    }
    if result.verdict is None:
        values |= {"reason": result.reason, "error": result.error}
    else:
        values |= {"verdict": result.verdict.label, "alarm": result.alarm, **_said(result.verdict)}
    if result.unlike:
        values["unlike"] = list(result.unlike)
    return as_json(values)


def read_lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head and the frames of a file; a line at its end that was torn by a power cut is no frame.

    Raises:
        ValueError: It is no such file.
    """
    lines, _ = whole_lines(path.read_bytes())
    head, *frames = [json.loads(line) for line in lines] or [{}]
    if head.get("format") != FORMAT:
        raise ValueError(f"Expected a file that begins with the format {FORMAT} but got {path}.")
    return head, frames


def _said(verdict: Verdict) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if verdict.probability is not None:
        values["probability"] = round(verdict.probability, 6)
    if verdict.probabilities:
        values["probabilities"] = {name: round(value, 6) for name, value in verdict.probabilities.items()}
        if verdict.probability is None:  # of attributes
            values["called"] = dict(verdict.called)
    if verdict.quantities:
        values["quantities"] = {name: round(value, 3) for name, value in verdict.quantities.items()}
    if verdict.peak is not None:
        values["pixels_maximum"] = round(verdict.peak, 3)
    if verdict.boxes:
        values["boxes"] = [_box(box) for box in verdict.boxes]
    return values


def _box(box: Box) -> dict[str, Any]:
    values = dataclasses.asdict(box) | {"score": round(box.score, 5)}
    for name in ("left", "top", "right", "bottom", "area"):
        if name in values:
            values[name] = round(values[name], 2)
    if "centre" in values:
        values["centre"] = [round(value, 2) for value in values["centre"]]
    return values


def _line(values: dict[str, Any]) -> bytes:
    code = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # What of a file name is no text becomes an escape, which JSON knows.
    return code.encode("utf-8", "backslashreplace") + b"\n"
