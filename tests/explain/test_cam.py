import math

import pytest
import torch
from torch import nn

from inspection.errors import InputError
from inspection.explain.cam import heatmap, heatmap_method, heatmaps_of

torch.set_num_threads(1)


def lenet(inplace: bool = False) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(inplace),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(inplace),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 4 * 7, 24),
        nn.ReLU(inplace),
        nn.Linear(24, 3),
    ).eval()


def lenet_images(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 1, 28, 40)


class Pooled(nn.Module):
    """Convolutions, global average pooling, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.second(self.first(x).relu()).mean(dim=(2, 3)))


def own_scale(maps: torch.Tensor) -> torch.Tensor:
    """Min-max per image, what the reference package does at the end."""
    maps = maps - maps.amin(dim=(1, 2), keepdim=True)
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)


def reference(method, network, layer, images, targets):
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kind = {"grad_cam": package.GradCAM, "hires_cam": package.HiResCAM}[method]
    with kind(model=network, target_layers=[network.get_submodule(layer)]) as cam:
        maps = cam(images, [ClassifierOutputTarget(int(target)) for target in targets])
    return own_scale(torch.from_numpy(maps))


# --- against an independent implementation -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam"])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_grad_cam_package_on_a_lenet(method, seed):
    torch.manual_seed(seed)
    network, images, targets = lenet(), lenet_images(6), torch.tensor([0, 1, 2, 2, 1, 0])
    ours = heatmap(network, images, targets, method=method, aligned=False)
    theirs = reference(method, network, "3", images, targets)
    assert ours.evidence.any()
    torch.testing.assert_close(own_scale(ours.maps), theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam"])
@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet18", "layer4"), ("resnet18", "layer3.1.conv1"), ("resnet50", "layer4.2.conv3")],
)
def test_equals_the_grad_cam_package_on_resnets(method, name, layer):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    network = models.get_model(name, weights=None, num_classes=4).eval()
    images, targets = torch.rand(3, 3, 64, 96), torch.tensor([3, 0, 1])
    ours = heatmap(network, images, targets, method=method, layer=layer, aligned=False)
    theirs = reference(method, network, layer, images, targets)
    assert ours.evidence.any()
    torch.testing.assert_close(own_scale(ours.maps), theirs, atol=1e-5, rtol=0)


def test_a_batch_equals_its_images_one_by_one():
    torch.manual_seed(0)
    network, images, targets = lenet(), lenet_images(), torch.tensor([2, 0, 1, 1])
    batch = heatmap(network, images, targets)
    for index in range(4):
        single = heatmap(network, images[index : index + 1], targets[index : index + 1])
        torch.testing.assert_close(batch.maps[index], single.maps[0], atol=1e-5, rtol=0)


def count_forwards(network):
    counted = []
    network.register_forward_hook(lambda *_: counted.append(1))
    return counted


METHODS = ["grad_cam", "grad_cam_plus_plus", "layer_cam", "hires_cam", "occlusion"]


@pytest.mark.parametrize("method", METHODS)
def test_several_targets_are_as_each_by_itself_and_share_the_forward_pass(method):
    torch.manual_seed(0)
    network, images = lenet(), lenet_images()
    each = torch.tensor([2, 0, 1, 1])
    alone = [heatmap(network, images, target, method=method) for target in (0, 1, 2, None, each)]
    counted = count_forwards(network)
    shared = heatmaps_of(network, images, [0, 1, 2, None, each], method=method)
    one_target = len(counted)
    assert method == "occlusion" or one_target == 1
    heatmap(network, images, method=method)
    assert len(counted) == 2 * one_target
    for one, two in zip(alone, shared, strict=True):
        assert torch.equal(one.targets, two.targets)
        torch.testing.assert_close(one.maps, two.maps, atol=1e-6, rtol=0)
        assert torch.equal(one.evidence, two.evidence)
        torch.testing.assert_close(one.logits, two.logits)


def test_no_target_is_no_pass():
    network = lenet()
    counted = count_forwards(network)
    assert heatmaps_of(network, lenet_images(), []) == []
    assert not counted


# --- by hand -----------------------------------------------------------------------------------------------


class ByHand(nn.Module):
    """Identity convolution, then logits of hand-picked weights on its 2x2 places: [1, 2; -4, 3] and minus."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        self.conv.weight.data.fill_(1.0)
        self.register_buffer("weights", torch.tensor([[1.0, 2.0], [-4.0, 3.0]]))

    def forward(self, x):
        logit = (self.conv(x)[:, 0] * self.weights).sum(dim=(1, 2))
        return torch.stack([-logit, logit], dim=1)


