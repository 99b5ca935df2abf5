"""Where frames come from."""

import glob
import itertools
import math
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import cv2
import numpy as np

from inspection.data.images import IMAGE_SUFFIXES, CameraImage, find_images, read_image
from inspection.errors import InputError
from inspection.stream.frames import Frame

# ffmpeg writes about every damaged packet. It reads this when the first video is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

_COUNTED = {".avi", ".mp4", ".m4v", ".mov"}
"""Videos whose header has the number of frames; of others OpenCV estimates it from length and rate."""
_FASTEST = 1000.0
"""Frames a second that are believed; where a source knows none, it may give the ticks of its clock, as 90000."""
OPEN_WITHIN, READ_WITHIN = 5.0, 5.0
"""Seconds after which a camera in the network counts as not there, or as gone."""


class SourceLost(Exception):  # noqa: N818  (what has happened, not who is to blame)
    """A live source gives no more frames: the camera was unplugged, the network is down."""


class Source(ABC):
    """Gives frames one by one, to one thread.

    Attributes:
        name: In words, as a person gave it.
        live: Whether frames come at their own time, whether or not somebody takes them.
        total: How many frames it announces; None: not known, or endless.
        rate: Frames a second that it announces; None: not known.
        named: Whether its frames have names of their own, as files do, which may tell what belongs together.
        note: What a person should know when it has ended; mostly empty.
        missing: Frames that it announced and did not have when it came to its end.
    """

    name: str
    live: bool = False
    total: int | None = None
    rate: float | None = None
    named: bool = False
    note: str = ""
    missing: int = 0

    @abstractmethod
    def open(self) -> None:
        """Get ready; after `close` once more.

        Raises:
            InputError: There is nothing to read.
        """

    @abstractmethod
    def read(self, number: int) -> Frame | None:
        """The next frame; waits for it. None at the end.

        Args:
            number: That the frame gets.

        Raises:
            SourceLost: A live source gives no more.
        """

    def close(self) -> None:  # noqa: B027  (not all hold something)
        """Let go of camera or file."""


class Images(Source):
    """Image files, read as they are: 16 bit stay 16 bit.

    Args:
        name: As a person gave it.
        root: Folder that the names of the frames leave out.
        files: In order.
    """

    named = True

    def __init__(self, name: str, root: Path, files: Sequence[Path]) -> None:
        self.name, self.total = name, len(files)
        self._root, self._files = root, files
        self._next = 0

    def open(self) -> None:
        """From the first one on."""
        self._next = 0

    def read(self, number: int) -> Frame | None:
        """The next file; one that can't be read gives a frame without pixels."""
        if self._next == len(self._files):
            return None
        file = self._files[self._next]
        self._next += 1
        image: CameraImage | None = None
        error = ""
        try:
            image = read_image(file)
        except InputError as caught:
            error = one_line(caught)
        name = file.relative_to(self._root).as_posix()
        return Frame(number, name, time.perf_counter(), time.time(), image, error)


class Video(Source):
    """A video file, from its first frame to its last.

    Args:
        path: Of any format that OpenCV reads.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        self._capture: cv2.VideoCapture | None = None
        self._next = 0

    def open(self) -> None:
        """From the first frame on.

        Raises:
            InputError: OpenCV can't read it.
        """
        self._capture = _opened(str(self.path), (cv2.CAP_FFMPEG, cv2.CAP_ANY))
        self._next = self.missing = 0
        if self._capture is None:
            raise InputError(
                f"source={self.path}: OpenCV can't read this as a video; is the file whole? "
                "Convert it, for example to AVI or MP4"
            )
        self.total = _frame_count(self._capture)
        self.rate = _rate(self._capture)

    def read(self, number: int) -> Frame | None:
        """The next frame."""
        assert self._capture is not None
        if not self._capture.grab():
            self.missing, self.note = _missing(self.name, self.path.suffix, self._next, self.total)
            return None
        captured_at, now = time.perf_counter(), time.time()
        position = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        name = f"{self.path.stem}_{self._next:06d}"
        self._next += 1
        image, error = _retrieved(self._capture)
        return Frame(number, name, captured_at, now, image, error, position)

    def close(self) -> None:
        """Close the file."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None


