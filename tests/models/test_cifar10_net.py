import pytest
import torch
import torch.nn.functional as F

from inspection.explain.cam import heatmap
from inspection.models.cifar10_net import CIFAR10Net


def test_published_parameters_by_hand():
    def convolution(channels, filters):
        return channels * filters * 9 + filters + 2 * filters  # weights, bias, batch norm

    blocks = (
        convolution(3, 64) + convolution(64, 64),  # 38,976
        convolution(64, 128) + convolution(128, 128),  # 221,952
        convolution(128, 256) + convolution(256, 256),  # 886,272
    )
    linear = (4 * 4 * 256 * 256 + 256) + (256 * 10 + 10)
    assert sum(blocks) + linear == 2_198_602
    assert sum(p.numel() for p in CIFAR10Net(3, (32, 32), 10).parameters()) == 2_198_602


@pytest.mark.parametrize(
    ("channels", "size", "classes", "flat"),
    [(3, (32, 32), 10, 4096), (1, (8, 8), 2, 256), (3, (47, 30), 5, 5 * 3 * 256)],
)
def test_shapes(channels, size, classes, flat):
    network = CIFAR10Net(channels, size, classes)
    maps = network.features(torch.rand(2, channels, *size))
    assert maps.shape == (2, 256, size[0] // 8, size[1] // 8)
    assert network.hidden[2].in_features == flat
    assert network.head(network.hidden(maps)).shape == (2, classes)


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match=r"at least 8x8 pixels.*\[7, 40\]: set data.image_size"):
        CIFAR10Net(3, (7, 40), 10)


def test_it_is_convolution_norm_relu_twice_then_the_pooling():
    torch.manual_seed(0)
    network, images = CIFAR10Net(3, (16, 16), 4), torch.rand(3, 3, 16, 16)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # any sign: a pooling before the norm would differ
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    network.eval()
    convolutions = [m for m in network.features if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in network.features if isinstance(m, torch.nn.BatchNorm2d)]
    maps = images
    for number, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
        maps = F.relu(norm(convolution(maps)))
        if number % 2:
            maps = F.max_pool2d(maps, 2)
    hidden = F.relu(network.hidden[2](maps.flatten(1)))
    torch.testing.assert_close(network(images), network.head(hidden))


def test_heatmap_is_taken_behind_the_last_norm():
    torch.manual_seed(0)
    network = CIFAR10Net(3, (16, 16), 4).eval()
    assert (
        network.get_submodule(network.heatmap_layer)
        is [m for m in network.features if isinstance(m, torch.nn.BatchNorm2d)][-1]
    )
    explained = heatmap(network, torch.rand(2, 3, 16, 16))
    assert explained.method == "hires_cam"
    assert explained.maps.shape == (2, 16, 16)
