"""A camera that comes back."""

import time
from collections.abc import Callable

from inspection.errors import InputError
from inspection.stream.frames import Frame
from inspection.stream.sources import Source, SourceLost, one_line

FIRST, LONGEST = 0.5, 30.0
"""Seconds between tries to reach a camera that is gone: twice as long after each, at most so long."""


class Reconnecting(Source):
    """Opens a live source again when it is lost; waits longer after every try that gave no frame.

    Args:
        source: It.
        tries: To reach it, at most, before it is lost for good; None: for ever.
        say: Takes what a person is to know.
        wait: Waits so many seconds, and returns True early where the stream is to stop.
    """

    def __init__(
        self,
        source: Source,
        tries: int | None,
        say: Callable[[str], None],
        wait: Callable[[float], bool],
    ) -> None:
        self._source, self._tries, self._say, self._wait = source, tries, say, wait
        self.name, self.named = source.name, source.named
        self.reconnects = 0
        self.lost = False
        """Whether it is gone just now."""

    def open(self) -> None:
        """The first time: who has never been there is not waited for.

        Raises:
            InputError: It can't be opened.
        """
        self._source.open()
        self.live, self.total, self.rate = self._source.live, self._source.total, self._source.rate

    def read(self, number: int) -> Frame | None:
        """The next frame, however long that takes.

        Raises:
            SourceLost: It did not come back, or the stream is to stop.
        """
        try:
            return self._source.read(number)
        except SourceLost as error:
            why = one_line(error)
        self.lost = True
        if self._tries == 0:
            raise SourceLost(why)
        since, pause, tries = time.monotonic(), FIRST, 0
        self._say(f"{self.name}: {why}; trying to reach it again")
        while self._tries is None or tries < self._tries:
            self._source.close()
            if self._wait(pause):
                raise SourceLost("stopped while it was away")
            tries += 1
            pause = min(2 * pause, LONGEST)
            try:
                self._source.open()
                frame = self._source.read(number)
            except (InputError, SourceLost) as error:
                why = one_line(error)
                if pause == LONGEST:
                    self._say(f"{self.name}: away for {time.monotonic() - since:.0f} s ({why})")
                continue
            self.lost = False
            self.reconnects += 1
            self._say(f"{self.name}: back after {time.monotonic() - since:.1f} s")
            return frame
        times = "once" if tries == 1 else f"{tries} times"
        raise SourceLost(f"{why}; tried {times} to reach it again")

    def close(self) -> None:
        """The source's."""
        self.note, self.missing = self._source.note, self._source.missing
        self._source.close()