def test_hand_computed_maps():
    image = torch.tensor([[[[2.0, 4.0], [1.0, 1.0]]]])
    ones = torch.tensor([1])
    # mean gradient 0.5, so 0.5 * image over its maximum 2
    grad = heatmap(ByHand(), image, ones, method="grad_cam")
    torch.testing.assert_close(grad.maps, torch.tensor([[[0.5, 1.0], [0.25, 0.25]]]))
    # gradient * image = [2, 8; -4, 3], ReLU, over its maximum 8
    hires = heatmap(ByHand(), image, ones, method="hires_cam")
    torch.testing.assert_close(hires.maps, torch.tensor([[[0.25, 1.0], [0.0, 0.375]]]))
    assert hires.logits.tolist() == [[-9.0, 9.0]]
    # Against class 0 every place counts but one: Grad-CAM has no positive evidence, HiResCAM has one place.
    against = torch.tensor([0])
    assert not heatmap(ByHand(), image, against, method="grad_cam").evidence.item()
    assert heatmap(ByHand(), image, against, method="hires_cam").maps.tolist() == [[[0, 0], [1, 0]]]


def test_both_methods_agree_behind_global_average_pooling():
    torch.manual_seed(0)
    network, images = Pooled().eval(), torch.rand(3, 3, 12, 12)
    grad, hires = (heatmap(network, images, method=method) for method in ("grad_cam", "hires_cam"))
    torch.testing.assert_close(grad.maps, hires.maps, atol=1e-5, rtol=0)


def test_upsampling_is_bilinear_with_half_pixel_centres():
    image = torch.tensor([[[[2.0, 4.0], [1.0, 1.0]]]])
    maps = heatmap(ByHand(), image, torch.tensor([1]), method="grad_cam", size=(2, 4)).maps
    torch.testing.assert_close(maps[0, 0], torch.tensor([0.5, 0.625, 0.875, 1.0]))


# --- what a map promises -----------------------------------------------------------------------------------


def test_range_peak_and_types():
    torch.manual_seed(0)
    found = heatmap(lenet(), lenet_images(8), method="hires_cam")
    assert found.maps.shape == (8, 28, 40)
    assert found.maps.dtype == found.logits.dtype == torch.float32
    assert found.maps.min() >= 0
    assert (found.maps.amax(dim=(1, 2)) == 1).all()
    assert torch.equal(found.targets, found.logits.argmax(dim=1))
    assert not found.maps.requires_grad
    assert not found.logits.requires_grad


@pytest.mark.parametrize("size", [(7, 9), (1, 1), (60, 5)])
def test_size_is_the_size_of_the_maps_and_small_ones_keep_a_peak(size):
    torch.manual_seed(0)
    maps = heatmap(lenet(), lenet_images(), method="hires_cam", size=size).maps
    assert maps.shape == (4, *size)
    assert (maps.amax(dim=(1, 2)) == 1).all()


def test_negative_evidence_alone_is_an_empty_map_and_not_a_stretched_one():
    network = Pooled().eval()
    with torch.no_grad():
        network.second.weight.abs_()
        network.first.weight.abs_()
        network.head.weight.copy_(torch.stack([torch.ones(8), -torch.ones(8)]))
    for method in ("grad_cam", "hires_cam"):
        found = heatmap(network, torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), method=method)
        assert found.evidence.tolist() == [True, False]
        assert found.maps[1].count_nonzero() == 0


def test_a_flat_map_is_one_everywhere():
    network = ByHand()
    network.weights.fill_(1.0)
    found = heatmap(network, torch.full((1, 1, 2, 2), 0.3), torch.tensor([1]), size=(8, 8))
    torch.testing.assert_close(found.maps, torch.ones(1, 8, 8))


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_rounding_noise_is_no_evidence(dtype):
    # Behind instance normalisation the gradient of a channel sums to zero: its mean is rounding noise only.
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.InstanceNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 64, 2)
    )
    images = torch.rand(8, 3, 8, 8)
    with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        assert not heatmap(network, images, method="grad_cam").evidence.any()
        assert heatmap(network, images, method="hires_cam").evidence.all()


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1e38])
def test_never_nan(value):
    network = lenet()
    found = heatmap(network, torch.full((2, 1, 28, 40), value), torch.tensor([0, 1]), method="hires_cam")
    assert found.maps.isfinite().all()
    assert found.maps.max() <= 1
    dead = lenet()
    nn.init.zeros_(dead[9].weight)
    found = heatmap(dead, lenet_images(2))
    assert not found.evidence.any()
    assert found.maps.count_nonzero() == 0


