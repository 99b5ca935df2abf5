"""Inspectors in files: how they are written, and which reader opens which.

`.safetensors` are tensors and JSON for networks of this package, `.onnx`, `.xml` and `.pt2` are graphs of known
operations: none of them holds code. `.ts` is a program, and is refused where it says that it does more than to
compute.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError
from inspection.inspector.beside import BESIDE, read_beside
from inspection.inspector.inspector import Inspector
from inspection.inspector.passport import Passport, read_passport, write_passport

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from inspection.inspector.backends.torch import TorchBackend

FORMAT = "inspection.inspector.5"
INSPECTOR = "inspector.safetensors"
"""In a run folder."""
PARTIAL = ".partial"
"""In the name of a file that is not complete."""

_EXPORTED = {
    ".onnx": ("onnx", "OnnxBackend"),
    ".xml": ("openvino", "OpenVinoBackend"),
    ".pt2": ("programs", "ProgramBackend"),
    ".ts": ("programs", "ScriptBackend"),
}
"""Suffix of an exported inspector, and what runs it."""


def load(path: Path, device: str | torch.device = "cpu", threads: int | None = None) -> Inspector:
    """Open an inspector of any kind, see `Inspector.load`.

    Raises:
        InputError: As there.
    """
    check_threads(threads)
    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        raise InputError(f"{path}: no such inspector file")
    if path.suffix.lower() not in _EXPORTED:
        return _load_trained(path, device, threads)
    if str(device) != "cpu":
        raise InputError(f"device={device}: {path.name} was exported, and runs on the CPU; leave device out")
    return _load_exported(path, threads)


def check_threads(threads: int | None) -> None:
    """Refuse what is no number of threads.

    Raises:
        InputError: It is below 1.
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads={threads}: expected 1 or more, or null for one a core")


def _in_folder(folder: Path) -> Path:
    """The inspector of a run, or the one that was exported to a folder."""
    if (folder / INSPECTOR).is_file():
        return folder / INSPECTOR
    suffixes = tuple(f"{PARTIAL}{suffix}" for suffix in _EXPORTED)
    found = [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in _EXPORTED and not file.name.endswith(suffixes)
    ]
    if len(found) > 1:
        raise InputError(f"{folder} holds several inspectors: give one of {', '.join(map(str, found))}")
    if not found:
        raise InputError(
            f"{folder}: neither {INSPECTOR}, as in the folder of a run that came to its end, nor an exported "
            f"inspector ({', '.join(_EXPORTED)})"
        )
    return found[0]


def _check_format(path: Path, found: str | None) -> None:
    if found is None or not found.startswith(FORMAT.rpartition(".")[0]):
        raise InputError(f"{path}: a file that can be read, but no inspector")
    if found != FORMAT:
        raise InputError(
            f"{path}: written by another version of this package ({found}; this one reads {FORMAT}): "
            "train or export again, or install that version"
        )


def _load_exported(path: Path, threads: int | None) -> Inspector:
    module, name = _EXPORTED[path.suffix.lower()]
    try:
        reader = importlib.import_module(f"inspection.inspector.backends.{module}")
    except ModuleNotFoundError as error:
        raise InputError(
            f'{path}: a {path.suffix} file needs {error.name}: pip install "inspection[train]"; or export as .onnx'
        ) from None
    backend = getattr(reader, name)(path, threads)
    metadata: dict[str, str] = backend.metadata
    _check_format(path, metadata.get("format"))
    try:
        inspector = Inspector(read_passport(metadata["passport"]), backend)
        _check_runs(inspector)
        beside = path.with_name(BESIDE)
        if not beside.is_file():
            return inspector
        return inspector.judging_by(read_beside(beside, inspector.passport, metadata.get("graph")))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its passport is damaged, or of another version ({error})") from None


def _check_runs(inspector: Inspector) -> None:
    """Raise an InputError unless the graph takes the images, and gives the answer, that the passport speaks of."""
    image = np.zeros((1, *inspector.geometry.shape), np.uint8)
    answer, names = inspector.answers.answer, inspector.decision.names
    try:
        given = inspector.backend.run(image, [answer])[answer].shape
    except Exception as error:  # of whatever runs it
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"its graph is not the one of its passport ({reason})") from None
    if len(given) == 2 and given != (1, len(names)):
        raise InputError(f"its graph gives {given[1]} {answer}, but its passport names {len(names)}")


def _load_trained(path: Path, device: str | torch.device, threads: int | None) -> Inspector:
    try:
        import torch  # noqa: F401  (safetensors comes without it, too)
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
    _check_format(path, metadata.get("format"))
    try:
        return Inspector.of(read_passport(metadata["passport"]), weights, device, threads)
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
    partial = path.with_name(f"{path.stem}{PARTIAL}{path.suffix}")
    try:
        partial.touch()  # some writers would make a folder that is not there
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: the inspector could not be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):  # not there: renamed, or never made
            partial.unlink()
