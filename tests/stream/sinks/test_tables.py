"""What became of each frame, as JSON lines and as CSV."""

import csv
import json
from dataclasses import replace
from datetime import datetime

import pytest

from inspection.errors import InputError
from inspection.inspector.verdict import Verdict
from inspection.stream.sinks import table
from inspection.stream.sinks.jsonl import FORMAT, JsonLinesSink, read_lines
from inspection.stream.sinks.pictures import PictureSink
from inspection.stream.sinks.table import CsvSink, read_rows
from tests.stream.sinks.conftest import KINDS, TIME, classes, lost, of_kind, result

NASTY = 'Prüfung 日本, "a"\n\udcff=1+1.png'


def written(sink, about, results):
    sink.open(about)
    sink.write(results)
    sink.close()
    return about.output


def test_a_line_a_frame_by_hand(about):
    results = [
        result(0, 0.1, position=1.23456),
        result(1, 0.9, heat=True, unlike=("brightness", "sharpness")),
        lost(2),
        lost(3, "failed", "not decoded", "half a picture"),
    ]

    head, frames = read_lines(written(JsonLinesSink(), about(), results) / "frames.jsonl")

    assert head["format"] == FORMAT
    assert (head["task"], head["source"]) == ("coil", "camera 0")
    assert head["operating_point"] == "a part is 'defect' at a probability of 0.4 or more"
    assert head["decision"]["threshold"] == 0.4
    assert head["made"]["data"]["synthetic"] is True
    assert [datetime.fromisoformat(frame.pop("time")).timestamp() for frame in frames] == [
        TIME, TIME + 1, TIME + 2, TIME + 3,
    ]  # fmt: skip
    assert frames == [
        {
            "frame": 0, "name": "line_000000", "position": 1.235, "latency_ms": 6.123, "status": "inspected",
            "verdict": "ok", "alarm": False, "probability": 0.9, "probabilities": {"ok": 0.9, "defect": 0.1},
        },
        {
            "frame": 1, "name": "line_000001", "position": None, "latency_ms": 6.123, "status": "inspected",
            "verdict": "defect", "alarm": True, "probability": 0.9,
            "probabilities": {"ok": 0.1, "defect": 0.9}, "unlike": ["brightness", "sharpness"],
        },
        {
            "frame": 2, "name": "line_000002", "position": None, "latency_ms": 6.123, "status": "dropped",
            "reason": "overflow", "error": "",
        },
        {
            "frame": 3, "name": "line_000003", "position": None, "latency_ms": 6.123, "status": "failed",
            "reason": "not decoded", "error": "half a picture",
        },
    ]  # fmt: skip


def test_a_row_a_frame_by_hand(about):
    results = [
        result(0, 0.1),
        result(1, 0.9, unlike=("brightness", "sharpness")),
        lost(2),
        lost(3, "failed", "not decoded", "half\na picture"),
    ]

    folder = written(CsvSink(), about(), results)
    text = (folder / "frames.csv").read_text("utf-8")
    rows = list(csv.reader(text.splitlines()))

    assert len(text.splitlines()) == len(rows) == 5
    assert rows[0] == [
        "frame", "name", "time", "position", "latency_ms", "status", "reason",
        "verdict", "probability", "probability_ok", "probability_defect", "is_alarm", "unlike", "error",
    ]  # fmt: skip
    assert [row[:2] + row[4:] for row in rows[1:]] == [
        ["0", "line_000000", "6.123", "inspected", "", "ok", "0.900000", "0.900000", "0.100000", "False", "", ""],
        ["1", "line_000001", "6.123", "inspected", "", "defect", "0.900000", "0.100000", "0.900000", "True",
         "brightness, sharpness", ""],
        ["2", "line_000002", "6.123", "dropped", "overflow", "", "", "", "", "", "", ""],
        ["3", "line_000003", "6.123", "failed", "not decoded", "", "", "", "", "", "", "half a picture"],
    ]  # fmt: skip
    assert datetime.fromisoformat(rows[1][2]).timestamp() == TIME
    beside = json.loads((folder / "frames_about.json").read_text("utf-8"))
    assert beside["operating_point"] == "a part is 'defect' at a probability of 0.4 or more"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_question(about, kind):
    inspector, given = of_kind(kind)
    told = about(inspector)

    head, (frame,) = read_lines(written(JsonLinesSink(), told, [given]) / "frames.jsonl")
    (row,) = read_rows(written(CsvSink(), told, [given]) / "frames.csv")

    assert head["decision"] == inspector.decision.to_dict()
    assert frame["verdict"] == given.verdict.label
    assert list(row)[7:-3] == inspector.answers.columns()
    assert list(row.values())[7:-3] == inspector.answers.cells(given.verdict)
    expected = {
        "classes": {"probability": 0.9, "probabilities": {"ok": 0.1, "defect": 0.9}},
        "attributes": {
            "probabilities": {"error": 0.75, "Bruch": 0.25},
            "called": {"error": True, "Bruch": False},
        },
        "masks": {
            "quantities": {"area": 100.0, "called_pixels": 100},
            "boxes": [
                {"left": 20, "top": 10, "right": 30, "bottom": 20, "label": "defect", "score": 0.875,
                 "area": 100.0, "centre": [24.5, 14.5]}
            ],
        },
        "objects": {
            "quantities": {"car": 0, "person": 1},
            "boxes": [{"left": 20.12, "top": 10, "right": 30, "bottom": 20, "label": "person", "score": 0.8}],
        },
        "temperatures": {
            "quantities": {"maximum": 331.235, "mean": 301.5},
            "pixels_maximum": 333.0,
            "boxes": [{"left": 20, "top": 10, "right": 30, "bottom": 20, "label": "hot spot", "score": 0.9}],
        },
    }  # fmt: skip
    assert {key: frame[key] for key in list(frame)[8:]} == expected[kind]


