"""Frames of a video by number, exactly."""

import math
import os
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np

# ffmpeg writes about every damaged packet; what matters is said by `note`. It is read when OpenCV is loaded.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2

from inspection.errors import InputError

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv"}
    | {".ts", ".webm", ".wmv"}
)
_NEAR = 50
"""Frames that are sooner read than looked for."""


class VideoFrames:
    """Frames of a video file, numbered from 0 as they come when the file is read from its start.

    OpenCV's `CAP_PROP_POS_FRAMES` lands beside the wanted frame in some files (MPEG-2 with B-frames, a variable
    rate), and the frame count of a header may be wrong. So the file is read once from front to back, as far as a
    person goes, and the time stamp of each frame is noted. A seek within what was read is believed only when the
    time stamps say that it went right; else the file is read from its start again.

    The file is opened when a frame is first asked for: a decoder has threads and buffers, a folder many videos.

    Args:
        path: The file.
        cache_bytes: Decoded frames are kept up to this size.

    """

    def __init__(self, path: Path, cache_bytes: int = 128 * 2**20) -> None:
        self.path = path
        self.name = path.stem
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._cache_bytes = cache_bytes
        self._times: list[float] = []  # ms, of the frames read so far
        self._numbers: dict[float, int] = {}
        self._rising = True  # else time stamps say nothing
        self._ended = False
        self._next = 0  # the frame that the next grab gives
        self._held = -1  # the frame that can be decoded now; none behind the end of the file
        self._open_capture: cv2.VideoCapture | None = None
        self.announced: int | None = None  # until the file was opened

    @property
    def count(self) -> int | None:
        """Number of readable frames; None until the last one was reached."""
        return len(self._times) if self._ended else None

    @property
    def note(self) -> str:
        """Says when the video ends before its header says so."""
        if not self._ended or self.announced is None or self.announced <= len(self._times):
            return ""
        return (
            f"frame {len(self._times) - 1} is the last readable one, the header announces {self.announced} "
            "frames: is the file cut short?"
        )

    def reach(self, number: int) -> int:
        """The readable frame that is nearest to a number; reads on as far as needed.

        Raises:
            InputError: The file can't be read, or holds no readable frame.
        """
        while len(self._times) <= number and not self._ended:
            if self._next < len(self._times):
                self._move_to(len(self._times) - 1)
            if not self._grab():
                self._ended = True
        if not self._times and self._capture.isOpened():  # else it says why not
            raise InputError(f"{self.path}: not one frame of this video can be read; is the file whole?")
        return min(max(number, 0), len(self._times) - 1)

    def picture(self, number: int) -> np.ndarray:
        """Pixels of a frame, RGB uint8 `[H, W, 3]`, not to be written to.

        Raises:
            InputError: The frame can't be read.
        """
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        if number != self.reach(number):
            raise InputError(f"{self.path}: has no frame {number}; the last one is {len(self._times) - 1}")
        self._move_to(number)
        done, frame = self._capture.retrieve()
        if not done:
            raise InputError(f"{self.path}: frame {number} can't be decoded")
        picture = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        picture.flags.writeable = False
        self._cache[number] = picture
        while len(self._cache) > 1 and len(self._cache) * picture.nbytes > self._cache_bytes:
            self._cache.popitem(last=False)
        return picture

    def file_name(self, number: int) -> str:
        """`<video>_<frame>.png`, the frame with six digits."""
        return f"{self.name}_{number:06d}.png"

    def file_bytes(self, number: int) -> bytes:
        """The frame as PNG."""
        done, data = cv2.imencode(".png", cv2.cvtColor(self.picture(number), cv2.COLOR_RGB2BGR))
        if not done:
            raise OSError(f"OpenCV could not encode frame {number} of {self.path}")
        return data.tobytes()

    def number_of(self, file_name: str) -> int | None:
        """The frame of a file name; None for a name that is not of this video."""
        match = re.fullmatch(re.escape(self.name) + r"_([0-9]{6,})\.png", file_name)
        return int(match[1]) if match else None

    def hint(self, number: int) -> str:
        """Nothing is known."""
        return ""

    def release(self) -> None:
        """Close the file and forget the pictures until they are asked for again; what is known of it stays."""
        self._cache.clear()
        self._rewind()

    @property
    def _capture(self) -> cv2.VideoCapture:
        if self._open_capture is None:
            self._open_capture = self._open()
            count = self._open_capture.get(cv2.CAP_PROP_FRAME_COUNT)
            self.announced = int(count) if math.isfinite(count) and 0 < count < 2**31 else None
        return self._open_capture

    def _open(self) -> cv2.VideoCapture:
        # FFmpeg is in every build of opencv-python and gives the time stamps of the file.
        for backend in (cv2.CAP_FFMPEG, cv2.CAP_ANY):
            capture = cv2.VideoCapture(str(self.path), backend)
            if capture.isOpened():
                return capture
        self._ended |= not self._times  # nor will there be any
        if not self.path.is_file():
            raise InputError(f"{self.path}: does not exist; expected a video")
        raise InputError(
            f"{self.path}: OpenCV can't read this as a video; is the file whole? "
            "Convert it, for example to AVI or MP4"
        )

    def _grab(self) -> bool:
        """Take the next frame, and note its time where nobody has been."""
        if not self._capture.grab():
            self._held = -1
            return False
        if self._next == len(self._times):
            time = self._capture.get(cv2.CAP_PROP_POS_MSEC)
            self._rising &= not self._times or time > self._times[-1]
            self._numbers[time] = self._next
            self._times.append(time)
        self._held = self._next
        self._next += 1
        return True

    def _move_to(self, number: int) -> None:
        """Make a frame that was read before the one that is held."""
        if number == self._held:
            return
        far = not 0 <= number - self._next <= _NEAR
        if far and not (self._rising and self._seek(number)) and number < self._next:
            self._rewind()
        while self._next <= number:
            if not self._grab():
                raise InputError(
                    f"{self.path}: frame {number} can't be read a second time; did the file change?"
                )

    def _rewind(self) -> None:
        if self._open_capture is not None:
            self._open_capture.release()
        self._open_capture, self._next, self._held = None, 0, -1

    def _seek(self, number: int) -> bool:
        """Look for a frame; False, and at the start of the file, when the time stamps do not confirm it."""
        for earlier in (0, 20, 200):
            if not self._capture.set(cv2.CAP_PROP_POS_FRAMES, max(0, number - earlier)):
                break
            if not self._capture.grab():
                continue
            found = self._numbers.get(self._capture.get(cv2.CAP_PROP_POS_MSEC), number + 1)
            while found < number and self._capture.grab():
                found += 1
            if self._capture.get(cv2.CAP_PROP_POS_MSEC) == self._times[number]:
                self._next, self._held = number + 1, number
                return True
        self._rewind()
        return False
