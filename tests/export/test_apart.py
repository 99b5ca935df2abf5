"""What a quantised graph computes twice, so that evidence stays in float32."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from inspection.export.structure import APART, set_apart


def head(outputs):
    """A linear layer, the features behind it, a head, and evidence that reads what the layer gives."""
    nodes = [
        helper.make_node("Gemm", ["images", "network.hidden"], ["values"], "hidden"),
        helper.make_node("Relu", ["values"], ["features"], "relu"),
        helper.make_node("Gemm", ["features", "network.head"], ["logits"], "head"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=1),
        helper.make_node("Sign", ["values"], ["heatmaps"], "sign"),
    ]
    weights = [
        numpy_helper.from_array(np.ones(shape, np.float32), name)
        for name, shape in (("network.hidden", (8, 4)), ("network.head", (4, 2)))
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 8])
    made = {
        name
        for node in nodes
        if node.output[0] != "heatmaps" or "heatmaps" in outputs
        for name in node.output
    }
    nodes = [node for node in nodes if node.output[0] in made]
    return helper.make_model(helper.make_graph(nodes, "head", [images], values, weights))


def test_features_are_those_of_the_answer():
    model = head(["probabilities", "features"])
    assert set_apart(model, "probabilities") == []
    assert [node.name for node in model.graph.node] == ["hidden", "relu", "head", "softmax"]


def test_heatmaps_have_their_own_way_through_the_layers_that_they_read():
    model = head(["probabilities", "features", "heatmaps"])
    assert f"hidden{APART}" in set_apart(model, "probabilities")
    (sign,) = [node for node in model.graph.node if node.name == "sign"]
    assert sign.input == [f"values{APART}"]
    assert [output.name for output in model.graph.output] == ["probabilities", "features", "heatmaps"]