@pytest.mark.parametrize("name", [NASTY, "=HYPERLINK(1)", "  spaces  ", ""])
def test_any_name_stays_on_its_line(about, name):
    given = [result(0, name=name), result(1)]

    _, frames = read_lines(written(JsonLinesSink(), about(), given) / "frames.jsonl")
    rows = read_rows(written(CsvSink(), about(), given) / "frames.csv")

    assert [frame["name"] for frame in frames] == [name, "line_000001"]
    shown = name.replace("\n", " ").encode("utf-8", "backslashreplace").decode()
    assert [row["name"] for row in rows] == [shown, "line_000001"]


def test_what_is_no_number_is_null(about):
    verdict = Verdict("ok", quantities={"mean": float("nan"), "maximum": float("inf")})
    folder = written(JsonLinesSink(), about(), [result(0, verdict=verdict)])

    line = (folder / "frames.jsonl").read_text().splitlines()[1]
    assert json.loads(line, parse_constant=pytest.fail)["quantities"] == {"mean": None, "maximum": None}


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_line_torn_by_a_power_cut_is_no_frame(about, cut):
    given = [result(number) for number in range(9)]
    told = about()
    lines = written(JsonLinesSink(), told, given) / "frames.jsonl"
    table = written(CsvSink(), told, given) / "frames.csv"

    for path in (lines, table):
        path.write_bytes(path.read_bytes()[:-cut])

    _, frames = read_lines(lines)
    rows = read_rows(table)
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert [int(row["frame"]) for row in rows] == list(range(len(rows)))
    assert len(frames) in (7, 8)
    assert len(rows) in (5, 6, 7, 8)


def test_a_full_disk_leaves_no_file_behind(about, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(table, "replace_file", full)
    sink = CsvSink()
    with pytest.raises(InputError, match=r"frames_about\.json: can't be written \(No space left on device\)"):
        sink.open(about())
    assert sink._file._file.closed
    assert list(about().output.iterdir()) == []


@pytest.mark.parametrize("kind", [CsvSink, JsonLinesSink, PictureSink])
def test_what_was_never_written_to_leaves_nothing(about, kind):
    """As when another sink can't be opened: there is no stream."""
    sink = kind()
    sink.open(about())
    assert list(about().output.iterdir()) != []
    sink.close()
    assert list(about().output.iterdir()) == []


def test_another_file_is_refused(tmp_path):
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(ValueError, match=FORMAT):
        read_lines(tmp_path / "other.jsonl")


def test_each_start_and_each_part_has_its_own_file_with_its_head(about):
    told = about()
    for _ in range(2):
        written(JsonLinesSink(), told, [result(0)])
        written(CsvSink(), told, [result(0)])
    small = JsonLinesSink(megabytes=0.0001)
    small.open(told)
    for number in range(3):
        small.write([result(number)])
    small.close()

    names = sorted(path.name for path in told.output.iterdir())
    assert names == [
        "frames.csv", "frames.jsonl", "frames_2.csv", "frames_2.jsonl", "frames_2_about.json",
        "frames_3.jsonl", "frames_4.jsonl", "frames_5.jsonl", "frames_about.json",
    ]  # fmt: skip
    for number in (3, 4, 5):
        _, frames = read_lines(told.output / f"frames_{number}.jsonl")
        assert [frame["frame"] for frame in frames] == [number - 3]


def test_a_verdict_is_rounded_for_people_alone(about):
    """The verdict is written beside the probability, which may look like the threshold."""
    verdict = replace(result(0).verdict, probabilities={"ok": 0.6000001, "defect": 0.3999999})
    _, (frame,) = read_lines(
        written(JsonLinesSink(), about(classes()), [result(0, verdict=verdict)]) / "frames.jsonl"
    )
    assert (frame["verdict"], frame["probabilities"]["defect"]) == ("ok", 0.4)
