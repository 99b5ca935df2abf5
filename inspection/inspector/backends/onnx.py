"""ONNX Runtime, on the CPU. Neither torch nor the package `onnx` is needed."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.errors import InputError
from inspection.inspector.backends import HEATMAPS, Said, usable_cores
from inspection.inspector.backends.onnx_file import OnnxFile
from inspection.inspector.backends.runtimes import import_onnxruntime


class OnnxBackend:
    """Runs an exported graph with ONNX Runtime.

    Heatmaps, which may cost more than all the rest, have a session of their own, with its own copy of the weights;
    it is made when they are asked for first. Not for several threads at once.

    Args:
        path: `.onnx`.
        threads: Threads to compute with; None: one a core.

    Attributes:
        metadata: What the exporter wrote into the file.

    Raises:
        InputError: If ONNX Runtime is not installed, or the file is damaged.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            onnxruntime = import_onnxruntime()
        except ModuleNotFoundError:
            raise InputError(
                f'{path}: an .onnx file needs ONNX Runtime: pip install "inspection[onnx]"'
            ) from None
        self._path = path
        self._settings = onnxruntime.SessionOptions()
        self._settings.intra_op_num_threads = threads or usable_cores()
        self._settings.log_severity_level = 3  # errors
        try:
            file = OnnxFile(path.read_bytes())
            self.metadata, self._names = file.metadata, frozenset(file.outputs)
            self._sessions = {False: self._session(file, self._names - {HEATMAPS})}
        except Exception as error:  # its own kinds, which share no other ancestor
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"{path} is no ONNX file that can be run, or a damaged one ({reason})") from None
        self.name = f"ONNX Runtime {self.metadata.get('precision', 'float32')}"
        self._input = self._sessions[False].get_inputs()[0].name

    @property
    def outputs(self) -> frozenset[str]:
        """Those of the graph."""
        return self._names

    def run(self, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
        """See `Backend`."""
        names, explained = list(wanted), HEATMAPS in wanted
        if explained not in self._sessions:
            self._sessions[explained] = self._session(OnnxFile(self._path.read_bytes()), self._names)
        found = self._sessions[explained].run(names, {self._input: images})
        return dict(zip(names, found, strict=True))

    def _session(self, file: OnnxFile, outputs: Collection[str]) -> Any:
        return import_onnxruntime().InferenceSession(
            file.part(outputs), self._settings, providers=["CPUExecutionProvider"]
        )
