"""What became of the frames, and how long that took: in memory that does not grow."""

import math
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from inspection.stream.frames import Result

WINDOW = 1000
"""Verdicts whose latencies the figures of the moment are of."""
LATELY = 5.0
"""Seconds at most that the rate of the moment is of."""
SHOWN = (
    0.001,
    0.002,
    0.003,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.02,
    0.03,
    0.05,
    0.075,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
)
"""Edges of the histogram that is shown, in seconds."""
# 5 % wide: so near is a quantile of the whole run to the true one.
_EDGES = sorted({*SHOWN, *(1e-4 * 1.05**step for step in range(284))})


Entry = tuple[Result, Sequence[str], float]
"""A result, what its verdict counts for, and when it was there on the clock of `time.perf_counter`."""


def failure_of(frame: str, error: str) -> str:
    """What was wrong with a frame, for people.

    Example:
        >>> failure_of("a/1.png", "ValueError: NaN")
        'a/1.png: ValueError: NaN'
        >>> failure_of("1.png", "a/1.png: not an image")
        'a/1.png: not an image'
    """
    return error if frame in error else f"{frame}: {error}"


@dataclass(frozen=True)
class Counts:
    """Of all frames that have left.

    Attributes:
        inspected: Those with a verdict.
        dropped: By reason.
        failed: By reason.
        failures: What was wrong with the first one, by reason.
        verdicts: By what the answers tally.
        alarms: Verdicts that are alarms.
    """

    inspected: int
    dropped: dict[str, int]
    failed: dict[str, int]
    failures: dict[str, str]
    verdicts: dict[str, int]
    alarms: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.inspected + sum(self.dropped.values()) + sum(self.failed.values())


@dataclass(frozen=True)
class Latency:
    """Seconds from capture to verdict; None: there was no verdict.

    Attributes:
        median: Half of the frames took at most so long.
        p99: 99 of 100.
        longest: All.
    """

    median: float | None
    p99: float | None
    longest: float | None


class Account:
    """Counts results; from any thread.

    Args:
        tallied: What verdicts are counted by, in order.
    """

    def __init__(self, tallied: Sequence[str] = ()) -> None:
        self._lock = threading.RLock()
        self._inspected = self._alarms = 0
        self._dropped: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._failures: dict[str, str] = {}
        self._verdicts: Counter[str] = Counter(dict.fromkeys(tallied, 0))
        self._seconds = np.zeros(WINDOW)
        self._done_at = np.zeros(WINDOW)
        self._bins = [0] * (len(_EDGES) + 1)
        self._sum = self._longest = 0.0
        self._began = time.perf_counter()

    def at_once(self) -> AbstractContextManager[object]:
        """Nothing is counted meanwhile: whatever is asked for is of one moment."""
        return self._lock

    def start(self) -> None:
        """From now on frames may come; without it, since this was made."""
        self._began = time.perf_counter()

    def add(self, entries: Sequence[Entry]) -> None:
        """Count some."""
        with self._lock:
            for result, tally, done_at in entries:
                if result.status == "dropped":
                    self._dropped[result.reason] += 1
                elif result.status == "failed":
                    self._failed[result.reason] += 1
                    self._failures.setdefault(result.reason, failure_of(result.name, result.error))
                else:
                    self._add_verdict(result, tally, done_at)

    def _add_verdict(self, result: Result, tally: Sequence[str], done_at: float) -> None:
        for name in tally:
            self._verdicts[name] += 1
        self._alarms += result.alarm
        place = self._inspected % WINDOW
        self._seconds[place], self._done_at[place] = result.seconds, done_at
        self._bins[bisect_left(_EDGES, result.seconds)] += 1
        self._sum += result.seconds
        self._longest = max(self._longest, result.seconds)
        self._inspected += 1

    def counts(self) -> Counts:
        """So far, all of one moment."""
        with self._lock:
            return Counts(
                inspected=self._inspected,
                dropped=dict(self._dropped),
                failed=dict(self._failed),
                failures=dict(self._failures),
                verdicts=dict(self._verdicts),
                alarms=self._alarms,
            )

    def lately(self) -> tuple[float, Latency]:
        """Verdicts a second in the last seconds, and the latency of the last verdicts."""
        with self._lock:
            known = min(self._inspected, WINDOW)
            seconds, done_at = self._seconds[:known].copy(), self._done_at[:known].copy()
        if not known:
            return 0.0, Latency(None, None, None)
        now = time.perf_counter()
        since = max(now - LATELY, self._began)
        if known == WINDOW:  # what came before the oldest is not known: count from there
            since = max(since, float(done_at.min()))
        rate = np.count_nonzero(done_at > since) / (now - since) if now > since else 0.0
        median, p99, longest = np.quantile(seconds, (0.5, 0.99, 1.0), method="higher").tolist()
        return float(rate), Latency(median, p99, longest)

    def latency(self) -> Latency:
        """Of all verdicts, from a histogram: at most 5 % too long, from a tenth of a millisecond on."""
        with self._lock:
            bins, longest = list(self._bins), self._longest
        total = sum(bins)
        if not total:
            return Latency(None, None, None)
        cumulative = list(accumulate(bins))
        edges = [*_EDGES, math.inf]
        median, p99 = (
            min(edges[bisect_left(cumulative, math.ceil(share * total))], longest) for share in (0.5, 0.99)
        )
        return Latency(median, p99, longest)

    def histogram(self) -> tuple[tuple[tuple[float, int], ...], float]:
        """Cumulative counts by upper edge, the last one infinite; and the sum of the seconds."""
        with self._lock:
            cumulative, seconds = list(accumulate(self._bins)), self._sum
        shown = tuple((edge, cumulative[bisect_left(_EDGES, edge)]) for edge in SHOWN)
        return (*shown, (math.inf, cumulative[-1])), seconds
