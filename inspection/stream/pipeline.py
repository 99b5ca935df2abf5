"""Capture, preparation, network and sinks, each at its own pace, and every frame accounted for."""

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from inspection.errors import InputError
from inspection.stream.account import WINDOW, Account, Entry
from inspection.stream.drift import Looks
from inspection.stream.frames import Live, Result, State
from inspection.stream.judge import Judge, Judged
from inspection.stream.line import Line, Overflow, Place
from inspection.stream.outlet import Outlet
from inspection.stream.reconnect import Reconnecting
from inspection.stream.sink import About, Evidence, Sink
from inspection.stream.sinks.about import described
from inspection.stream.sources import Source, SourceLost, one_line
from inspection.stream.undisturbed import undisturbed

Ended = Literal["source ended", "enough frames", "stopped", "source lost", "broke"]
TRACEBACK = "traceback.txt"
"""Where it is said how something of ours broke; not there where nothing did."""
LARGEST = 256
"""Images that a network may be given at once: more take memory, and no less time each."""
_FOR_SINKS = 0.2
"""Share of the time that a stop may take which is the sinks' own."""
_LEAST = 0.5
"""Seconds that sinks and threads get at the end in any case: a few milliseconds will do, unless they hang."""
_LOOK = 0.05
"""Seconds between two looks at whether somebody wants to stop."""
_MESSAGES = 200
"""Messages that are kept for the summary, the last ones."""


@dataclass(frozen=True)
class Policy:
    """How a stream runs.

    Attributes:
        overflow: See `Line`; None: `drop_oldest` of a live source, `block` of files.
        queue: Frames that can wait.
        batch: Images in the network at once, at most.
        within: Seconds from its capture that a frame waits at most for others to fill the batch. 0: while the
            network is at work, whatever comes is the next batch.
        frames: After how many it ends; None: when the source does.
        reconnect: How often a source that is lost is tried in a row; None: for ever.
        stop_within: Seconds in which what waits is finished when the stream is to stop.

    Raises:
        InputError: A value that cannot be.
    """

    overflow: Overflow | None = None
    queue: int = 16
    batch: int = 8
    within: float = 0.0
    frames: int | None = None
    reconnect: int | None = None
    stop_within: float = 5.0

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= LARGEST:
            raise InputError(f"batch={self.batch}: expected 1 to {LARGEST}")
        if self.queue < self.batch:
            raise InputError(f"queue={self.queue}: expected room for a batch (batch={self.batch}) or more")
        if not 0 <= self.within < math.inf:
            raise InputError(f"deadline={1000 * self.within:g}: expected 0 or more milliseconds")
        if not 0 <= self.stop_within < math.inf:
            raise InputError(f"stop_within={self.stop_within}: expected 0 or more seconds")
        for name, value, least in (("frames", self.frames, 1), ("reconnect", self.reconnect, 0)):
            if value is not None and value < least:
                raise InputError(f"{name}={value}: expected {least} or more, or null")


