"""Files that are there whole or not at all."""

import os
from pathlib import Path


def replace_file(path: Path, data: bytes, synced: bool = True) -> None:
    """Write a file, or put a new one in the place of the old: who reads meanwhile sees either, whole.

    A process that is killed on the way leaves the old file, and perhaps a hidden `.<name>.<pid>.tmp` beside it.

    Args:
        path: The file; the folders above it are made.
        data: All of its content.
        synced: Whether to wait for the disk, so that a power cut leaves one of the two, too.

    Raises:
        OSError: The file can't be written; the old one is as it was.
    """
    path = path.resolve()  # a link goes on to point to the file
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # a file is renamed within one disk only
    try:
        with aside.open("wb") as stream:
            stream.write(data)
            if synced:  # or the name could reach the disk before the content does
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
