"""What is labelled: videos, or images in a folder."""

import glob
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from inspection.data.attributes import can_be_named
from inspection.data.images import IMAGE_SUFFIXES, find_images, read_image
from inspection.errors import InputError
from inspection.labelling.video import VIDEO_SUFFIXES, VideoFrames


class Frames(Protocol):
    """The frames of a video, or images in the place of frames, numbered from 0."""

    name: str
    """The video: begins the names of its pictures and of its table."""
    path: Path

    @property
    def count(self) -> int | None:
        """Number of frames; None while it is not known."""

    @property
    def announced(self) -> int | None:
        """Number of frames that the file claims to have; None, too, before it was opened."""

    @property
    def note(self) -> str:
        """What a person should know of the source; mostly empty."""

    def reach(self, number: int) -> int:
        """The readable frame that is nearest to a number.

        Raises:
            InputError: The source can't be read; `count` is 0 when nothing of it can.
        """

    def picture(self, number: int) -> np.ndarray:
        """Pixels of a readable frame: `[H, W]` or RGB `[H, W, 3]`, uint8 or uint16, not to be written to."""

    def file_name(self, number: int) -> str:
        """Name under which a frame is saved."""

    def file_bytes(self, number: int) -> bytes:
        """Content of the file under which a frame is saved."""

    def number_of(self, file_name: str) -> int | None:
        """The frame of a file name; None for a name that is not of this source."""

    def hint(self, number: int) -> str:
        """What somebody else says of the labels of a frame; mostly empty."""

    def release(self) -> None:
        """Give back memory and open files; they are taken again when a frame is asked for."""


class ImageFrames:
    """Images of a folder. They are saved as they are, byte for byte, as `<folder>_<path with _ for />`.

    The name of the file is kept rather than a number, which would change when images are added.

    Args:
        root: The folder.
        files: Paths below it.

    Raises:
        InputError: Two files would be saved under one name.
    """

    note = ""

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self.path = root
        self.name = root.resolve().name or "images"
        self._files = list(files)
        self._names = [f"{self.name}_{'_'.join(file.parts)}" for file in self._files]
        self._numbers: dict[str, int] = {}
        for number, name in enumerate(self._names):
            # One name on disks that do not tell A from a, too.
            other = self._numbers.setdefault(name.casefold(), number)
            if other != number:
                raise InputError(
                    f"{root}: {self._files[other]} and {self._files[number]} would both be saved as {name}; "
                    "rename one of them"
                )

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self._files)

    @property
    def announced(self) -> int:
        """Number of images."""
        return len(self._files)

    def reach(self, number: int) -> int:
        """See `Frames`."""
        return min(max(number, 0), len(self._files) - 1)

    def picture(self, number: int) -> np.ndarray:
        """See `Frames`.

        Raises:
            InputError: The file is no image, or damaged.
        """
        return read_image(self.path / self._files[number])

    def file_name(self, number: int) -> str:
        """See `Frames`."""
        return self._names[number]

    def file_bytes(self, number: int) -> bytes:
        """See `Frames`."""
        return (self.path / self._files[number]).read_bytes()

    def number_of(self, file_name: str) -> int | None:
        """See `Frames`."""
        number = self._numbers.get(file_name.casefold())
        return number if number is not None and self._names[number] == file_name else None

    def hint(self, number: int) -> str:
        """Nothing is known."""
        return ""

    def release(self) -> None:
        """Nothing is held."""


def open_source(source: str, saved: Path | None = None) -> list[Frames]:
    """The videos of a source one by one, or its images as one.

    A single video is looked into at once, one of several when it is its turn.

    Args:
        source: A video or image, a folder (searched at any depth), or a shell pattern.
        saved: Folder of saved frames, where nothing is taken from: they would be saved again, under other names.

    Raises:
        InputError: Nothing to label or nothing but saved frames, images beside videos, two videos of one name, a
            name that a table can't hold, or a single video that can't be read.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        root = path
        videos = [found for found in sorted(path.rglob("*")) if _is_video(found, path)]
        images = find_images(path)
    elif path.is_file():
        root = path.parent
        images = [path] if path.suffix.lower() in IMAGE_SUFFIXES else []
        videos = [] if images else [path]  # whatever its suffix is: OpenCV says whether it can read it
    else:
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
        # The longest folder without a wildcard.
        root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        videos = [match for match in matches if _is_video(match, root)]
        images = [match for match in matches if match.suffix.lower() in IMAGE_SUFFIXES and match.is_file()]
        if not matches:
            raise InputError(f"source={source}: no such file or folder, and nothing matches it as a pattern")
    found = bool(images or videos)
    videos, images = _outside(videos, saved), _outside(images, saved)
    if found and not (images or videos):
        raise InputError(
            f"source={source}: these are the saved frames of output={saved.parent if saved else ''}; "
            "label the videos or images that they come from, or give another output"
        )
    if images and videos:
        raise InputError(
            f"source={source}: {len(images)} images beside {len(videos)} videos; name one kind by a pattern, "
            f"for example 'source={root}/*{videos[0].suffix}'"
        )
    if images:
        frames = ImageFrames(root, [image.relative_to(root) for image in images])
        for number, image in enumerate(images):
            _check_name(image, frames.file_name(number))
        return [frames]
    if not videos:
        kinds = " ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES | IMAGE_SUFFIXES))
        raise InputError(f"source={source}: no video and no image there; looked for {kinds}")
    return _open_videos(source, videos)


def _open_videos(source: str, videos: Sequence[Path]) -> list[Frames]:
    names: dict[str, Path] = {}
    for video in videos:
        other = names.setdefault(video.stem.casefold(), video)
        if other != video:
            raise InputError(
                f"source={source}: {other} and {video} have one name, and so would their frames; rename one of "
                "them, or label them into different folders (output=<folder>)"
            )
    opened = [VideoFrames(video) for video in videos]
    for video, reel in zip(videos, opened, strict=True):
        _check_name(video, reel.file_name(0))
        if not _is_unicode(video):  # the folders above it, too: OpenCV crashes
            raise InputError(f"{str(video)!r}: this path is not UTF-8; rename the file or its folder")
    if len(opened) == 1:
        opened[0].reach(0)
    return list(opened)


def _outside(paths: list[Path], saved: Path | None) -> list[Path]:
    """The paths that are not below a folder."""
    if saved is None:
        return paths
    folder = saved.resolve()
    inside = {parent: parent.resolve().is_relative_to(folder) for parent in {path.parent for path in paths}}
    return [path for path in paths if not inside[path.parent]]


def _is_unicode(path: Path) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in str(path))


def _check_name(path: Path, name: str) -> None:
    """Find out before anything is labelled."""
    if not can_be_named(name):
        raise InputError(
            f"{str(path)!r}: the frame would be saved as {name!r}, which a table can't hold (a blank at an end, a "
            "backslash, a line break, or not UTF-8); rename the file or its folder"
        )


def _is_video(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and os.path.splitext(path.name)[1].lower() in VIDEO_SUFFIXES and path.is_file()
