"""ONNX: what ONNX Runtime, and most other runtimes, read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.export import ExportedProgram

from inspection.errors import InputError
from inspection.export.program import INPUT
from inspection.export.quiet import quiet
from inspection.inspector.files import written_whole

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20


def write_onnx(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a program as one ONNX file with its weights inside.

    Args:
        program: See `exported_program`.
        path: `.onnx`.
        metadata: Goes into the file's `metadata_props`.

    Raises:
        InputError: If a package is missing, the disk is full, or the folder can't be written.
    """
    save_onnx(as_onnx(program), path, metadata)


def as_onnx(program: ExportedProgram) -> "ModelProto":
    """A program as an ONNX model: one input, `images`, with a free number of images; outputs by their names.

    Raises:
        InputError: If a package is missing, or ONNX has no words for what the network does.
    """
    try:
        from inspection.export.formats.onnx_operations import split_max_pools, translations
    except ModuleNotFoundError:
        raise InputError(
            'to export to ONNX or OpenVINO, onnx and onnxscript are needed: pip install "inspection[export]"'
        ) from None
    try:
        with quiet():
            made = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=output_names(program),
                dynamic_shapes={INPUT: {0: "batch"}},
                custom_translation_table=translations(),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"this network can't be written as ONNX ({reason}): export it without heatmaps (heatmaps=false), "
            "or with format=torch_export"
        ) from error
    assert made is not None
    model = made.model_proto
    split_max_pools(model.graph)
    return model


def save_onnx(model: "ModelProto", path: Path, metadata: Mapping[str, str]) -> None:
    """Write an ONNX model, its metadata replaced by these.

    Raises:
        InputError: If the disk is full or the folder can't be written.
    """
    import onnx

    onnx.helper.set_model_props(model, dict(metadata))
    with written_whole(path) as partial:
        onnx.save_model(model, partial)


def output_names(program: ExportedProgram) -> list[str]:
    """Names of what a program gives, in order."""
    spec = program.call_spec.out_spec
    assert spec is not None
    return [str(name) for name in spec.context]
