"""Cameras, networks and sinks that do what a test wants."""

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inspection.data.geometry import Geometry
from inspection.inspector.backends import HEATMAPS, PROBABILITIES
from inspection.inspector.verdict import Verdict
from inspection.stream import pipeline
from inspection.stream.account import Entry
from inspection.stream.drift import StreamWatch
from inspection.stream.frames import Frame, Result
from inspection.stream.judge import Judge
from inspection.stream.pipeline import Policy, Stream
from inspection.stream.sink import Sink
from inspection.stream.sources import Source, SourceLost

PATIENCE = 60.0  # seconds until a test that waits has failed; a busy machine may need some


class FakeInspector:
    """Calls a frame a defect whose first pixel is odd; asks `before` what to do first.

    Args:
        before: Is given the first pixels of a batch.
        geometry: Passes grey images of 4 x 4 on as they are.
        gives: Outputs of the network.
        explains: Those that evidence is made of.
    """

    def __init__(
        self,
        before: Callable[[list[int]], None] = lambda _: None,
        geometry: Geometry | None = None,
        gives: Sequence[str] = (PROBABILITIES, HEATMAPS),
        explains: Sequence[str] = (PROBABILITIES, HEATMAPS),
    ) -> None:
        self.before = before
        self.geometry = geometry or Geometry(image_size=(4, 4))
        self.decision = SimpleNamespace(kind="one_of", names=("ok", "defect"), defect=1)
        self.moved = False
        self.passport = passport()
        self.answers = SimpleNamespace(
            operating_point=lambda: "defect from 0.5 on",
            tallied=lambda: ["ok", "defect"],
            tally=lambda verdict: [verdict.label],
            alarming=lambda: ["defect"],
            is_alarm=lambda verdict: verdict.label == "defect",
            wanted=lambda evidence: explains if evidence else [PROBABILITIES],
        )
        self.backend = SimpleNamespace(name="fake", outputs=frozenset(gives))
        self.batches: list[list[int]] = []
        self.explained: list[int] = []

    def inspect_pixels(self, *args: Any) -> list[Verdict]:
        return self.observe_pixels(*args)[0]

    def observe_pixels(
        self,
        pixels: Sequence[np.ndarray],
        shapes: Sequence[tuple[int, int]],
        heatmaps: bool = False,
        further: Sequence[str] = (),
    ) -> tuple[list[Verdict], dict[str, np.ndarray]]:
        assert len(pixels) == len(shapes) > 0
        values = [int(each[0, 0, 0]) for each in pixels]
        self.before(values)
        self.batches.append(values)
        if heatmaps:
            self.explained += values
        return [
            Verdict(
                ("ok", "defect")[value % 2],
                probability=0.9,
                heatmaps={"defect": np.zeros(shape, np.float32)} if heatmaps else {},
            )
            for value, shape in zip(values, shapes, strict=True)
        ], {}


def passport(**others: Any) -> SimpleNamespace:
    """What an inspector knows of itself."""
    known = {"task": "coil", "question": "Which?", "decision": {"kind": "one_of"}, "made": {"torch": "2.15"}}
    return SimpleNamespace(**{**known, "colours": None, "reference": None, **others})


def picture(value: int, size: tuple[int, int] = (4, 4)) -> np.ndarray:
    return np.full(size, value % 256, np.uint8)


class FakeSource(Source):
    """Gives images; an exception is raised, a text is why a frame can't be decoded, a callable is called before.

    Args:
        given: One after the other.
        live: As a camera.
    """

    def __init__(self, given: Sequence[Any], live: bool = False) -> None:
        self.given, self.live, self.name = list(given), live, "fake"
        self.total = None if live else len(self.given)
        self.opened = self.closed = 0

    def open(self) -> None:
        self.opened += 1

    def read(self, number: int) -> Frame | None:
        while self.given:
            what = self.given.pop(0)
            if callable(what):
                what()
            elif isinstance(what, Exception):
                raise what
            else:
                image, error = (None, what) if isinstance(what, str) else (what, "")
                return Frame(number, f"fake_{number:06d}", time.perf_counter(), time.time(), image, error)
        if self.live:
            raise SourceLost("unplugged")
        return None

    def close(self) -> None:
        self.closed += 1


