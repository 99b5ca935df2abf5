"""OpenVINO, on the CPU. Torch is not needed."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.errors import InputError
from inspection.inspector.backends import HEATMAPS, Said, usable_cores
from inspection.inspector.backends.runtimes import import_openvino

SECTION = "inspection"
"""Where the metadata lies in the file's `rt_info`."""
WEIGHTS = "weights"
"""Key of the metadata that says which weights are meant, see `fingerprint`."""


class OpenVinoBackend:
    """Runs an exported graph with OpenVINO, one batch after the other with all threads: for latency.

    Heatmaps, which may cost more than all the rest, are computed by a network of their own, which is made when
    they are asked for first. Not for several threads at once.

    On processors that have bfloat16, OpenVINO computes with it unless told otherwise; here the file says what it
    was exported for.

    Args:
        path: `.xml`, with the weights in the `.bin` beside it.
        threads: Threads to compute with; None: one a core.

    Attributes:
        metadata: What the exporter wrote into the file.

    Raises:
        InputError: If OpenVINO is not installed, a file is damaged, or the weights are those of another graph.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            openvino = import_openvino()
        except ModuleNotFoundError:
            raise InputError(
                f'{path}: an .xml file needs OpenVINO: pip install "inspection[openvino]"'
            ) from None
        self._core = openvino.Core()
        try:
            self._model = self._core.read_model(path)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            beside = "" if path.with_suffix(".bin").is_file() else f"; {path.stem}.bin is missing beside it"
            raise InputError(f"{path} is no OpenVINO file, or a damaged one ({reason}){beside}") from None
        self.metadata: dict[str, str] = {}
        if self._model.has_rt_info(SECTION):
            self.metadata = dict(self._model.get_rt_info(SECTION).value)
        weights = path.with_suffix(".bin")
        if WEIGHTS in self.metadata and fingerprint(weights) != self.metadata[WEIGHTS]:
            raise InputError(
                f"{path}: {weights.name} beside it is not the one that it was written with, or is damaged: the "
                "two belong together; copy both, or export again"
            )
        precision = self.metadata.get("precision", "float32")
        self.name = f"OpenVINO {precision}"
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": threads or usable_cores(),
        }
        self._results = {output.any_name: output for output in self._model.outputs}
        self._requests: dict[bool, Any] = {}  # without heatmaps, and with them

    @property
    def outputs(self) -> frozenset[str]:
        """Those of the graph."""
        return frozenset(self._results)

    def run(self, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
        """See `Backend`."""
        request = self._request(HEATMAPS in wanted)
        request.infer([images], share_inputs=True)
        return {name: request.get_tensor(name).data.copy() for name in wanted}

    def _request(self, explained: bool) -> Any:
        if explained not in self._requests:
            results = [output.node for name, output in self._results.items() if explained or name != HEATMAPS]
            part = import_openvino().Model(results, self._model.get_parameters(), "inspector")
            compiled = self._core.compile_model(part, "CPU", self._settings)
            self._requests[explained] = compiled.create_infer_request()
        return self._requests[explained]


def fingerprint(weights: Path) -> str:
    """What tells weights from others of the same shapes: a graph takes any, and says anything with them."""
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
