"""Ten thousand frames at full speed, and what they leave behind."""

import gc
import tracemalloc
from pathlib import Path

import pytest

from inspection.data.geometry import Geometry
from inspection.stream import line
from inspection.stream.judge import Judge
from inspection.stream.pipeline import Policy, Stream
from inspection.stream.sink import Sink
from tests.stream.conftest import FakeInspector, FakeSource, picture

pytestmark = pytest.mark.slow  # 10,000 frames

FRAMES = 10_000
SIZE = (48, 64)


class Endless(FakeSource):
    """A new array for each frame, as a camera's; some can't be decoded, some are too small."""

    def __init__(self, live):
        super().__init__([], live)
        self.total = None

    def read(self, number):
        self.given = ["torn" if number % 100 == 7 else picture(number, (8, 8) if number % 100 == 8 else SIZE)]
        return super().read(number)


class Forgets(Sink):
    """Takes pictures, so that its queue holds some."""

    name, pictures, evidence = "forgets", True, "alarms"

    def open(self, about):
        self.count = 0

    def write(self, results):
        self.count += len(results)


@pytest.mark.parametrize("overflow", ["block", "drop_oldest"])
def test_memory_does_not_grow(overflow, monkeypatch):
    """Frames are of 3 kB: if one in ten were kept, that would be 3 MB; what a frame leaves in Python, more.

    What may wait is bounded for sure, but how much of it does wait is up to the scheduler: with the line's own
    bound on frames without a verdict, these alone may take as much as a leak would.
    """
    monkeypatch.setattr(line, "SPENT", 200)
    inspector = FakeInspector(geometry=Geometry(image_size=(4, 4), crop=(0, 0, 16, 16)))
    inspector.batches = type("Forget", (), {"append": lambda self, _: None})()
    inspector.explained = type("Forget", (), {"__iadd__": lambda self, _: self})()
    held = []

    def tick():
        received = made._line.received
        if received > 1000 * (len(held) + 1):
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])

    sink = Forgets()
    policy = Policy(overflow=overflow, frames=FRAMES)
    made = Stream(Endless(overflow == "drop_oldest"), Judge(inspector), [sink], policy, Path("."))
    made.open()
    tracemalloc.start()
    try:
        made.run(tick)
        gc.collect()
        at_the_end = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    summary = made.summary()
    assert summary["received"] == FRAMES
    assert summary["inspected"] + sum(summary["dropped"].values()) + sum(summary["failed"].values()) == FRAMES
    if overflow == "block":
        assert summary["failed"] == {"not decoded": 100, "not prepared": 100}
        assert sink.count == FRAMES
    assert at_the_end < 0.5e6
    assert max(held) < 2e6  # also what waits for its turn and for the sink
