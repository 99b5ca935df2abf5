"""INT8: layers that compute with 8-bit integers, calibrated on real images.

The graph is quantised as ONNX, for both runtimes: OpenVINO reads it as it reads one that was quantised for it, and
is as fast with it (docs/export.md).
"""

import contextlib
import io
import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from inspection.errors import InputError
from inspection.export.program import INPUT
from inspection.export.quiet import quiet
from inspection.export.structure import (
    Structure,
    name_nodes,
    relu_before_pooling,
    replace_nodes,
    set_apart,
    sort_nodes,
    structure_of,
)
from inspection.inspector.backends.runtimes import import_onnxruntime

if TYPE_CHECKING:
    from onnx import ModelProto

Pixels = NDArray[np.uint8]
_ROUNDED = "q_output_"  # NNCF calls a weight this, its name, and the number of the input that takes it
_ORIGINAL = "_original"
_FULL, _HALF = 255, 127  # largest numbers of 8 and 7 bits
_RANKED = 32  # images on which the harm that a layer does is measured


@dataclass(frozen=True)
class Quantised:
    """A quantised graph.

    Attributes:
        model: It.
        original: The graph in float32 that it was made of, with the same names.
        structure: Of the original.
        floats: Names of the layers that compute in float32 although they could be quantised.
        images: On how many it was calibrated.
    """

    model: "ModelProto"
    original: "ModelProto"
    structure: Structure
    floats: tuple[str, ...]
    images: int

    @property
    def integer(self) -> int:
        """Number of layers that compute with integers."""
        return len(self.structure.layers) - len(self.floats)


def quantised(
    model: "ModelProto", answer: str, images: Sequence[Pixels], runtime: Literal["onnx", "openvino"] = "onnx"
) -> Quantised:
    """A graph whose layers compute with 8-bit integers: post-training quantisation by NNCF.

    In float32 stay the normalisation, what makes an answer of the last layer's numbers (softmax, decoding of boxes
    and their choice), and all that the answer does not need, so that heatmaps stay near. Weights get a scale a
    channel, activations a scale and a zero point, which costs no time on a CPU with VNNI. Those without it add two
    products of 8 bits in 16, which is too few where a layer sees all that a pixel can be; NNCF takes a bit off the
    weights of first layers for that. Here their pixels give it: rounded pixels err at random, and less the more of
    them are added, while rounded weights err alike in all images (measured: docs/export.md).

    Args:
        model: One input of uint8 images; is left as it is.
        answer: Name of the output that verdicts are made of.
        images: uint8 `[C, H, W]` each; the least and the largest that layers make of them fix the ranges of all
            activations. The mean of each image's largest, which NNCF takes by itself, cuts off what speaks for a
            defect where most images have none.
        runtime: What computes it. ONNX Runtime is faster where convolutions of fewer than 16 channels stay in
            float32; OpenVINO gains by each layer.

    Raises:
        InputError: If there is no image, or nothing in the graph can be quantised.
    """
    nncf = _nncf()
    if not len(images):
        raise InputError("int8: there is no image to calibrate on")
    original = type(model).FromString(model.SerializeToString())
    name_nodes(original)
    apart = set_apart(original, answer)
    slow = [layer for layer in structure_of(original, answer).layers if layer.narrow]
    relu_before_pooling(original, [layer.node for layer in slow])
    structure = structure_of(original, answer)
    spared = tuple(layer.node for layer in slow) if runtime == "onnx" else ()
    if len(spared) == len(structure.layers):
        raise InputError("int8: the network has no layer that could compute with integers")
    advanced, ranges = nncf.quantization.advanced_parameters, nncf.quantization.range_estimator
    with _silence():
        model = nncf.quantize(
            _answering(original, answer),
            nncf.Dataset(list(images), lambda image: {INPUT: image[None]}),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(names=[*structure.floats, *spared], validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=advanced.OverflowFix.DISABLE,
                activations_range_estimator_params=ranges.RangeEstimatorParametersSet.MINMAX,
            ),
        )
    _round_pixels_to_7_bits(model, structure)
    _attach(model, original)
    _read_rounded(model, apart)
    return Quantised(model, original, structure, spared, len(images))


