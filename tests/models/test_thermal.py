import pytest
import torch

from inspection.models.thermal_cnn import ThermalCNN
from inspection.models.thermal_pool import ThermalPool


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_thermal_cnn_has_the_published_parameters():
    by_hand = 32 * 25 + 32 + 64 * 32 * 25 + 64 + 128 * 64 * 9 + 128  # convolutions
    by_hand += 128 * 28 * 28 * 512 + 512 + 512 * 3 + 3  # linear layers
    assert parameters(ThermalCNN(1, (224, 224), 3)) == by_hand == 51_508_227


@pytest.mark.parametrize(("channels", "size", "outputs"), [(1, (8, 8), 3), (3, (50, 37), 1)])
def test_thermal_cnn_takes_any_size(channels, size, outputs):
    network = ThermalCNN(channels, size, outputs)
    assert network(torch.rand(2, channels, *size)).shape == (2, outputs)


def test_thermal_cnn_says_when_an_image_is_too_small():
    with pytest.raises(ValueError, match=r"at least 8x8 pixels, but image_size is \[7, 40\]"):
        ThermalCNN(1, (7, 40), 3)


def test_dropout_is_for_training_alone():
    network, images = ThermalCNN(1, (16, 16), 3, dropout=0.9).eval(), torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(network(images), network(images))


def test_thermal_pool_by_hand():
    filters = (4, 8, 16, 32)
    convolutions = 9 * sum(a * b for a, b in zip((1, *filters), filters, strict=False)) + 2 * sum(filters)
    pooled = 3 + 2 * sum(filters)
    by_hand = convolutions + 2 * pooled + pooled * 128 + 128 + 128 * 3 + 3
    assert parameters(ThermalPool(1, 3, width=4)) == by_hand
    for size in ((8, 8), (50, 37)):
        assert ThermalPool(3, 2, width=4)(torch.rand(2, 3, *size)).shape == (2, 2)
    with pytest.raises(ValueError, match="width=0"):
        ThermalPool(1, 3, width=0)


def test_thermal_pool_sees_a_single_hot_pixel_anywhere():
    torch.manual_seed(0)
    network = ThermalPool(1, 3, width=4).eval()
    images = torch.zeros(3, 1, 32, 32)
    images[1, 0, 3, 4] = images[2, 0, 20, 29] = 1.0
    even, here, there = network(images)
    assert (here - even).abs().max() > 1e-3
    torch.testing.assert_close(here, there, atol=0.02, rtol=0)
