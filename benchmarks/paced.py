"""A camera of pictures in memory that gives a frame every so often, and the figures of a pipeline behind it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


class PacedCamera:
    """Gives frames like `cv2.VideoCapture.read`: who asks waits until the next one is due.

    It lives in the thread that reads it, and holds no buffer. A frame that is asked for too late comes at once,
    and counts as captured when it was due: a pipeline that keeps its camera waiting does not look faster for it.

    Args:
        pictures: `[H, W, 3]` BGR, uint8, given in turn, again and again.
        rate: Frames a second; None: each as soon as it is asked for.
        seconds: Until the end.

    Attributes:
        captured_at: Of each frame so far, when it was due, on the clock of `time.perf_counter`.
    """

    def __init__(self, pictures: Sequence[Picture], rate: float | None, seconds: float) -> None:
        self.pictures, self.rate, self.seconds = pictures, rate, seconds
        self.captured_at: list[float] = []

    def read(self) -> tuple[bool, Picture | None]:
        """Whether there is a frame, and the frame."""
        number, now = len(self.captured_at), time.perf_counter()
        start = self.captured_at[0] if number else now
        due = now if self.rate is None else start + number / self.rate
        if due >= start + self.seconds:
            return False, None
        time.sleep(max(0.0, due - now))
        self.captured_at.append(due)
        return True, self.pictures[number % len(self.pictures)]


@dataclass(frozen=True)
class Figures:
    """Of one pass of a camera through a pipeline.

    Attributes:
        received: Frames.
        dropped: Frames without a result.
        rate: Results a second, from the first frame to the last result.
        median: Milliseconds from capture to result.
        p99: Their 99th percentile.
        cpu: Milliseconds of processor time a result, all threads of the process together.
    """

    received: int
    dropped: int
    rate: float
    median: float
    p99: float
    cpu: float

    @classmethod
    def of(cls, camera: PacedCamera, done_at: Mapping[int, float], cpu_seconds: float) -> "Figures":
        """What a pass was like.

        Args:
            camera: After the pass.
            done_at: When a frame had its result, by its number; one at least.
            cpu_seconds: That the process has used meanwhile.
        """
        received, results = len(camera.captured_at), len(done_at)
        waits = [done - camera.captured_at[number] for number, done in done_at.items()]
        median, p99 = np.percentile(waits, [50, 99]) * 1e3
        return cls(
            received=received,
            dropped=received - results,
            rate=results / (max(done_at.values()) - camera.captured_at[0]),
            median=float(median),
            p99=float(p99),
            cpu=cpu_seconds / results * 1e3,
        )
