import threading

import numpy as np
import pytest

from inspection.stream.frames import Frame
from inspection.stream.line import SPENT, Line
from tests.stream.conftest import PATIENCE, picture

PIXELS = np.zeros((1, 4, 4), np.uint8)


def frame(number, captured_at=0.0):
    return Frame(number, f"f{number}", captured_at, 0.0, picture(number))


def prepare(line, count):
    for _ in range(count):
        line.prepared(line.to_prepare()[0], PIXELS)


def numbers(places):
    return [(place.frame.number, place.reason) for place in places]


def test_what_the_network_takes_next_is_what_waits_in_order():
    line = Line(8, "block")
    for number in range(5):
        assert line.put(frame(number))
    prepare(line, 4)
    assert line.waiting == 5
    first = line.take(3)
    assert numbers(first) == [(0, ""), (1, ""), (2, "")]
    assert line.leave(first)
    second = line.take(3)  # 4 is not prepared
    assert numbers(second) == [(3, "")]
    line.leave(second)
    prepare(line, 1)
    line.end()
    assert numbers(line.take(3)) == [(4, "")]


def test_the_newest_stay_and_the_dropped_leave_in_their_turn():
    line = Line(3, "drop_oldest")
    line.put(frame(0))
    prepare(line, 1)
    network = line.take(2)
    for number in range(1, 9):
        line.put(frame(number))
    prepare(line, 3)
    line.leave(network)
    line.end()
    left = []
    while places := line.take(2):
        left += numbers(places)
        line.leave(places)
    assert left == [(number, "overflow") for number in range(1, 6)] + [(6, ""), (7, ""), (8, "")]
    assert line.received == 9


def test_a_frame_may_be_dropped_while_it_is_prepared():
    line = Line(1, "drop_oldest")
    line.put(frame(0))
    place, raw = line.to_prepare()
    line.put(frame(1))
    assert raw.image is not None
    assert place.frame.image is None  # memory is given back
    line.prepared(place, PIXELS)
    prepare(line, 1)
    assert numbers(line.take(4)) == [(0, "overflow"), (1, "")]


def test_who_puts_in_waits_where_none_is_to_be_lost():
    line = Line(2, "block")
    done = threading.Event()

    def put():
        for number in range(3):
            assert line.put(frame(number))
        done.set()

    threading.Thread(target=put, daemon=True).start()
    prepare(line, 2)
    assert not done.wait(0.05)
    assert line.received == 2
    line.leave(line.take(1))
    assert done.wait(PATIENCE)
    assert line.received == 3


def test_who_waits_to_put_in_is_let_go_at_the_end():
    line = Line(1, "block")
    line.put(frame(0))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(line.put(frame(1))), daemon=True)
    thread.start()
    line.end()
    thread.join(PATIENCE)
    assert answers == [False]
    assert line.received == 1


@pytest.mark.parametrize("ready", [3, 4])
def test_a_batch_is_full_or_its_time_is_over(ready, monkeypatch):
    now = [100.0]
    waited = []
    monkeypatch.setattr("inspection.stream.line.time.perf_counter", lambda: now[0])
    line = Line(8, "block")
    for number in range(ready):
        line.put(frame(number, captured_at=100.0))
    prepare(line, ready)

    def wait(seconds):
        waited.append(round(seconds, 6))
        now[0] += seconds

    monkeypatch.setattr(line._ready, "wait", wait)
    assert len(line.take(4, within=0.025)) == ready
    assert waited == ([0.025] if ready == 3 else [])


def test_an_end_does_not_wait_for_a_full_batch():
    line = Line(8, "block")
    line.put(frame(0, captured_at=1e12))
    prepare(line, 1)
    line.end()
    assert len(line.take(4, within=60.0)) == 1


def test_what_failed_leaves_between_its_neighbours():
    line = Line(8, "block")
    line.put(frame(0))
    line.put(Frame(1, "f1", 0.0, 0.0, None, "torn"))
    line.put(frame(2))
    line.put(frame(3))
    prepare(line, 1)
    line.prepared(line.to_prepare()[0], None, "too small")
    prepare(line, 1)
    places = line.take(4)
    assert numbers(places) == [(0, ""), (1, "not decoded"), (2, "not prepared"), (3, "")]
    assert [place.error for place in places] == ["", "torn", "too small", ""]


def test_all_that_is_left_is_dropped_once():
    line = Line(8, "block")
    for number in range(4):
        line.put(frame(number))
    prepare(line, 3)
    network = line.take(2)
    assert numbers(line.abandon()) == [(number, "stopped") for number in range(4)]
    assert not line.leave(network)
    assert not line.put(frame(4))
    assert line.take(2) == []
    assert line.to_prepare() is None
    assert line.received == 4


def test_a_network_that_never_answers_does_not_fill_the_memory():
    line = Line(1, "drop_oldest")
    line.put(frame(0))
    prepare(line, 1)
    line.take(1)
    thread = threading.Thread(
        target=lambda: [line.put(frame(number)) for number in range(1, SPENT + 50)], daemon=True
    )
    thread.start()
    thread.join(0.5)
    while thread.is_alive() and line.received < SPENT + 2:
        thread.join(0.1)
    assert line.received == SPENT + 2
    left = line.abandon()
    thread.join(PATIENCE)
    assert len(left) == SPENT + 2
    assert sum(place.frame.image is not None for place in left) == 0


def test_room_for_none_is_refused():
    with pytest.raises(ValueError, match="capacity=0: expected 1 or more"):
        Line(0, "block")
