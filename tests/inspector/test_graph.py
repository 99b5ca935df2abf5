import pytest
import torch

from inspection.decide.decisions import OneOf
from inspection.explain.cam import heatmaps_of
from inspection.inspector.graph import AnsweringGraph
from inspection.models.flips import Flipped
from inspection.models.lenet import LeNet
from inspection.models.normalised import Normalised
from inspection.models.small_cnn import SmallCNN


def model(seed=0):
    torch.manual_seed(seed)
    return Normalised(LeNet(1, (24, 32), 3), (0.5,), (0.25,)).eval()


def images(count=3):
    return torch.randint(0, 256, (count, 1, 24, 32), dtype=torch.uint8)


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus", "layer_cam", "hires_cam"])
def test_heatmaps_are_those_of_the_explained_outputs(method):
    network, pixels, decision = model(), images(), OneOf(["a", "b", "c"], None, temperature=2.0)
    said = AnsweringGraph(network, decision, explained=[None, 2], method=method)(pixels)
    expected = heatmaps_of(network, pixels, [None, 2], method=method)
    for place, each in enumerate(expected):
        torch.testing.assert_close(said["heatmaps"][:, place], each.maps)
    probabilities = (network(pixels).double() / 2).softmax(1)
    torch.testing.assert_close(said["probabilities"], probabilities.detach())


def test_flips_count_for_the_answer_and_for_what_is_explained():
    network, pixels, decision = model(), images(8), OneOf(["a", "b", "c"], None)
    said = AnsweringGraph(network, decision, ["horizontal"], explained=[None], method="hires_cam")(pixels)
    logits = Flipped(network, ["horizontal"])(pixels).detach()
    torch.testing.assert_close(said["probabilities"], logits.double().softmax(1))
    (expected,) = heatmaps_of(network, pixels, [logits.argmax(1)], method="hires_cam")
    torch.testing.assert_close(said["heatmaps"][:, 0], expected.maps)


def test_nothing_else_is_computed():
    passes = []
    network = model()
    network.register_forward_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    graph = AnsweringGraph(network, OneOf(["a", "b", "c"], "b"), explained=[1], features="network.head")
    assert graph.outputs == ("probabilities", "heatmaps", "features")
    assert graph(images(), ["probabilities"]).keys() == {"probabilities"}
    assert passes == [False]
    both = graph(images(), ["probabilities", "features"])
    assert both["features"].shape == (3, 120)


def test_image_without_numbers_is_unknown():
    network, pixels = model(), images()
    with torch.no_grad():
        network.network.head.bias[0] = -torch.inf
    said = AnsweringGraph(network, OneOf(["a", "b", "c"], "b"))(pixels)
    assert said["probabilities"].isnan().all()


def test_noise_of_what_computes_is_no_evidence():
    """Maps whose terms cancel to a thousandth of their size: evidence in float32, noise in bfloat16."""
    network = SmallCNN(1, 2, 4, "mean").eval()
    normalised = Normalised(network, (0.0,), (1.0,)).eval()
    decision = OneOf(["ok", "defect"], "defect")
    pixels = torch.full((1, 1, 16, 16), 200, dtype=torch.uint8)
    with torch.no_grad():  # only two features, that are alike
        network.head.weight.zero_()
        network.head.weight[1, :2] = torch.tensor([1.0, -0.999])
        for block in (0, 4, 8, 12):
            network.features[block].weight.abs_()
        network.features[12].weight[1] = network.features[12].weight[0]
    for eps, found in ((None, True), (torch.finfo(torch.bfloat16).eps, False)):
        graph = AnsweringGraph(normalised, decision, explained=[1], method="grad_cam", eps=eps)
        assert bool(graph(pixels)["heatmaps"].any()) == found
