"""Decoded images, kept: each file is decoded once, and an epoch reads plain bytes.

In memory when they fit the budget, else in one file under `cache_dir`:

    rows       [R, C, H, W] of one dtype
    index      JSON: for each image its row, and the size and time of its file when it was decoded
    footer     the number of rows, the length of the index, and a mark

Rows and index are one file, written aside and moved into place when it is complete. So a cache is whole or
not there at all, whoever is killed when, and a reader keeps its own while another process puts a newer one
in its place. Rows are read with `preadv`, not mapped: the pages of a mapping count as memory of the
process, and an error of the disk would kill it. Measured against a mapping that gives its pages back after
each 64 MiB, warm: 0.15 against 0.14 ms for 10 rows of 280 kB, 0.19 against 0.05 ms for 128 rows of 3 kB.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import struct
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inspection.errors import InputError

MIB = 2**20
_VERSION = 1  # to be raised when the same file and geometry give other bytes
_FOOTER = struct.Struct("<QQ8s")  # rows, bytes of the index, mark
_MARK = b"u8-rows\n"
_LISTED = 5  # unreadable images named in a message
_CHUNK = 512  # images handed to the threads at a time: bounds what waits, and how long Ctrl-C takes
_Stamp = tuple[int, int]  # of an image file: bytes, and modification time in ns
_Index = dict[str, tuple[int, int, int]]  # name of an image: its row, and the stamp of its file


class Reader(Protocol):
    """How a file becomes a row: the geometry, for images.

    Attributes:
        shape: Of a row, `(C, H, W)`.
        dtype: Of a row.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a row."""
        ...

    def read(self, path: Path) -> NDArray[Any]:
        """The row of a file, or an `InputError`."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """All that decides what `read` gives, as plain values."""
        ...


class ImageCache:
    """The images of a data set as the network sees them, or their masks.

    Args:
        paths: image files; row `i` of the cache is `paths[i]`.
        reader: how a file becomes a row.
        memory_budget: MiB. Up to this the images lie in memory, beyond it on disk.
        cache_dir: folder for the cache file; made when it is needed.
        root: folder of the data set: caches of different roots are kept apart, and within one a file is known
            by its path below the root. None: by its absolute path.

    On disk the cache serves later runs. An image is decoded again when its file has another size or
    modification time than when it was decoded; a file changed during a run is noticed by the next one. In
    memory nothing outlives the run, so nothing is checked. Disk mode needs a POSIX system (`preadv`).

    A copy by pickle (a spawned worker) shares the file on disk, but has its own copy of what is in memory.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        reader: Reader,
        memory_budget: int,
        cache_dir: Path,
        root: Path | None = None,
    ) -> None:
        self.paths = [Path(path) for path in paths]
        self.reader = reader
        self.memory_budget = memory_budget
        self.cache_dir = Path(cache_dir)
        self.root = None if root is None else Path(root)
        self.row_bytes = int(np.prod(reader.shape)) * reader.dtype.itemsize
        self._images: NDArray[Any] | None = None
        self._rows: NDArray[np.int64] | None = None
        self._descriptor = -1

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def nbytes(self) -> int:
        """Bytes of all decoded images together."""
        return len(self) * self.row_bytes

    @property
    def in_memory(self) -> bool:
        """Whether the images fit the memory budget."""
        return self.nbytes <= self.memory_budget * MIB

    @property
    def cache_file(self) -> Path:
        """The file of disk mode, named by root and reader: all file lists of a data set share it."""
        root = "" if self.root is None else self.root.resolve().as_posix()
        facts = json.dumps([_VERSION, root, self.reader.to_dict()], sort_keys=True)
        return self.cache_dir / f"{hashlib.sha256(facts.encode()).hexdigest()[:16]}.u8"

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Decode what is not decoded yet, in a thread for each processor core.

        Args:
            progress: called as `progress(done, total)` in this thread after each decoded image; `total`
                counts the images to decode. Not called when there are none.

        Raises:
            InputError: unreadable images, all of them in one message; or no room in `cache_dir`.
        """
        if self.in_memory:
            images = np.empty((len(self), *self.reader.shape), self.reader.dtype)
            errors = self._decode(self.paths, images.__setitem__, progress)
            self._raise_unreadable(list(errors.values()))
            self._images = images
        else:
            stamps = {name: _stamp(path) for name, path in zip(self._names(), self.paths, strict=True)}
            if not self._open(stamps):
                self._build(stamps, progress)

    def gather(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[Any]:
        """The images of a batch.

        Args:
            indices: `B` numbers in 0..len-1.

        Returns:
            `[B, C, H, W]` of the reader's dtype, contiguous, own memory.

        Raises:
            IndexError: an index outside the cache.
            RuntimeError: `prepare` was not called.
        """
        wanted = np.asarray(indices, np.int64)
        if self._images is not None:
            return self._images.take(wanted, axis=0)
        if self._rows is None:
            raise RuntimeError("ImageCache.gather: call prepare() first.")
        rows = self._rows[wanted].tolist()
        batch = np.empty((len(rows), *self.reader.shape), self.reader.dtype)
        view = batch.reshape(-1).view(np.uint8).data
        for place, row in enumerate(rows):
            image = view[place * self.row_bytes : (place + 1) * self.row_bytes]
            _read_exactly(self._descriptor, image, row * self.row_bytes)
        return batch

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_rows": None, "_descriptor": -1, "_was_open": self._rows is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        was_open = state.pop("_was_open")
        self.__dict__.update(state)
        # A file that changed since then does not stop a worker; the next run notices it.
        if was_open and not self._open(dict.fromkeys(self._names())):
            raise InputError(f"{self.cache_file}: was removed or replaced while in use; start the run again.")

    def _names(self) -> list[str]:
        """What the index calls each path: relative to the root where it lies below it."""
        root = None if self.root is None else self.root.absolute()
        absolute = [path.absolute() for path in self.paths]
        return [
            (path.relative_to(root) if root and path.is_relative_to(root) else path).as_posix()
            for path in absolute
        ]

    def _open(self, stamps: Mapping[str, _Stamp | None]) -> bool:
        """Use the cache file if it holds all these images, as they are now where a stamp is given."""
        try:
            descriptor = os.open(self.cache_file, os.O_RDONLY)
        except OSError:
            return False
        index = _read_index(descriptor, self.row_bytes)
        if not all(name in index and stamp in (None, index[name][1:]) for name, stamp in stamps.items()):
            os.close(descriptor)
            return False
        weakref.finalize(self, os.close, descriptor)
        self._descriptor = descriptor
        self._rows = np.array([index[name][0] for name in self._names()], np.int64)
        return True

    def _build(self, stamps: Mapping[str, _Stamp], progress: Callable[[int, int], None] | None) -> None:
        """Put a new cache file in place: what is still true of the old one, and the rest decoded."""
        try:
            self.cache_dir.mkdir(parents=True, exist_ok=True)
            with _one_at_a_time(self.cache_file):
                if self._open(stamps):  # built by another process while this one waited
                    return
                errors = self._write(stamps, progress)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise self._no_room(self.nbytes) from None
            raise InputError(
                f"data.cache_dir={self.cache_dir}: cannot be written ({error.strerror}); "
                "set data.cache_dir to a folder that can."
            ) from None
        self._raise_unreadable(errors)
        if not self._open(stamps):
            raise InputError(
                f"{self.cache_file}: was removed or replaced just after it was built; start again."
            )

    def _write(
        self, stamps: Mapping[str, _Stamp], progress: Callable[[int, int], None] | None
    ) -> list[InputError]:
        """Write the cache file; unreadable images are left out of it and returned."""
        paths = dict(zip(self._names(), self.paths, strict=True))
        with _old_cache(self.cache_file, self.row_bytes) as (old_descriptor, old_index):
            # Images of other file lists of this data set stay while their files do.
            root = self.root or Path()
            kept = {
                name: entry
                for name, entry in old_index.items()
                if entry[1:] == (stamps[name] if name in stamps else _stamp(root / name))
            }
            missing = [name for name in paths if name not in kept]
            needed = (len(kept) + len(missing)) * self.row_bytes
            if needed > shutil.disk_usage(self.cache_dir).free:
                raise self._no_room(needed)

            descriptor, aside = tempfile.mkstemp(".tmp", f"{self.cache_file.stem}.", self.cache_dir)
            try:
                buffer = np.empty(self.row_bytes, np.uint8)
                for row, entry in enumerate(kept.values()):
                    _read_exactly(old_descriptor, buffer.data, entry[0] * self.row_bytes)
                    _write_exactly(descriptor, buffer.data, row * self.row_bytes)

                def store(number: int, image: NDArray[Any]) -> None:
                    view = image.reshape(-1).view(np.uint8).data
                    _write_exactly(descriptor, view, (len(kept) + number) * self.row_bytes)

                errors = self._decode([paths[name] for name in missing], store, progress)
                names = [*kept, *missing]
                index = {
                    name: (row, *(kept[name][1:] if name in kept else stamps[name]))
                    for row, name in enumerate(names)
                    if row - len(kept) not in errors
                }
                text = json.dumps(index).encode()
                footer = memoryview(text + _FOOTER.pack(len(names), len(text), _MARK))
                _write_exactly(descriptor, footer, len(names) * self.row_bytes)
                os.fsync(descriptor)  # or the name could reach the disk before the rows do
                os.replace(aside, self.cache_file)
            except BaseException:
                os.unlink(aside)
                raise
            finally:
                os.close(descriptor)
        return list(errors.values())

    def _decode(
        self,
        paths: Sequence[Path],
        store: Callable[[int, NDArray[Any]], None],
        progress: Callable[[int, int], None] | None,
    ) -> dict[int, InputError]:
        """Decode and store files in threads (OpenCV lets go of the interpreter); the errors by number."""

        def decode(number: int) -> InputError | None:
            try:
                image = self.reader.read(paths[number])
            except InputError as error:
                return error
            store(number, image)
            return None

        errors: dict[int, InputError] = {}
        with ThreadPoolExecutor(cores()) as pool:
            for start in range(0, len(paths), _CHUNK):
                numbers = range(start, min(start + _CHUNK, len(paths)))
                for number, error in zip(numbers, pool.map(decode, numbers), strict=True):
                    if error is not None:
                        errors[number] = error
                    if progress is not None:
                        progress(number + 1, len(paths))
        return errors

    def _raise_unreadable(self, errors: Sequence[InputError]) -> None:
        if not errors:
            return
        if len(errors) == 1:
            raise errors[0]
        lines = [f"{len(errors)} of {len(self)} images cannot be used:"]
        lines += [f"  {str(error).splitlines()[0]}" for error in errors[:_LISTED]]
        if len(errors) > _LISTED:
            lines.append(f"  and {len(errors) - _LISTED} more.")
        raise InputError("\n".join(lines))

    def _no_room(self, needed: int) -> InputError:
        free = shutil.disk_usage(self.cache_dir).free
        return InputError(
            f"data.cache_dir={self.cache_dir}: the decoded images need {-(-needed // MIB)} MiB, "
            f"{free // MIB} MiB are free.\n"
            f"Free some, set data.cache_dir to another disk, or set data.memory_budget "
            f"(now {self.memory_budget} MiB) to {-(-self.nbytes // MIB)} to keep the images in memory."
        )


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _stamp(path: Path) -> _Stamp:
    """Size and modification time of a file, by which a change is noticed."""
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)  # equal to no file's: reading it will say what is wrong
    return (status.st_size, status.st_mtime_ns)


def _read_index(descriptor: int, row_bytes: int) -> _Index:
    """The index at the end of a cache file; empty when the file is none, or not whole."""
    size = os.fstat(descriptor).st_size
    if size < _FOOTER.size:
        return {}
    rows, length, mark = _FOOTER.unpack(os.pread(descriptor, _FOOTER.size, size - _FOOTER.size))
    if mark != _MARK or rows * row_bytes + length + _FOOTER.size != size:
        return {}
    text = bytearray(length)
    _read_exactly(descriptor, memoryview(text), rows * row_bytes)
    try:
        return {name: (row, size, time) for name, (row, size, time) in json.loads(text).items()}
    except ValueError:  # the disk gave back other bytes
        return {}


@contextlib.contextmanager
def _old_cache(path: Path, row_bytes: int) -> Iterator[tuple[int, _Index]]:
    """An existing cache file, opened, and its index; (-1, {}) when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield -1, {}
        return
    try:
        yield descriptor, _read_index(descriptor, row_bytes)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _one_at_a_time(cache_file: Path) -> Iterator[None]:
    """Let one process build while others wait, to find the work done; without locks each does it safely."""
    import fcntl  # POSIX only, as disk mode is

    with open(cache_file.with_suffix(".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # a network disk without locks
            pass
        else:
            for left_behind in cache_file.parent.glob(f"{cache_file.stem}.*.tmp"):  # by a killed process
                left_behind.unlink()
        yield


def _read_exactly(descriptor: int, view: memoryview, offset: int) -> None:
    while view:
        count = os.preadv(descriptor, [view], offset)
        if count == 0:
            raise InputError(
                "the cache file was cut short while in use; remove data.cache_dir and start again."
            )
        view, offset = view[count:], offset + count


def _write_exactly(descriptor: int, view: memoryview, offset: int) -> None:
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