def restored(
    given: Quantised, images: Sequence[Pixels], accepted: Callable[["ModelProto"], bool]
) -> Quantised | None:
    """Give layers their floats back, those that do the most harm first, until a graph is accepted.

    The harm of a layer is how much nearer the answer is to the original's when that layer alone computes in
    float32. Numbers of layers are doubled until one is enough, then halved between that and the last that was not.

    Args:
        given: What was not accepted.
        images: uint8 `[C, H, W]` each, on some of which harm is measured.
        accepted: Whether a graph may be used; it may take long.

    Returns:
        The graph, or None: none that was tried is accepted, up to the one with a single layer in int8.
    """
    batch = np.stack([images[place] for place in _evenly(len(images), _RANKED)])
    wanted = given.structure.telling
    truth = _values(given.original, wanted, batch)
    open_layers = [layer.node for layer in given.structure.layers if layer.node not in given.floats]

    def distance(layer: str) -> float:
        values = _values(_without(given, [*given.floats, layer]), wanted, batch)
        return sum(_relative(value, true) for value, true in zip(values, truth, strict=True))

    ranked = sorted(open_layers, key=distance)
    best: Quantised | None = None
    few, many = 0, len(ranked)  # that is too few, and that is enough or all
    while many - few > 1:  # each try is a pass over all validation images
        count = (few + many) // 2 if best else min(max(2 * few, 1), many - 1)
        floats = (*given.floats, *ranked[:count])
        one = Quantised(_without(given, floats), given.original, given.structure, floats, given.images)
        if accepted(one.model):
            best, many = one, count
        else:
            few = count
    return best


def _evenly(count: int, most: int) -> list[int]:
    """At most so many places, spread: images lie class by class."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most)).tolist()})


def _relative(values: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Mean squared error, by what the true values vary."""
    return float(np.square(values - truth).mean() / max(float(np.square(truth).mean()), 1e-12))


def _without(given: Quantised, floats: Collection[str]) -> "ModelProto":
    """The graph with some layers in float32 again: their inputs unrounded, weights and bias as they were."""
    model = type(given.model).FromString(given.model.SerializeToString())
    weights = {each.name: each for each in given.original.graph.initializer}
    own = {node.name: node for node in given.original.graph.node}
    needed = {value for name in floats for value in own[name].input if value in weights}
    for value in sorted(needed):  # under other names: NNCF has corrected biases under theirs
        model.graph.initializer.append(weights[value])
        model.graph.initializer[-1].name = value + _ORIGINAL
    unrounded = _up_to_layers(given, floats)
    for node in model.graph.node:
        if node.name in unrounded:
            node.input[:] = own[node.name].input
        elif node.name in floats:
            node.input[:] = [
                value + _ORIGINAL if value in needed else value for value in own[node.name].input
            ]
    _drop_unused(model)
    return model


def _up_to_layers(given: Quantised, floats: Collection[str]) -> set[str]:
    """Poolings and the like through which some layers read what others give: it may be rounded before them."""
    layers = {layer.node for layer in given.structure.layers}
    makes = {value: node for node in given.original.graph.node for value in node.output}
    own = {node.name: node for node in given.original.graph.node}
    found: set[str] = set()
    waiting = [value for name in floats for value in own[name].input]
    while waiting:
        node = makes.get(waiting.pop())
        if node is not None and node.name not in layers and node.name not in found:
            found.add(node.name)
            waiting += node.input
    return found


def _answering(original: "ModelProto", answer: str) -> "ModelProto":
    """The part of a graph that the answer hangs on: evidence is no business of NNCF's."""
    model = type(original).FromString(original.SerializeToString())
    outputs = [each for each in original.graph.output if each.name == answer]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    _drop_unused(model)
    return model