def read_all(source: Source) -> list[Frame]:
    source.open()
    frames: list[Frame] = []
    while (frame := source.read(len(frames))) is not None:
        frames.append(frame)
    source.close()
    return frames


class Kept(Sink):
    """Keeps results; does what it is told before it does."""

    name = "kept"

    def __init__(
        self, before: Callable[[Sequence[Result]], None] = lambda _: None, **attributes: Any
    ) -> None:
        self.before = before
        self.results: list[Result] = []
        self.closed = 0
        vars(self).update(attributes)

    def open(self, about: Any) -> None:
        self.about = about

    def write(self, results: Sequence[Result]) -> None:
        assert results
        self.before(results)
        self.results += results

    def close(self) -> None:
        self.closed += 1


def run_stream(
    source: Source,
    inspector: FakeInspector | None = None,
    sinks: Sequence[Sink] = (),
    tick: Callable[[Stream], None] = lambda _: None,
    watch: StreamWatch | None = None,
    output: Path = Path("nowhere"),
    **policy: Any,
) -> "Recorded":
    """Run a stream to its end, and check that every frame is accounted for, whatever happened."""
    kept = Kept()
    judge = Judge(inspector or FakeInspector(), watch)
    made = Recorded(source, judge, [kept, *sinks], Policy(**policy), output)
    made.open()
    made.run(lambda: tick(made))
    check(made, made.handed)
    if not made.stuck:  # a stream that hangs does not wait long for the others
        assert [result.number for result in kept.results] == [result.number for result in made.handed]
    made.kept = kept.results
    return made


class Recorded(Stream):
    """Remembers what the sinks are given, and what one that keeps all of it has."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.handed: list[Result] = []
        self.kept: list[Result] = []

    def _hand_out(self, entries: Sequence[Entry]) -> None:
        self.handed += [result for result, *_ in entries]
        super()._hand_out(entries)


def settled(condition: Callable[[], bool]) -> bool:
    """Whether something comes to hold that another thread is to bring about."""
    until = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)
    return condition()


def check(made: Stream, results: Sequence[Result]) -> None:
    """One result a frame, in order; and the sum is right."""
    summary = made.summary()
    received = summary["received"]
    assert [result.number for result in results] == list(range(received))
    counted = [
        sum(result.status == status for result in results) for status in ("inspected", "dropped", "failed")
    ]
    assert counted == [
        summary["inspected"],
        sum(summary["dropped"].values()),
        sum(summary["failed"].values()),
    ]
    assert sum(counted) == received
    live = made.live()
    assert (live.received, live.waiting, live.state) == (received, 0, "ended")
    assert live.histogram[-1][1] == summary["inspected"] == sum(summary["verdicts"].values())


@pytest.fixture(autouse=True)
def time_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: what does not hang has ended when a stream has."""
    monkeypatch.setattr(pipeline, "_LEAST", PATIENCE)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what hangs on purpose, as short as a person wants it."""
    monkeypatch.setattr(pipeline, "_LEAST", 0.2)


@pytest.fixture(scope="session", autouse=True)
def few_objects_to_collect() -> Iterator[None]:
    """What the test suite has imported is out of the garbage collector's way, which a stream calls first."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def gate() -> "Gate":
    return Gate()


class Gate:
    """Where a thread waits until the test lets it pass."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()

    def __call__(self, *_: Any) -> None:
        self.reached.set()
        assert self._open.wait(PATIENCE)

    def open(self, *_: Any) -> None:
        self._open.set()

    def wait(self) -> None:
        assert self.reached.wait(PATIENCE)
