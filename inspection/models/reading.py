"""Files of tensors, read without running what they hold and only if they are as they were written."""

import zipfile
from pathlib import Path
from typing import Any

import torch


def load_tensors(path: Path, mmap: bool = False) -> Any:
    """What `torch.save` wrote, as far as it is tensors and plain values; on the CPU.

    torch itself compares no checksums: a flipped bit would pass for a weight. The zip files that it has written
    since 1.6 have one for each tensor; those saved with `torch.serialization.set_crc32_options(False)` have wrong
    ones and are refused. Older files have none, and nothing but their form is checked.

    Args:
        path: A file that is there.
        mmap: Whether the tensors are left on disk until they are used.

    Raises:
        Exception: Of any kind, if the file is damaged or something else: a pickle that is none can fail anywhere.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if broken := archive.testzip():
                raise ValueError(f"{broken} does not match its checksum")
    return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)


def reason(error: Exception) -> str:
    """The start of an exception's message, in one line of at most 120 characters.

    Example:
        >>> reason(KeyError(101))
        'KeyError: 101'
    """
    first = (str(error).splitlines() or [""])[0].split(". ")[0]
    return (first if " " in first else f"{type(error).__name__}: {first}".rstrip(": "))[:120]
