"""Operations that the ONNX exporter does not know, in words of ONNX."""

from collections.abc import Callable
from typing import Any

import onnxscript
import torch

from inspection.models import detector  # noqa: F401  (registers its operation)

op: Any = onnxscript.opset20  # whose types know no values that come from other operations


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What `torch.onnx.export` takes as `custom_translation_table`."""
    return {
        torch.ops.inspection.without_overlaps.default: _without_overlaps,
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
