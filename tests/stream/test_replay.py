import pytest

from inspection.stream.reconnect import Reconnecting
from inspection.stream.replay import Paced, Repeated
from tests.stream.conftest import FakeSource, picture, read_all


def test_repeated():
    class Again(FakeSource):
        def open(self):
            super().open()
            self.given = [picture(0), picture(1)]

    source = Repeated(Again([picture(0), picture(1)]), 3)
    assert len(read_all(source)) == 6
    assert source.total == 6
    endless = Repeated(Again([picture(0), picture(1)]), None)
    endless.open()
    assert endless.total is None
    assert [endless.read(number).number for number in range(5)] == list(range(5))
    assert read_all(Repeated(FakeSource([]), None)) == []


def test_names_of_files_stay_names_of_files():
    for named in (False, True):
        source = FakeSource([])
        source.named = named
        wrapped = [Repeated(source, 2), Paced(source, 5.0), Reconnecting(source, None, print, bool)]
        assert [each.named for each in wrapped] == [named] * 3


def test_what_is_missing_is_missing_in_each_pass():
    class Short(FakeSource):
        def open(self):
            super().open()
            self.given = [picture(0)]
            self.missing = 0

        def read(self, number):
            frame = super().read(number)
            self.missing = 2 * (frame is None)
            return frame

    source = Paced(Repeated(Short([]), 3), 1000.0)
    assert len(read_all(source)) == 3
    assert source.missing == 6


def paced(rate, cost=(), count=5):
    """Frames of a paced source on a clock that only moves when somebody works or sleeps."""
    now = [100.0]
    source = FakeSource([picture(0)] * count)
    plain = source.read

    def read(number):
        now[0] += dict(cost).get(number, 0.0)
        return plain(number)

    source.read = read
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inspection.stream.replay.time.perf_counter", lambda: now[0])
        patch.setattr("inspection.stream.replay.time.sleep", sleep)
        slow = Paced(source, rate)
        frames = read_all(slow)
    late = "can't be read at rate=100" in slow.note
    return late, [round(frame.captured_at - 100, 6) for frame in frames]


def test_paced_frames_count_as_captured_when_they_are_due():
    on_time = (False, [0.0, 0.01, 0.02, 0.03, 0.04])
    assert paced(100.0) == on_time
    assert paced(100.0, {2: 0.015}) == on_time  # late, and caught up


def test_paced_frames_that_are_later_than_a_period_move_the_others_and_are_said():
    assert paced(100.0, {2: 0.05}) == (True, [0.0, 0.01, 0.06, 0.07, 0.08])
