import pytest
import torch
from torch import nn

from inspection.explain.penultimate import feature_layer, tapped
from inspection.models.small_cnn import SmallCNN
from inspection.models.thermal_pool import ThermalPool
from inspection.models.torchvision_detector import TorchvisionDetector
from inspection.models.unet import UNet


@pytest.mark.parametrize(
    ("network", "layer", "width"),
    [
        (SmallCNN(1, 2, 4), "head", 32),
        (UNet(1, 4), "head", 4),
        (ThermalPool(1, 3, 4), "head", 128),
        # Not the layers behind it, which judge proposals of all images together.
        (
            TorchvisionDetector("fasterrcnn_mobilenet_v3_large_320_fpn", 2, None, False, False),
            "net.rpn.head.bbox_pred",
            256,
        ),
    ],
)
def test_layer_that_answers(network, layer, width):
    network.eval()
    channels = 3 if isinstance(network, TorchvisionDetector) else 1
    images = torch.rand(4, channels, 32, 48)
    assert feature_layer(network, images[:1]) == layer
    with tapped(network, layer) as taken, torch.no_grad():
        network(images)
    assert taken[0].shape == (4, width)


def test_features_are_what_the_head_gets():
    torch.manual_seed(0)
    network = SmallCNN(1, 2, 4).eval()
    images = torch.rand(3, 1, 32, 32)
    with tapped(network, "head") as taken, torch.no_grad():
        logits = network(images)
    torch.testing.assert_close(network.head(taken[0]), logits)
    network(images)
    assert len(taken) == 1  # the hook is gone


def test_maps_are_averaged_and_many_features_pooled():
    network = nn.Sequential(nn.Conv2d(1, 1024, 1), nn.Conv2d(1024, 1, 1)).eval()
    images = torch.rand(2, 1, 4, 4)
    assert feature_layer(network, images[:1]) == "1"
    with tapped(network, "1") as taken, torch.no_grad():
        network(images)
        maps = network[0](images)
    torch.testing.assert_close(taken[0], maps.mean((2, 3)).reshape(2, 512, 2).mean(2))


def test_network_without_such_a_layer():
    with pytest.raises(ValueError, match="Flatten has no linear or convolution layer"):
        feature_layer(nn.Flatten(), torch.rand(1, 1, 4, 4))
