"""An inspector as a `torch.export` program: the form that all file formats are made of."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import Dim, ExportedProgram, export
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn.attention import SDPBackend, sdpa_kernel

from inspection.export.backward import backward_operations
from inspection.export.graph import AnsweringGraph, graph_of
from inspection.inspector.inspector import Inspector

INPUT = "images"


def exported_program(inspector: Inspector, heatmap: bool = True) -> ExportedProgram:
    """All that an inspector answers, as a program that takes any number of images.

    Args:
        inspector: It; on the CPU.
        heatmap: Whether heatmaps are among the answers.

    Returns:
        It takes uint8 `[N, C, H, W]` and gives what `AnsweringGraph` does, by name.

    Raises:
        InputError: If heatmaps can't be part of it, see `AnsweringGraph`.
    """
    images = torch.zeros(2, *inspector.geometry.shape, dtype=torch.uint8)
    return traced(graph_of(inspector, heatmap), images)


def traced(graph: AnsweringGraph, images: Tensor) -> ExportedProgram:
    """A graph as a program for images of this size.

    It is recorded twice: the operations of the backward pass to the explained maps first, taken apart into forward
    ones, and then these as a program with named weights.

    Args:
        graph: In eval mode.
        images: uint8 `[N, C, H, W]`, N at least 2; any content.
    """
    graph.locate(images)
    weights = {**dict(graph.named_parameters()), **dict(graph.named_buffers())}

    def answer(weights: dict[str, Tensor], images: Tensor) -> tuple[Tensor, ...]:
        results = torch.func.functional_call(graph, weights, (images,))
        return tuple(results[name].detach() for name in graph.outputs)

    with torch.no_grad(), _plain_kernels():
        shapes = FakeTensorMode(shape_env=ShapeEnv())
        fixed = {name: shapes.from_tensor(weight, static_shapes=True) for name, weight in weights.items()}
        batches = StatelessSymbolicContext([DimDynamic.DYNAMIC] + [DimDynamic.STATIC] * 3)
        several = shapes.from_tensor(images, source=ConstantSource(INPUT), symbolic_context=batches)
        operations = make_fx(answer, decomposition_table=backward_operations(), tracing_mode="symbolic")
        recorded = operations(fixed, several)
        recorded.graph.eliminate_dead_code()
        program = export(_Recorded(graph, recorded), (images,), dynamic_shapes={INPUT: {0: Dim("batch")}})
        return program.run_decompositions({})


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
        with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