class Camera(Source):
    """A camera at this computer, or in the network.

    What a URL of a finished video gives ends as a file does.

    Args:
        given: Number of the camera from 0, or its URL (rtsp, http, udp).
        size: Height and width to ask of a camera at this computer; None: as it is set.
        rate: Frames a second to ask of it; None: as it is set.

    Raises:
        InputError: A size or a rate for a camera in the network, which nobody can ask for there.
    """

    live = True

    def __init__(
        self, given: int | str, size: tuple[int, int] | None = None, rate: float | None = None
    ) -> None:
        self.given = given
        self.name = f"camera {given}" if isinstance(given, int) else without_password(given)
        if isinstance(given, str) and (size or rate):
            raise InputError(
                "camera.size, camera.rate: can be asked of a camera at this computer; "
                f"source={self.name} is to be set where it is"
            )
        self._asked = {
            cv2.CAP_PROP_FRAME_HEIGHT: None if size is None else size[0],
            cv2.CAP_PROP_FRAME_WIDTH: None if size is None else size[1],
            cv2.CAP_PROP_FPS: rate,
        }
        self._stem = re.sub(r"[^0-9A-Za-z]+", "_", self.name).strip("_")
        self._capture: cv2.VideoCapture | None = None
        self._came = 0

    def open(self) -> None:
        """Connect.

        Raises:
            InputError: It does not answer, or does not give what it is asked for.
        """
        self.close()
        self._came = self.missing = 0
        if isinstance(self.given, int):
            self._capture = _opened(self.given, (cv2.CAP_ANY,))
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * OPEN_WITHIN)]
            limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1000 * READ_WITHIN)]
            self._capture = _opened(self.given, (cv2.CAP_FFMPEG,), limits)
        if self._capture is None:
            remedy = "is it plugged in, and used by no other program?" if isinstance(self.given, int) else ""
            raise InputError(
                f"source={self.given if isinstance(self.given, int) else self.name}: no camera answers; "
                + (remedy or f"is the address right? (waited at most {OPEN_WITHIN:g} s)")
            )
        self._ask(self._capture)
        self.total = _frame_count(self._capture) if isinstance(self.given, str) else None
        self.live = self.total is None
        self.rate = _rate(self._capture)

    def _ask(self, capture: cv2.VideoCapture) -> None:
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old frames are of no use; not every driver can do it
        asked = {key: value for key, value in self._asked.items() if value is not None}
        for key, value in asked.items():
            capture.set(key, value)
        got = {key: capture.get(key) for key in asked}
        if any(not math.isclose(got[key], value, rel_tol=0.01) for key, value in asked.items()):
            self.close()
            raise InputError(
                f"camera.size, camera.rate: {self.name} gives {_figures(got.values())}, "
                f"not {_figures(asked.values())} (height x width x frames a second)"
            )

    def read(self, number: int) -> Frame | None:
        """The next frame.

        Raises:
            SourceLost: None came.
        """
        assert self._capture is not None
        try:
            grabbed = self._capture.grab()
        except cv2.error as error:  # some drivers raise where others return False
            raise SourceLost(one_line(error)) from None
        if not grabbed:
            if not self.live:
                suffix = PurePosixPath(urlsplit(self.name).path).suffix
                self.missing, self.note = _missing(self.name, suffix, self._came, self.total)
                return None
            raise SourceLost("no frame came")
        self._came += 1
        captured_at, now = time.perf_counter(), time.time()
        image, wrong = _retrieved(self._capture)
        return Frame(number, f"{self._stem}_{number:06d}", captured_at, now, image, wrong)

    def close(self) -> None:
        """Let others have the camera."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None


def find_source(given: int | str, size: tuple[int, int] | None = None, rate: float | None = None) -> Source:
    """The source that a person names.

    Args:
        given: Video or image file, folder of images (at any depth), number of a camera, URL, or a shell pattern of
            images.
        size: See `Camera`.
        rate: See `Camera`.

    Raises:
        InputError: There is no such thing, or camera settings for something else.
    """
    text = str(given)
    if not text.strip():
        raise InputError("source: expected a camera, a file, a folder or a pattern, but it is empty")
    if text.isdecimal() and not Path(text).exists():  # a folder may be called 2024
        return Camera(int(text), size, rate)
    if "://" in text:
        return Camera(text, size, rate)
    if size or rate:
        raise InputError(f"camera.size, camera.rate: source={text} is no camera")
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # OpenCV crashes
        raise InputError(f"source={text!r}: this path is not UTF-8; rename the file or its folder")
    path = Path(text).expanduser()
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            return Images(text, path.parent, [path])
        return Video(path)
    if path.is_dir():
        images = sorted(find_images(path), key=lambda image: in_order(image.relative_to(path)))
        if not images:
            raise InputError(
                f"source={text}: the folder holds no images (bmp, png, jpg, tif); videos are named one by one"
            )
        return Images(text, path, images)
    matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
    images = [match for match in matches if match.suffix.lower() in IMAGE_SUFFIXES and match.is_file()]
    if not matches:
        raise InputError(
            f"source={text}: no such file or folder, and no file matches it as a pattern; a camera has a number "
            "(source=0) or a URL"
        )
    if not images:
        raise InputError(
            f"source={text}: matches {len(matches)} files or folders, but no image (bmp, png, jpg, tif)"
        )
    root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
    return Images(text, root, sorted(images, key=lambda image: in_order(image.relative_to(root))))


def in_order(path: Path) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """A key that sorts paths as people count: `9.png` before `10.png`.

    Example:
        >>> [path.as_posix() for path in sorted(map(Path, ["a/10.png", "a/9.png", "b/1.png"]), key=in_order)]
        ['a/9.png', 'a/10.png', 'b/1.png']
    """
    return tuple(
        tuple(
            (0, int(piece), piece) if piece.isdecimal() else (1, 0, piece)
            for piece in re.split(r"([0-9]+)", part)
            if piece
        )
        for part in path.parts
    )


def without_password(url: str) -> str:
    """A URL as it may be shown: cameras have user and password in it.

    Example:
        >>> without_password("rtsp://line:secret@10.0.0.7/main")
        'rtsp://10.0.0.7/main'
    """
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def one_line(error: BaseException | str) -> str:
    """A message in one line."""
    return " ".join(str(error).split())


def _opened(
    given: int | str, backends: Sequence[int], settings: Sequence[int] = ()
) -> cv2.VideoCapture | None:
    for backend in backends:
        try:
            capture = cv2.VideoCapture(given, backend, list(settings))
        except cv2.error:
            continue
        if capture.isOpened():
            return capture
    return None


def _retrieved(capture: cv2.VideoCapture) -> tuple[np.ndarray | None, str]:
    """The pixels of the frame that was grabbed, RGB; or why there are none."""
    try:
        done, image = capture.retrieve()
    except cv2.error as caught:
        return None, one_line(caught)
    if not done or image is None or not image.size:
        return None, "the frame can't be decoded"
    if image.ndim == 3 and image.shape[2] == 3:
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return np.asarray(image), ""


def _figures(values: Iterable[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)


def _frame_count(capture: cv2.VideoCapture) -> int | None:
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if math.isfinite(count) and 0 < count < 2**31 else None


def _missing(name: str, suffix: str, came: int, announced: int | None) -> tuple[int, str]:
    """Frames that a video should have had, and what to say of it.

    Example:
        >>> _missing("reel.avi", ".avi", 90, 100)
        (10, 'reel.avi: 90 of 100 frames could be read: it is cut short or damaged')
        >>> _missing("reel.mkv", ".mkv", 99, 100)  # the length of its last frame is a guess
        (0, '')
    """
    missing = 0 if announced is None else max(0, announced - came)
    if announced is None or missing <= (0 if suffix.lower() in _COUNTED else max(1, announced // 50)):
        return 0, ""
    return missing, f"{name}: {came} of {announced} frames could be read: it is cut short or damaged"


def _rate(capture: cv2.VideoCapture) -> float | None:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return float(rate) if 0 < rate <= _FASTEST else None
