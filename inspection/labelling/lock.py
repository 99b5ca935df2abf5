"""One tool at a time on a table."""

import os
import socket
import sys
from pathlib import Path
from typing import IO

from inspection.errors import InputError

_BYTE = 4096  # the locked byte, beyond the text: a locked byte can't be read on Windows


def lock(table: Path) -> IO[str]:
    """Take the lock of a table.

    The operating system holds it and lets go when the process ends, however it ends: a killed tool blocks nobody.
    The hidden lock file stays and means nothing by itself.

    Returns:
        The lock; to be closed.

    Raises:
        InputError: Another process holds it.
        OSError: The folder can't be written to.
    """
    path = table.with_name(f".{table.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a+", encoding="utf-8")
    try:
        _take(stream)
    except (BlockingIOError, PermissionError):
        stream.seek(0)
        holder = stream.read(200).strip() or "unknown"
        stream.close()
        raise InputError(
            f"{table}: another labelling tool has this table open ({holder}); quit that one first"
        ) from None
    except OSError:  # a network disk without locks
        return stream
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    stream.flush()
    return stream


def _take(stream: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        stream.seek(_BYTE)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        stream.seek(0)
    else:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
