"""Whether the frames of a stream still look like what its inspector was validated on."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspection.drift.monitor import DriftMonitor
from inspection.drift.reference import LEAST_IMAGES
from inspection.drift.report import DriftReport
from inspection.errors import InputError
from inspection.inspector.backends import FEATURES
from inspection.inspector.watching import Watch, reference_of
from inspection.stream.sources import one_line

if TYPE_CHECKING:
    import numpy as np

    from inspection.inspector import Inspector, Verdict
    from inspection.inspector.backends import Said


@dataclass(frozen=True)
class Looks:
    """How often the frames of a window were looked at together.

    Attributes:
        report: Of the last look; None: there was none.
        windows: Looks.
        drifted: Those that saw drift.
    """

    report: DriftReport | None = None
    windows: int = 0
    drifted: int = 0

    @property
    def lines(self) -> tuple[str, ...]:
        """For people."""
        if self.report is None:
            return ()
        lines = self.report.lines()
        if self.windows > 1:
            lines.append(
                f"drift was seen in {self.drifted} of {self.windows} windows; said above: the last one"
            )
        return tuple(lines)

    def to_dict(self) -> dict[str, Any] | None:
        """Plain values: the last report, and the counts; None: there was no look."""
        if self.report is None:
            return None
        counts = {"windows": self.windows, "drifted": self.drifted}
        return counts | self.report.to_dict() | {"summary": list(self.lines)}


class StreamWatch:
    """Measures some of the frames, and looks at every window of them once.

    So a look is one test of frames that no other has seen, and the stated rate of false alarms holds for it, as
    far as frames that follow each other tell of different parts: a rate below that of the camera helps.

    Args:
        inspector: As it judges them.
        rate: Frames a second that are looked at of a live source, at most; None: all, as of files.
        window: Frames that are judged together.
        false_alarms: Share of the windows in which drift is seen where there is none.
        live: Whether frames come at their own time.
        by_name: Whether names tell what belongs together, as of validation images; a camera's do not.

    Raises:
        InputError: A value that cannot be, or what the inspector knows of its validation images is damaged.
    """

    def __init__(
        self,
        inspector: "Inspector",
        rate: float | None = 20.0,
        window: int = 200,
        false_alarms: float = 0.0001,
        live: bool = True,
        by_name: bool = False,
    ) -> None:
        if rate is not None and not 0 < rate < math.inf:
            raise InputError(f"drift.rate={rate}: expected frames a second, above 0, or null for all")
        if window < LEAST_IMAGES:
            raise InputError(f"drift.window={window}: expected {LEAST_IMAGES} or more frames")
        if not 0 < false_alarms < 1:
            raise InputError(f"drift.false_alarms={false_alarms}: expected a share, above 0 and below 1")
        self.watch, self.looks = Watch(inspector), Looks()
        self.note = ""
        """Why nothing is watched; empty: it is."""
        self.say: Callable[[str], None] = lambda _: None
        """Takes what a person is to know."""
        self._window, self._by_name = window, by_name
        self._pause = 1 / rate if rate is not None and live else 0.0
        self._due = -math.inf
        self._false_alarms = false_alarms
        self._monitor: DriftMonitor | None = None  # of the window that is being filled
        self._looking: threading.Thread | None = None
        reference = reference_of(inspector)
        if reference is None:
            self.note = "the inspector knows no validation images"
        elif reference.layer is not None and not self.watch.further:
            self.note = "the inspector was exported without its features"
        else:
            self._monitor = DriftMonitor(reference, window, false_alarms)
        self.further: tuple[str, ...] = () if self.note else self.watch.further
        """Outputs of the network that are looked at, beside those that verdicts are made of; always the same."""

    def announced(self) -> str:
        """What is watched, in words."""
        if self.note:
            return f"not watched: {self.note}"
        often = f", at most {1 / self._pause:g} of a second" if self._pause else ""
        return f"every {self._window} frames{often} are judged together"

    def rows(self, count: int) -> range:
        """Which of a batch's frames are to be looked at."""
        if self._monitor is None:
            return range(0)
        if not self._pause:
            return range(count)
        now = time.perf_counter()
        if now < self._due:
            return range(0)
        self._due = now + self._pause
        return range(1)

    def see(
        self,
        rows: range,
        names: Sequence[str],
        verdicts: Sequence["Verdict"],
        said: "Said",
        pixels: Sequence["np.ndarray"],
    ) -> list[tuple[str, ...]]:
        """Look at some frames of a batch.

        Args:
            rows: Of `rows`, one or more.
            names: Of all frames of the batch.
            verdicts: On them.
            said: What the network gave for them.
            pixels: That it saw.

        Returns:
            Of each row what is as on none of the validation images.
        """
        found: list[tuple[str, ...]] = []
        while rows and (monitor := self._monitor) is not None:  # a look may give up beside this
            left = self._window - monitor.seen
            found += self._see(monitor, rows[:left], names, verdicts, said, pixels)
            rows = rows[left:]
            if monitor.seen == self._window:
                self._monitor = DriftMonitor(monitor.reference, self._window, self._false_alarms)
                self._look(monitor)
        return found + [()] * len(rows)

    def _see(
        self,
        monitor: DriftMonitor,
        rows: range,
        names: Sequence[str],
        verdicts: Sequence["Verdict"],
        said: "Said",
        pixels: Sequence["np.ndarray"],
    ) -> list[tuple[str, ...]]:
        features = said.get(FEATURES)
        seen = self.watch.measured(
            [verdicts[row] for row in rows],
            None if features is None else features[list(rows)],
            [pixels[row] for row in rows],
        )
        known = monitor.reference
        grouped = self._by_name and known.group is not None
        groups = [known.group_of(names[row]) for row in rows] if grouped else None
        return [finding.out for finding in monitor.see(seen, groups)]

    def give_up(self, error: Exception) -> None:
        """Watch no longer: verdicts are worth more than what is said beside them. Says so, once."""
        self._monitor = None
        if not self.note:
            self.note = f"{type(error).__name__}: {one_line(error)}"
            self.say(f"drift is not watched any more ({self.note})")

    def end(self) -> None:
        """Wait for the last look; look at what there is, where there were too few frames for a window."""
        monitor = self._monitor
        if monitor is not None and self._looking is None and monitor.seen:
            self._look(monitor)
        if self._looking is not None:
            self._looking.join()

    def _look(self, monitor: DriftMonitor) -> None:
        """Report on a window, beside the network: exact tests of some hundred frames take some frames' time."""
        if self._looking is not None:
            self._looking.join()
        self._looking = threading.Thread(target=self._report, args=(monitor,), name="drift", daemon=True)
        self._looking.start()

    def _report(self, monitor: DriftMonitor) -> None:
        try:
            report, before = monitor.report(), self.looks
        except Exception as error:
            self.give_up(error)
            return
        self.looks = Looks(report, before.windows + 1, before.drifted + report.drift)
