import numpy as np
import pytest

from inspection.inspector.backends.onnx_file import part_of, read_contents

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model():
    """Two branches behind a common step, each with a constant of its own."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Add", ["images", "one"], ["more"]),
        helper.make_node("Mul", ["more", "two"], ["double"]),
        helper.make_node("Mul", ["more", "large"], ["huge"]),
        helper.make_node("Neg", ["huge"], ["negative"]),
    ]
    constants = {"one": [1.0], "two": [2.0], "large": np.full(1000, 1e6)}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", number, ["batch"])],
        [helper.make_tensor_value_info(name, number, ["batch"]) for name in ("double", "negative")],
        [
            onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"passport": "größer", "empty": ""})
    return memoryview(model.SerializeToString())


def test_contents(model):
    contents = read_contents(model)
    assert contents.metadata == {"passport": "größer", "empty": ""}
    assert (contents.inputs, contents.outputs) == (["images"], ["double", "negative"])


def test_part_holds_what_is_needed(model):
    part = onnx.load_from_string(part_of(model, ["double"]))
    onnx.checker.check_model(part, full_check=True)
    assert [node.op_type for node in part.graph.node] == ["Add", "Mul"]
    assert {tensor.name for tensor in part.graph.initializer} == {"one", "two"}
    assert [output.name for output in part.graph.output] == ["double"]
    assert len(part_of(model, ["double"])) < 1000 < len(model)
    session = onnxruntime.InferenceSession(part_of(model, ["double"]))
    (found,) = session.run(None, {"images": np.array([1, 2], np.float32)})
    assert found.tolist() == [4, 6]


def test_all_outputs_are_the_whole_model(model):
    assert onnx.load_from_string(part_of(model, ["double", "negative"])) == onnx.load_from_string(
        bytes(model)
    )


def test_other_files_are_refused(model):
    for content in (model[: len(model) // 2], memoryview(b"nothing of the kind"), memoryview(b"")):
        with pytest.raises(ValueError, match="it "):
            read_contents(content)
