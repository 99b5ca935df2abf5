"""The pictures of defects as files."""

import contextlib
import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inspection.data.images import CameraImage
from inspection.data.replace import replace_file
from inspection.errors import InputError
from inspection.stream.frames import Result
from inspection.stream.sink import About, Evidence, Sink
from inspection.stream.sinks.drawing import explained, jpeg
from inspection.stream.sinks.lines import bytes_of, iso_time

_LABEL = 60  # bytes of a verdict in a file name
_KEPT = re.compile(
    r"(?P<number>\d{9,})_(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3})_.+?(_evidence\.jpg|\.png)"
)
"""Names of our own files: nobody else's are taken away."""
_SHOWN = 1600  # px: longer side of the drawn one, at most


class PictureSink(Sink):
    """`defects/`: of each alarm the camera's own pixels as PNG, fit to train with, and a JPEG with the evidence.

    When there are too many, the oldest go, also those of an earlier stream into the same folder. A file is whole
    or not there.

    Args:
        count: Alarms whose pictures are kept at most.
        megabytes: Of all pictures together, at most.

    Raises:
        InputError: Nothing could be kept.
    """

    name = "pictures"
    pictures = True
    evidence: Evidence = "alarms"

    def __init__(self, count: int = 500, megabytes: float = 500) -> None:
        if count < 1:
            raise InputError(f"sinks.pictures.count={count}: expected 1 or more")
        self._count, self._bytes = count, bytes_of(megabytes, "sinks.pictures.megabytes")
        self._kept: deque[tuple[tuple[Path, ...], int]] = deque()
        self._size = 0
        self._began = False
        self._newest = -1  # frame that was kept: the same results may be offered once more

    def open(self, about: About) -> None:
        """Make the folder."""
        self._inspector = about.inspector
        self._folder = about.output / "defects"
        try:
            self._folder.mkdir(exist_ok=True)
            self._kept.extend(_kept_in(self._folder))
        except OSError as error:
            raise InputError(f"{self._folder}: the folder can't be made or read ({error.strerror})") from None
        self._size = sum(size for _, size in self._kept)
        self.where = str(self._folder)

    def takes(self, result: Result) -> bool:
        """Alarms alone: frames in order do not crowd them out of the queue."""
        return result.alarm

    def write(self, results: Sequence[Result]) -> None:
        """All of them."""
        self._began = True
        for result in results:
            if result.number > self._newest:
                self._keep(result)
                self._newest = result.number

    def close(self) -> None:
        """A folder for which nothing ever came goes."""
        if not self._began:
            with contextlib.suppress(OSError):  # there is something in it
                self._folder.rmdir()

    def _keep(self, result: Result) -> None:
        assert result.verdict is not None
        assert result.image is not None
        stem = f"{result.number:09d}_{_stamp(result.time)}_{_slug(result.verdict.label)}"
        drawn = explained(self._inspector, result.image, result.verdict, _SHOWN)
        contents = {
            self._folder / f"{stem}.png": encode_png(result.image),
            self._folder / f"{stem}_evidence.jpg": jpeg(drawn, 90),
        }
        size = sum(len(content) for content in contents.values())
        self._make_room(size)
        try:
            for path, content in contents.items():
                replace_file(path, content, synced=False)  # the disk is not to hold up the line
        except OSError:
            for path in contents:
                path.unlink(missing_ok=True)
            raise
        self._kept.append((tuple(contents), size))
        self._size += size

    def _make_room(self, size: int) -> None:
        assert self._bytes is not None
        while self._kept and (len(self._kept) >= self._count or self._size + size > self._bytes):
            paths, freed = self._kept.popleft()
            self._size -= freed
            for path in paths:
                with contextlib.suppress(OSError):  # somebody has taken it away, or looks at it
                    path.unlink()


def encode_png(image: CameraImage) -> bytes:
    """All bits of a camera image, grey or RGB, 8 or 16 bit."""
    blue_first: Any = np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 else image
    done, data = cv2.imencode(".png", blue_first, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done  # what a camera gives
    return data.tobytes()


def _kept_in(folder: Path) -> list[tuple[tuple[Path, ...], int]]:
    """The alarms whose pictures are there, the oldest first: their files and how many bytes these have."""
    alarms: dict[tuple[str, int, str], list[Path]] = {}
    for path in folder.iterdir():
        if found := _KEPT.fullmatch(path.name):
            order = found["time"], int(found["number"]), path.name.removesuffix(found[3])
            alarms.setdefault(order, []).append(path)
    return [(tuple(paths), sum(path.stat().st_size for path in paths)) for _, paths in sorted(alarms.items())]


def _stamp(seconds: float) -> str:
    """The time as file names may have it: `2026-11-21T15-04-05.678`."""
    return iso_time(seconds)[:23].replace(":", "-")


def _slug(label: str) -> str:
    """A verdict as a part of a file name, letters of any language.

    Example:
        >>> _slug("scratch, dent/2")
        'scratch_dent_2'
    """
    clean = re.sub(r"\W+", "_", label).strip("_").encode("utf-8", "ignore")[:_LABEL]
    return clean.decode("utf-8", "ignore") or "defect"
