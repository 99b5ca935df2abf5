"""Files as a camera would give them: at a pace, and again and again."""

import time

from inspection.stream.frames import Frame
from inspection.stream.sources import Source


class Repeated(Source):
    """A source that begins again at its end.

    Args:
        source: That has an end.
        times: How often it is read; None: until somebody stops.
    """

    def __init__(self, source: Source, times: int | None) -> None:
        self._source, self._times = source, times
        self.name, self.named = source.name, source.named
        self._left = times
        self._empty = True

    def open(self) -> None:
        """The first time."""
        self._source.open()
        self._left, self._empty = self._times, True
        self.missing = 0
        self.rate = self._source.rate
        total = self._source.total
        self.total = None if total is None or self._times is None else total * self._times

    def read(self, number: int) -> Frame | None:
        """The next frame, after the last one the first."""
        while True:
            frame = self._source.read(number)
            if frame is not None:
                self._empty = False
                return frame
            self.note = self._source.note
            self.missing += self._source.missing
            if self._left is not None:
                self._left -= 1
            if self._left == 0 or self._empty:  # of nothing there would be nothing for ever
                return None
            self._source.close()
            self._source.open()

    def close(self) -> None:
        """The source's."""
        self._source.close()


class Paced(Source):
    """A source whose frames come at a rate, as a camera's do: they count as captured when they are due.

    A frame that is late by more than one period moves all that follow; so where they can't be read at the rate,
    latencies do not grow for that alone.

    Args:
        source: That is not live.
        rate: Frames a second.
    """

    live = True

    def __init__(self, source: Source, rate: float) -> None:
        self._source, self._period = source, 1 / rate
        self.rate: float | None = rate
        self.name, self.named = source.name, source.named
        self._due: float | None = None
        self._frames = self._late = 0

    def open(self) -> None:
        """The first frame is due at once."""
        self._source.open()
        self._due, self.total = None, self._source.total

    def read(self, number: int) -> Frame | None:
        """The next frame, when it is due."""
        frame = self._source.read(number)
        if frame is None:
            return None
        now = time.perf_counter()
        due = now if self._due is None else self._due + self._period
        if now - due > self._period:
            due = now
            self._late += 1
        elif due > now:
            time.sleep(due - now)
        self._due = due
        self._frames += 1
        late = time.perf_counter() - due
        return Frame(number, frame.name, due, time.time() - late, frame.image, frame.error, frame.position)

    def _slow(self) -> str:
        if self._late <= self._frames // 100:
            return ""
        slow = f"they can't be read at rate={self.rate:g}"
        return f"{self.name}: {self._late} of {self._frames} frames came late, {slow}"

    def close(self) -> None:
        """The source's."""
        self._source.close()
        self.missing = self._source.missing
        self.note = self._source.note or self._slow()
