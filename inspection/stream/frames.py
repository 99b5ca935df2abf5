"""What goes through a stream: frames in, one result each out, and the figures of the moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from inspection.data.images import CameraImage

if TYPE_CHECKING:
    from inspection.inspector import Verdict

Status = Literal["inspected", "dropped", "failed"]
Reason = Literal["", "overflow", "stopped", "not decoded", "not prepared", "not inspected"]
"""Why a frame has no verdict: dropped because newer ones came, or because the stream was stopped; failed because
it could not be decoded, was refused by the geometry (another size or depth), or the network raised."""
State = Literal["opening", "running", "reconnecting", "stopping", "ended"]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a source gave.

    Attributes:
        number: From 0, without gaps, in the order of arrival.
        name: Unique within one pass of the source, fit for a file name below a folder: `good/0007.png` of images,
            `<video>_000123` of a video, `camera_0_000123` of a camera.
        captured_at: On the clock of `time.perf_counter`, in seconds.
        time: Seconds since 1970.
        image: `[H, W]` grey or `[H, W, 3]` RGB, uint8 or uint16, not to be written to; None: could not be decoded.
        error: Why not.
        position: Seconds from the start of a video; None where the source has no such thing.
    """

    number: int
    name: str
    captured_at: float
    time: float
    image: CameraImage | None
    error: str = ""
    position: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a frame. Every frame that was received has exactly one, and they come in order.

    Attributes:
        number: Of the frame.
        name: Of the frame.
        time: Of its capture, seconds since 1970.
        position: Of the frame.
        seconds: From capture to verdict, or to the decision that there is none.
        status: Inspected, dropped or failed.
        reason: In a word why there is no verdict.
        error: In a sentence what was wrong with a frame that failed.
        verdict: Of a frame that was inspected. With heatmaps where the stream was to find the evidence.
        alarm: Whether the verdict is one that a person, or the line, is to act on; see `Answers.is_alarm`.
        unlike: What of the frame is as on none that the inspector was validated on.
        image: The frame's own pixels, for sinks that ask for pictures; None for others and without a verdict.
    """

    number: int
    name: str
    time: float
    position: float | None
    seconds: float
    status: Status
    reason: Reason = ""
    error: str = ""
    verdict: "Verdict | None" = None
    alarm: bool = False
    unlike: tuple[str, ...] = ()
    image: CameraImage | None = None


@dataclass(frozen=True)
class SinkFigures:
    """How a sink gets on.

    Attributes:
        written: Results that it has written.
        missed: Results that came while its queue was full or it could not write, and are not in it.
        queued: Results that wait for it.
        capacity: Results that can wait.
        error: What is wrong with it now; empty: nothing.
        lossy: Whether it is no matter what it misses, see `Sink`.
    """

    written: int
    missed: int
    queued: int
    capacity: int
    error: str = ""
    lossy: bool = False


@dataclass(frozen=True)
class Live:
    """The figures of the moment.

    Attributes:
        state: What the stream is doing.
        source: What it reads.
        started: Seconds since 1970.
        elapsed: Seconds since the first frame was asked for.
        received: Frames that came. Always `inspected + dropped + failed + waiting`.
        inspected: Frames that have a verdict.
        dropped: Frames that were dropped, by reason.
        failed: Frames that failed, by reason.
        waiting: Frames that wait for their verdict, those in the network counted.
        capacity: Frames that can wait.
        total: Frames that the source announces; None: not known, or endless.
        verdicts: Counts by what the inspector's answers tally.
        alarms: Verdicts that are alarms.
        rate: Verdicts a second, over the last seconds.
        mean_rate: Verdicts a second, since the first frame.
        median: Of the seconds from capture to verdict of the last `window` frames; None: no verdict so far.
        p99: Their 99th percentile.
        window: How many frames that is at most.
        histogram: Of all verdicts, how many took at most so many seconds: upper edge and cumulative count; the
            last edge is infinite. As Prometheus has it.
        seconds: Sum of the seconds from capture to verdict of all verdicts.
        reconnects: How often the source was opened again.
        sinks: By name.
        drift: What the drift monitor says, in lines; before its first look when that will be, or why never.
        drifted: Whether the images have moved away from validation's; None: not known.
    """

    state: State
    source: str
    started: float
    elapsed: float
    received: int
    inspected: int
    dropped: Mapping[str, int]
    failed: Mapping[str, int]
    waiting: int
    capacity: int
    total: int | None
    verdicts: Mapping[str, int]
    alarms: int
    rate: float
    mean_rate: float
    median: float | None
    p99: float | None
    window: int
    histogram: tuple[tuple[float, int], ...]
    seconds: float
    reconnects: int = 0
    sinks: Mapping[str, SinkFigures] = field(default_factory=dict)
    drift: tuple[str, ...] = ()
    drifted: bool | None = None
