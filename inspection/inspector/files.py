"""Inspectors in files: how they are written, and which reader opens which.

None of them holds code: `.safetensors` are tensors and JSON for networks of this package, the exported ones are
graphs for the runtime that their suffix says.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.decide.kinds import decision_from
from inspection.errors import InputError
from inspection.inspector.inspector import Inspector
from inspection.inspector.passport import Passport, read_passport, write_passport

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from inspection.inspector.backends.torch import TorchBackend

FORMAT = "inspection.inspector.5"
INSPECTOR = "inspector.safetensors"
"""In a run folder."""
BESIDE = "inspector.json"
"""Beside an exported inspector: what is in its metadata, to be read and, where it decides, to be changed."""

_EXPORTED = {
    ".onnx": ("onnx", "OnnxBackend"),
    ".xml": ("openvino", "OpenVinoBackend"),
    ".pt2": ("programs", "ProgramBackend"),
    ".ts": ("programs", "ScriptBackend"),
}
"""Suffix of an exported inspector, and what runs it."""

_OPERATING = ("threshold", "thresholds", "score", "min_area", "box_threshold", "alarm", "called_from")
"""What of a decision is applied behind the graph."""


def load(path: Path, device: str | torch.device = "cpu", threads: int | None = None) -> Inspector:
    """Open an inspector of any kind, see `Inspector.load`.

    Raises:
        InputError: As there.
    """
    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        raise InputError(f"{path}: no such inspector file")
    if path.suffix in _EXPORTED:
        return _load_exported(path, threads)
    return _load_trained(path, device)


def _in_folder(folder: Path) -> Path:
    """The inspector of a run, or the one that was exported to a folder."""
    if (folder / INSPECTOR).is_file():
        return folder / INSPECTOR
    found = [file for file in sorted(folder.iterdir()) if file.suffix in _EXPORTED]
    if len(found) > 1:
        raise InputError(f"{folder} holds several inspectors: give one of {', '.join(map(str, found))}")
    if not found:
        raise InputError(f"{folder}: no {INSPECTOR} in this folder; is it a run that came to its end?")
    return found[0]


def _load_exported(path: Path, threads: int | None) -> Inspector:
    module, name = _EXPORTED[path.suffix]
    backend = getattr(importlib.import_module(f"inspection.inspector.backends.{module}"), name)(path, threads)
    metadata: dict[str, str] = backend.metadata
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} can be run, but is no inspector that this version knows ({FORMAT})")
    try:
        passport = read_passport(metadata["passport"])
        return Inspector(_as_beside(passport, metadata.get("graph"), path), backend)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its passport is damaged, or of another version ({error})") from None


def _as_beside(passport: Passport, graph: str | None, path: Path) -> Passport:
    """A passport with the operating point of the JSON beside the inspector, if there is one.

    Raises:
        InputError: If the JSON is damaged, another inspector's, or asks for what the graph does not compute.
    """
    beside = path.with_name(BESIDE)
    if not beside.is_file():
        return passport
    try:
        values = json.loads(beside.read_text(encoding="utf-8"))
        of_graph, wanted = values["graph"], dict(values["decision"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{BESIDE} beside it is damaged ({error}); export again, or remove it") from None
    if of_graph != graph:
        raise InputError(
            f"{BESIDE} beside it belongs to another inspector ({values.get('file', of_graph)}): keep each "
            "inspector in a folder of its own, or remove the JSON to run it as it was exported"
        )
    own = decision_from(passport.decision).to_dict()
    for key in {**own, **wanted}:
        if key not in _OPERATING and wanted.get(key) != own.get(key):
            raise InputError(
                f"decision.{key}={wanted.get(key)} in {BESIDE}, but the graph was exported with {own.get(key)}: "
                f"only {', '.join(key for key in own if key in _OPERATING)} can be changed without exporting again"
            )
    try:
        return replace(passport, decision=decision_from(wanted).to_dict())
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"decision in {BESIDE}: {error}") from None


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
    metadata = {"format": FORMAT, "passport": write_passport(passport)}
    with written_whole(path) as partial:
        try:
            save_file(weights, partial, metadata=metadata)
        except SafetensorError as error:
            raise InputError(f"{path}: the inspector could not be written ({error})") from error


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A place to write a file to; it takes the file's name when the block is done, the old one stays until then.

    Raises:
        InputError: If the disk is full or the folder can't be written.
    """
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        partial.touch()  # some writers would make a folder that is not there
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: the inspector could not be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):  # not there: renamed, or never made
            partial.unlink()
