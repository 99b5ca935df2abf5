"""What can be exported as what, and what is written beside a graph for people and other programs."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from torch.export import ExportedProgram

from inspection.config.suggest import did_you_mean
from inspection.errors import InputError
from inspection.export.program import INPUT, exported_program
from inspection.inspector import Inspector
from inspection.inspector.beside import BESIDE
from inspection.inspector.files import FORMAT
from inspection.inspector.passport import write_passport

FP32, BF16, INT8 = "fp32", "bf16", "int8"
COMPUTES = {FP32: "float32", BF16: "bfloat16", INT8: "int8"}
"""What a precision is called in a file's metadata."""

_OUTPUTS = {
    "probabilities": "of each class or attribute, or of each pixel to be defective; 0..1",
    "boxes": "left, top, right, bottom (pixels of the input, right and bottom exclusive), score, class; sorted "
    "by score, rows of zeros behind the last",
    "quantities": "in their unit",
    "heatmaps": "what speaks for each explained output, 0..1; all zero: nothing",
    "features": "what the network makes of the whole image, to notice drift",
}


@dataclass(frozen=True)
class Format:
    """A form in which an inspector can be exported.

    Attributes:
        name: Of the file's kind.
        suffix: Of the file.
        precisions: In which it can compute.
        instead: Where another precision is to be had.
    """

    name: str
    suffix: str
    precisions: tuple[str, ...]
    instead: str


FORMATS = {
    "onnx": Format("ONNX", ".onnx", (FP32, INT8), "for bf16 take format=openvino"),
    "openvino": Format("OpenVINO IR", ".xml", (FP32, BF16, INT8), ""),
    "torch_export": Format("torch.export", ".pt2", (FP32, BF16), "for int8 take format=onnx or openvino"),
    "torchscript": Format("TorchScript", ".ts", (FP32, BF16), "for int8 take format=onnx or openvino"),
}
_WRITES_ONNX = ("onnx", "onnxscript")
_NEEDS = {
    "onnx": (*_WRITES_ONNX, "onnxruntime"),
    "openvino": (*_WRITES_ONNX, "openvino"),  # goes by way of ONNX
    "torch_export": (),
    "torchscript": (),
}
FILES = (
    *(f"inspector{each.suffix}" for each in FORMATS.values()),
    "inspector.bin",
    BESIDE,
)
"""All files that an export may leave in its folder, but for the comparison."""


def check_format(form: str, precision: str) -> None:
    """Raise an InputError unless there is such a format, and in this precision."""
    if form not in FORMATS:
        raise InputError(f"format={form}: expected {', '.join(FORMATS)}{did_you_mean(form, FORMATS)}")
    if precision not in COMPUTES:
        raise InputError(
            f"precision={precision}: expected {', '.join(COMPUTES)}{did_you_mean(precision, COMPUTES)}"
        )
    known = FORMATS[form]
    if precision not in known.precisions:
        raise InputError(
            f"precision={precision}: {form} is exported in {' or '.join(known.precisions)}; {known.instead}"
        )


def check_packages(form: str, precision: str) -> None:
    """Raise an InputError unless all packages are there that write a format, and read it again to compare."""
    needed = [*_NEEDS[form], *(["nncf", "onnxruntime"] if precision == INT8 else [])]
    missing = [name for name in dict.fromkeys(needed) if find_spec(name) is None]
    if missing:
        raise InputError(
            f"format={form} precision={precision}: {', '.join(missing)} "
            f'{"is" if len(missing) == 1 else "are"} not installed: pip install "inspection[export]"'
        )


def metadata_of(inspector: Inspector, precision: str) -> dict[str, str]:
    """What a file says of itself: all of the inspector but its network, its precision, and an id of its graph."""
    return {
        "format": FORMAT,
        "passport": write_passport(inspector.passport),
        "precision": COMPUTES[precision],
        "graph": uuid.uuid4().hex,
    }


def program_of(inspector: Inspector, form: str, precision: str, heatmaps: bool) -> ExportedProgram:
    """An inspector as a program, for one of the formats.

    Raises:
        InputError: If its heatmaps can't be part of a graph.
    """
    if precision != BF16:
        return exported_program(inspector, heatmaps)
    if form == "openvino":  # which computes with bfloat16 what it reads as float32
        return exported_program(inspector, heatmaps, runtime="bfloat16")
    return exported_program(inspector, heatmaps, precision="bfloat16")


def write_program(program: ExportedProgram, form: str, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a program in one of the formats, in float32 (the metadata may ask for bfloat16).

    Raises:
        InputError: If a package is missing, the disk is full, or the folder can't be written.
    """
    if form == "onnx":
        from inspection.export.formats.onnx import write_onnx

        write_onnx(program, path, metadata)
    elif form == "openvino":
        from inspection.export.formats.openvino import write_openvino

        write_openvino(program, path, metadata)
    elif form == "torch_export":
        from inspection.export.formats.torch_export import write_torch_export

        write_torch_export(program, path, metadata)
    else:
        from inspection.export.formats.torchscript import write_torchscript

        write_torchscript(program, path, metadata)


def describe(exported: Inspector, form: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """`inspector.json`: what another program must know to use the graph, and a person to change its threshold.

    Args:
        exported: Opened from the file.
        form: Its format.
        metadata: Of the file.
    """
    channels, height, width = exported.geometry.shape
    said = exported.backend.run(
        np.zeros((1, channels, height, width), np.uint8), sorted(exported.backend.outputs)
    )
    passport = exported.passport
    return {
        "task": passport.task,
        "question": passport.question,
        "classes": list(exported.decision.names),
        "to_change_it": "edit the threshold in `decision` here: Inspector.load takes it from this file, and the "
        "graph stays as it is",
        "decision": passport.decision,
        "file": f"inspector{FORMATS[form].suffix}",
        "graph": metadata["graph"],
        "precision": metadata["precision"],
        "geometry": passport.geometry,
        "input": {
            "name": INPUT,
            "type": "uint8",
            "shape": ["batch", channels, height, width],
            "what": "camera images cut and resized as `geometry` says, RGB or grey; the graph normalises",
        },
        "outputs": {
            name: {"type": str(values.dtype), "shape": ["batch", *values.shape[1:]], "what": _OUTPUTS[name]}
            for name, values in said.items()
        },
        "made": passport.made,
    }
