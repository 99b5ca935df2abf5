import pytest
import torch
import torch.nn.functional as F

from inspection.models.seam_resnet import SeamResNet


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def convolution(inputs, outputs, side=3):
    return outputs * (inputs * side * side + 1)  # one bias a filter


def test_the_published_parameters_by_hand():
    first = 2 * 3 + convolution(3, 64) + 2 * 64  # norm of the input, convolution, norm
    # A block: two convolutions with a norm each; a halving one has a 1x1 convolution beside them.
    stage_64 = 2 * (2 * convolution(64, 64) + 2 * 128)
    stage_128 = convolution(64, 128) + convolution(128, 128) + convolution(64, 128, side=1) + 2 * 256
    stage_128 += 3 * (2 * convolution(128, 128) + 2 * 256)
    stage_256 = convolution(128, 256) + convolution(256, 256) + convolution(128, 256, side=1) + 2 * 512
    stage_256 += 2 * convolution(256, 256) + 2 * 512
    head = (256 * 6 * 6) * 4 + 4  # 100 -> 50 -> 25 pixels, and 25 // 4 = 6
    assert (first, stage_64, stage_128, stage_256) == (1_926, 148_224, 1_117_312, 2_100_480)
    assert first + stage_64 + stage_128 + stage_256 + head == 3_404_810
    assert parameters(SeamResNet(3, (100, 100), 4)) == 3_404_810


@pytest.mark.parametrize(
    ("size", "places"),  # halved twice, rounded up, then pooled by 4, rounded down
    [((100, 100), 6 * 6), ((32, 32), 2 * 2), ((33, 50), 2 * 3), ((97, 32), 6 * 2), ((101, 45), 6 * 3)],
)
def test_shapes_by_hand(size, places):
    network = SeamResNet(1, size, 3).eval()
    assert network.head.weight.shape == (3, 256 * places)
    with torch.no_grad():
        images = torch.rand(2, 1, *size)
        assert network(images).shape == (2, 3)
        assert network.stages(network.conv(images)).shape[2:] == (-(-size[0] // 4), -(-size[1] // 4))


def published(images, state):
    """The article's network written down a second time, from its state alone."""

    def norm(maps, name):
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(maps, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])

    def conv(maps, name, stride=1):
        weight = state[f"{name}.weight"]
        return F.conv2d(maps, weight, state[f"{name}.bias"], stride, padding=weight.shape[2] // 2)

    maps = norm(F.relu(conv(norm(images, "input_norm"), "conv")), "norm")
    for block, stride in enumerate((1, 1, 2, 1, 1, 1, 2, 1)):
        name = f"stages.{block}"
        inner = norm(F.relu(conv(maps, f"{name}.conv1", stride)), f"{name}.norm1")
        inner = conv(inner, f"{name}.conv2")
        beside = conv(maps, f"{name}.shortcut", stride) if stride == 2 else maps
        maps = norm(F.relu(inner + beside), f"{name}.norm2")
    return F.linear(F.avg_pool2d(maps, 4).flatten(1), state["head.weight"], state["head.bias"])


def test_relu_comes_before_the_norm_as_published():
    torch.manual_seed(0)
    network = SeamResNet(3, (32, 40), 4).eval()
    for name, value in network.state_dict().items():
        if "norm" in name and value.is_floating_point():
            value.uniform_(0.5, 1.5)
    images = torch.rand(2, 3, 32, 40)
    with torch.no_grad():
        torch.testing.assert_close(network(images), published(images, network.state_dict()))


def test_an_image_that_is_too_small_is_refused_with_the_remedy():
    with pytest.raises(
        ValueError, match=r"at least 32x32 pixels, but image_size is \[31, 100\].*data\.image_size"
    ):
        SeamResNet(3, (31, 100), 4)


def test_heatmaps_are_taken_from_the_last_block_of_128_filters():
    network = SeamResNet(3, (32, 40), 4).eval()
    shapes = []
    layer = network.get_submodule(network.heatmap_layer)
    layer.register_forward_hook(lambda module, inputs, maps: shapes.append(tuple(maps.shape)))
    with torch.no_grad():
        network(torch.rand(1, 3, 32, 40))
    assert shapes == [(1, 128, 16, 20)]
    assert network.heatmap_method == "hires_cam"