def test_tiny_gradients_are_not_lost():
    torch.manual_seed(0)
    network, images, targets = lenet(), lenet_images(), torch.tensor([0, 1, 2, 0])
    usual = heatmap(network, images, targets)
    with torch.no_grad():
        network[9].weight.mul_(1e-20)
    tiny = heatmap(network, images, targets)
    assert torch.equal(usual.evidence, tiny.evidence)
    torch.testing.assert_close(usual.maps, tiny.maps, atol=1e-4, rtol=0)


def test_a_sure_network_is_explained_all_the_same():
    # The gradient of a softmax vanishes where the network is sure; that of the logit does not.
    torch.manual_seed(0)
    network, images = lenet(), lenet_images()
    targets = heatmap(network, images).targets
    usual = heatmap(network, images, targets)
    with torch.no_grad():
        network[9].weight.mul_(1e4)
    sure = heatmap(network, images, targets)
    assert (sure.logits.softmax(dim=1).amax(dim=1) == 1).any()
    torch.testing.assert_close(usual.maps, sure.maps, atol=1e-5, rtol=0)


# --- leaves everything as it was ---------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_mode_gradients_and_hooks_stay(training):
    torch.manual_seed(0)
    network = lenet().train(training)
    network[3].eval()  # a mixed mode has to survive too
    network(lenet_images()).sum().backward()
    network[0].weight.grad = None
    modes = [module.training for module in network.modules()]
    before = [None if p.grad is None else p.grad.clone() for p in network.parameters()]
    heatmap(network, lenet_images())
    assert [module.training for module in network.modules()] == modes
    for parameter, gradient in zip(network.parameters(), before, strict=True):
        assert parameter.requires_grad
        assert (parameter.grad is None) == (gradient is None)
        assert gradient is None or torch.equal(parameter.grad, gradient)
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


@pytest.mark.parametrize("where", ["before", "behind"])
def test_hooks_and_gradient_mode_come_back_after_an_exception(where):
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("broken")

    layers = [Broken(), *lenet()] if where == "before" else [*lenet(), Broken()]
    network = nn.Sequential(*layers)
    for recording in (True, False):
        with torch.set_grad_enabled(recording):
            with pytest.raises(RuntimeError, match="broken"):
                heatmap(network, lenet_images())
            assert torch.is_grad_enabled() == recording
    assert not any(module._forward_hooks for module in network.modules())


def test_frozen_networks_and_switched_off_gradients():
    torch.manual_seed(0)
    network, images, targets = lenet(inplace=True), lenet_images(), torch.tensor([0, 1, 2, 0])
    usual = heatmap(network, images, targets)
    network.requires_grad_(False)
    found = [heatmap(network, images, targets)]
    with torch.no_grad():
        found.append(heatmap(network, images, targets))
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        found.append(heatmap(network, images * 1.0, targets))
        assert torch.is_inference_mode_enabled()
    for each in found:
        assert torch.equal(usual.maps, each.maps)
        assert not each.maps.is_inference()


def test_in_place_relu_changes_nothing():
    torch.manual_seed(0)
    plain, inplace = lenet(), lenet(inplace=True)
    inplace.load_state_dict(plain.state_dict())
    images = lenet_images()
    for method in ("grad_cam", "hires_cam"):
        expected, found = (heatmap(network, images, method=method) for network in (plain, inplace))
        assert torch.equal(expected.maps, found.maps)


def test_a_backbone_run_without_recording():
    class Frozen(nn.Module):
        def __init__(self, inner) -> None:
            super().__init__()
            self.backbone, self.head = inner[:7], inner[7:]

        def forward(self, x):
            with torch.no_grad():
                features = self.backbone(x)
            return self.head(features)

    torch.manual_seed(0)
    inner, images = lenet(), lenet_images()
    usual = heatmap(inner, images)
    for layer in (None, "backbone.3"):
        assert torch.equal(heatmap(Frozen(inner), images, layer=layer).maps, usual.maps)


def test_bf16_autocast_is_close_and_poisons_no_weight_cache():
    torch.manual_seed(0)
    network, images, targets = lenet(), lenet_images(), torch.tensor([0, 1, 2, 0])
    exact = heatmap(network, images, targets, method="hires_cam")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = heatmap(network, images, targets, method="hires_cam")
        network(images).float().sum().backward()  # the same autocast context as a training step would use
    assert rounded.maps.dtype == torch.float32
    assert rounded.evidence.all()
    # Rounding moves some maxima of the pooling to the neighbour place, so single pixels differ more.
    assert (exact.maps - rounded.maps).abs().mean() < 0.02
    assert all(p.grad is not None and p.grad.count_nonzero() > 0 for p in network.parameters())


