"""What was seen and said, as a film."""

import contextlib
import errno
import os
import re
import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from inspection.errors import InputError
from inspection.pictures.text import Colour, draw_text, shorten, text_width
from inspection.stream.frames import Result
from inspection.stream.roles import role_of
from inspection.stream.sink import About, Evidence, Sink
from inspection.stream.sinks.drawing import Picture, explained
from inspection.stream.sinks.lines import iso_time

Suffix = Literal[".mkv", ".avi", ".mp4"]

CODECS: dict[str, str] = {".mkv": "mp4v", ".avi": "MJPG", ".mp4": "mp4v"}
"""What every OpenCV encodes by itself."""
_FILM = re.compile(rf"video_(\d{{3,}})(?:{'|'.join(map(re.escape, CODECS))})")
_USUAL_RATE = 25.0
_RESERVE = (
    64_000_000  # bytes: OpenCV does not say when a disk is full, so the film ends while there is some room
)
_STALLED = 5000
"""Frames after which a file that has not grown is ended and looked at: it is written by quarters of a megabyte."""
_LETTERS = 20  # px
_BAR = 34  # px
# Colour, and a sign for who can't tell colours: of Okabe and Ito, dark enough for white letters.
_LOOK: dict[str, tuple[Colour, str]] = {
    "good": ((0, 105, 79), "✓"),
    "defect": ((179, 58, 0), "✗"),
    "other": ((26, 95, 180), "•"),
    "failed": ((107, 71, 0), "!"),
}


class VideoSink(Sink):
    """`video_001.mkv`, ...: each inspected frame with its evidence, and below it verdict, time and number.

    A frame that failed is a dark picture that says why. Dropped frames are left out: the numbers jump. All
    pictures have the size that the first frame makes; others are fitted into it with black edges.

    The last quarter of a megabyte is in the encoder: a process that is killed loses it. What came before can
    be played from a `.mkv` or `.avi`; a `.mp4` that was not ended can't be played at all.

    Args:
        suffix: `.mkv` (MPEG-4), `.avi` (Motion JPEG: ten times as large, and the least loss by a kill), `.mp4`
            (MPEG-4, for players that know nothing else).
        codec: Four letters for OpenCV; None: the one above.
        rate: Frames a second when played; None: the source's, or 25.
        minutes: From which length on a next file is begun; None: never.
        keep: Newest films in the folder that are kept, whoever began them; None: all.
        evidence: Whether the heatmap of every frame is computed for the film, which takes its time.
        height: Pixels of the picture at most.

    Raises:
        InputError: One of these can't be.
    """

    name = "video"
    pictures = True

    def __init__(
        self,
        suffix: Suffix = ".mkv",
        codec: str | None = None,
        rate: float | None = None,
        minutes: float | None = 60,
        keep: int | None = 24,
        evidence: bool = False,
        height: int = 720,
    ) -> None:
        if suffix not in CODECS:
            raise InputError(f"sinks.video.suffix={suffix}: expected one of {', '.join(CODECS)}")
        if codec is not None and len(codec) != 4:
            raise InputError(
                f"sinks.video.codec={codec}: expected four letters, such as {CODECS[suffix]}, or null"
            )
        for key, value in {"rate": rate, "minutes": minutes, "keep": keep, "height": height}.items():
            if value is not None and not value > 0:
                raise InputError(f"sinks.video.{key}={value}: expected more than 0")
        self.evidence: Evidence = "all" if evidence else "none"
        self._suffix, self._codec, self._rate = suffix, codec or CODECS[suffix], rate
        self._minutes, self._keep, self._height = minutes, keep, height
        self._files: deque[Path] = deque()
        self._writer: cv2.VideoWriter | None = None
        self._size: tuple[int, int] | None = None  # of the camera's picture in the film
        self._number = self._frames = 0
        self._newest = -1  # frame in the film

    def open(self, about: About) -> None:
        """Find out whether the codec works: one that is missing is told before the first frame."""
        self._inspector, self._folder = about.inspector, about.output
        self._can_alarm = bool(about.inspector.answers.alarming())
        # MPEG-4 counts the time in parts of which a second has 65535 at most.
        self._rate = max(0.01, round(self._rate or about.rate or _USUAL_RATE, 2))
        self._least = None if self._minutes is None else max(1, round(60 * self._minutes * self._rate))
        probe = self._folder / f".video_probe{self._suffix}"
        try:
            writer = self._opened(probe, (64, 48))
            writer.write(np.zeros((48, 64, 3), np.uint8))
            writer.release()
        except OSError as error:
            raise InputError(str(error)) from None
        finally:
            probe.unlink(missing_ok=True)
        there = sorted(
            (int(found[1]), path) for path in self._folder.iterdir() if (found := _FILM.fullmatch(path.name))
        )
        self._files.extend(path for _, path in there)
        self._number = there[-1][0] if there else 0
        self.where = str(self._folder / f"video_*{self._suffix}")

    def takes(self, result: Result) -> bool:
        """Of what was dropped there is nothing to see."""
        return result.status != "dropped"

    def write(self, results: Sequence[Result]) -> None:
        """None where the disk is full, else all that are to be seen."""
        if shutil.disk_usage(self._folder).free < _RESERVE:
            with contextlib.suppress(OSError):  # which is no news then
                self._end()
            raise OSError(errno.ENOSPC, f"less than {_RESERVE // 1_000_000} MB are free", str(self._folder))
        for result in results:
            if result.image is None and self._size is None:
                continue
            if result.number <= self._newest:  # offered once more: the next file could not be begun
                continue
            picture = self._drawn(result)
            is_long = self._least is not None and self._frames >= self._least
            if is_long or self._is_stalled():
                self._end()
            if self._writer is None:
                self._begin((picture.shape[1], picture.shape[0]))
            assert self._writer is not None
            self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            self._frames += 1
            self._newest = result.number

    def close(self) -> None:
        """End the file, so that every player knows its length.

        Raises:
            OSError: Not all of it is there.
        """
        self._end()

    def _drawn(self, result: Result) -> Picture:
        """The picture of a frame over its bar."""
        if result.image is None or result.verdict is None:
            assert self._size is not None
            picture = np.full((self._size[1], self._size[0], 3), 24, np.uint8)
        else:
            # The longer side, of which a picture of this height has so much at most.
            high, wide = result.image.shape[:2]
            most = max(1, round(max(high, wide) * min(1.0, self._height / high)))
            picture = explained(self._inspector, result.image, result.verdict, most)
        if self._size is None:  # encoders want even sides
            self._size = max(2, picture.shape[1] // 2 * 2), max(2, picture.shape[0] // 2 * 2)
        return np.concatenate([letterboxed(picture, self._size), self._bar(result)])

    def _bar(self, result: Result) -> Picture:
        assert self._size is not None
        role = role_of(result, self._can_alarm)
        colour, sign = _LOOK[role]
        bar = np.empty((_BAR, self._size[0], 3), np.uint8)
        bar[:] = colour
        if result.verdict is None:
            words = [f"{sign} {result.reason}: {result.error}"]
        else:
            answers = self._inspector.answers
            figures = zip(answers.headings(), answers.figures(result.verdict), strict=True)
            words = [f"{sign} {result.verdict.label}", *map(" ".join, figures)]
        clock = iso_time(result.time)[11:23] if result.position is None else f"{result.position:.2f} s"
        place = f"{clock} · {result.number}"
        whole = max(self._size[0] - 16, 1)
        room = whole - len(place) * _LETTERS * 6 // 10
        if result.verdict is not None and text_width(words[0], _LETTERS, bold=True) > room:  # it comes first
            place, room = "", whole
        middle = _BAR / 2
        draw_text(
            bar, _fitted(words, room), (8, middle), height=_LETTERS,
            colour=(255, 255, 255), bold=True, anchor="lm",
        )  # fmt: skip
        if place:
            draw_text(
                bar,
                place,
                (self._size[0] - 8, middle),
                height=_LETTERS * 3 // 4,
                colour=(255, 255, 255),
                anchor="rm",
            )
        return bar

    def _begin(self, size: tuple[int, int]) -> None:
        while True:
            self._number += 1
            path = self._folder / f"video_{self._number:03d}{self._suffix}"
            if not path.exists():
                break
        self._writer, self._frames = self._opened(path, size), 0
        self._path, self._grown = path, (0, 0)
        self._files.append(path)
        while self._keep is not None and len(self._files) > self._keep:
            with contextlib.suppress(OSError):
                self._files.popleft().unlink()

    def _opened(self, path: Path, size: tuple[int, int]) -> cv2.VideoWriter:
        """A writer that is open.

        Raises:
            OSError: It can't be.
        """
        rate = self._rate
        assert rate is not None
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*self._codec), rate, size)
        if not writer.isOpened():
            if not os.access(path.parent, os.W_OK):
                raise OSError(errno.EACCES, "the folder can't be written to", str(path.parent))
            raise OSError(
                f"sinks.video: OpenCV can't write {self._suffix} with the codec {self._codec!r} here; "
                f"take suffix=.mkv or .avi and leave codec at null"
            )
        return writer

    def _is_stalled(self) -> bool:
        """OpenCV does not say when it can't write."""
        if self._writer is None:
            return False
        largest, since = self._grown
        try:
            size = self._path.stat().st_size
        except OSError:  # somebody has taken it away
            return True
        if size > largest:
            self._grown = size, self._frames
            return False
        return self._frames - since >= _STALLED

    def _end(self) -> None:
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        frames, self._frames = self._frames, 0
        if not is_whole(self._path, frames):
            raise OSError(
                errno.EIO, "the film is not whole; the disk or a quota may be full", str(self._path)
            )


