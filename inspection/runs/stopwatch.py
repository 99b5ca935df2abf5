"""What the time went into."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Seconds that were spent on several things.

    Args:
        device: Its work is waited for, so that it counts where it was asked for.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, what: str) -> Iterator[None]:
        """Add the time until the context ends to that of a thing."""
        began = self._now()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + self._now() - began

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def words(self, count: int) -> str:
        """What took how long for each of so many, the longest first.

        >>> watch = Stopwatch(torch.device("cpu"))
        >>> watch.seconds |= {"Grad-CAM": 0.2, "occlusion": 24.0}
        >>> watch.words(4)
        'occlusion 6.00 s, Grad-CAM 0.05 s'
        """
        order = sorted(self.seconds.items(), key=lambda item: -item[1])
        return ", ".join(f"{what} {seconds / count:.2f} s" for what, seconds in order)
