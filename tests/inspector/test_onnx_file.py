"""Parts of ONNX files, against the package `onnx` and what ONNX Runtime makes of them."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspection.inspector.backends.onnx_file import OnnxFile

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


def weights(name, *shape, scale=0.1):
    random = np.random.default_rng(len(name))
    return numpy_helper.from_array((scale * random.normal(size=shape)).astype(np.float32), name)


def branch(name, given):
    """A graph inside of a node, which gives a value from outside, doubled or as it is."""
    value = helper.make_tensor_value_info(f"{name}_value", TensorProto.FLOAT, None)
    nodes = [helper.make_node(*given, outputs=[f"{name}_value"])]
    return helper.make_graph(nodes, name, [], [value])


@pytest.fixture(scope="module")
def model():
    """Three answers: of the pooled maps, of where their maxima lie, and of either, by the mean of the image."""
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["maps"], ["pooled", "places"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "large"], ["answer"]),
        helper.make_node("Cast", ["places"], ["where"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["images", "offset"], ["moved"]),
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Less", ["mean", "zero"], ["dark"]),
        helper.make_node(
            "If",
            ["dark"],
            ["either"],
            then_branch=branch("then", ("Add", ["moved", "moved"])),
            else_branch=branch("else", ("Identity", ["maps"])),
        ),
    ]
    initializers = [
        weights("kernel", 3, 3, 3, 3),
        weights("large", 48, 300),
        weights("offset", 1),
        numpy_helper.from_array(np.float32(0), "zero"),
    ]
    graph = helper.make_graph(
        nodes,
        "three",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("answer", "where", "either")],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"passport": '{"name": "é"}', "empty": ""})
    return model


@pytest.fixture(scope="module")
def file(model):
    return OnnxFile(model.SerializeToString())


def test_a_file_tells_what_it_gives_and_what_was_written_into_it(file):
    assert file.outputs == ("answer", "where", "either")
    assert file.metadata == {"passport": '{"name": "é"}', "empty": ""}


@pytest.mark.parametrize(
    ("outputs", "operations", "kept"),
    [
        (["answer"], ["Conv", "MaxPool", "Flatten", "MatMul"], ["kernel", "large"]),
        (["where"], ["Conv", "MaxPool", "Cast"], ["kernel"]),
        (["either"], ["Conv", "Add", "ReduceMean", "Less", "If"], ["kernel", "offset", "zero"]),
        (["where", "answer"], ["Conv", "MaxPool", "Flatten", "MatMul", "Cast"], ["kernel", "large"]),
    ],
)
def test_a_part_holds_what_its_outputs_need_and_gives_the_same(model, file, outputs, operations, kept):
    data = file.part(outputs)
    part = onnx.load_from_string(data)
    assert [node.op_type for node in part.graph.node] == operations
    assert [each.name for each in part.graph.initializer] == kept
    assert [each.name for each in part.graph.output] == [name for name in file.outputs if name in outputs]
    assert OnnxFile(data).metadata == file.metadata

    def answers(model):
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        return session.run(outputs, {"images": IMAGES})

    for found, true in zip(answers(data), answers(model.SerializeToString()), strict=True):
        np.testing.assert_allclose(found, true, rtol=1e-6)


def test_a_pooling_gives_the_places_of_its_maxima_only_where_they_are_read(file):
    def pooling(outputs):
        (node,) = [n for n in onnx.load_from_string(file.part(outputs)).graph.node if n.op_type == "MaxPool"]
        return list(node.output)

    assert pooling(["answer"]) == ["pooled"]
    assert pooling(["where"]) == pooling(["answer", "where"]) == ["pooled", "places"]


def test_all_of_a_file_is_the_file(model, file):
    assert onnx.load_from_string(file.part(file.outputs)) == model


@pytest.mark.parametrize("share", [0.2, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_refused(model, share):
    data = model.SerializeToString()
    with pytest.raises(ValueError, match=r"cut off|no graph"):
        OnnxFile(data[: int(share * len(data))])


@pytest.mark.parametrize("data", [b"", b"\x00\xff no model at all", b"\x80" * 20, b"\x07"])
def test_what_is_no_model_is_refused(data):
    with pytest.raises(ValueError, match=r"no graph|cut off|kind|no end"):
        OnnxFile(data)
