"""OpenVINO's own form (IR): `.xml` for the graph, `.bin` beside it for the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch.export import ExportedProgram

from inspection.errors import InputError
from inspection.export.formats.onnx import as_onnx
from inspection.inspector.backends.openvino import SECTION, WEIGHTS, fingerprint
from inspection.inspector.backends.runtimes import import_openvino
from inspection.inspector.files import written_whole

if TYPE_CHECKING:
    from onnx import ModelProto
    from openvino import Model


def write_openvino(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a program as OpenVINO IR, weights in float32.

    Args:
        program: See `exported_program`.
        path: `.xml`; the weights go into the `.bin` beside it.
        metadata: Goes into the file's `rt_info`, below `inspection`.

    Raises:
        InputError: If a package is missing, the disk is full, or the folder can't be written.
    """
    save_openvino(as_openvino(program), path, metadata)


def as_openvino(program: ExportedProgram) -> "Model":
    """A program as an OpenVINO model, by way of ONNX: one translation to rely on.

    Raises:
        InputError: If a package is missing.
    """
    return from_onnx(as_onnx(program))


def from_onnx(model: "ModelProto") -> "Model":
    """An ONNX model, quantised or not, as an OpenVINO model.

    Raises:
        InputError: If a package is missing.
    """
    try:
        openvino = import_openvino()
    except ModuleNotFoundError:
        raise InputError(
            'to export to OpenVINO, openvino is needed: pip install "inspection[export]"'
        ) from None
    read = openvino.Core().read_model(model.SerializeToString())
    for output, named in zip(read.outputs, model.graph.output, strict=True):
        output.get_tensor().set_names({named.name})
    return read


def save_openvino(model: "Model", path: Path, metadata: Mapping[str, str]) -> None:
    """Write an OpenVINO model: first the weights, then the graph that needs them, and says which they are.

    Raises:
        InputError: If the disk is full or the folder can't be written.
    """
    openvino = import_openvino()
    for name, value in metadata.items():
        model.set_rt_info(value, [SECTION, name])
    with written_whole(path.with_suffix(".bin")) as weights, written_whole(path) as graph:
        try:
            openvino.save_model(model, graph, compress_to_fp16=False)
            model.set_rt_info(fingerprint(weights), [SECTION, WEIGHTS])
            openvino.save_model(model, graph, compress_to_fp16=False)
        except RuntimeError as error:  # its way to say that a file can't be written
            raise InputError(f"{path}: could not be written ({error})") from error
        assert graph.with_suffix(".bin") == weights
