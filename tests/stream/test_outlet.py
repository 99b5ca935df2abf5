import threading

import numpy as np
import pytest

from inspection.inspector.verdict import Verdict
from inspection.stream.frames import Result
from inspection.stream.outlet import AT_ONCE, Outlet, bare
from tests.stream.conftest import PATIENCE, FakeSource, Gate, Kept, picture, run_stream, settled


def result(number, image=None, heatmap=None):
    verdict = Verdict("ok", heatmaps={} if heatmap is None else {"defect": heatmap})
    return Result(number, f"f{number}", 0.0, None, 0.01, "inspected", verdict=verdict, image=image)


def made(sink, overflow="drop_oldest", capacity=4):
    said = []
    outlet = Outlet(sink, overflow, said.append)
    outlet.capacity = capacity
    outlet.start()
    return outlet, said


def finish(outlet):
    outlet.end()
    assert settled(outlet.is_done)
    outlet.abandon()
    return outlet.figures()


def numbers(sink):
    return [each.number for each in sink.results]


def test_what_waits_is_written_together_and_in_order(gate):
    sink = Kept(gate)
    outlet, _ = made(sink, capacity=1000)
    outlet.put([result(0)])
    gate.wait()
    outlet.put([result(number) for number in range(1, 200)])
    sizes = []
    sink.before = lambda results: sizes.append(len(results))
    gate.open()
    figures = finish(outlet)
    assert numbers(sink) == list(range(200))
    assert sizes == [AT_ONCE, AT_ONCE, AT_ONCE, 199 - 3 * AT_ONCE]
    assert (figures.written, figures.missed, sink.closed) == (200, 0, 1)


def test_a_slow_sink_misses_the_oldest_and_nobody_waits(gate):
    sink = Kept(gate)
    outlet, said = made(sink)
    outlet.put([result(0)])
    gate.wait()
    for number in range(1, 11):
        outlet.put([result(number)])  # returns at once
    assert outlet.figures().queued == 5
    gate.open()
    figures = finish(outlet)
    assert numbers(sink) == [0, 7, 8, 9, 10]
    assert (figures.written, figures.missed) == (5, 6)
    assert said == []


def test_a_slow_sink_is_waited_for_where_none_is_to_be_lost(gate):
    sink = Kept(gate)
    outlet, _ = made(sink, "block")
    thread = threading.Thread(
        target=lambda: outlet.put([result(number) for number in range(20)]), daemon=True
    )
    thread.start()
    gate.wait()
    thread.join(0.05)
    assert thread.is_alive()
    gate.open()
    thread.join(PATIENCE)
    assert finish(outlet).missed == 0
    assert numbers(sink) == list(range(20))


def test_a_lossy_sink_is_never_waited_for(gate):
    outlet, _ = made(Kept(gate, lossy=True), "block")
    outlet.put([result(number) for number in range(20)])
    gate.open()
    figures = finish(outlet)
    assert figures.written + figures.missed == 20


def test_a_full_disk_is_said_once_and_tried_again(monkeypatch):
    """Results that fit into the queue come late; what is more is missed and counted; nobody waits."""
    monkeypatch.setattr("inspection.stream.outlet.FIRST", 0.001)
    monkeypatch.setattr("inspection.stream.outlet.LONGEST", 0.01)
    full, tried = threading.Event(), threading.Event()
    full.set()
    count = []

    def before(results):
        if full.is_set():
            count.append(len(results))
            if len(count) == 3:
                tried.set()
            raise OSError(28, "No space left on device")

    sink = Kept(before)
    outlet, said = made(sink, "block")
    outlet.put([result(0)])
    assert tried.wait(PATIENCE)
    outlet.put([result(number) for number in range(1, 11)])
    assert "No space left" in outlet.figures().error
    full.clear()
    assert settled(lambda: not outlet.figures().error)  # a try that fails at the end is the last one
    figures = finish(outlet)
    assert numbers(sink) == [0, 7, 8, 9, 10]
    assert (figures.written, figures.missed, figures.error) == (5, 6, "")
    assert len(said) == 2
    assert "sink kept: can't write ([Errno 28] No space left on device)" in said[0]
    assert said[1] == "sink kept: writes again; 6 results are missing so far"


def test_a_disk_that_stays_full_does_not_keep_the_stream_from_ending():
    def before(_):
        raise OSError(28, "No space left on device")

    sink = Kept(before, name="full")
    stream = run_stream(FakeSource([picture(value) for value in range(50)]), sinks=[sink])
    figures = stream.live().sinks["full"]
    assert (figures.written, figures.missed) == (0, 50)
    assert "No space left" in figures.error
    assert sum("full" in message for message in stream.messages) == 1
    assert sink.closed == 1


def test_a_sink_that_breaks_ends_alone():
    def before(results):
        if results[-1].number >= 20:
            raise ZeroDivisionError("bug")

    sink = Kept(before, name="broken")
    stream = run_stream(FakeSource([picture(value) for value in range(50)]), sinks=[sink], queue=8)
    figures = stream.live().sinks["broken"]
    assert figures.written + figures.missed == 50
    assert figures.missed >= 30
    assert figures.error == "ZeroDivisionError: bug"
    assert sink.closed == 1


@pytest.mark.usefixtures("hanging")
def test_a_sink_that_hangs_does_not_keep_a_stop_from_ending():
    hang = Gate()
    sink = Kept(hang, name="hangs")

    def tick(stream):
        if hang.reached.is_set() and not stream._requests:
            stream.stop()

    given = FakeSource([picture(value) for value in range(3000)])
    stream = run_stream(given, sinks=[sink], tick=tick, stop_within=0.2)
    figures = stream.live().sinks["hangs"]
    assert figures.written == 0
    assert figures.missed == stream.summary()["received"]
    assert "sink hangs" in stream.stuck
    hang.open()


def test_what_a_sink_does_not_take_crowds_out_nothing(gate):
    sink = Kept(gate, takes=lambda result: result.number % 100 == 0)
    outlet, _ = made(sink)
    outlet.put([result(0)])
    gate.wait()
    outlet.put([result(number) for number in range(1, 301)])
    gate.open()
    figures = finish(outlet)
    assert numbers(sink) == [0, 100, 200, 300]
    assert (figures.written, figures.missed) == (4, 0)


@pytest.mark.parametrize("pictures", [False, True])
def test_who_takes_no_pictures_holds_none(pictures):
    sink = Kept(pictures=pictures)
    outlet, _ = made(sink)
    outlet.put([result(0, np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32))])
    finish(outlet)
    assert (sink.results[0].image is not None) is pictures
    assert bool(sink.results[0].verdict.heatmaps) is pictures


def test_large_pictures_are_held_by_their_size(monkeypatch, gate):
    monkeypatch.setattr("inspection.stream.outlet.HELD", 3000)
    sink = Kept(gate, pictures=True)
    outlet, _ = made(sink, capacity=100)
    outlet.put([result(0)])
    gate.wait()
    outlet.put([result(number, np.zeros((20, 50), np.uint8)) for number in range(1, 8)])
    assert outlet.figures().queued == 1 + 3
    outlet.put([result(8, np.zeros((200, 500), np.uint8))])  # one that is larger than all is held alone
    assert outlet.figures().queued == 1 + 1
    gate.open()
    finish(outlet)
    assert numbers(sink) == [0, 8]


def test_a_result_without_pictures_is_not_copied():
    plain = result(0)
    assert bare(plain) is plain