class TwoChannels(nn.Module):
    """Hands its two channels through; the logit is their sum, so the gradient is 1 everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        self.conv.weight.data.copy_(torch.eye(2)[:, :, None, None])

    def forward(self, x):
        return self.conv(x).float().sum(dim=(1, 2, 3))[:, None]


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam"])
def test_the_channels_are_summed_in_fp32_under_autocast(method):
    image = torch.tensor([[[[256.0, 256.0]], [[1.0, 0.0]]]])  # in bf16, 256 + 1 is 256
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = heatmap(TwoChannels(), image, torch.tensor([0]), method=method).maps
    torch.testing.assert_close(maps, torch.tensor([[[1.0, 256 / 257]]]), atol=1e-6, rtol=0)


@pytest.mark.slow
def test_a_compiled_network_is_explained():
    torch.manual_seed(0)
    network, images = lenet(), lenet_images()
    usual = heatmap(network, images)
    wrapped = torch.compile(network, backend="eager")
    wrapped(images)
    assert torch.equal(heatmap(wrapped, images).maps, usual.maps)
    network.compile(backend="eager")
    network(images)
    assert torch.equal(heatmap(network, images).maps, usual.maps)


def test_raw_pixels_go_in_where_the_network_normalises():
    class Raw(nn.Module):
        def __init__(self, inner) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x.float() / 255)

    torch.manual_seed(0)
    images = torch.randint(0, 256, (3, 1, 28, 40), dtype=torch.uint8)
    inner = lenet()
    assert torch.equal(heatmap(Raw(inner), images).maps, heatmap(inner, images.float() / 255).maps)


# --- choices -----------------------------------------------------------------------------------------------


def test_auto_asks_the_network_and_what_it_wraps():
    network = lenet()
    assert heatmap_method(network) == "grad_cam"
    network.heatmap_method = "hires_cam"
    assert heatmap(nn.Sequential(nn.Identity(), network), lenet_images()).method == "hires_cam"
    assert heatmap(network, lenet_images(), method="grad_cam").method == "grad_cam"
    network.heatmap_method = "gradcam"
    with pytest.raises(InputError, match=r"Sequential\.heatmap_method.*'gradcam'"):
        heatmap(network, lenet_images())


def test_a_layer_by_name_by_module_and_by_its_end():
    torch.manual_seed(0)
    network, images = lenet(), lenet_images()
    usual = heatmap(network, images, layer="2")
    assert torch.equal(heatmap(network, images, layer=network[2]).maps, usual.maps)
    wrapped = nn.Sequential()
    wrapped.add_module("network", network)
    assert torch.equal(heatmap(wrapped, images, layer="2").maps, usual.maps)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("secnod", "Did you mean: second"),
        (nn.Conv2d(1, 1, 1), "not part of the network"),
        ("head", "gave no float tensor"),
        ("twice", "ambiguous: a.twice, b.twice"),
    ],
)
def test_a_wrong_layer_is_named(layer, message):
    network = Pooled()
    for name in "ab":
        network.add_module(name, nn.Sequential())
        network.get_submodule(name).add_module("twice", nn.Identity())
    with pytest.raises(InputError, match=message):
        heatmap(network, torch.rand(1, 3, 8, 8), layer=layer)


def test_a_network_without_a_map_says_so():
    with pytest.raises(InputError, match=r"no nn\.Conv2d ran"):
        heatmap(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.rand(1, 3, 2, 2))


@pytest.mark.parametrize(
    "targets", [torch.tensor([0, 3]), torch.tensor([-1, 0]), torch.tensor([0]), torch.tensor([0.0, 1.0])]
)
def test_wrong_targets(targets):
    with pytest.raises(ValueError, match="targets"):
        heatmap(lenet(), lenet_images(2), targets)


def test_an_empty_batch():
    found = heatmap(lenet(), lenet_images(0))
    assert found.maps.shape == (0, 28, 40)
    assert found.evidence.shape == (0,)


def test_the_layer_that_a_network_asks_for_is_explained():
    class Asks(nn.Module):
        heatmap_layer = "body.2"

        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
            self.head = nn.Linear(3, 2)

        def forward(self, images):
            return self.head(self.body(images).amax((2, 3)))

    torch.manual_seed(0)
    network = nn.Sequential(Asks()).eval()
    images, targets = torch.rand(2, 1, 12, 12), torch.tensor([0, 1])
    asked = heatmap(network, images, targets)
    named = heatmap(network, images, targets, layer="0.body.2")
    torch.testing.assert_close(asked.maps, named.maps)
    assert not torch.equal(asked.maps, heatmap(network, images, targets, layer="0.body.0").maps)
