"""Operations that the ONNX exporter does not know, in words of ONNX."""

from collections.abc import Callable, Sequence
from typing import Any

import onnx
import onnxscript
import torch

from inspection.models import detector  # noqa: F401  (registers its operation)

op: Any = onnxscript.opset20  # whose types know no values that come from other operations


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What `torch.onnx.export` takes as `custom_translation_table`."""
    return {
        torch.ops.inspection.without_overlaps.default: _without_overlaps,
        torch.ops.aten.max_pool2d_with_indices.default: _max_pool,
        torch.ops.aten.sort.stable: _sort,
        torch.ops.aten.softplus.default: _softplus,
    }


def _without_overlaps(boxes: Any, scores: Any, iou: float) -> Any:
    number = op.Reshape(op.Shape(scores, start=1, end=2), op.Constant(value_ints=[1]))
    chosen = op.NonMaxSuppression(
        boxes, op.Unsqueeze(scores, op.Constant(value_ints=[1])), number, op.Constant(value_floats=[iou])
    )
    # Rows of image, class (there is one) and box.
    places = op.Gather(chosen, op.Constant(value_ints=[0, 2]), axis=1)
    none = op.ConstantOfShape(op.Shape(scores))  # float: bool is not scattered everywhere
    ones = op.Expand(op.Constant(value_floats=[1.0]), op.Shape(chosen, start=0, end=1))
    return op.Cast(op.ScatterND(none, places, ones), to=onnxscript.BOOL.dtype)


def _max_pool(
    maps: Any,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil_mode: bool = False,
) -> Any:
    largest, places = op.MaxPool(
        maps,
        kernel_shape=list(kernel_size),
        strides=list(stride or kernel_size),
        pads=[*padding, *padding],
        dilations=list(dilation),
        ceil_mode=int(ceil_mode),
    )
    # ONNX counts through all images and channels, PyTorch through those of one channel.
    return largest, op.Mod(places, op.ReduceProd(op.Shape(maps, start=2), keepdims=1))


def split_max_pools(graph: Any) -> None:
    """Take poolings that give largest values and their places apart, in an `onnx.GraphProto`.

    ONNX Runtime has a slow kernel alone for both at once, which would be used where nobody asks for the places.
    """
    read = {name for node in graph.node for name in node.input}
    for position in range(len(graph.node) - 1, -1, -1):
        node = graph.node[position]
        if node.op_type != "MaxPool" or len(node.output) < 2:
            continue
        if node.output[1] in read:
            places = onnx.NodeProto()
            places.CopyFrom(node)
            places.name, places.output[0] = f"{node.name}_places", f"{node.output[0]}_again"
            graph.node.insert(position + 1, places)
        del node.output[1]


def _sort(values: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    length = op.Reshape(
        op.Gather(op.Shape(values), op.Constant(value_ints=[dim])), op.Constant(value_ints=[1])
    )
    return op.TopK(
        values, length, axis=dim, largest=int(descending), sorted=1
    )  # of equals the first comes first


def _softplus(values: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """In steps that ONNX Runtime knows in float64, too, and that overflow for no value."""
    one, factor = (op.CastLike(op.Constant(value_float=number), values) for number in (1.0, beta))
    scaled = op.Mul(values, factor)
    rest = op.Log(op.Add(one, op.Exp(op.Neg(op.Abs(scaled)))))
    return op.Div(op.Add(op.Relu(scaled), rest), factor)
