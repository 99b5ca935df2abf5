"""Files that are written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from inspection.errors import InputError


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A place to write to; what is there takes the file's name when the block is done.

    Raises:
        InputError: If the disk is full or the folder can't be written.
    """
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: could not be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):  # not there: renamed, or never made
            partial.unlink()
