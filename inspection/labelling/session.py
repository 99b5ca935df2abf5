"""The state of a labelling session, and what each action makes of it. Knows no window."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from inspection.data.images import read_image, to_uint8
from inspection.errors import InputError
from inspection.labelling.keys import Action, Command, Step, Toggle
from inspection.labelling.source import Frames
from inspection.labelling.store import Store, Values

_UNDOABLE = 100
_OTHER_DECODER = 16
"""Grey values by which two decoders differ at most on one frame; those of two frames differ more somewhere."""
_LONG = 1000
"""Frames that it takes a moment to read."""


@dataclass(frozen=True)
class View:
    """What the window shows.

    Attributes:
        picture: uint8 `[H, W]` or RGB `[H, W, 3]`; None when the frame can't be read.
        video: Name of the video, and which of how many.
        frame: Number of the frame, and of how many.
        file: Name under which the frame is saved.
        values: One an attribute.
        changed: Of each attribute, whether it differs from what is saved (or from where the frame began).
        saved: Whether the frame has labels.
        labelled: Frames of this video that have labels.
        contradiction: What the labels contradict; empty when they do not.
        message: What the last action did; empty when nothing is to be said.
        refused: Whether the message says that the action was not done.
        hint: What somebody else says of the frame's labels; mostly empty.
    """

    picture: np.ndarray | None
    video: str
    frame: str
    file: str
    values: Values
    changed: Values
    saved: bool
    labelled: int
    contradiction: str
    message: str
    refused: bool
    hint: str = ""


@dataclass(frozen=True)
class _Before:
    """What a save or a delete replaced; no values: the frame had no labels."""

    reel: int
    number: int
    values: Values | None
    content: bytes


class Session:
    """Labelling of one or several videos.

    Begins at the last labelled frame (the highest number in the last video that has labels), else at the first
    frame. A frame that was changed has to be saved, or the change taken back, before another one is shown: no
    toggle gets lost unseen.

    Args:
        reels: Frames and labels of each video.
        attributes: Names.
        rules: Pairs of attributes that contradict each other.
        carry: Whether a frame without labels begins with those of the frame saved last, else with none.
        resume: Whether to begin at the last labelled frame, else at the first frame.
        exclusive: Whether one attribute holds and no other: turning one on turns the others off.
        say: Gets a line before what takes long.

    Raises:
        InputError: The last labelled frame was saved from other frames, of another video of the same name; or
            another tool has the table of the video to begin with.
        OSError: The folder of the labels can't be written to.
    """

    def __init__(
        self,
        reels: Sequence[tuple[Frames, Store]],
        attributes: Sequence[str],
        rules: Sequence[Sequence[str]] = (),
        carry: bool = False,
        resume: bool = True,
        exclusive: bool = False,
        say: Callable[[str], object] = print,
    ) -> None:
        self._reels = list(reels)
        self._attributes = list(attributes)
        self._rules = [tuple(rule) for rule in rules]
        self._carry = carry
        self._exclusive = exclusive
        self._say = say
        self._carried: Values = (False,) * len(self._attributes)
        self._undo: deque[_Before] = deque(maxlen=_UNDOABLE)
        self._quitting = False
        self._message, self._refused = "", False
        self._reel, self._number = 0, 0
        self._picture: np.ndarray | None = None
        self._begun = self._values = self._carried
        self._seen: Values | None = None  # labels of the frame when it was last looked at
        if resume:
            self._resume()
        else:
            self._show(0, 0)
        self._reels[self._reel][1].hold()

    @property
    def changed(self) -> bool:
        """Whether the frame on the screen was changed and not saved."""
        return self._values != self._begun

    def apply(self, action: Action | None) -> bool:
        """Do what a key asks for.

        Returns:
            Whether the session goes on.
        """
        if action is None:
            return True
        quitting, self._quitting = self._quitting, False
        self._message, self._refused = "", False
        try:
            if isinstance(action, Toggle):
                self._toggle(action.attribute)
            elif isinstance(action, Step):
                self._step(action.frames)
            elif action is Command.SAVE:
                self._save()
            elif action is Command.DELETE:
                self._delete()
            elif action is Command.UNDO:
                self._take_back()
            elif self.changed and not quitting:
                self._quitting = True
                self._refuse("changed and not saved: s saves; q again quits without")
            else:
                return False
        except (OSError, InputError) as error:
            self._refuse(f"not done: {error}")
        return True

    def view(self) -> View:
        """What to show."""
        frames, labels = self._reels[self._reel]
        count = len(self._reels)
        total = f" / {frames.count - 1}" if frames.count else ""
        if frames.count is None and frames.announced is not None:  # a header is not to be trusted
            total = f" / ~{frames.announced - 1}"
        both = [rule for rule in self._rules if all(self._values[self._attributes.index(a)] for a in rule)]
        return View(
            picture=self._picture,
            video=frames.name if count == 1 else f"{frames.name}  ({self._reel + 1} of {count})",
            frame=f"{self._number}{total}",
            file=self._name,
            values=self._values,
            changed=tuple(a != b for a, b in zip(self._values, self._begun, strict=True)),
            saved=labels.get(self._name) is not None,
            labelled=len(labels),
            contradiction="; ".join(" and ".join(rule) for rule in both),
            hint=frames.hint(self._number),
            message=self._message,
            refused=self._refused,
        )

    @property
    def _name(self) -> str:
        return self._reels[self._reel][0].file_name(self._number)

    def _resume(self) -> None:
        for reel in reversed(range(len(self._reels))):
            frames, labels = self._reels[reel]
            numbers = [n for n in map(frames.number_of, labels.names) if n is not None]
            if numbers:
                if frames.count is None and max(numbers) >= _LONG:
                    self._say(f"{frames.path}: looking for frame {max(numbers)}")
                last = _nearest(frames, max(numbers))
                self._check_same(frames, labels, last)
                self._show(reel, last)
                self._carried = self._values
                if not self._refused:
                    self._message = f"going on at the last labelled frame, {len(numbers)} have labels"
                return
        self._show(0, 0)

    def _check_same(self, frames: Frames, labels: Store, number: int) -> None:
        """Compare a saved picture with the frame: two videos can have one name in two folders."""
        file = labels.pictures / frames.file_name(number)
        try:
            if not file.is_file() or file.read_bytes() == frames.file_bytes(number):
                return
            frame = frames.picture(number)
        except (OSError, InputError):  # damaged since; the window says so
            return
        saved = read_image(file)
        if saved.shape == frame.shape and int(cv2.absdiff(saved, frame).max()) <= _OTHER_DECODER:
            return
        raise InputError(
            f"{file}: does not show frame {number} of {frames.path}\n"
            "its labels are of another video of the same name: rename one, or give output=<folder>"
        )

    def _show(self, reel: int, number: int) -> None:
        frames, labels = self._reels[reel]
        labels.refresh()
        if reel != self._reel:  # of many videos one is open
            left, table = self._reels[self._reel]
            left.release()
            table.close()
        self._reel, self._number = reel, number
        self._seen = labels.get(self._name)
        self._values = self._begun = self._beginning()
        try:
            self._picture = to_uint8(frames.picture(number))
        except InputError as error:
            self._picture = None
            self._refuse(str(error))
        try:
            labels.hold()
        except (OSError, InputError) as error:  # it can be looked at; a save says so again
            self._refuse(str(error))

    def _beginning(self) -> Values:
        if self._seen is not None:
            return self._seen
        return self._carried if self._carry else (False,) * len(self._attributes)

    def _changed_by_others(self) -> bool:
        """Look whether the labels of the frame are still those that were shown; what was toggled stays."""
        labels = self._reels[self._reel][1]
        labels.refresh()
        seen, self._seen = self._seen, labels.get(self._name)
        if seen == self._seen:
            return False
        toggled = self.changed
        self._begun = self._beginning()
        if not toggled:
            self._values = self._begun
        return True

    def _refuse(self, message: str) -> None:
        self._message, self._refused = message, True

    def _toggle(self, attribute: int) -> None:
        if self._exclusive:
            self._values = tuple(a == attribute for a in range(len(self._values)))
        else:
            self._values = tuple(on != (a == attribute) for a, on in enumerate(self._values))

    def _step(self, by: int) -> None:
        if self.changed:
            self._refuse("changed and not saved: s saves, u takes the change back")
            return
        frames = self._reels[self._reel][0]
        number = _nearest(frames, self._number + by)
        if number != self._number:
            self._show(self._reel, number)
            if frames.count == number + 1 and frames.note:
                self._refuse(frames.note)
        elif by > 0 and self._reel + 1 < len(self._reels):
            self._show(self._reel + 1, 0)
        elif by < 0 and self._reel > 0:
            before = self._reels[self._reel - 1][0]
            # Seen to its end before, mostly; else the end is looked for.
            self._show(self._reel - 1, _nearest(before, 2**31))
        else:
            self._refuse(frames.note or f"this is the {'last' if by > 0 else 'first'} frame")

    def _save(self) -> None:
        frames, labels = self._reels[self._reel]
        if self._picture is None:
            self._refuse("a frame that can't be read is not saved")
            return
        if self._changed_by_others():
            self._refuse("another program changed this row of the table: look again, then s saves")
            return
        before = self._seen
        labels.put(self._name, self._values, lambda: frames.file_bytes(self._number))
        if before != self._values:
            self._undo.append(_Before(self._reel, self._number, before, b""))
        self._seen = self._begun = self._carried = self._values
        self._message = "saved" if before is None else "saved again"

    def _delete(self) -> None:
        labels = self._reels[self._reel][1]
        self._changed_by_others()
        if self._seen is None:
            self._refuse("this frame has no label to delete")
            return
        values, content = labels.remove(self._name)
        self._undo.append(_Before(self._reel, self._number, values, content))
        self._seen = None
        self._begun = self._values = (False,) * len(self._attributes)
        if (labels.pictures / self._name).exists():
            self._refuse("label deleted (u brings it back); the picture could not be: is it open elsewhere?")
        else:
            self._message = "label and picture deleted; u brings them back"

    def _take_back(self) -> None:
        if self.changed:
            self._values = self._begun
            self._message = "change taken back"
            return
        if not self._undo:
            self._refuse("nothing to undo")
            return
        before = self._undo[-1]
        frames, labels = self._reels[before.reel]
        name = frames.file_name(before.number)
        labels.refresh()
        if before.values is not None:
            labels.put(name, before.values, lambda: before.content or frames.file_bytes(before.number))
        elif labels.get(name) is not None:
            labels.remove(name)
        self._undo.pop()
        self._show(before.reel, before.number)
        self._message = "label as before" if before.values is not None else "label and picture removed again"


def _nearest(frames: Frames, number: int) -> int:
    """The frame that is nearest to a number; 0 in a source that can't be read, which is shown without picture."""
    try:
        return frames.reach(number)
    except InputError:
        if frames.count != 0:
            raise
        return 0
