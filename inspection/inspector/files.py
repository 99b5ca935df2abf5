"""Inspectors in files: how they are written, and which reader opens which.

None of them holds code: `.safetensors` are tensors and JSON for networks of this package, the exported ones are
graphs for the runtime that their suffix says.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import InputError
from inspection.inspector.inspector import Inspector
from inspection.inspector.passport import Passport, read_passport, write_passport

if TYPE_CHECKING:
    import torch

    from inspection.inspector.backends.torch import TorchBackend

FORMAT = "inspection.inspector.5"
INSPECTOR = "inspector.safetensors"
"""In a run folder."""


def load(path: Path, device: str | torch.device = "cpu", threads: int | None = None) -> Inspector:
    """Open an inspector of any kind, see `Inspector.load`.

    Raises:
        InputError: As there.
    """
    if path.is_dir():
        if not (path / INSPECTOR).is_file():
            raise InputError(f"{path}: no {INSPECTOR} in this folder; is it a run that came to its end?")
        path = path / INSPECTOR
    if not path.is_file():
        raise InputError(f"{path}: no such inspector file")
    return _load_trained(path, device)


def _load_trained(path: Path, device: str | torch.device) -> Inspector:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise InputError(
            f'{path}: a network as it was trained needs torch: pip install "inspection[train]"; or export it, and '
            "give the .onnx or .xml file"
        ) from None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no inspector file, or a damaged one ({error})") from None
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} is a safetensors file, but no inspector that this version knows ({FORMAT})")
    try:
        return Inspector.of(read_passport(metadata["passport"]), weights, device)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its passport is damaged, or of another version ({error})") from None


def save(backend: TorchBackend, passport: Passport, path: Path) -> None:
    """Write an inspector as it was trained, see `Inspector.save`.

    Raises:
        InputError: As there.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    weights = {name: tensor.contiguous() for name, tensor in backend.model.network.state_dict().items()}
    partial = path.with_name(path.name + ".partial")
    metadata = {"format": FORMAT, "passport": write_passport(passport)}
    try:
        save_file(weights, partial, metadata=metadata)
        os.replace(partial, path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: the inspector could not be written ({error})") from error
    finally:
        with contextlib.suppress(OSError):  # not there: renamed, or never made
            partial.unlink()
