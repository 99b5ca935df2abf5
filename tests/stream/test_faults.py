"""Whatever happens, at whatever moment: one result a frame, in order, and the sum is right."""

import random
import time
from functools import partial

import pytest

from inspection.data.geometry import Geometry
from inspection.errors import InputError
from inspection.stream.sources import SourceLost
from tests.stream.conftest import FakeInspector, FakeSource, Kept, picture, run_stream

CROP = Geometry(image_size=(4, 4), crop=(0, 0, 4, 4))


def frames(chance):
    """What a bad day gives, frame by frame."""
    given = []
    for number in range(chance.randrange(200)):
        what = chance.choices(
            [picture(number), picture(number, (9, 7)), picture(0, (2, 2)), "torn", SourceLost("gone"), None],
            [60, 10, 5, 5, 2, 18],
        )[0]
        given.append(partial(time.sleep, chance.random() * 0.002) if what is None else what)
    if chance.random() < 0.1:
        given.insert(chance.randrange(len(given) + 1), MemoryError("a bug"))
    return given


def trouble(chance, share, errors):
    """Called now and then, fails or takes its time."""

    def before(_):
        luck = chance.random()
        if luck < share:
            raise chance.choice(errors)
        if luck < 2 * share:
            time.sleep(chance.random() * 0.004)

    return before


@pytest.mark.parametrize("seed", range(40))
def test_every_frame_is_accounted_for(seed, monkeypatch):
    monkeypatch.setattr("inspection.stream.reconnect.FIRST", 0.0005)
    monkeypatch.setattr("inspection.stream.outlet.FIRST", 0.001)
    monkeypatch.setattr("inspection.stream.outlet.CAPACITY", 10_000)  # of the sink that is looked at
    chance = random.Random(seed)
    inspector = FakeInspector(geometry=CROP)
    disk = [OSError(28, "No space left on device")]
    sinks = [
        Kept(trouble(chance, 0.2, disk), name="full"),
        Kept(trouble(chance, 0.02, [ZeroDivisionError("a bug")]), name="broken", pictures=True),
        Kept(
            trouble(chance, 0.2, disk),
            name="lossy",
            lossy=True,
            evidence=chance.choice(["none", "alarms", "all"]),
        ),
    ]
    ends = time.monotonic() + chance.choice([1e9, chance.random() * 0.1])

    def tick(made):
        if not inspector.batches:
            return
        inspector.before = worn
        if time.monotonic() > ends and len(made._requests) < chance.choice([1, 2]):
            made.stop(chance.choice([0.0, 0.01, 1.0]))

    worn = trouble(chance, 0.1, [RuntimeError("out of memory"), InputError("no number")])
    batch = chance.randint(1, 8)
    policy = {
        "overflow": chance.choice(["block", "drop_oldest"]),
        "batch": batch,
        "queue": batch + chance.randrange(8),
        "within": chance.choice([0.0, 0.002]),
        "frames": chance.choice([None, 50]),
        "reconnect": chance.choice([0, 3]),
    }
    live = chance.random() < 0.5
    made = run_stream(FakeSource(frames(chance), live), inspector, sinks, tick, stop_within=1.0, **policy)
    received = made.summary()["received"]
    for sink in sinks:
        figures = made.live().sinks[sink.name]
        assert (figures.written + figures.missed, figures.queued) == (received, 0)
        numbers = [result.number for result in sink.results]
        assert numbers == sorted(set(numbers))
        assert len(numbers) >= figures.written
