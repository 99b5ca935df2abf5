import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inspection.explain.features import trace_features
from inspection.models.lenet import LeNet
from inspection.models.normalised import Normalised
from inspection.models.seam_resnet import SeamResNet
from inspection.models.unet import UNet


def test_lenet_step_by_step():
    torch.manual_seed(0)
    network = Normalised(LeNet(1, (32, 48), 2), (0.5,), (0.25,)).eval()
    image = torch.randint(0, 256, (1, 32, 48), dtype=torch.uint8)
    found = trace_features(network, image)
    assert [(each.name, each.kind) for each in found] == [
        ("", "image"),
        ("network.conv1", "convolution"),
        ("network", "pooling"),
        ("network", "activation"),
        ("network.conv2", "convolution"),
        ("network", "pooling"),
        ("network", "activation"),
    ]
    inner, maps = network.network, network.normalise(image[None])
    expected = [image[None].float()]
    for convolution in (inner.conv1, inner.conv2):
        expected.append(convolution(maps))
        expected.append(F.max_pool2d(expected[-1], 2))
        expected.append(maps := F.relu(expected[-1]))
    for each, by_hand in zip(found, expected, strict=True):
        assert each.shape == tuple(by_hand.shape[1:])
        assert sorted(each.channels) == list(range(each.shape[0]))
        torch.testing.assert_close(each.maps, by_hand[0, each.channels].detach())


def test_activations_in_place_do_not_write_into_what_was_kept():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True))
    _, convolution, activation = trace_features(network, torch.rand(1, 8, 8))
    assert (convolution.maps < 0).any()
    before = dict(zip(convolution.channels, convolution.maps, strict=True))
    for channel, maps in zip(activation.channels, activation.maps, strict=True):
        torch.testing.assert_close(maps, before[channel].relu())


def test_the_liveliest_channels_are_kept_with_their_numbers():
    network = nn.Conv2d(1, 6, 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([1.0, 9, 2, 8, 0, 7])[:, None, None, None])
    image = torch.rand(1, 8, 8)
    _, found = trace_features(network, image, most=3)
    assert found.shape == (6, 8, 8)
    assert found.channels == [1, 3, 5]  # the liveliest first
    torch.testing.assert_close(found.maps, torch.stack([9 * image[0], 8 * image[0], 7 * image[0]]))


@pytest.mark.parametrize("name", ["seam_resnet", "unet", "mobilenet_v2"])
def test_larger_networks_count_their_convolutions(name):
    if name == "mobilenet_v2":
        network = pytest.importorskip("torchvision.models").mobilenet_v2(weights=None)
    else:
        network = SeamResNet(3, (64, 64), 2) if name == "seam_resnet" else UNet(3, width=4)
    found = trace_features(network.eval(), torch.rand(3, 64, 64), most=2)
    ran = [each.name for each in found if each.kind == "convolution"]
    own = [
        key for key, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    assert sorted(ran) == sorted(own)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_hooks_are_gone_after_an_exception():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(99, 1))
    with pytest.raises(RuntimeError):
        trace_features(network, torch.rand(1, 8, 8))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
