"""Which layer is explained by default, for our networks and torchvision's."""

import pytest
import torch
from torch import nn

from inspection.explain.cam import heatmap
from inspection.explain.layers import last_convolution
from inspection.models.backbone import TorchvisionNetwork
from inspection.models.cam_net import CamNetwork
from inspection.models.cifar10_net import CIFAR10Net
from inspection.models.lenet import LeNet
from inspection.models.normalised import Normalised
from inspection.models.seam_resnet import SeamResNet
from inspection.models.simple_cnn import SimpleCNN
from inspection.models.small_cnn import SmallCNN
from inspection.models.thermal_cnn import ThermalCNN
from inspection.models.thermal_pool import ThermalPool

# Each family's last convolution with more than one place, as its source code runs it.
FAMILIES = {
    "resnet18": "layer4.1.conv2",
    "vgg11": "features.18",
    "densenet121": "features.denseblock4.denselayer16.conv2",
    "mobilenet_v2": "features.18.0",
    "mobilenet_v3_small": "features.12.0",
    "efficientnet_b0": "features.8.0",
    "squeezenet1_1": "classifier.1",
    "convnext_tiny": "features.7.2.block.0",
    "shufflenet_v2_x0_5": "conv5.0",
    "regnet_y_400mf": "trunk_output.block4.block4-5.f.c.0",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_families(name):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    network, images = models.get_model(name, weights=None, num_classes=3).eval(), torch.rand(2, 3, 64, 64)
    assert last_convolution(network, images) == FAMILIES[name]
    found = heatmap(network, images, 1)
    assert found.maps.shape == (2, 64, 64)
    assert found.targets.tolist() == [1, 1]
    assert not any(module._forward_hooks for module in network.modules())


OWN = {
    "lenet": lambda: LeNet(3, (64, 64), 3),
    "small_cnn": lambda: SmallCNN(3, 3),
    "simple_cnn": lambda: SimpleCNN(3, (64, 64), 3),
    "cifar10_net": lambda: CIFAR10Net(3, (64, 64), 3),
    "seam_resnet": lambda: SeamResNet(3, (64, 64), 3),
    "thermal_cnn": lambda: ThermalCNN(3, (64, 64), 3),
    "thermal_pool": lambda: ThermalPool(3, 3),
    "backbone": lambda: TorchvisionNetwork("resnet18", 3),
    "cam_net": lambda: CamNetwork("resnet18", 3, frozen=0),
}


@pytest.mark.parametrize("name", OWN)
def test_own_networks_behind_their_normalisation(name):
    torch.manual_seed(0)
    network = Normalised(OWN[name](), (0.5,) * 3, (0.25,) * 3).eval()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    found = [heatmap(network, images, kind) for kind in range(3)]
    assert any(each.evidence.any() for each in found)
    for each in found:
        assert (each.maps.amax(dim=(1, 2)) == each.evidence.float()).all()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


class Pooled(nn.Module):
    """Registers the convolution that runs first last, and gates by one on a 1x1 map that runs at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.second, self.first = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(3, 8, 3, padding=1)
        self.gate, self.head = nn.Conv2d(8, 8, 1), nn.Linear(8, 2)

    def forward(self, x):
        x = self.second(self.first(x).relu()).relu()
        x = x * self.gate(x.mean(dim=(2, 3), keepdim=True)).sigmoid()
        return self.head(x.mean(dim=(2, 3)))


def test_the_last_convolution_is_the_last_one_to_run():
    torch.manual_seed(0)
    network, images = Pooled().eval(), torch.rand(2, 3, 8, 8)
    assert last_convolution(network, images) == "second"
    by_name = heatmap(network, images, layer="second")
    assert torch.equal(heatmap(network, images).maps, by_name.maps)
    assert not any(module._forward_hooks for module in network.modules())


def test_the_last_convolution_of_a_resnet_can_be_its_shortcut():
    models = pytest.importorskip("torchvision.models")
    network = models.resnet18(weights=None).eval()
    network.layer4 = network.layer4[:1]  # in torchvision's block the shortcut's convolution runs last
    assert last_convolution(network, torch.rand(1, 3, 64, 64)) == "layer4.0.downsample.0"
    network = models.resnet50(weights=None).eval()
    assert last_convolution(network, torch.rand(1, 3, 64, 64)) == "layer4.2.conv3"
