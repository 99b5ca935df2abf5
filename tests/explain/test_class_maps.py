import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inspection.errors import InputError
from inspection.explain.cam import heatmap, heatmap_method
from inspection.explain.class_maps import class_maps, find_grid, resized
from inspection.models.cam_net import CamNetwork
from inspection.models.normalised import Normalised


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CamNetwork("vgg11", 3, frozen=0).eval()


@pytest.fixture
def images():
    return torch.rand(4, 3, 96, 64)


def test_maps_are_the_features_weighted_by_the_linear_row(network, images):
    with torch.no_grad():
        seen = [class_maps(network, images, kind) for kind in range(3)]
        logits, maps = seen[0].logits, torch.stack([each.maps for each in seen], 1)
        features = network.features(images)
    weights, bias = network.head.linear.weight.detach(), network.head.linear.bias
    assert maps.shape == (4, 3, 6, 4)
    for image in range(4):
        for kind in range(3):
            by_hand = sum(float(weights[kind, c]) * features[image, c] for c in range(512))
            torch.testing.assert_close(maps[image, kind], by_hand, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(maps.mean(dim=(2, 3)) + bias, logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits, network(images))


def test_features_that_cancel_are_no_evidence_for_anyone(network, images):
    """Two channels are alike but for rounding, and their weights opposite: the rest is noise, not a place."""
    network.head.linear.weight.data.zero_()
    network.head.linear.weight.data[1, :3] = torch.tensor([1.0, 1.0, -2.0])
    torch.manual_seed(0)
    features = torch.rand(4, 1, 6, 4).expand(-1, 512, -1, -1).clone()
    features[:, :2] *= 1 + torch.finfo(torch.float32).eps * torch.randn(4, 2, 6, 4).sign()
    network.features = lambda images: features
    seen = class_maps(network, images, 1)
    assert not seen.evidence.any()
    assert not seen.maps.any()
    drawn = heatmap(network, images, torch.ones(4, dtype=torch.int64), method="cam")
    assert drawn.evidence.equal(seen.evidence)
    assert not drawn.maps.any()


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam"])
def test_heatmap_equals_that_of_a_backward_pass(network, images, method):
    targets = torch.tensor([0, 1, 2, 1])
    forward = heatmap(network, images, targets, method="cam")
    backward = heatmap(network, images, targets, method=method, layer="backbone.features")
    assert forward.method == "cam"
    assert forward.evidence.any()
    assert forward.evidence.equal(backward.evidence)
    torch.testing.assert_close(forward.maps, backward.maps, atol=1e-5, rtol=0)
    torch.testing.assert_close(forward.logits, backward.logits)


def test_the_grad_cam_package_agrees(network, images):
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with package.GradCAM(model=network, target_layers=[network.backbone.features]) as cam:
        theirs = torch.from_numpy(cam(images, [ClassifierOutputTarget(2)] * 4))
    ours = heatmap(network, images, torch.full((4,), 2)).maps
    low = ours.amin(dim=(1, 2), keepdim=True)  # the package scales by the extremes after the resize
    torch.testing.assert_close(
        (ours - low) / (ours - low).amax(dim=(1, 2), keepdim=True), theirs, atol=1e-5, rtol=0
    )


def test_is_upsampled_bilinearly_and_peaks_at_one(network, images):
    maps = heatmap(network, images, torch.full((4,), 1))
    with torch.no_grad():
        raw = class_maps(network, images, 1).maps.relu()
    for row in range(4):
        if bool(maps.evidence[row]):
            by_hand = F.interpolate(raw[row][None, None], (96, 64), mode="bilinear", align_corners=False)[
                0, 0
            ]
            torch.testing.assert_close(maps.maps[row], by_hand / by_hand.max(), atol=1e-6, rtol=0)


def test_places_lie_where_the_convolutions_look():
    """The middle of what a place sees, measured by gradients, with pooling that prefers no pixel."""
    for name, stride in (("vgg11", None), ("resnet18", None), ("resnet18", 16), ("mobilenet_v2", 16)):
        network = CamNetwork(name, 2, frozen=0, output_stride=stride).double().eval()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            for child, pool in list(module.named_children()):
                if isinstance(pool, nn.MaxPool2d):
                    setattr(module, child, nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding))
        start, step = find_grid(network)
        size = 352 if name == "resnet18" else 256
        image = torch.full((1, 3, size, size), 1e-3, dtype=torch.float64, requires_grad=True)
        features = network.features(image)
        place = features.shape[-1] // 2
        (gradient,) = torch.autograd.grad(features[0, 0, place, place], image)
        weight = gradient.abs().sum((0, 1, 2))
        middle = float(weight @ torch.arange(size).double() / weight.sum())
        assert middle == pytest.approx(start + step * place, abs=0.3), (name, stride)


def test_maps_are_put_where_their_places_lie():
    maps = torch.zeros(1, 3, 4)
    maps[0, 1, 2] = 1
    placed = resized(maps, (24, 32), (0.0, 8.0))
    assert placed.shape == (1, 24, 32)
    assert (placed == 1).nonzero().tolist() == [[0, 8, 16]]
    assert float(placed[0, 4, 16]) == pytest.approx(0.5)
    assert float(placed[0, 8, 21]) == pytest.approx(3 / 8)


def test_places_that_are_spread_evenly_give_the_usual_interpolation():
    maps = torch.randn(2, 5, 7)
    usual = F.interpolate(maps[None], (80, 112), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(resized(maps, (80, 112), (7.5, 16.0)), usual)
    torch.testing.assert_close(resized(maps, (80, 112)), usual)


def test_network_asks_for_it_also_behind_its_normalisation(network):
    model = Normalised(network, (0.5,) * 3, (0.25,) * 3)
    assert heatmap_method(model) == "cam"
    images = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    found = heatmap(model, images)
    assert found.method == "cam"
    with torch.no_grad():
        torch.testing.assert_close(found.logits, model(images))


def test_leaves_no_gradient_and_no_hook(network, images):
    heatmap(network.train(), images)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in network.modules())
    assert network.training


def test_training_under_autocast_still_reaches_the_weights(network, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        heatmap(network, images)
        network(images).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_nothing_that_speaks_for_the_class_is_no_evidence(network, images):
    nn.init.constant_(network.head.linear.weight, -1.0)  # features behind a ReLU are never negative
    found = heatmap(network, images, torch.zeros(4, dtype=torch.int64))
    assert not found.evidence.any()
    assert not found.maps.any()
    assert found.of(0) is None


def test_other_networks_are_refused_by_name(images):
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    with pytest.raises(InputError, match="cam: Sequential does not end in global average pooling"):
        heatmap(plain, images, method="cam")


def test_a_layer_can_not_be_chosen(network, images):
    with pytest.raises(InputError, match="leave the layer out"):
        heatmap(network, images, layer="backbone.features")