def _round_pixels_to_7_bits(model: "ModelProto", structure: Structure) -> None:
    """Let what first layers read lie in the lower half of the 8 bits, in place.

    Pixels beyond what calibration saw go on in the upper half: where there is VNNI, nothing is cut off.
    """
    from onnx import numpy_helper

    normalised = {
        value for node in model.graph.node if node.name in structure.floats for value in node.output
    } | {each.name for each in model.graph.input}
    weights = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear" or node.input[0] not in normalised:
            continue
        scale, zero = (weights[name] for name in node.input[1:3])
        least = np.iinfo(numpy_helper.to_array(zero).dtype).min
        above = numpy_helper.to_array(zero).astype(np.int64) - least
        moved = least + np.round(above * (_HALF / _FULL))
        zero.CopyFrom(numpy_helper.from_array(moved.astype(numpy_helper.to_array(zero).dtype), zero.name))
        wider = numpy_helper.to_array(scale) * np.float32(_FULL / _HALF)
        scale.CopyFrom(numpy_helper.from_array(wider, scale.name))


def _attach(model: "ModelProto", original: "ModelProto") -> None:
    """Give a quantised part of a graph the rest of it, in place; weights that both need are there once."""
    there = {node.name for node in model.graph.node}
    made = {value for node in model.graph.node for value in node.output}
    rounded = {
        node.input[0].removeprefix(_ROUNDED).rpartition("_")[0]: node.output[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0].startswith(_ROUNDED)
    }
    known = {each.name for each in model.graph.initializer}
    weights = {each.name: each for each in original.graph.initializer}
    shared = rounded.keys() & weights.keys()
    for node in original.graph.node:
        if node.name not in there and made.isdisjoint(node.output):
            model.graph.node.append(node)
            copy = model.graph.node[-1]
            copy.input[:] = [rounded[value] if value in shared else value for value in node.input]
            missing = {value for value in copy.input if value in weights} - known
            model.graph.initializer.extend(weights[value] for value in sorted(missing))
            known |= missing
    del model.graph.output[:]
    model.graph.output.extend(original.graph.output)


def _drop_unused(model: "ModelProto") -> None:
    """Leave out what nothing asks for any more, in place."""
    asked = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if not asked.isdisjoint(node.output):
            kept.append(node)
            asked.update(node.input)
    replace_nodes(model, reversed(kept))
    weights = [each for each in model.graph.initializer if each.name in asked]
    if len(weights) < len(model.graph.initializer):
        copies = [type(each).FromString(each.SerializeToString()) for each in weights]
        del model.graph.initializer[:]
        model.graph.initializer.extend(copies)


def _read_rounded(model: "ModelProto", names: Collection[str]) -> None:
    """Let nodes read what the integer layers read, in place: what others read, too, can't be merged away."""
    rounded = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    read = {
        rounded[node.input[0]]: node.output[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in rounded
    }
    for node in model.graph.node:
        if node.name in names:
            node.input[:] = [read.get(value, value) for value in node.input]
    # A reader may stand before what it reads now: the order of the graph was that of the unrounded values.
    sort_nodes(model)


def _values(model: "ModelProto", names: Sequence[str], images: Pixels) -> list[NDArray[np.floating]]:
    """Some values of a graph for images `[N, C, H, W]`."""
    import onnx

    onnxruntime = import_onnxruntime()
    asking = type(model).FromString(model.SerializeToString())
    del asking.graph.output[:]
    asking.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        asking.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values: list[NDArray[np.floating]] = session.run(list(names), {INPUT: images})
    return values


def _nncf() -> ModuleType:
    """NNCF, which tells Google Analytics of each call unless it takes the machine for one that runs tests."""
    os.environ.setdefault("NNCF_CI", "1")  # a line's machine calls nobody
    loggers = logging.getLoggerClass()
    try:
        with _silence():
            import nncf
    finally:
        logging.setLoggerClass(loggers)  # NNCF makes its own the class of all loggers to come
    nncf.disable_logging()
    return nncf


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No progress bars, no advice for developers."""
    with quiet("torch.utils.cpp_extension", "nncf"), contextlib.redirect_stdout(io.StringIO()):
        yield
