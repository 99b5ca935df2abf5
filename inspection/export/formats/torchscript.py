"""TorchScript, for what still reads it: PyTorch has deprecated it, `torch.export` is its successor."""

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from inspection.export.formats.onnx import output_names
from inspection.inspector.files import written_whole


def write_torchscript(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a program as TorchScript.

    Args:
        program: See `exported_program`.
        path: `.ts`.
        metadata: Goes into the archive's extra files.

    Raises:
        InputError: If the disk is full or the folder can't be written.
    """
    module = as_torchscript(program)
    extra = dict(metadata) | {"outputs": " ".join(output_names(program))}
    with written_whole(path) as partial, partial.open("wb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(module, stream, _extra_files=extra)


def as_torchscript(program: ExportedProgram) -> torch.jit.ScriptModule:
    """A program as a TorchScript module; compiled from its operations, since tracing would fix the batch.

    It takes images, and whether to compute everything: if not, the first output alone.
    """
    weights = {**program.state_dict, **program.constants}
    places, tensors = {}, {}
    for spec in program.graph_signature.input_specs:
        if spec.target is not None:
            name = spec.target.replace(".", "_")
            places[spec.arg.name], tensors[name] = f"self.{name}", weights[spec.target].detach()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _Script(tensors, _source(program, places))


class _Script(torch.jit.ScriptModule):
    """Tensors, and methods that use them."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], source: str) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)
        self.define(source)


def _source(program: ExportedProgram, places: Mapping[str, str]) -> str:
    """The method `forward` of a program.

    Args:
        program: It.
        places: Where the weights are, by the name of their placeholder.
    """

    def written(value: Any) -> str:
        if isinstance(value, Node):
            return places.get(value.name, value.name)
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(written, value))}]"
        if isinstance(value, float) and not math.isfinite(value):
            return f"float('{value}')"
        return f"torch.device('{value}')" if isinstance(value, torch.device) else repr(value)

    names, (images,) = output_names(program), program.graph_signature.user_inputs
    row: Any = program.graph.output_node().args[0]
    results: list[Node] = list(row)
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    first = {results[0]}
    for node in reversed(calls):
        if node in first:
            first.update(node.all_input_nodes)
    lines = [f"    {node.name} = {_call(node, written)}" for node in calls if node in first]
    further = [f"    {node.name} = {_call(node, written)}" for node in calls if node not in first]
    given = [f"{name!r}: {written(node)}" for name, node in zip(names, results, strict=True)]
    return "\n".join(
        [
            f"def forward(self, {images}, everything: bool = True):",
            *lines,
            "    if not everything:",
            f"        return {{{given[0]}}}",
            *further,
            f"    return {{{', '.join(given)}}}",
            "",
        ]
    )


def _call(node: Node, written: Callable[[Any], str]) -> str:
    arguments = [written(value) for value in node.args]
    if not isinstance(node.target, torch._ops.OpOverload):
        operation = getattr(node.target, "__name__", "")
        if operation == "getitem":
            return f"{arguments[0]}[{arguments[1]}]"
        return f" {_SIGNS[operation]} ".join(arguments)
    space, name = node.target.namespace, node.target.overloadpacket.__name__
    if name == "sym_size":
        return f"{arguments[0]}.size({arguments[1]})"
    arguments += [f"{key}={written(value)}" for key, value in node.kwargs.items()]
    return f"torch.ops.{space}.{name}({', '.join(arguments)})"


_SIGNS = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//"}
"""Of whole numbers, such as a batch size times the number of channels."""
