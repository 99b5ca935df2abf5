"""INT8 graphs: what is quantised, what stays, and layers that get their floats back."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from inspection.errors import InputError
from inspection.export import quantise
from inspection.export.quantise import Quantised, quantised, restored
from inspection.export.structure import (
    Layer,
    Structure,
    name_nodes,
    relu_before_pooling,
    set_apart,
    structure_of,
)

pytestmark = pytest.mark.slow  # quantises

ANSWER = "probabilities"


class Small(nn.Module):
    """Normalisation, two convolutions with pooling, a head, and evidence that hangs on the last maps."""

    def __init__(self, swamped: bool = False) -> None:
        super().__init__()
        self.network = nn.Module()
        self.network.first = nn.Conv2d(1, 16, 3, padding=1)
        self.network.second = nn.Conv2d(16, 16, 3, padding=1)
        self.network.head = nn.Linear(16, 2)
        if swamped:  # one map is so large that the range of the others is lost in 8 bits
            with torch.no_grad():
                self.network.first.weight[0] *= 20000
                self.network.second.weight[:, 0] /= 20000

    def forward(self, images):
        maps = self.network.first(images.float() / 255 - 0.5)
        maps = torch.relu(nn.functional.max_pool2d(maps, 2))
        maps = torch.relu(nn.functional.max_pool2d(self.network.second(maps), 2))
        logits = self.network.head(maps.amax((2, 3)))
        strongest = (maps == maps.amax((2, 3), keepdim=True)).float()
        return logits.softmax(1), (strongest * self.network.head.weight[1, :, None, None]).sum(
            1, keepdim=True
        )


def exported(swamped=False):
    torch.manual_seed(0)
    example = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    program = torch.onnx.export(
        Small(swamped).eval(),
        (example,),
        dynamo=True,
        verbose=False,
        input_names=["images"],
        output_names=[ANSWER, "heatmaps"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    return program.model_proto


def run(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run([ANSWER, "heatmaps"], {"images": images})


@pytest.fixture(scope="module")
def model():
    return exported()


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (1, 16, 16)).astype(np.uint8) for _ in range(24)]


@pytest.fixture(scope="module")
def made(model, images):
    return quantised(model, ANSWER, images)


def test_answer_and_evidence_stay_near(model, made, images):
    batch = np.stack(images)
    for before, after in zip(run(model, batch), run(made.model, batch), strict=True):
        assert 0 < np.abs(before - after).mean() < 0.02


def test_layers_are_named_as_the_network_names_them_and_all_are_quantised(made):
    assert [layer.name for layer in made.structure.layers] == ["first", "second", "head"]
    assert [layer.channels for layer in made.structure.layers] == [(1, 16), (16, 16), (16, 2)]
    assert made.integer == 3
    assert made.images == 24
    weights = {each.name: each.data_type for each in made.model.graph.initializer}
    integers = [
        name for name, kind in weights.items() if kind == onnx.TensorProto.INT8 and "q_output" in name
    ]
    assert len(integers) == 3


def test_no_value_of_the_evidence_or_the_softmax_is_rounded(made):
    floats = set(made.structure.floats)
    makes = {value: node for node in made.model.graph.node for value in node.output}
    rounded = {
        makes[node.input[0]].name for node in made.model.graph.node if node.op_type == "QuantizeLinear"
    }
    normalised = {
        node.name for node in made.original.graph.node if node.op_type in ("Sub", "Add", "Div", "Mul")
    }
    assert not (rounded & floats) - normalised  # what the first layer takes is


def test_pixels_have_7_bits_and_the_weights_they_meet_8(made, images):
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in made.model.graph.initializer}
    makes = {value: node.name for node in made.model.graph.node for value in node.output}
    (pixels,) = (
        node
        for node in made.model.graph.node
        if node.op_type == "QuantizeLinear" and makes[node.input[0]] in made.structure.floats
    )
    graph = onnx.ModelProto.FromString(made.model.SerializeToString())
    del graph.graph.output[:]
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in (pixels.input[0], pixels.output[0]))
    normalised, rounded = onnxruntime.InferenceSession(graph.SerializeToString()).run(
        None, {"images": np.stack(images)}
    )
    least = np.iinfo(rounded.dtype).min
    largest = int(rounded.max()) - least
    assert rounded.min() in (least, least + 1)  # the zero point is rounded, too
    assert largest in (127, 128)
    assert 2 * largest * 127 < 2**15  # where two products are added in 16 bits, they fit
    scale, zero = weights[pixels.input[1]], weights[pixels.input[2]].astype(float)
    assert np.abs((rounded - zero) * scale - normalised).max() < 0.75 * scale < 0.75 / 126
    (kernel,) = [
        value
        for name, value in weights.items()
        if "first" in name and value.dtype == np.int8 and value.ndim == 4
    ]
    assert np.abs(kernel.astype(int)).max() == 127


def test_what_few_images_show_is_not_cut_off(model):
    random = np.random.default_rng(0)
    images = [random.integers(120, 136, (1, 16, 16)).astype(np.uint8) for _ in range(24)]
    images[7] = random.integers(0, 256, (1, 16, 16)).astype(np.uint8)  # all its values are larger, many times
    made = quantised(model, ANSWER, images)
    graphs, last = (made.original, made.model), made.structure.last
    true, rounded = (quantise._values(graph, last, images[7][None])[0] for graph in graphs)
    usual = quantise._values(made.original, last, images[0][None])[0]
    assert np.abs(rounded - true).max() < 0.1 * np.abs(true - usual).max()


def test_relu_changes_places_with_pooling_where_nothing_else_asks(model, images):
    changed = onnx.ModelProto.FromString(model.SerializeToString())
    name_nodes(changed)
    set_apart(changed, ANSWER)
    assert relu_before_pooling(changed) == 2
    onnx.checker.check_model(changed)
    for before, after in zip(run(model, np.stack(images)), run(changed, np.stack(images)), strict=True):
        assert np.array_equal(before, after)


def test_narrow_convolutions_stay_in_float_for_onnx_runtime_alone(model, images, monkeypatch):
    monkeypatch.setattr("inspection.export.structure._NARROW", 17)
    names = {layer.node for layer in structure_of(model, ANSWER).layers if layer.narrow}
    assert len(names) == 2
    assert set(quantised(model, ANSWER, images[:4], "onnx").floats) == names
    assert quantised(model, ANSWER, images[:4], "openvino").floats == ()


def test_layers_that_do_harm_get_their_floats_back(images):
    model, batch = exported(swamped=True), np.stack(images)
    made = quantised(model, ANSWER, images)
    truth = run(model, batch)[0]

    def loss(graph):
        return float(np.abs(run(graph, batch)[0] - truth).mean())

    first = loss(made.model)
    better = restored(made, images, lambda graph: loss(graph) <= first / 3)
    assert loss(better.model) <= first / 3
    assert 0 < better.integer < made.integer
    onnx.checker.check_model(better.model)


def test_no_more_layers_get_their_floats_back_than_are_needed_and_where_none_can_stay_there_is_nothing(
    monkeypatch,
):
    layers = [Layer(f"node{number}", f"layer{number}", (16, 16), True) for number in range(9)]
    made = Quantised("", "", Structure(tuple(layers), (), ("last",), ("answer",)), ("node0",), 8)
    monkeypatch.setattr(quantise, "_without", lambda given, floats: tuple(floats))
    asked = []

    def values(model, names, batch):  # the higher the number of the layer, the more harm it does
        asked.append((names, len(batch)))
        return [np.array([10.0 - int(model[-1][4:])]) if model else np.array([1.0])]

    monkeypatch.setattr(quantise, "_values", values)
    images = [np.zeros((1, 2, 2), np.uint8)] * 3
    tried = []

    def enough(needed):
        tried.clear()
        return lambda floats: tried.append(len(floats)) or len(floats) > needed

    for needed in range(1, 8):
        best = restored(made, images, enough(needed))
        assert best.floats == ("node0", *(f"node{9 - number}" for number in range(1, needed + 1)))
        assert best.integer == 8 - needed
        assert len(tried) <= 6
    assert restored(made, images, enough(8)) is None
    assert max(tried) == 8  # of nine: that all are float32 is no int8
    assert set(asked) == {(("answer",), 3)}


def test_harm_is_measured_on_images_of_all_classes(model, made, images, monkeypatch):
    seen = []
    monkeypatch.setattr(quantise, "_RANKED", 4)
    monkeypatch.setattr(quantise, "_values", lambda model, names, batch: seen.append(batch) or [batch * 1.0])
    restored(made, images, lambda graph: True)
    assert np.array_equal(seen[0], np.stack([images[place] for place in (0, 8, 15, 23)]))


def test_harm_of_a_layer_is_what_it_does_to_the_answer_but_of_boxes_to_what_they_are_chosen_from(model):
    assert structure_of(model, ANSWER).telling == (ANSWER,)
    choosing = onnx.ModelProto.FromString(model.SerializeToString())
    choosing.graph.node.append(onnx.helper.make_node("ArgMax", [ANSWER], ["which"], "choice"))
    structure = structure_of(choosing, "which")
    assert structure.telling == structure.last != ("which",)


def test_nothing_to_calibrate_on(model):
    with pytest.raises(InputError, match="int8: there is no image to calibrate on"):
        quantised(model, ANSWER, [])
