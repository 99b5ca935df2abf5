"""A program of `torch.export`: what PyTorch itself reads."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch.export import ExportedProgram

from inspection.export.quiet import quiet
from inspection.inspector.files import written_whole


def write_torch_export(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a program as `torch.export` does.

    Args:
        program: See `exported_program`.
        path: `.pt2`.
        metadata: Goes into the archive's extra files.

    Raises:
        InputError: If the disk is full or the folder can't be written.
    """
    with written_whole(path) as partial, quiet(), partial.open("wb") as stream:
        torch.export.save(program, stream, extra_files=dict(metadata))
