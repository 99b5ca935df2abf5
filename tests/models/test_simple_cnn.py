import pytest
import torch
import torch.nn.functional as F

from inspection.explain.cam import heatmap
from inspection.models.simple_cnn import SimpleCNN


def test_published_parameters_by_hand():
    def convolution(channels, filters):
        return channels * filters * 9 + filters + 2 * filters  # weights, bias, batch norm

    convolutions = convolution(3, 32) + convolution(32, 64) + convolution(64, 128)
    linear = (28 * 28 * 128 * 512 + 512) + (512 * 3 + 3)
    assert convolutions + linear == 51_475_971
    with torch.device("meta"):  # counted without 200 MB of weights
        assert sum(p.numel() for p in SimpleCNN(3, (224, 224), 3).parameters()) == 51_475_971


@pytest.mark.parametrize(
    ("channels", "size", "classes", "flat"),
    [(3, (64, 48), 3, 8 * 6 * 128), (1, (8, 8), 2, 128), (3, (31, 25), 5, 3 * 3 * 128)],
)
def test_shapes(channels, size, classes, flat):
    network = SimpleCNN(channels, size, classes)
    maps = network.features(torch.rand(2, channels, *size))
    assert maps.shape == (2, 128, size[0] // 8, size[1] // 8)
    assert network.hidden[1].in_features == flat
    assert network.head(network.hidden(maps)).shape == (2, classes)


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match=r"at least 8x8 pixels.*\[40, 7\]: set data.image_size"):
        SimpleCNN(3, (40, 7), 3)


def test_it_is_convolution_norm_relu_pooling():
    torch.manual_seed(0)
    network, images = SimpleCNN(3, (16, 24), 3), torch.rand(3, 3, 16, 24)
    convolutions = [m for m in network.features if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in network.features if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:  # any sign: a pooling before the norm would differ
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    network.eval()
    maps = images
    for convolution, norm in zip(convolutions, norms, strict=True):
        maps = F.max_pool2d(F.relu(norm(convolution(maps))), 2)
    hidden = F.relu(network.hidden[1](maps.flatten(1)))
    torch.testing.assert_close(network(images), network.head(hidden))


def test_heatmap_is_taken_behind_the_last_norm():
    torch.manual_seed(0)
    network = SimpleCNN(3, (16, 16), 3).eval()
    assert (
        network.get_submodule(network.heatmap_layer)
        is [m for m in network.features if isinstance(m, torch.nn.BatchNorm2d)][-1]
    )
    explained = heatmap(network, torch.rand(2, 3, 16, 16))
    assert explained.method == "hires_cam"
    assert explained.maps.shape == (2, 16, 16)
