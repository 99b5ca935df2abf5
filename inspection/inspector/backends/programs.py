"""Programs of `torch.export` and TorchScript, run by torch on the CPU."""

import warnings
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.graph import CodeGen

from inspection.errors import InputError
from inspection.inspector.backends import Said
from inspection.inspector.backends.archives import checked_program, checked_script
from inspection.models import detector  # noqa: F401  (registers its operation)

KEYS = ("format", "graph", "precision", "passport")
"""Of the metadata, each a file in the archive."""

_Answer = Callable[[Tensor], dict[str, Tensor]]


class ProgramBackend:
    """Runs an exported program (`torch.export`), operation by operation.

    Of each choice of outputs a graph of its own is made when it is asked for first, so that what nobody asks for
    costs nothing. Not for several threads at once.

    Args:
        path: `.pt2`.
        threads: Threads to compute with, of torch in the whole process; None: as they are.

    Attributes:
        metadata: What the exporter wrote into the file.

    Raises:
        InputError: If the file is damaged, or holds more than tensors and operations of a network.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        extra = dict.fromkeys(KEYS, "")
        try:
            content = checked_program(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                program = torch.export.load(content, extra_files=extra)
        except (OSError, zipfile.BadZipFile, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise _unreadable(path, "torch.export program", error) from None
        if threads:
            torch.set_num_threads(threads)
        self.metadata = {key: value for key, value in extra.items() if value}
        self.name = f"torch.export {self.metadata.get('precision', 'float32')}"
        self._module = program.module(check_guards=False)
        spec = program.call_spec.out_spec
        assert spec is not None
        self._names = tuple(spec.context)
        self._parts: dict[frozenset[str], _Answer] = {}

    @property
    def outputs(self) -> frozenset[str]:
        """Those of the program."""
        return frozenset(self._names)

    def run(self, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
        """See `Backend`."""
        chosen = frozenset(wanted)
        if chosen not in self._parts:
            self._parts[chosen] = _part(self._module, self._names, chosen)
        return _run(self._parts[chosen], images, wanted)


class ScriptBackend:
    """Runs TorchScript, which PyTorch has deprecated: the answer alone, or all outputs.

    TorchScript is a program. One that does more than to compute is refused by what its code says; still, take one
    that came by mail in another format. Not for several threads at once.

    Args:
        path: `.ts`.
        threads: As of `ProgramBackend`.

    Attributes:
        metadata: What the exporter wrote into the file.

    Raises:
        InputError: If the file is damaged.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        extra: dict[str, Any] = dict.fromkeys((*KEYS, "outputs"), "")
        try:
            content = checked_script(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._module = torch.jit.load(content, map_location="cpu", _extra_files=extra)
        except (OSError, zipfile.BadZipFile, RuntimeError, ValueError) as error:
            raise _unreadable(path, "TorchScript of an inspector", error) from None
        if threads:
            torch.set_num_threads(threads)
        self.metadata = {key: value.decode() for key, value in extra.items() if value}
        self._names = self.metadata.pop("outputs", "").split()
        self.name = f"TorchScript {self.metadata.get('precision', 'float32')}"

    @property
    def outputs(self) -> frozenset[str]:
        """Those of the program."""
        return frozenset(self._names)

    def run(self, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
        """See `Backend`."""
        everything = set(wanted) != {self._names[0]}
        return _run(lambda pixels: self._module(pixels, everything), images, wanted)


def _run(answer: _Answer, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
    with torch.inference_mode():
        said = answer(torch.from_numpy(images))
    return {name: said[name].numpy() for name in wanted}


def _part(module: Any, names: tuple[str, ...], wanted: frozenset[str]) -> _Answer:
    """What of a program gives these outputs."""
    graph = torch.fx.Graph()
    output: Any = graph.graph_copy(module.graph, {})
    graph.output({name: value for name, value in zip(names, output, strict=True) if name in wanted})
    graph.set_codegen(CodeGen())
    graph.eliminate_dead_code()
    return GraphModule(module, graph)


def _unreadable(path: Path, kind: str, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(f"{path} is no {kind}, or a damaged one ({reason})")
