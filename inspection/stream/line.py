"""Where frames wait for their verdict: bounded, in order, and each leaves it exactly once."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspection.stream.frames import Frame, Reason, Status

Overflow = Literal["drop_oldest", "block"]
SPENT = 4096
"""Frames without a verdict to come, still in the line so that results keep their order. More make capture wait:
then the network has not answered for as many frames, and memory is not to grow."""


class Place:
    """A frame's place in the line.

    Attributes:
        frame: It; without pixels where there will be no verdict.
        pixels: What the geometry made of it; None until then.
        status: How it ends: expected to be inspected until something else is found.
        reason: Why it has no verdict.
        error: What was wrong.
        done_at: When that was decided, on the clock of the frame.
    """

    __slots__ = ("done_at", "error", "frame", "pixels", "reason", "status")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.pixels: NDArray[np.uint8] | None = None
        self.status: Status = "inspected"
        self.reason: Reason = ""
        self.error = ""
        self.done_at = 0.0

    def end(self, status: Status, reason: Reason, error: str = "") -> None:
        """There will be no verdict; what is told already stays."""
        if self.status == "inspected":
            self.status, self.reason, self.error = status, reason, error
            self.done_at = time.perf_counter()
            self.pixels, self.frame = None, replace(self.frame, image=None)  # many may stay for a while


class Line:
    """The frames between camera and verdict, of which one thread each puts in, prepares and takes out.

    All of them stand in one queue, so that the oldest is the oldest wherever it is, and a frame that is dropped or
    fails leaves in its turn, between its neighbours.

    Args:
        capacity: Frames that can wait. What is in the network waits no more.
        overflow: What happens when more come. `drop_oldest`: the oldest one has waited in vain. `block`: who puts
            in waits, and none is lost.

    Raises:
        ValueError: If none can wait.
    """

    def __init__(self, capacity: int, overflow: Overflow) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity}: expected 1 or more")
        self.capacity, self.overflow = capacity, overflow
        self.received = 0
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)  # somebody has left
        self._raw = threading.Condition(self._lock)  # there is something to prepare
        self._ready = threading.Condition(self._lock)  # there is something to take out
        self._places: deque[Place] = deque()
        self._raws: deque[Place] = deque()  # of these, those that nobody has begun to prepare
        self._taken: list[Place] = []
        self._waiting = 0  # of the places, those that expect a verdict
        self._prepared = 0  # of those, the ones that can go into the network
        self._ended = self._abandoned = False

    @property
    def waiting(self) -> int:
        """Frames that wait for the network."""
        return self._waiting

    def put(self, frame: Frame) -> bool:
        """Receive a frame.

        Returns:
            False when the line takes no more: the frame was not received.
        """
        with self._lock:
            while not self._ended and not self._has_room():
                self._room.wait()
            if self._ended:
                return False
            self.received += 1
            place = Place(frame)
            if frame.image is None:
                place.end("failed", "not decoded", frame.error)
                self._places.append(place)
                self._ready.notify()
                return True
            if self._waiting >= self.capacity:
                self._drop_oldest()
            self._waiting += 1
            self._places.append(place)
            self._raws.append(place)
            self._raw.notify()
            return True

    def _has_room(self) -> bool:
        if len(self._places) - self._waiting >= SPENT:
            return False
        return self.overflow == "drop_oldest" or self._waiting < self.capacity

    def _drop_oldest(self) -> None:
        oldest = next(place for place in self._places if place.status == "inspected")
        self._give_up(oldest, "dropped", "overflow")
        self._ready.notify()

    def _give_up(self, place: Place, status: Status, reason: Reason, error: str = "") -> None:
        """There will be no verdict on one that waits."""
        self._waiting -= 1
        self._prepared -= place.pixels is not None
        place.end(status, reason, error)
        if self._raws and self._raws[0] is place:
            self._raws.popleft()

    def to_prepare(self) -> tuple[Place, Frame] | None:
        """The oldest frame that nobody has begun to prepare, and its place; waits for one. None: no more come."""
        with self._lock:
            while not self._raws:
                if self._ended:
                    return None
                self._raw.wait()
            place = self._raws.popleft()
            return place, place.frame

    def prepared(self, place: Place, pixels: NDArray[np.uint8] | None, error: str = "") -> None:
        """Say what came of preparing a frame, which may have been dropped in the meantime.

        Args:
            place: From `to_prepare`.
            pixels: What the network is to see; None: nothing.
            error: Why not.
        """
        with self._lock:
            if place.status != "inspected":
                return
            if pixels is None:
                self._give_up(place, "failed", "not prepared", error)
                self._room.notify()
            else:
                place.pixels = pixels
                self._prepared += 1
            self._ready.notify()

    def take(self, batch: int, within: float = 0.0) -> list[Place]:
        """The next frames whose turn it is: a batch for the network, and those between that have no verdict.

        A batch is full, or its first frame has waited long enough, or no more will come, whichever is first.

        Args:
            batch: Frames for the network at most.
            within: Seconds from its capture after which a frame waits for no others.

        Returns:
            In order; those with `pixels` are for the network. Empty when no more will come. They are to be
            given back by `leave` before the next are taken.
        """
        with self._lock:
            while True:
                if not self._places:
                    if self._ended:
                        return []
                    self._ready.wait()
                    continue
                first = self._places[0]
                if first.status != "inspected" or self._prepared >= batch or self._ended:
                    if first.status != "inspected" or first.pixels is not None:
                        break
                    self._ready.wait()
                elif first.pixels is None:
                    self._ready.wait()
                else:
                    left = first.frame.captured_at + within - time.perf_counter()
                    if left <= 0:
                        break
                    self._ready.wait(left)
            return self._take(batch)

    def _take(self, batch: int) -> list[Place]:
        taken: list[Place] = []
        count = 0
        while self._places:
            place = self._places[0]
            if place.status == "inspected":
                if place.pixels is None or count == batch:
                    break
                count += 1
            taken.append(self._places.popleft())
        self._waiting -= count
        self._prepared -= count
        self._taken = taken
        self._room.notify()
        return taken

    def leave(self, places: Sequence[Place]) -> bool:
        """Say that what was taken has its results.

        Returns:
            False where they were abandoned in the meantime, and have their results from there.
        """
        with self._lock:
            if self._abandoned:
                return False
            assert self._taken is places
            self._taken = []
            return True

    def end(self) -> None:
        """No more frames come in."""
        with self._lock:
            self._ended = True
            self._wake()

    def abandon(self) -> list[Place]:
        """Drop whatever has no verdict yet, also in the network; no more frames come in.

        Returns:
            All that are left, in order.
        """
        with self._lock:
            self._ended = self._abandoned = True
            left = [*self._taken, *self._places]
            for place in left:
                place.end("dropped", "stopped")
            self._taken, self._waiting, self._prepared = [], 0, 0
            self._places.clear()
            self._raws.clear()
            self._wake()
            return left

    def _wake(self) -> None:
        for condition in (self._room, self._raw, self._ready):
            condition.notify_all()
