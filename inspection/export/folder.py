"""The folder of an export: what is in it is whole and holds, whatever becomes of the next one."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inspection.errors import InputError
from inspection.export.write import FILES

PARITY = "parity.json"
FAILED = "parity_failed.json"
"""The comparison of an export that did not hold; beside an earlier one that does, if there is one."""

_ASIDE = ".partial-"
_OLD = 24 * 3600.0  # seconds; a folder that an export still writes to is younger
_FIRST = "inspector.bin"  # weights before the graph that needs them, the comparison last
_ORDER = (_FIRST, *(name for name in FILES if name != _FIRST), PARITY, FAILED)


@contextmanager
def written_aside(output: Path) -> Iterator[Path]:
    """A folder to write an export to; when the block is done its files replace those of an earlier export.

    Where `parity_failed.json` is among them, it alone comes, and an earlier export stays. Of a block that raises
    nothing stays, nor folders that were made for it.

    Args:
        output: Is made.

    Raises:
        InputError: If the folder can't be made or written.
    """
    made: list[Path] = []
    try:
        with writing(output):
            made = [each for each in (output, *output.parents) if not each.exists()]
            output.mkdir(parents=True, exist_ok=True)
            _sweep(output)
            aside = tempfile.TemporaryDirectory(dir=output, prefix=_ASIDE, ignore_cleanup_errors=True)
        with aside as name:
            yield Path(name)
            with writing(output):
                _move(Path(name), output)
    finally:
        for each in made:
            with suppress(OSError):  # only empty ones go
                each.rmdir()


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Say of which folder a file could not be written.

    Raises:
        InputError: If the disk is full or the folder can't be written.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"output={output}: could not be written ({error.strerror or error})") from error


def _move(aside: Path, output: Path) -> None:
    new = {path.name for path in aside.iterdir()}
    if FAILED in new:
        new = {FAILED}
    for name in sorted(new, key=_ORDER.index):
        os.replace(aside / name, output / name)
    if FAILED not in new:
        for name in set(_ORDER) - new:
            (output / name).unlink(missing_ok=True)


def _sweep(output: Path) -> None:
    """Remove what exports left that were killed."""
    for left in output.glob(f"{_ASIDE}*"):
        if time.time() - left.stat().st_mtime > _OLD:
            shutil.rmtree(left, ignore_errors=True)
