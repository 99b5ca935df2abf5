import pytest
import torch
import torch.nn.functional as F

from inspection.models.lenet import LeNet
from inspection.models.normalised import Normalised
from inspection.models.small_cnn import SmallCNN


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_lenet_has_the_published_parameters():
    assert parameters(LeNet(1, (400, 700), 2)) == 32_036_214


@pytest.mark.parametrize(
    ("channels", "size", "classes"), [(1, (16, 16), 2), (3, (33, 50), 5), (1, (64, 31), 3)]
)
def test_lenet_takes_any_size(channels, size, classes):
    logits = LeNet(channels, size, classes)(torch.rand(2, channels, *size))
    assert logits.shape == (2, classes)


def test_lenet_says_when_an_image_is_too_small():
    with pytest.raises(ValueError, match=r"at least 16x16 pixels, but image_size is \[15, 40\]"):
        LeNet(1, (15, 40), 2)


def test_lenet_is_the_article_s_function():
    """ReLU before the pooling, as the article writes it, gives the same numbers."""
    torch.manual_seed(0)
    network, images = LeNet(1, (40, 44), 2), torch.rand(3, 1, 40, 44)
    maps = F.max_pool2d(F.relu(network.conv1(images)), 2)
    maps = F.max_pool2d(F.relu(network.conv2(maps)), 2)
    expected = network.head(F.relu(network.hidden(maps.flatten(1))))
    torch.testing.assert_close(network(images), expected)


def test_small_cnn_by_hand():
    # convolutions 9*(1*16 + 16*32 + 32*64 + 64*128), norms 2*(16+32+64+128), linear 128*2 + 2
    assert parameters(SmallCNN(1, 2, 16)) == 9 * (16 + 512 + 2048 + 8192) + 480 + 258
    for size in ((8, 8), (50, 37)):
        assert SmallCNN(3, 4, 8)(torch.rand(2, 3, *size)).shape == (2, 4)


def test_pooling_says_whether_or_how_much():
    torch.manual_seed(0)
    images = torch.rand(2, 1, 32, 32)
    for pooling, reduce in (("max", torch.amax), ("mean", torch.mean)):
        network = SmallCNN(1, 2, 4, pooling).eval()
        expected = network.head(reduce(network.features(images), dim=(2, 3)))
        torch.testing.assert_close(network(images), expected)
    with pytest.raises(ValueError, match="pooling='median': expected max or mean"):
        SmallCNN(1, 2, 4, "median")


def test_normalisation_by_hand():
    model = Normalised(torch.nn.Identity(), (0.5, 0.1, 0.0), (0.5, 0.2, 1.0))
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    expected = torch.tensor([[-1.0, -0.6, 1.0], [-0.5, 0.5, 4.5], [0.0, 0.2, 1.0]])
    torch.testing.assert_close(model(images)[0, :, 0], expected)


def test_normalisation_does_not_depend_on_the_neighbours():
    torch.manual_seed(0)
    model = Normalised(SmallCNN(1, 2, 4), (0.5,), (0.5,)).eval()
    images = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)
    images[0] = 7  # a constant image is an image, too
    torch.testing.assert_close(model(images)[:1], model(images[:1]))
    assert model(images).isfinite().all()


def test_a_wrong_normalisation_is_refused():
    with pytest.raises(ValueError, match="as many std as mean"):
        Normalised(torch.nn.Identity(), (0.5, 0.5), (0.5,))
    with pytest.raises(ValueError, match="all positive"):
        Normalised(torch.nn.Identity(), (0.5,), (0.0,))
