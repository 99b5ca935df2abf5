import pytest
import torch
from torch import nn

from inspection.models.tiling import cut, tiled
from inspection.models.unet import UNet


def convolutions(radius, channels=3):
    """Sees `radius` pixels to each side; zero padding shows where an edge of the image is."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU()]
    layers += [module for _ in range(radius - 2) for module in (nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())]
    return nn.Sequential(*layers, nn.Conv2d(4, 2, 3, padding=1)).eval()


@pytest.mark.parametrize("size", [(64, 64), (65, 130), (100, 48), (40, 200), (31, 31), (199, 33)])
@torch.inference_mode()
def test_as_if_seen_whole(size):
    network, images = convolutions(6), torch.rand(2, 3, *size)
    maps = tiled(network, images, tile=48, overlap=16)
    torch.testing.assert_close(maps, network(images), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_too_little_overlap_would_show():
    network, images = convolutions(6), torch.rand(1, 3, 100, 100)
    assert float((tiled(network, images, tile=48, overlap=4) - network(images)).abs().max()) > 1e-4


@torch.inference_mode()
def test_unet_with_its_pooling_grid():
    """Sees 108 pixels to each side at most: 3/8 of an overlap of 288."""
    torch.manual_seed(0)
    network = UNet(1, 2)
    network(torch.rand(4, 1, 64, 64))  # running statistics that are not those of the start
    network.eval()
    images = torch.rand(1, 1, 500, 421)
    maps = tiled(network, images, tile=384, overlap=288, stride=network.stride)
    torch.testing.assert_close(maps, network(images), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("length", "tile", "overlap", "stride"),
    [(100, 48, 16, 16), (97, 32, 16, 16), (33, 32, 0, 1), (7, 3, 2, 1), (5, 8, 4, 4), (1000, 64, 56, 8)],
)
def test_weights_add_up_to_one_and_tiles_fit(length, tile, overlap, stride):
    total = torch.zeros(length)
    end = 0
    for number, (start, weights) in enumerate(cut(length, tile, overlap, stride)):
        assert start % stride == 0
        assert len(weights) <= tile
        assert number == 0 or end - start >= overlap
        end = start + len(weights)
        total[start:end] += weights
    assert end == length
    torch.testing.assert_close(total, torch.ones(length))


def test_weights_fade_smoothly_and_ignore_what_lies_at_a_cut():
    first, second = cut(200, 128, 64)[:2]
    overlap = first.weights[second.start :]
    assert (overlap[: 3 * 64 // 8] == 1).all()
    assert (overlap[-3 * 64 // 8 :] == 0).all()
    assert float(overlap.diff().abs().max()) < 0.12
    assert (overlap.diff() <= 0).all()


def test_no_seam_between_tiles_that_disagree():
    """A network that says how bright its tile is: tiles differ, and no pixel differs much from its neighbour."""

    def brightness(images):
        return images.mean(dim=(2, 3), keepdim=True).expand(-1, -1, *images.shape[2:])

    ramp = torch.linspace(0, 1, 300).expand(1, 1, 100, 300)
    steps = tiled(brightness, ramp, tile=100, overlap=64).diff(dim=3).abs()
    hard = tiled(brightness, ramp, tile=100, overlap=0).diff(dim=3).abs()
    assert float(steps.max()) < 0.02 < 0.3 < float(hard.max())


def test_no_more_pixels_at_once_than_a_batch_of_tiles():
    seen = []

    def network(images):
        seen.append(tuple(images.shape))
        return images[:, :1]

    images = torch.rand(3, 2, 130, 90)
    torch.testing.assert_close(tiled(network, images, tile=32, overlap=16, batch_size=4), images[:, :1])
    assert max(shape[0] for shape in seen) == 4
    assert max(max(shape[2:]) for shape in seen) == 32


def test_a_small_image_is_one_tile():
    seen = []

    def network(images):
        seen.append(tuple(images.shape))
        return images

    images = torch.rand(3, 1, 20, 32)
    assert torch.equal(tiled(network, images, tile=32, overlap=16, batch_size=2), images)
    assert seen == [(2, 1, 20, 32), (1, 1, 20, 32)]


@torch.inference_mode()
def test_bfloat16_is_stitched_in_float32():
    maps = tiled(lambda images: images.bfloat16(), torch.rand(1, 1, 90, 90), tile=32, overlap=16)
    assert maps.dtype == torch.float32


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [
        (40, 16, "tile=40: expected a positive multiple of 16 pixels"),
        (48, 8, "overlap=8: expected a multiple of 16 pixels, less than tile=48"),
        (48, 48, "overlap=48: expected a multiple of 16 pixels, less than tile=48"),
        (0, 0, "tile=0: expected"),
    ],
)
@pytest.mark.parametrize("size", [20, 200])
def test_tiles_that_do_not_fit(tile, overlap, message, size):
    with pytest.raises(ValueError, match=message):
        tiled(lambda images: images, torch.rand(1, 1, size, size), tile, overlap, stride=16)
