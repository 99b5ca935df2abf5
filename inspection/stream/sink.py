"""Where results go."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inspection.stream.frames import Live, Result

if TYPE_CHECKING:
    from inspection.inspector import Inspector

Evidence = Literal["none", "alarms", "newest", "all"]
"""Of a batch: no verdict, every alarm, the newest one and the newest alarm, or every verdict."""


@dataclass(frozen=True)
class About:
    """What a sink is told before the first result.

    Attributes:
        inspector: Which judges: its answers name columns and draw overlays, its geometry shows the camera image.
        source: What is read, in words.
        rate: Frames a second that the source announces, or at which it is paced; None: not known.
        output: The folder of the stream; it is there.
        live: The figures of the moment; cheap, and may be called from any thread at any time, also after the end.
    """

    inspector: "Inspector"
    source: str
    rate: float | None
    output: Path
    live: Callable[[], Live]


class Sink(ABC):
    """Takes results, in order, in a thread of its own.

    The stream never waits for a live source's sink: what it has no time for is counted as missed. All methods but
    `open` are called in the sink's thread; exceptions other than `OSError` end the sink, not the stream.

    Attributes:
        name: In the account, unique within a stream: `csv`, `web`.
        pictures: Whether the results are to come with the frame's pixels, which its queue then holds.
        evidence: Which verdicts are to come with heatmaps; asked before every batch, and may be a property. What
            another sink asks for comes, too.
        lossy: Whether it is no matter if it misses results: the stream never waits for it, and does not count that
            as a fault.
        where: Path or URL of what it makes, for the console; set by `open`.
    """

    name: str
    pictures: bool = False
    evidence: Evidence = "none"
    lossy: bool = False
    where: str = ""

    @abstractmethod
    def open(self, about: About) -> None:
        """Get ready, before the first frame, in the main thread.

        Raises:
            InputError: A person's mistake (a port that is taken, a codec that is missing): nothing is started.
        """

    def takes(self, result: Result) -> bool:
        """Whether a result is of interest here: others take no place in the queue, and are not counted.

        Called in the thread of the network: it only looks.
        """
        return True

    @abstractmethod
    def write(self, results: Sequence[Result]) -> None:
        """Take all that waits: at least one, at most some dozens, of any status.

        When it returns they are out of this process's hands (flushed): a process that is killed then loses none.

        Raises:
            OSError: None, or not all, could be written. What was written in part is taken back, or written over:
                the same results may be offered again after a while.
        """

    def close(self) -> None:  # noqa: B027  (not all have something to close)
        """After the last result, or when the sink has failed; called once."""
