import torch
import torch.nn.functional as F
from torch import nn

from inspection.explain.filters import Filters, convolution_filters
from inspection.models.unet import UNet


def test_each_convolution_of_a_network_is_there():
    network = UNet(3, width=4)
    found = {each.name: each.weights for each in convolution_filters(network)}
    assert len(found) == 18 + 4 + 1
    assert torch.equal(found["down.0.0"], network.down[0][0].weight)
    assert torch.equal(found["enlarge.0"], network.enlarge[0].weight.transpose(0, 1))


def test_transposed_groups_are_turned_group_by_group():
    module = nn.ConvTranspose2d(6, 4, 3, groups=2, bias=False)
    (found,) = convolution_filters(module)
    assert found.weights.shape == (4, 3, 3, 3)
    image = torch.zeros(1, 6, 1, 1)
    image[0, 4] = 1.0  # of the second group, its second channel
    out = F.conv_transpose2d(image, module.weight, groups=2)[0]
    torch.testing.assert_close(out[2:], found.weights[2:, 1])
    assert not out[:2].any()


def test_a_filter_over_the_image_is_shown_whole_and_another_by_its_strongest_channel():
    weights = torch.zeros(2, 5, 3, 3)
    weights[0, 4, 1, 1], weights[0, 1, 0, 0] = -3.0, 2.0
    weights[1, 2] = 1.0
    kernels, channels = Filters("deep", weights).kernels()
    assert channels == [4, 2]
    assert torch.equal(kernels[:, 0], torch.stack([weights[0, 4], weights[1, 2]]))
    first = Filters("first", torch.rand(2, 3, 3, 3))
    kernels, channels = first.kernels()
    assert torch.equal(kernels, first.weights)
    assert channels == [None, None]
    assert not first.pointwise
    assert Filters("mixes", torch.rand(2, 7, 1, 1)).pointwise
