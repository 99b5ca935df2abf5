"""What the live page is told, and what it costs the stream."""

import gc
import json
import threading
import urllib.error
import urllib.request
import weakref

import cv2
import numpy as np
import pytest

from inspection.errors import InputError
from inspection.stream.sinks import shots, web
from inspection.stream.sinks.web import WebSink
from tests.stream.conftest import PATIENCE, settled
from tests.stream.sinks.conftest import KINDS, classes, live, lost, of_kind, picture, result


@pytest.fixture
def served(about):
    """Opens a page, and closes it in the end."""
    opened = []

    def serve(inspector=None, figures=live, **settings):
        sink = WebSink(port=0, **settings)
        sink.open(about(inspector, figures=figures))
        opened.append(sink)
        return sink

    yield serve
    for sink in opened:
        sink._watched_at = -np.inf  # nobody is told
        sink.close()


def got(sink, path):
    with urllib.request.urlopen(sink.where + path) as answer:
        return answer.read()


def state(sink, evidence=True):
    """News, not those of a moment ago."""
    sink._told, sink._shots._pinned_at = (-1.0, b""), -np.inf
    return json.loads(got(sink, "state.json" + "?evidence=1" * evidence))


def pixels(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_the_newest_verdict_with_its_picture(served):
    sink = served()
    assert state(sink)["shown"] is None

    sink.write([result(0, 0.1), result(1, 0.2)])
    told = state(sink)

    shown = told["shown"]
    assert (shown["frame"], shown["label"], shown["role"]) == (1, "ok", "good")
    assert shown["figures"] == [["P(defect)", "0.2000"]]
    assert shown["latency_ms"] == 6.1234
    assert told["synthetic"] is True
    assert told["operating_point"] == "a part is 'defect' at a probability of 0.4 or more"
    plain = pixels(got(sink, f"pictures/{shown['id']}/plain.jpg"))
    assert np.abs(plain - picture(1)).mean() < 20  # a JPEG mixes colours where fields meet
    assert told["tape"] == "gg"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_question(served, kind):
    inspector, given = of_kind(kind)
    sink = served(inspector)
    sink.write([given])
    told = state(sink)

    shown, (defect,) = told["shown"], told["defects"]
    assert shown["role"] == defect["role"] == "defect"
    assert shown["evidence"] is defect["evidence"] is True
    assert told["alarms_are"] == ("defects" if kind in ("classes", "masks") else "alarms")
    for each in (shown, defect):
        plain, drawn, small = (
            pixels(got(sink, f"pictures/{each['id']}/{name}.jpg")) for name in ("plain", "evidence", "small")
        )
        assert plain.shape == small.shape == (48, 64, 3)
        times = 10 if given.verdict.boxes else 1  # boxes are drawn large, so that their words can be read
        assert drawn.shape == (times * 48, times * 64, 3)
        drawn = cv2.resize(drawn.astype(np.uint8), (64, 48), interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(plain - drawn)[10:20, 20:30].mean() > 5
    assert sink._shots._defects[0].result.image is None  # its pixels are let go


@pytest.fixture
def watched(monkeypatch):
    """Who has looked once looks on, however busy the machine is."""
    monkeypatch.setattr(web, "WATCHED", PATIENCE)


@pytest.mark.usefixtures("watched")
def test_a_defect_between_two_looks_is_seen(served):
    sink = served()
    state(sink)
    sink.write([result(0, 0.1), result(1, 0.9), result(2, 0.1)])
    sink.write([lost(3, "failed", "not decoded", "half a picture"), result(4, 0.1)])
    assert state(sink)["shown"]["frame"] == 1
    sink.write([lost(5, "failed", "not decoded", "half a picture"), result(6, 0.1)])
    told = state(sink)["shown"]
    assert (told["frame"], told["role"], told["label"]) == (5, "failed", "not inspected: not decoded")
    assert (told["picture"], told["error"]) == (False, "half a picture")
    sink.write([result(7, 0.1), lost(8)])
    told = state(sink)
    assert told["shown"]["frame"] == 7
    assert told["tape"] == "gdgfgfgg-"


def test_where_nobody_looked_the_newest_is_shown(served):
    sink = served()
    sink.write([result(0, 0.9), result(1, 0.1)])
    assert state(sink)["shown"]["frame"] == 1


@pytest.mark.usefixtures("watched")
def test_a_frame_with_evidence_is_preferred(served):
    sink = served()
    state(sink)
    sink.write([result(0, 0.1), result(1, 0.1, heat=True), result(2, 0.1)])
    assert state(sink)["shown"]["frame"] == 1


def test_classes_without_a_defect_are_neither_good_nor_bad(served):
    sink = served(classes(defect=None))
    sink.write([result(0, 0.9, alarm=False)])
    told = state(sink)
    assert told["shown"]["role"] == "other"
    assert told["alarming"] == []


def test_evidence_is_asked_for_while_somebody_looks(served, monkeypatch):
    sink = served()
    now = [100.0]
    monkeypatch.setattr(web.time, "monotonic", lambda: now[0])

    assert sink.evidence == "none"
    state(sink, evidence=False)
    assert sink.evidence == "none"
    state(sink)
    asked = []
    for _ in range(400):  # batches in 4 seconds
        asked.append(sink.evidence)
        now[0] += 0.01
    assert asked.count("newest") in (11, 12, 13)  # four a second, and three seconds after the last look
    assert asked[1] == "alarms"
    assert asked[-1] == "none"

    state(sink)
    sink._told = (-1.0, b"")
    now[0] += 1
    asked = []
    for number in range(100):  # a second in which all are defects
        asked.append(sink.evidence)
        sink.write([result(number, 0.9, heat=asked[-1] != "none")])
        now[0] += 0.01
    assert 100 - asked.count("none") <= 10


def test_however_many_look_a_picture_is_drawn_once(served, monkeypatch):
    sink = served()
    drawn, encode = [], shots.jpeg
    monkeypatch.setattr(shots, "jpeg", lambda *given: drawn.append(1) or encode(*given))
    sink.write([result(0, 0.1)])
    shown = state(sink)["shown"]["id"]
    assert drawn == []  # nobody has asked for it
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(got(sink, f"pictures/{shown}/evidence.jpg")))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 1
    assert len(seen) == 10
    assert len(set(seen)) == 1


def test_all_see_the_same_and_not_more_than_some_pictures_a_second(served, monkeypatch):
    sink = served()
    now = [100.0]
    monkeypatch.setattr(web.time, "monotonic", lambda: now[0])
    shown = set()
    for number in range(200):
        sink.write([result(number, 0.1)])
        now[0] += 0.01
        shown |= {json.loads(got(sink, "state.json"))["shown"]["frame"] for _ in range(2)}
    assert len(shown) in (7, 8, 9)


def test_a_picture_that_is_gone_is_not_found(served):
    sink = served()
    sink.write([result(0, 0.1)])
    first = state(sink)["shown"]["id"]
    for number in range(1, 20):
        sink.write([result(number, 0.1)])
        state(sink)
    for path in (
        f"pictures/{first}/plain.jpg",
        "pictures/7/secret.jpg",
        "pictures/../1/plain.jpg",
        "pictures/x/plain.jpg",
    ):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            got(sink, path)
    assert len(sink._shots._held) == 6  # of the frames no more are held


def test_a_burst_of_defects(served, monkeypatch):
    sink = served(defects=3)
    now = [100.0]
    monkeypatch.setattr(web.time, "monotonic", lambda: now[0])
    for number in range(100):  # a second
        sink.write([result(number, 0.9)])
        now[0] += 0.01
    told = state(sink)["defects"]
    assert len(told) == 3
    assert [each["more"] for each in told] == [24, 24, 24]
    assert told[0]["frame"] == 75


def test_defects_that_are_kept_while_somebody_looks_have_their_evidence(served, monkeypatch):
    """40 frames a second, three in ten of them defects, and 60 ms from the network to the page."""
    sink = served()
    now = [100.0]
    monkeypatch.setattr(web.time, "monotonic", lambda: now[0])
    coming = []
    for number in range(240):  # six seconds
        sink._wanted_at = now[0]
        asked, bad = sink.evidence, number * 7919 % 100 < 30
        heat = asked == "newest" or (asked == "alarms" and bad)
        coming.append((now[0] + 0.06, result(number, 0.9 if bad else 0.1, heat=heat)))
        now[0] += 0.025
        while coming and coming[0][0] <= now[0]:
            sink.write([coming.pop(0)[1]])
    told = state(sink)["defects"]
    assert len(told) >= 12
    assert all(each["explained"] for each in told)


def test_no_defects_are_kept_where_none_are_asked_for(served):
    sink = served(defects=0)
    sink.write([result(0, 0.9)])
    assert state(sink)["defects"] == []


def test_a_stream_that_gives_nothing_is_late(served, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(web.time, "monotonic", lambda: now[0])
    sink = served()
    sink.write([result(0, 0.1)])
    now[0] += 2.9
    assert state(sink)["late"] is False
    now[0] += 0.2
    told = state(sink)
    assert (told["late"], told["silent"]) == (True, 3.1)


def test_the_figures_are_those_of_the_stream(served):
    sink = served(figures=lambda: live(drift=("DRIFT: darker",), drifted=True))
    told = state(sink)
    keys = ("received", "inspected", "dropped", "failed", "waiting", "capacity", "alarms", "rate", "verdicts")
    assert {key: told[key] for key in keys} == {key: getattr(live(), key) for key in keys}
    assert [told["median_ms"], told["p99_ms"]] == pytest.approx([6.1, 14.2])
    assert (told["drifted"], told["drift"]) == (True, ["DRIFT: darker"])


def test_names_that_are_no_text(served):
    sink = served()
    sink.write([result(0, 0.1, name="Prüfung\udcff</script>.png")])
    assert state(sink)["shown"]["name"] == "Prüfung\udcff</script>.png"


def test_metrics_and_health(served):
    figures = [live()]
    sink = served(figures=lambda: figures[0])
    with urllib.request.urlopen(sink.where + "metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = answer.read().decode()
    assert 'inspection_info{task="coil",source="camera 0"' in text
    assert json.loads(got(sink, "healthz")) == {"state": "running", "received": 1012, "inspected": 1000}
    figures[0] = live(state="ended")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        got(sink, "healthz")


def test_the_page_and_its_parts(served):
    sink = served()
    for path, start in (
        ("", b"<!DOCTYPE html>"),
        ("live.js", b"//"),
        ("live.css", b"/*"),
        ("icon.svg", b"<svg"),
    ):
        assert got(sink, path).startswith(start)
    page = got(sink, "").decode()
    assert "http:" not in page.replace("http://www.w3.org", "")
    assert "style=" not in page
    assert " on" + "click" not in page


@pytest.mark.usefixtures("watched")
def test_who_looks_hears_of_the_end(about, monkeypatch):
    monkeypatch.setattr(web, "_PARTING", PATIENCE)
    sink = WebSink(port=0)
    sink.open(about())
    sink.write([result(0, 0.1)])
    state(sink)
    closing = threading.Thread(target=sink.close)
    closing.start()
    assert settled(lambda: sink._ending)
    assert state(sink)["state"] == "ended"
    closing.join(PATIENCE / 2)
    assert not closing.is_alive()


def test_nobody_looks_and_the_end_is_at_once(about):
    sink = WebSink(port=0)
    sink.open(about())
    waited = []
    sink._end_told.wait = waited.append
    sink.close()
    assert waited == []


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="defects=-1"):
        WebSink(defects=-1)


def test_who_looks_costs_the_stream_nothing(served, monkeypatch, gate):
    """A picture takes for ever to draw: frames go on, and so does who asks for news."""
    sink = served()
    drawn, encode = [], shots.jpeg

    def slow(*given):
        drawn.append(threading.current_thread())
        gate()
        return encode(*given)

    monkeypatch.setattr(shots, "jpeg", slow)
    sink.write([result(0, 0.1)])
    shown, seen = state(sink)["shown"]["id"], []
    looking = threading.Thread(
        target=lambda: seen.append(got(sink, f"pictures/{shown}/evidence.jpg")), daemon=True
    )
    looking.start()
    gate.wait()
    for number in range(1, 1000):
        sink.write([result(number, 0.1, image=picture(0))])
    assert state(sink)["shown"]["frame"] == 999
    assert seen == []
    gate.open()
    looking.join(PATIENCE)
    assert len(seen) == 1
    assert threading.current_thread() not in drawn  # which is the sink's own


def test_of_many_frames_a_few_are_held(served):
    sink = served()
    alive = []
    for number in range(300):
        given = result(number, 0.9 if number % 10 == 0 else 0.1, heat=True)
        alive.append(weakref.ref(given.image))
        sink.write([given])
        if number % 3 == 0:
            sink._shots._kept_at = -np.inf
            state(sink)
    del given
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= 7  # six that can be asked for, and the next one
