import pytest

from inspection.errors import InputError
from inspection.stream.reconnect import Reconnecting
from inspection.stream.sources import SourceLost
from tests.stream.conftest import FakeSource, picture


class Away(FakeSource):
    """Can't be opened for a while, or opens and gives nothing.

    Args:
        given: As of `FakeSource`.
        opens: What each `open` after the first raises; None: nothing.
    """

    def __init__(self, given, opens):
        super().__init__(given, live=True)
        self.opens = list(opens)

    def open(self):
        super().open()
        if self.opened > 1 and self.opens and (error := self.opens.pop(0)) is not None:
            raise error


def reconnecting(source, tries=None, stop_after=None):
    waits, said = [], []

    def wait(seconds):
        waits.append(seconds)
        return stop_after is not None and len(waits) > stop_after

    made = Reconnecting(source, tries, said.append, wait)
    made.open()
    return made, waits, said


def test_waits_grow_until_a_frame_comes():
    gone = InputError("not there")
    source = Away([picture(0), SourceLost("unplugged"), picture(2)], [gone] * 8)
    made, waits, said = reconnecting(source)
    assert made.read(0).number == 0
    assert made.read(1).number == 1
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert (made.reconnects, made.lost) == (1, False)
    assert said[0] == "fake: unplugged; trying to reach it again"
    assert "away for" in said[1]
    assert "back after" in said[-1]
    assert source.closed == 9  # whatever was left of it, before each try


def test_a_camera_that_opens_and_gives_nothing_is_not_back():
    source = Away([SourceLost("unplugged"), SourceLost("black"), SourceLost("black"), picture(0)], [])
    made, waits, _ = reconnecting(source)
    made.read(0)
    assert waits == [0.5, 1, 2]
    assert made.reconnects == 1


def test_after_so_many_tries_it_is_lost_for_good():
    source = Away([SourceLost("unplugged")], [InputError("not there")] * 9)
    made, waits, _ = reconnecting(source, tries=3)
    with pytest.raises(SourceLost, match="not there; tried 3 times to reach it again"):
        made.read(0)
    assert len(waits) == 3
    assert made.lost
    once, *_ = reconnecting(Away([SourceLost("unplugged")], [InputError("not there")] * 9), tries=1)
    with pytest.raises(SourceLost, match="not there; tried once to reach it again"):
        once.read(0)


def test_who_is_not_to_be_tried_again_is_lost_at_once():
    never, waits, said = reconnecting(FakeSource([SourceLost("unplugged")], live=True), tries=0)
    with pytest.raises(SourceLost, match=r"^unplugged$"):
        never.read(0)
    assert (waits, said) == ([], [])


def test_who_wants_to_stop_does_not_wait():
    made, waits, _ = reconnecting(Away([SourceLost("unplugged")], [InputError("no")] * 99), stop_after=4)
    with pytest.raises(SourceLost, match="stopped while it was away"):
        made.read(0)
    assert len(waits) == 5


def test_one_that_was_never_there_is_not_waited_for():
    class Missing(FakeSource):
        def open(self):
            raise InputError("no camera answers")

    with pytest.raises(InputError, match="no camera answers"):
        reconnecting(Missing([]))