def _fitted(words: Sequence[str], room: float) -> str:
    """The verdict and as many figures as there is room for: a number without its middle is another one."""
    said = words[0]
    for figure in words[1:]:
        longer = f"{said} · {figure}"
        if text_width(longer, _LETTERS, bold=True) > room:
            break
        said = longer
    return shorten(said, room, _LETTERS, bold=True)


def is_whole(path: Path, frames: int) -> bool:
    """Whether a film that was ended knows its length and can be read near its end."""
    film = cv2.VideoCapture(str(path))
    near = 2  # readers round
    try:
        if abs(film.get(cv2.CAP_PROP_FRAME_COUNT) - frames) > near:
            return False
        film.set(cv2.CAP_PROP_POS_FRAMES, max(0, frames - near))
        return film.read()[0]
    finally:
        film.release()


def letterboxed(picture: Picture, size: tuple[int, int]) -> Picture:
    """A picture fitted into width and height, its sides in proportion, with black edges; RGB uint8."""
    width, height = size
    if picture.shape[1::-1] == size:
        return picture
    if picture.shape[1] - width in (0, 1) and picture.shape[0] - height in (0, 1):
        return picture[:height, :width]  # to even sides
    scale = min(width / picture.shape[1], height / picture.shape[0])
    wide, high = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    fitted = cv2.resize(
        picture, (wide, high), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    film = np.zeros((height, width, 3), np.uint8)
    left, top = (width - wide) // 2, (height - high) // 2
    film[top : top + high, left : left + wide] = fitted
    return film
