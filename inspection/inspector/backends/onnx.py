"""ONNX Runtime, on the CPU. Neither torch nor the package `onnx` is needed."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspection.errors import InputError
from inspection.inspector.backends import Said


class OnnxBackend:
    """Runs an exported graph with ONNX Runtime.

    `run` may be called by several threads at once: ONNX Runtime's sessions allow it, and share the threads they
    compute with.

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
            import onnxruntime
        except ModuleNotFoundError:
            raise InputError(
                f'{path}: an .onnx file needs ONNX Runtime: pip install "inspection[onnx]"'
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own kinds, which share no other ancestor
            reason = str(error).splitlines()[0]
            raise InputError(f"{path} is no ONNX file that can be run, or a damaged one ({reason})") from None
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.name = f"ONNX Runtime {self.metadata.get('precision', 'float32')}"
        self._input = self._session.get_inputs()[0].name
        self._names = frozenset(output.name for output in self._session.get_outputs())
        self._options = onnxruntime.RunOptions()
        self._options.only_execute_path_to_fetches = True

    @property
    def outputs(self) -> frozenset[str]:
        """Those of the graph."""
        return self._names

    def run(self, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
        """See `Backend`."""
        names = list(wanted)
        found = self._session.run(names, {self._input: images}, self._options)
        return dict(zip(names, found, strict=True))
