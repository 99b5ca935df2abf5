"""An inspector as a `torch.export` program: the form that all file formats are made of."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import Dim, ExportedProgram, export
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn.attention import SDPBackend, sdpa_kernel

from inspection.errors import InputError
from inspection.export.backward import backward_operations
from inspection.export.quiet import quiet
from inspection.inspector.backends import HEATMAPS
from inspection.inspector.graph import AnsweringGraph
from inspection.inspector.inspector import Inspector
from inspection.models.torchvision_detector import TorchvisionDetector

INPUT = "images"

Precision = Literal["float32", "bfloat16"]


def exported_program(
    inspector: Inspector,
    heatmap: bool = True,
    precision: Precision = "float32",
    runtime: Precision = "float32",
) -> ExportedProgram:
    """All that an inspector answers, as a program that takes any number of images.

    Args:
        inspector: As it was trained, on the CPU; it stays as it is.
        heatmap: Whether heatmaps are among the answers, where there are any.
        precision: Of the program's operations. `bfloat16`: of the network's; answers stay float32 or better.
        runtime: What a runtime makes of float32 (OpenVINO: bfloat16, if it is told to): so much of the evidence is
            noise.

    Returns:
        It takes uint8 `[N, C, H, W]` and gives what `AnsweringGraph` does, by name.

    Raises:
        InputError: If the network or the inspector's heatmaps can't be part of a graph.
    """
    network = inspector.model.network
    if isinstance(network, TorchvisionDetector):
        raise InputError(
            f"{network.name}: torchvision's detectors go through images one by one, in ways that no graph of any "
            "number of images holds; the detector that is exported is model=simple_yolo"
        )
    if not heatmap and HEATMAPS in inspector.answers.wanted(evidence=False):
        raise InputError("heatmaps=false: this inspector finds its boxes in the heatmap; leave heatmaps=true")
    eps = None if runtime == "float32" else torch.finfo(torch.bfloat16).eps
    graph = graph_of(inspector.trained.graph, heatmap, eps)
    if precision == "bfloat16":
        graph = in_bfloat16(graph)
    return traced(graph, torch.zeros(2, *inspector.geometry.shape, dtype=torch.uint8))


def graph_of(graph: AnsweringGraph, heatmap: bool, eps: float | None = None) -> AnsweringGraph:
    """The part of an inspector's graph that is exported.

    Args:
        graph: Of the trained inspector.
        heatmap: As in `exported_program`.
        eps: See `AnsweringGraph`.

    Raises:
        InputError: As there.
    """
    if heatmap and graph.explained and graph.method == "occlusion":
        raise InputError(
            "heatmap method occlusion: it takes some hundred passes of the network and is no part of a graph. "
            "Export without heatmaps (heatmaps=false), or train with callbacks.heatmaps.method=grad_cam"
        )
    explained = graph.explained if heatmap else ()
    part = AnsweringGraph(
        graph.model, graph.decision, graph.flips, explained, graph.method, graph.layer, graph.features, eps
    )
    return part.eval()


def in_bfloat16(graph: AnsweringGraph) -> AnsweringGraph:
    """A graph whose network computes in bfloat16, a copy; batch norms keep their float32 statistics."""
    graph = copy.deepcopy(graph)
    network = graph.model.network
    for module in network.modules():
        if not isinstance(module, nn.modules.batchnorm._BatchNorm):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.bfloat16()
    network.register_forward_pre_hook(lambda _, inputs: (inputs[0].bfloat16(),))
    return graph


def traced(graph: AnsweringGraph, images: Tensor) -> ExportedProgram:
    """A graph as a program for images of this size.

    It is recorded twice: the operations of the backward pass to the explained maps first, taken apart into forward
    ones, and then these as a program with named weights.

    Args:
        graph: In eval mode.
        images: uint8 `[N, C, H, W]`, N at least 2; any content.
    """
    graph(images)  # finds out where the explained maps lie
    weights = {**dict(graph.named_parameters()), **dict(graph.named_buffers())}

    def answer(weights: dict[str, Tensor], images: Tensor) -> tuple[Tensor, ...]:
        results = torch.func.functional_call(graph, weights, (images,))
        return tuple(results[name].detach() for name in graph.outputs)

    with torch.no_grad(), _plain_kernels(), quiet():
        shapes = FakeTensorMode(shape_env=ShapeEnv())
        fixed = {name: shapes.from_tensor(weight, static_shapes=True) for name, weight in weights.items()}
        batches: Any = StatelessSymbolicContext([DimDynamic.DYNAMIC] + [DimDynamic.STATIC] * 3)
        several = shapes.from_tensor(images, source=ConstantSource(INPUT), symbolic_context=batches)
        operations = make_fx(answer, decomposition_table=backward_operations(), tracing_mode="symbolic")
        recorded = operations(fixed, several)
        recorded.graph.eliminate_dead_code()
        program = export(_Recorded(graph, recorded), (images,), dynamic_shapes={INPUT: {0: Dim("batch")}})
        program = program.run_decompositions({})
    for node in program.graph.nodes:  # where in whose folders the code stood that it was recorded from
        for key in ("stack_trace", "from_node", "nn_module_stack", "source_fn_stack", "torch_fn"):
            node.meta.pop(key, None)
    return program


class _Recorded(nn.Module):
    """Recorded operations with the weights of the graph that they were recorded from, under their names."""

    def __init__(self, graph: AnsweringGraph, recorded: GraphModule) -> None:
        super().__init__()
        self.outputs, self.recorded = graph.outputs, recorded
        self.model = graph.model

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        weights = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return dict(zip(self.outputs, self.recorded(weights, images), strict=True))


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Attention in its single steps: its fused kernels have no words in other runtimes."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
