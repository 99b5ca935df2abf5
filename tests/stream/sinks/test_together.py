"""A film goes through the stream into every sink, and all tell the same."""

import json
import socket
import subprocess
import sys
import urllib.request

import cv2
import numpy as np
import pytest

from inspection.data.geometry import Geometry
from inspection.decide.decisions import OneOf
from inspection.errors import InputError
from inspection.inspector.verdict import Verdict
from inspection.stream.judge import Judge
from inspection.stream.pipeline import Policy, Stream
from inspection.stream.sinks.jsonl import JsonLinesSink, read_lines
from inspection.stream.sinks.pictures import PictureSink
from inspection.stream.sinks.table import CsvSink, read_rows
from inspection.stream.sinks.video import VideoSink
from inspection.stream.sinks.web import WebSink
from inspection.stream.sources import find_source
from tests.stream.conftest import PATIENCE, settled
from tests.stream.sinks.conftest import Told

FRAMES, HIGH, WIDE = 60, 96, 128


class Bright(Told):
    """Calls a bright frame a defect, its evidence where it is brightest; one frame is too much for it."""

    def __init__(self):
        super().__init__(OneOf(["ok", "defect"], "defect"))
        self.geometry = self.answers.geometry = Geometry(image_size=(HIGH, WIDE))

    def inspect_pixels(self, pixels, shapes, heatmaps=False):
        return self.observe_pixels(pixels, shapes, heatmaps)[0]

    def observe_pixels(self, pixels, shapes, heatmaps=False, further=()):
        means = [float(each.mean()) for each in pixels]
        if any(mean > 225 for mean in means):
            raise RuntimeError("too bright")
        verdicts = []
        for each, mean in zip(pixels, means, strict=True):
            share = mean / 255
            label = "defect" if share >= 0.5 else "ok"
            heat = (each[0] > mean + 10).astype(np.float32)
            verdicts.append(
                Verdict(
                    label,
                    probability=max(share, 1 - share),
                    probabilities={"ok": 1 - share, "defect": share},
                    called={"ok": label == "ok", "defect": label == "defect"},
                    heatmaps={"defect": heat} if heatmaps else {},
                    method="cam" if heatmaps else None,
                )
            )
        return verdicts, {}


@pytest.fixture
def film(tmp_path):
    """Every tenth frame is bright, frame 33 is too bright."""
    writer = cv2.VideoWriter(str(tmp_path / "line.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (WIDE, HIGH))
    for number in range(FRAMES):
        level = 240 if number == 33 else 180 if number % 10 == 0 else 60
        image = np.full((HIGH, WIDE, 3), level, np.uint8)
        image[20:40, 30 + number : 50 + number] = min(255, level + 40)
        writer.write(image)
    writer.release()
    return tmp_path / "line.avi"


def asked(web, path):
    """News, if there are any: the page may be closing."""
    try:
        with urllib.request.urlopen(web.where + path) as answer:
            return [json.loads(answer.read())]
    except OSError:
        return []


@pytest.fixture
def patient(monkeypatch):
    """However busy the machine is: the page misses no frame, and hears of the end."""
    monkeypatch.setattr("inspection.stream.outlet.PICTURES", FRAMES)
    monkeypatch.setattr("inspection.stream.sinks.web.WATCHED", PATIENCE)
    monkeypatch.setattr("inspection.stream.sinks.web._PARTING", PATIENCE)


@pytest.mark.usefixtures("patient")
def test_all_sinks_tell_the_same(film, tmp_path):
    output = tmp_path / "stream"
    output.mkdir()
    web = WebSink(port=0)
    sinks = [CsvSink(), JsonLinesSink(), VideoSink(), PictureSink(), web]
    made = Stream(find_source(str(film)), Judge(Bright()), sinks, Policy(), output)
    made.open()
    seen = []

    def look():
        seen.extend(asked(web, "state.json?evidence=1"))

    made.run(look)

    summary = made.summary()
    assert (summary["received"], summary["inspected"], summary["alarms"]) == (FRAMES, FRAMES - 1, 6)
    assert summary["failed"] == {"not inspected": 1}
    assert {
        name: (each["written"], each["missed"]) for name, each in summary["sinks"].items()
    } == dict.fromkeys(["csv", "jsonl", "video", "web"], (FRAMES, 0)) | {"pictures": (6, 0)}
    rows = read_rows(output / "frames.csv")
    _, lines = read_lines(output / "frames.jsonl")
    bright = [number for number in range(FRAMES) if number % 10 == 0]
    assert [int(row["frame"]) for row in rows] == [line["frame"] for line in lines] == list(range(FRAMES))
    assert [int(row["frame"]) for row in rows if row["is_alarm"] == "True"] == bright
    assert [line["frame"] for line in lines if line.get("alarm")] == bright
    assert rows[33]["error"] == lines[33]["error"] == "RuntimeError: too bright"
    assert [float(row["position"]) for row in rows] == pytest.approx(
        [n / 25 for n in range(FRAMES)], abs=0.002
    )

    kept = sorted((output / "defects").iterdir())
    assert [int(path.name[:9]) for path in kept] == sorted(2 * bright)
    drawn, raw = (cv2.imread(str(path)).astype(int) for path in kept[:2][::-1])
    if kept[0].name.endswith("_evidence.jpg"):
        drawn, raw = raw, drawn
    marked = np.abs(drawn - raw).sum(2) > 60
    assert marked[22:38, 32:48].mean() > 0.9  # pictures of alarms come with their evidence
    assert not marked[50:].any()

    film_of_it = cv2.VideoCapture(str(output / "video_001.mkv"))
    assert sum(1 for _ in iter(lambda: film_of_it.read()[0], False)) == FRAMES  # the failed one, too

    last = seen[-1]
    assert (last["received"], last["alarms"], last["verdicts"]) == (FRAMES, 6, {"ok": 53, "defect": 6})
    assert last["received"] == last["inspected"] + 1
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(web.where)


@pytest.mark.usefixtures("patient")
def test_figures_of_the_page_never_contradict_themselves(film, tmp_path):
    """Asked while frames come, the parts always make the sum."""
    web = WebSink(port=0)
    slow = Bright()
    made = Stream(find_source(str(film)), Judge(slow), [web], Policy(), tmp_path)
    made.open()
    inspect = slow.observe_pixels
    sums = []

    def after_a_look(*given):
        known = len(sums)
        assert settled(lambda: len(sums) > known)
        return inspect(*given)

    slow.observe_pixels = after_a_look

    def look():
        web._told = (-1.0, b"")
        for told in asked(web, "state.json"):
            gone = told["inspected"] + sum(told["dropped"].values()) + sum(told["failed"].values())
            sums.append((told["received"], gone + told["waiting"]))

    made.run(look)
    assert len(sums) > FRAMES // 8
    assert len({received for received, _ in sums}) > 2  # before the end
    assert all(received == parts for received, parts in sums)


def test_no_sink_needs_torch():
    code = (
        "import sys\n"
        "from inspection.stream.sinks import jsonl, pictures, table, video, web\n"
        "print([name for name in ('torch', 'torchvision', 'lightning', 'hydra') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_port_that_is_taken_leaves_nothing_of_the_others(tmp_path):
    output = tmp_path / "stream"
    output.mkdir()
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((HIGH, WIDE), np.uint8))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sinks = [JsonLinesSink(), CsvSink(), PictureSink(), VideoSink(), WebSink(port=port)]
        made = Stream(find_source(str(tmp_path / "images")), Judge(Bright()), sinks, Policy(), output)
        with pytest.raises(InputError, match="something listens"):
            made.open()
    assert list(output.iterdir()) == []
