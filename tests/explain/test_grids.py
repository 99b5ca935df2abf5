"""Where places lie, against what gradients say that they see."""

import weakref

import pytest
import torch
from torch import nn

from inspection.explain.cam import heatmap
from inspection.explain.grids import GridWatch, watching
from inspection.models.cam_net import CamNetwork
from inspection.models.lenet import LeNet
from inspection.models.seam_resnet import SeamResNet
from inspection.models.thermal_cnn import ThermalCNN


def run(network, images, layer):
    """The output of a layer, and where its places are said to lie."""
    seen = []
    handle = network.get_submodule(layer).register_forward_hook(lambda *given: seen.append(given[2]))
    with GridWatch(images) as watch:
        network(images)
    handle.remove()
    return seen[-1], watch.grid_of(seen[-1])


KNOWN = {
    "lenet": (lambda: LeNet(1, (96, 96), 2), "conv2", (2 + 0.5 + 2 * 2, 2.0)),
    "seam_resnet": (lambda: SeamResNet(1, (96, 96), 2), "stages.5", (0.0, 2.0)),
    "thermal_cnn": (lambda: ThermalCNN(1, (96, 96), 3), "features.3", (0.5, 2.0)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_own_networks_by_hand(name):
    build, layer, expected = KNOWN[name]
    _, grid = run(build().eval(), torch.rand(1, 1, 96, 96), layer)
    assert grid == expected


@pytest.mark.parametrize(
    ("name", "layer", "expected"),
    [
        ("resnet18", "layer4", (0.0, 32.0)),
        ("resnet50", "layer3", (0.0, 16.0)),
        ("vgg11", "features.18", (7.5, 16.0)),
        ("mobilenet_v2", "features.18", (0.0, 32.0)),
        ("efficientnet_b0", "features.8", (0.0, 32.0)),
        ("squeezenet1_1", "classifier.1", (15.0, 16.0)),
        ("convnext_tiny", "features.7", (15.5, 32.0)),
        ("densenet121", "features.denseblock4", (14.0, 32.0)),
    ],
)
def test_torchvision(name, layer, expected):
    models = pytest.importorskip("torchvision.models")
    network = models.get_model(name, weights=None).eval()
    assert run(network, torch.rand(1, 3, 224, 224), layer)[1] == expected


class Deconvolution(nn.Module):
    """Halves by two convolutions of unlike kernels, and doubles once."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 1, 5, stride=2, padding=1)
        self.second = nn.Conv2d(1, 1, 3, stride=2, dilation=2)
        self.up = nn.ConvTranspose2d(1, 1, 3, stride=2)

    def forward(self, x):
        return self.up(nn.functional.avg_pool2d(self.second(self.first(x)), 3, 1)).mean(dim=(2, 3))


@pytest.mark.parametrize("layer", ["first", "second", "up"])
def test_the_middle_of_what_a_place_sees(layer):
    network = Deconvolution().double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.1)
    image = torch.full((1, 1, 96, 96), 0.5, dtype=torch.float64, requires_grad=True)
    maps, (start, step) = run(network, image, layer)
    places = (10, 11)  # of a transposed convolution, neighbours see unlike many: their mean is exact
    middles = []
    for place in places:
        (gradient,) = torch.autograd.grad(maps[0, 0, 10, place], image, retain_graph=True)
        seen = gradient.sum((0, 1, 2)).nonzero()[:, 0].double()
        middles.append(float(seen.min() + seen.max()) / 2)
    expected = [start + step * place for place in places]
    assert sum(middles) / 2 == pytest.approx(sum(expected) / 2, abs=1.0 if layer == "up" else 0)


def test_what_is_not_known_is_left_out():
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)
            self.slim = nn.Conv2d(1, 1, (1, 3), stride=(1, 2))

        def forward(self, x):
            return self.slim(self.conv(nn.functional.pad(x, (3, 3, 3, 3))))

    images = torch.rand(1, 1, 20, 20)
    assert run(Padded(), images, "conv")[1] is None
    assert run(nn.Sequential(nn.Conv2d(1, 1, (1, 3), stride=(1, 2))), images, "0")[1] is None


def test_what_was_found_is_kept_with_the_network_alone():
    network, images = (
        nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 3, 2, 1)),
        torch.rand(1, 1, 32, 32),
    )
    with watching(network, images) as first:
        network(images)
    with watching(network, images) as again:
        pass
    assert again is first
    assert again.grid_of(torch.empty(1, 1, 8, 8)) == (0.0, 4.0)
    with watching(network, images[..., :16]) as other, pytest.raises(RuntimeError):
        network(images.flatten())
    assert other is not first
    watched = weakref.ref(network)
    del network
    assert watched() is None


def test_gradient_methods_are_drawn_where_the_forward_pass_draws():
    torch.manual_seed(0)
    network, images = CamNetwork("resnet18", 2, frozen=0).eval(), torch.rand(2, 3, 96, 64)
    forward = heatmap(network, images, 1, method="cam")
    backward = heatmap(network, images, 1, method="grad_cam", layer="backbone.layer4")
    torch.testing.assert_close(forward.maps, backward.maps, atol=1e-5, rtol=0)
    assert (
        heatmap(network, images, 1, method="grad_cam", aligned=False).maps - forward.maps
    ).abs().max() > 0.1


def test_a_spot_is_found_where_it_is():
    """One bright pixel through four strides of 2: evenly spread, the hottest place would be 7 pixels off."""
    network = nn.Sequential(
        *(nn.Conv2d(1, 1, 3, 2, 1, bias=False) for _ in range(4)), nn.Flatten(), nn.Linear(64, 1)
    )
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.0)
    image = torch.zeros(1, 1, 128, 128)
    image[0, 0, 64, 48] = 1.0
    hottest = [
        divmod(int(heatmap(network, image, 0, method="hires_cam", aligned=aligned).maps[0].argmax()), 128)
        for aligned in (True, False)
    ]
    assert hottest[0] == (64, 48)
    assert min(hottest[1][0] - 64, hottest[1][1] - 48) >= 7
