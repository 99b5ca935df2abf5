"""A sink with its queue and its thread."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from inspection.stream.frames import Result, SinkFigures
from inspection.stream.line import Overflow
from inspection.stream.sink import Sink
from inspection.stream.sources import one_line

CAPACITY = 1000
"""Results that can wait for a sink."""
PICTURES = 32
"""Results that can wait for one that takes pictures; fewer, where these hold more than `HELD` bytes."""
HELD = 256 * 2**20
AT_ONCE = 64
"""Results that a sink is given at most in one call."""
FIRST, LONGEST = 0.5, 30.0
"""Seconds between the tries of a sink that can't write: twice as long after each, at most so long."""


class Outlet:
    """Hands results to a sink, in order, and counts those that it misses.

    Args:
        sink: Opened.
        overflow: What happens when the sink is too slow. `drop_oldest`: it misses the oldest results that wait.
            `block`: the stream waits for it, but not for one that can't write (a full disk): that one misses, as a
            lossy one always does.
        say: Takes what a person is to know.
    """

    def __init__(self, sink: Sink, overflow: Overflow, say: Callable[[str], None]) -> None:
        self.sink, self._say = sink, say
        self.overflow: Overflow = "drop_oldest" if sink.lossy else overflow
        self.capacity = PICTURES if sink.pictures else CAPACITY
        self.error = ""
        self._condition = threading.Condition()
        self._queue: deque[Result] = deque()
        self._writing: list[Result] = []
        self._bytes = 0
        self._written = self._missed = 0
        self._ended = self._hurried = self._broken = False
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        """From now on the sink is written to."""
        self._thread.start()

    def put(self, results: Sequence[Result]) -> None:
        """Take results; waits for room where none is to be missed."""
        results = [result for result in results if self.sink.takes(result)]
        if not self.sink.pictures:
            results = [bare(result) for result in results]
        with self._condition:
            for result in results:
                while self._is_full(result):
                    if self.overflow == "drop_oldest" or self.error or self._hurried:
                        self._forget(self._queue.popleft())
                    else:
                        self._condition.notify_all()  # the sink may not know yet that there is something
                        self._condition.wait()
                if self._broken:
                    self._missed += 1
                    continue
                self._queue.append(result)
                self._bytes += _size(result)
            self._condition.notify_all()

    def _is_full(self, result: Result) -> bool:
        waiting = len(self._queue)
        return waiting >= self.capacity or (waiting > 0 and self._bytes + _size(result) > HELD)

    def _forget(self, result: Result) -> None:
        self._missed += 1
        self._bytes -= _size(result)

    def figures(self) -> SinkFigures:
        """How it gets on."""
        with self._condition:
            waiting = len(self._queue) + len(self._writing)
            counts = (self._written, self._missed, waiting, self.capacity)
            return SinkFigures(*counts, self.error, self.sink.lossy)

    def hurry(self) -> None:
        """Let nobody wait for this sink any more."""
        with self._condition:
            self._hurried = True
            self._condition.notify_all()

    def end(self) -> None:
        """No more results come: what waits is written, then the sink is closed."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def is_done(self) -> bool:
        """Whether the sink is closed."""
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """What is not written now counts as missed."""
        with self._condition:
            self._ended = self._hurried = True
            self._give_up()

    def _run(self) -> None:
        pause = FIRST
        while batch := self._next():
            try:
                self.sink.write(batch)
            except OSError as error:
                if not self._put_off(error, pause):
                    break
                pause = min(2 * pause, LONGEST)
                continue
            except Exception as error:  # its own business, and not the stream's
                self._break(f"{type(error).__name__}: {one_line(error)}")
                break
            pause = FIRST
            self._done()
        try:
            self.sink.close()
        except Exception as error:
            self.error = self.error or f"{type(error).__name__}: {one_line(error)}"
            self._say(f"sink {self.sink.name}: could not be closed ({one_line(error)})")

    def _next(self) -> list[Result]:
        """What is to be written: what could not be before, or what waits; nothing at the end."""
        with self._condition:
            while not self._writing and not self._queue and not self._ended:
                self._condition.wait()
            if not self._writing:
                self._writing = [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]
                self._bytes -= sum(map(_size, self._writing))
                self._condition.notify_all()
            return self._writing

    def _done(self) -> None:
        with self._condition:
            self._written += len(self._writing)
            self._writing = []
            if self.error:
                self._say(f"sink {self.sink.name}: writes again; {self._missed} results are missing so far")
            self.error = ""

    def _put_off(self, error: OSError, pause: float) -> bool:
        """Wait a while before the next try. False: there will be none."""
        with self._condition:
            if not self.error:
                self._say(
                    f"sink {self.sink.name}: can't write ({one_line(error)}); the stream goes on without it"
                )
            self.error = one_line(error)
            self._condition.notify_all()  # who waits for room, need not
            if self._ended:  # that was the last try
                return False
            until = time.monotonic() + pause
            while not self._ended and (left := until - time.monotonic()) > 0:
                self._condition.wait(left)
            return True

    def _break(self, why: str) -> None:
        with self._condition:
            self._say(f"sink {self.sink.name}: broke ({why}); the stream goes on without it")
            self.error = why
            self._give_up()

    def _give_up(self) -> None:
        self._missed += len(self._queue) + len(self._writing)
        self._queue.clear()
        self._writing, self._bytes = [], 0
        self._broken = True  # whatever the thread does from now on is not counted
        self._condition.notify_all()


def bare(result: Result) -> Result:
    """A result without what takes much memory: pixels and heatmaps stay with sinks that show pictures."""
    verdict = result.verdict
    if result.image is None and (verdict is None or not verdict.heatmaps):
        return result
    if verdict is not None and verdict.heatmaps:
        verdict = replace(verdict, heatmaps={})
    return replace(result, image=None, verdict=verdict)


def _size(result: Result) -> int:
    """Bytes of its pictures."""
    size = 0 if result.image is None else result.image.nbytes
    if result.verdict is not None:
        size += sum(each.nbytes for each in result.verdict.heatmaps.values() if each is not None)
    return size
