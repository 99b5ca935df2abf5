"""What a live page shows: the newest frame, the last defects, and their pictures."""

import itertools
import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from inspection.data.images import CameraImage
from inspection.inspector.verdict import Verdict
from inspection.stream.frames import Result
from inspection.stream.roles import Role
from inspection.stream.sinks.drawing import explained, has_evidence, jpeg, shown

if TYPE_CHECKING:
    from inspection.inspector import Inspector

APART = 0.25
"""Seconds between two pictures, of frames as of defects: however many look, and however fast the line is."""
TAPE = 240
"""Newest frames whose verdicts are shown as marks."""
_LARGE, _READABLE, _SMALL = 1280, 640, 300  # px: longer side
_HELD = 6  # newest pictures that can still be asked for
_MARKS: dict[Role, str] = {"good": "g", "defect": "d", "other": "o", "failed": "f"}

Kind = Literal["plain", "evidence", "small"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass
class Shot:
    """A result with its pictures, which are made when somebody asks, once.

    Attributes:
        number: By which its pictures are asked for.
        result: With the frame's pixels, or after all pictures were made without.
        evidence: Whether there is something to draw over the image.
        made: Its pictures as JPEG.
        more: Of a defect: how many came right behind it.
    """

    number: int
    result: Result
    evidence: bool
    made: dict[Kind, bytes] = field(default_factory=dict)
    more: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shots:
    """Takes results in one thread, and shows them to any number of others.

    Args:
        inspector: Which gave the verdicts.
        defects: Last ones that are kept.
    """

    def __init__(self, inspector: "Inspector", defects: int) -> None:
        self._inspector = inspector
        self._lock = threading.Lock()  # held for moments only
        self._numbers = itertools.count(1)
        self._tape: deque[str] = deque(maxlen=TAPE)
        self._next: Result | None = None  # is shown next
        self._next_weight = 0
        self._held: deque[Shot] = deque(maxlen=_HELD)
        self._defects: deque[Shot] = deque(maxlen=defects)
        self._kept_at = self._pinned_at = -math.inf

    def take(
        self, seen: Sequence[tuple[Result, Role]], now: float, watched: bool, explaining: bool = False
    ) -> None:
        """Remember the newest, and what must not be lost behind it.

        Args:
            seen: Results with their roles.
            now: In seconds, on any clock that runs on.
            watched: Whether somebody looks: then a defect or failure is not covered before it was shown.
            explaining: Whether evidence was asked for: then a defect that has it is waited for a while.
        """
        with self._lock:
            for result, role in seen:
                self._tape.append("-" if result.status == "dropped" else _MARKS[role])
                if result.status == "dropped":
                    continue
                weight = _weight(result, role)
                if self._next is None or weight >= self._next_weight or not watched:
                    self._next, self._next_weight = result, weight
        for result, role in seen:
            if role == "defect":
                # One that was judged before there was room again came without.
                self._keep(result, now, 2 * APART if explaining and not is_explained(result) else APART)

    def keeps(self, now: float) -> bool:
        """Whether a defect that comes now is kept: some times a second one is."""
        return bool(self._defects.maxlen) and now - self._kept_at >= APART

    def _keep(self, result: Result, now: float, apart: float) -> None:
        """The small and the large pictures of a defect: not its pixels, which may be many."""
        if not self._defects.maxlen:
            return
        if self._defects and now - self._kept_at < apart:
            self._defects[-1].more += 1
            return
        self._kept_at = now
        shot = self._shot(result)
        for kind in KINDS:
            self._picture(shot, kind)
        shot.result = _bare(result)
        with self._lock:
            self._defects.append(shot)

    def pinned(self, now: float) -> Shot | None:
        """The frame that is shown now, the same one for all who look; a newer one after a moment."""
        with self._lock:
            if self._next is not None and now - self._pinned_at >= APART:
                self._pinned_at = now
                self._held.append(self._shot(self._next))
                self._next = None
            return self._held[-1] if self._held else None

    def remembered(self) -> tuple[str, list[Shot]]:
        """A mark for each of the last frames, the newest behind; and the last defects, the newest first."""
        with self._lock:
            return "".join(self._tape), list(reversed(self._defects))

    def picture(self, number: str, kind: Kind) -> bytes | None:
        """The JPEG of a shot; None: there is none, or none any more."""
        with self._lock:
            shots = [*self._held, *self._defects]
        shot = next((each for each in shots if str(each.number) == number), None)
        return None if shot is None else self._picture(shot, kind)

    def _shot(self, result: Result) -> Shot:
        verdict = result.verdict
        return Shot(next(self._numbers), result, verdict is not None and has_evidence(verdict))

    def _picture(self, shot: Shot, kind: Kind) -> bytes | None:
        with shot.lock:
            image, verdict = shot.result.image, shot.result.verdict
            if kind not in shot.made and image is not None and verdict is not None:
                shot.made[kind] = self._drawn(image, verdict, kind)
            return shot.made.get(kind)

    def _drawn(self, image: CameraImage, verdict: Verdict, kind: Kind) -> bytes:
        if kind == "plain":
            return jpeg(shown(self._inspector, image, _LARGE))
        if kind == "small":
            return jpeg(explained(self._inspector, image, verdict, _SMALL, words=False), 80)
        return jpeg(explained(self._inspector, image, verdict, _LARGE, _READABLE))


def is_explained(result: Result) -> bool:
    """Whether its heatmaps were asked for."""
    return result.verdict is not None and result.verdict.method is not None


def _weight(result: Result, role: Role) -> int:
    """Of what came since somebody looked the heaviest is shown: a defect, a failure, a frame with its evidence."""
    return {"defect": 4, "failed": 2}.get(role, 0) + is_explained(result)


def _bare(result: Result) -> Result:
    """Without what takes much memory."""
    assert result.verdict is not None
    return replace(result, image=None, verdict=replace(result.verdict, heatmaps={}, mask=None))