class Stream:
    """Reads a source to its end, or until somebody stops it.

    One thread captures, one prepares (crop, resize), one runs the network and hands out the results, one writes
    for each sink. All queues between them are bounded.

    Args:
        source: Not opened.
        judge: Of the frames.
        sinks: Not opened.
        policy: How it runs.
        output: Folder of the sinks' files; it is there.
    """

    def __init__(
        self, source: Source, judge: Judge, sinks: Sequence[Sink], policy: Policy, output: Path
    ) -> None:
        self.policy, self.output = policy, output
        self.messages: deque[str] = deque(maxlen=_MESSAGES)
        """What a person is to know, the newest last."""
        self.news: deque[str] = deque(maxlen=_MESSAGES)
        """The same, for whoever shows it and takes it out."""
        self.account = Account(judge.inspector.answers.tallied())
        self.opened = False
        """Whether `open` is over, and a stop is heeded."""
        self.ended: Ended | None = None
        self.why = ""
        self.started = time.time()
        self._described: dict[str, Any] = {}  # who judges: not before the source is open
        self._judge, self._sinks = judge, list(sinks)
        if judge.watch is not None:
            judge.watch.say = self._say
        self._wake = threading.Event()  # of a source that waits for its camera
        self._source = Reconnecting(source, policy.reconnect, self._say, self._wake.wait)
        self._done = threading.Event()
        self._emit = threading.Lock()
        self._requests: list[tuple[float, float]] = []  # to stop: when asked, and the seconds for that
        self._began = self._over = 0.0
        self._outlets: list[Outlet] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__[1:], daemon=True)
            for work in (self._capture, self._prepare, self._infer)
        ]

    def open(self) -> None:
        """Open source and sinks and warm up the network.

        Raises:
            InputError: One of them can't be opened; nothing is left open.
        """
        self._source.open()
        opened: list[Sink] = []
        try:
            self.overflow = self.policy.overflow or ("drop_oldest" if self._source.live else "block")
            self._line = Line(self.policy.queue, self.overflow)
            self._judge.warm_up(self.policy.batch, any(sink.pictures for sink in self._sinks))
            about = About(self._judge.inspector, self._source.name, self._source.rate, self.output, self.live)
            self._described = described(about)
            for sink in self._sinks:
                try:
                    sink.open(about)
                except OSError as error:
                    raise InputError(f"sinks.{sink.name}: can't write there ({one_line(error)})") from None
                opened.append(sink)
        except BaseException:
            for sink in opened:
                sink.close()
            self._source.close()
            raise
        self._outlets = [Outlet(sink, self.overflow, self._say) for sink in self._sinks]
        self.opened = True

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """From the first frame to the closed sinks.

        Args:
            tick: Called all the time, for whoever shows something.
        """
        with undisturbed():
            self._run(tick)

    def _run(self, tick: Callable[[], None]) -> None:
        self.started, self._began = time.time(), time.perf_counter()
        self.account.start()
        for outlet in self._outlets:
            outlet.start()
        for thread in self._threads:
            thread.start()
        while not self._done.is_set() and time.perf_counter() < self._deadline(1 - _FOR_SINKS):
            tick()
            self._heed()
            self._done.wait(_LOOK)
        self._finish_line()
        self._over = time.perf_counter()
        if self._judge.watch is not None:
            self._judge.watch.end()
        for lossy in (False, True):
            self._finish([outlet for outlet in self._outlets if outlet.sink.lossy == lossy], tick)
        until = time.perf_counter() + _LEAST
        for thread in self._threads:
            thread.join(max(0.0, until - time.perf_counter()))

    @property
    def stuck(self) -> list[str]:
        """Threads that have not ended after all: in a camera, a network or a sink that does not answer."""
        sinks = [f"sink {outlet.sink.name}" for outlet in self._outlets if not outlet.is_done()]
        return [thread.name for thread in self._threads if thread.is_alive()] + sinks

    @property
    def stopping(self) -> bool:
        """Whether somebody asked for the end, and it is not there yet."""
        return bool(self._requests) and not self._over

    def stop(self, within: float | None = None) -> None:
        """Ask for the end; only takes note of it, so that a signal handler may call it.

        Args:
            within: Seconds in which what waits is finished; None: those of the policy.
        """
        self._requests.append((time.perf_counter(), self.policy.stop_within if within is None else within))

    def _deadline(self, share: float) -> float:
        """When the time of those who asked for the end is over, or a share of it."""
        return min((asked + share * within for asked, within in self._requests), default=math.inf)

    def _heed(self) -> None:
        if self._requests and not self._wake.is_set():
            self._end("stopped")
            self._wake.set()
            self._line.end()

    def _finish_line(self) -> None:
        """Whatever has no result now is dropped."""
        for outlet in self._outlets:  # the network may wait for one of them, and hold the lock
            if self._requests or self.ended == "broke":
                outlet.hurry()
        left = self._line.abandon()
        self._end("stopped")
        with self._emit:
            self._hand_out(self._entries(left, {}))

    def _finish(self, outlets: Sequence[Outlet], tick: Callable[[], None]) -> None:
        for outlet in outlets:
            outlet.end()
        # A live source's sinks are not waited for any longer than when somebody stops it.
        limit = self._over + self.policy.stop_within if self.overflow == "drop_oldest" else math.inf
        while not all(outlet.is_done() for outlet in outlets):
            if time.perf_counter() >= max(min(limit, self._deadline(1.0)), self._over + _LEAST):
                break
            tick()
            time.sleep(_LOOK / 5)
        for outlet in outlets:
            outlet.abandon()

    def _say(self, message: str) -> None:
        self.messages.append(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}")
        self.news.append(f"{time.strftime('%H:%M:%S')} {message}")

    def _end(self, ended: Ended, why: str = "") -> None:
        """Note why it ends: the first reason counts, unless something breaks later."""
        if self.ended is None or (ended == "broke" and self.ended != "broke"):
            self.ended, self.why = ended, why

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run a thread: one that breaks ends the stream, and not only itself.

        What a capture that breaks has put into the line is still inspected; behind the others nothing goes on.
        """
        try:
            work()
        except Exception as error:
            why = f"{type(error).__name__}: {one_line(error)}"
            self._end("broke", why)
            self._say(f"{work.__name__[1:]} broke: {why}{self._traced()}")
            self._line.end()
            if work != self._capture:
                self._done.set()

    def _traced(self) -> str:
        """Write down where the exception of the moment came from; says where that is."""
        path = self.output / TRACEBACK
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {traceback.format_exc()}\n")
        except OSError:
            return ""
        return f" (see {path})"

    def _capture(self) -> None:
        most = math.inf if self.policy.frames is None else self.policy.frames
        number = 0
        try:
            while number < most:
                frame = self._source.read(number)
                if frame is None:
                    self._end("source ended")
                    return
                if not self._line.put(frame):
                    return
                number += 1
            self._end("enough frames")
        except (SourceLost, InputError) as error:  # of files that are read again and are gone: the latter
            self._end("source lost", one_line(error))
        finally:
            self._source.close()
            if self._source.note:
                self._say(self._source.note)
            self._line.end()

    def _prepare(self) -> None:
        while (raw := self._line.to_prepare()) is not None:
            place, frame = raw
            self._line.prepared(place, *self._judge.prepare(frame))

    def _infer(self) -> None:
        line, policy = self._line, self.policy
        while places := line.take(policy.batch, policy.within):
            entries = self._entries(places, self._judged(places))
            with self._emit:
                if not line.leave(places):
                    return
                self._hand_out(entries)
        self._done.set()

    def _judged(self, places: Sequence[Place]) -> dict[int, Judged]:
        """What the network says of those that it is to see, by their number."""
        frames, pixels = [], []
        for place in places:
            frame, own = place.frame, place.pixels  # a stop that can't wait takes them away
            if own is not None and frame.image is not None:
                frames.append(frame)
                pixels.append(own)
        judged = self._judge.judge(frames, pixels, self._evidence()) if frames else ()
        return {frame.number: each for frame, each in zip(frames, judged, strict=True)}

    def _evidence(self) -> set[Evidence]:
        return {outlet.sink.evidence for outlet in self._outlets}

    def _entries(self, places: Sequence[Place], judged: Mapping[int, Judged]) -> list[Entry]:
        """What became of frames, for the account."""
        now = time.perf_counter()
        tally = self._judge.inspector.answers.tally
        entries: list[Entry] = []
        for place in places:
            result = _result(place, judged.get(place.frame.number), now)
            entries.append((result, () if result.verdict is None else tally(result.verdict), now))
        return entries

    def _hand_out(self, entries: Sequence[Entry]) -> None:
        """Count the results, and give them to the sinks."""
        self.account.add(entries)
        results = [result for result, *_ in entries]
        for outlet in self._outlets:
            outlet.put(results)

    def live(self) -> Live:
        """The figures of the moment."""
        with self.account.at_once():
            counts = self.account.counts()
            rate, latency = self.account.lately()
            histogram, seconds = self.account.histogram()
        looks = self._looks
        received = self._line.received  # after the counts: none of them is ahead of it
        elapsed = (self._over or time.perf_counter()) - self._began if self._began else 0.0
        return Live(
            state=self._state(),
            source=self._source.name,
            started=self.started,
            elapsed=elapsed,
            received=received,
            inspected=counts.inspected,
            dropped=counts.dropped,
            failed=counts.failed,
            waiting=received - counts.total,
            capacity=self.policy.queue,
            total=self._total(),
            verdicts=counts.verdicts,
            alarms=counts.alarms,
            rate=rate,
            mean_rate=counts.inspected / elapsed if elapsed else 0.0,
            median=latency.median,
            p99=latency.p99,
            window=WINDOW,
            histogram=histogram,
            seconds=seconds,
            reconnects=self._source.reconnects,
            sinks={outlet.sink.name: outlet.figures() for outlet in self._outlets},
            drift=looks.lines or (self._watching,),
            drifted=looks.report.drift if looks.report is not None and looks.report.tests else None,
        )

    @property
    def _looks(self) -> Looks:
        return Looks() if self._judge.watch is None else self._judge.watch.looks

    @property
    def _watching(self) -> str:
        watch = self._judge.watch
        return "not watched" if watch is None else watch.announced()

    def _state(self) -> State:
        if not self._began:
            return "opening"
        if self._over:
            return "ended"
        if self._requests:
            return "stopping"
        return "reconnecting" if self._source.lost else "running"

    def _total(self) -> int | None:
        total, frames = self._source.total, self.policy.frames
        return total if frames is None else frames if total is None else min(total, frames)

    def summary(self) -> dict[str, Any]:
        """All there is to say at the end, plain values: who judged, and what became of the frames."""
        with self.account.at_once():
            counts, latency, live = self.account.counts(), self.account.latency(), self.live()
        return self._described | {
            "source": self._source.name,
            "backend": self._judge.inspector.backend.name,
            "started": datetime.fromtimestamp(self.started).astimezone().isoformat(timespec="milliseconds"),
            "seconds": live.elapsed,
            "ended": self.ended,
            "why": self.why,
            "policy": asdict(self.policy) | {"overflow": self.overflow},
            "received": live.received,
            "missing": self._source.missing,
            "inspected": counts.inspected,
            "dropped": counts.dropped,
            "failed": counts.failed,
            "waiting": live.waiting,
            "first_failed": counts.failures,
            "verdicts": counts.verdicts,
            "alarms": counts.alarms,
            "rate": live.mean_rate,
            "latency": asdict(latency),
            "reconnects": live.reconnects,
            "sinks": {name: asdict(figures) for name, figures in live.sinks.items()},
            "drift": self._looks.to_dict(),
            "messages": list(self.messages),
        }


def _result(place: Place, judged: Judged | None, now: float) -> Result:
    """What became of a frame."""
    frame = place.frame
    common = (frame.number, frame.name, frame.time, frame.position)
    if place.status != "inspected":
        return Result(*common, place.done_at - frame.captured_at, place.status, place.reason, place.error)
    assert judged is not None
    seconds = now - frame.captured_at
    if judged.verdict is None:
        return Result(*common, seconds, "failed", "not inspected", judged.error)
    return Result(
        *common,
        seconds,
        "inspected",
        verdict=judged.verdict,
        alarm=judged.alarm,
        unlike=judged.unlike,
        image=frame.image,
    )
