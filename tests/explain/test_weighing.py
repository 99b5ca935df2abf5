"""The gradient methods against the `grad-cam` package on networks of ours and torchvision's, and by hand."""

import pytest
import torch
from torch import nn

from inspection.explain.cam import heatmap
from inspection.explain.weighing import weigh
from inspection.models.lenet import LeNet
from inspection.models.seam_resnet import SeamResNet

METHODS = ["grad_cam", "grad_cam_plus_plus", "layer_cam", "hires_cam"]


def own_scale(maps: torch.Tensor) -> torch.Tensor:
    """Min-max per image, as the package does at its end; it also adds 1e-7 before, which counts for small maps."""
    maps = maps - maps.amin(dim=(1, 2), keepdim=True)
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)


def package_maps(method, network, layer, images, targets):
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kinds = {
        "grad_cam": package.GradCAM,
        "grad_cam_plus_plus": package.GradCAMPlusPlus,
        "layer_cam": package.LayerCAM,
        "hires_cam": package.HiResCAM,
    }
    with kinds[method](model=network, target_layers=[network.get_submodule(layer)]) as cam:
        maps = cam(images, [ClassifierOutputTarget(int(target)) for target in targets])
    return own_scale(torch.from_numpy(maps))


def build(name):
    """Network, layer, images. The shifts make the activations sum up to more than 0, as behind a ReLU."""
    torch.manual_seed(1)
    if name == "lenet":
        network = LeNet(1, (44, 60), 3)
        nn.init.constant_(network.conv2.bias, 0.5)
        return network.eval(), network.head, "conv2", torch.rand(4, 1, 44, 60)
    if name == "seam_resnet":
        network = SeamResNet(3, (48, 64), 4)
        nn.init.constant_(network.stages[5].norm2.bias, 2.0)
        return network.eval(), network.head, "stages.5", torch.rand(4, 3, 48, 64)
    models = pytest.importorskip("torchvision.models")
    network = models.resnet50(weights=None, num_classes=4)
    return network.eval(), network.fc, "layer4", torch.rand(4, 3, 64, 96)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["lenet", "resnet50", "seam_resnet"])
def test_equals_the_grad_cam_package(name, method):
    network, head, layer, images = build(name)
    targets = torch.tensor([0, 1, 2, 1])
    if method == "grad_cam_plus_plus":
        # The package adds 1e-6 to a denominator of squared gradients, which decides for those below 1e-3; ours is
        # the paper's. Large gradients leave the two alike, in float64 since their cubes span many magnitudes.
        network, images = network.double(), images.double()
        with torch.no_grad():
            head.weight.mul_(1e9)
    ours = heatmap(network, images, targets, method=method, layer=layer, aligned=False)  # as the package
    theirs = package_maps(method, network, layer, images, targets)
    assert ours.evidence.any()
    assert ours.method == method
    torch.testing.assert_close(own_scale(ours.maps), theirs, atol=1e-5, rtol=0)


def test_by_hand():
    a = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    g = torch.tensor([[[[1.0, -2.0]], [[0.5, 0.5]]]])
    raw, _ = weigh(a, g, "layer_cam")  # ReLU(g) * a, summed over the channels
    assert raw.tolist() == [[[1 * 1 + 0.5 * 3, 0 * 2 + 0.5 * 0]]]
    raw, _ = weigh(a, g, "grad_cam_plus_plus")
    first = 1 / (2 + 3 * 1)  # of the one place with a positive gradient
    second = 2 * 0.5 / (2 + 3 * 0.5)
    torch.testing.assert_close(raw, torch.tensor([[[first * 1 + second * 3, first * 2]]]))


def test_plus_plus_equals_grad_cam_where_each_channel_has_one_positive_place_of_equal_sum():
    """One place a channel: alpha is the same for all, and the weights are the gradients up to a factor."""
    a, g = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    a[0, 0, 0, 0] = a[0, 1, 2, 2] = 1.0
    g[0, 0, 0, 0] = g[0, 1, 2, 2] = 0.25
    one, _ = weigh(a, g, "grad_cam_plus_plus")
    two, _ = weigh(a, g, "grad_cam")
    torch.testing.assert_close(one / one.max(), two / two.max())


@pytest.mark.parametrize("method", METHODS)
def test_does_not_depend_on_the_scale_of_small_logits(method):
    network, head, layer, images = build("lenet")
    targets = torch.tensor([0, 1, 2, 1])
    with torch.no_grad():
        head.weight.mul_(1e-3)
        small = heatmap(network, images, targets, method=method, layer=layer)
        head.weight.mul_(1e-12)
    tiny = heatmap(network, images, targets, method=method, layer=layer)
    # Grad-CAM++ has the exponential of the logit in it: only where gradients are small is it free of their scale.
    torch.testing.assert_close(tiny.maps, small.maps, atol=0.02 if "plus" in method else 1e-4, rtol=0)


def test_plus_plus_takes_a_negative_sum_of_activations_as_0():
    a = torch.tensor([[[[1.0, -4.0]], [[3.0, 0.0]]]])
    g = torch.tensor([[[[1.0, 0.5]], [[0.5, -1.0]]]])
    raw, _ = weigh(a, g, "grad_cam_plus_plus")
    sums = torch.tensor([0.0, 3.0])[:, None]  # not -3
    alpha = g[0, :, 0] ** 2 / (2 * g[0, :, 0] ** 2 + sums * g[0, :, 0] ** 3)  # as `cam.py` states it
    weights = (alpha * g[0, :, 0].relu()).sum(1)
    torch.testing.assert_close(raw[0, 0], weights @ a[0, :, 0])


def test_activations_that_sum_up_to_less_than_nothing_let_no_channel_drown_the_others():
    a = torch.tensor([[[[-2.0, -1.0]], [[0.2, 0.1]]]])
    g = torch.tensor([[[[0.66666, 0.66666]], [[1.0, 1.0]]]])  # 2 + S g is almost 0 for the first
    raw, _ = weigh(a, g, "grad_cam_plus_plus")
    assert raw.abs().max() < 2
