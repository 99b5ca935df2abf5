"""Our changes of a batch against torchvision's and OpenCV's of single images."""

import math

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from inspection.data.transforms import blur, colour_matrices, flip_and_shift, rotate


def photos(count=3, channels=3, height=60, width=90):
    """Smooth random images, float 0..255."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (count, channels, 5, 6)).astype(np.float32)
    large = [[cv2.resize(plane, (width, height)) for plane in image] for image in small]
    return torch.from_numpy(np.array(large))


def coloured(images, matrices):
    return (matrices @ images.flatten(2)).view(images.shape)


def test_flips_and_shifts_are_torchvisions():
    images = photos(4).round().to(torch.uint8)
    yes, no = torch.tensor([True]), torch.tensor([False])
    still, unrolled = torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    one = images[:1]
    assert torch.equal(flip_and_shift(one, yes, no, unrolled, still), TF.horizontal_flip(one))
    assert torch.equal(flip_and_shift(one, no, yes, unrolled, still), TF.vertical_flip(one))
    for down, right in ((4, -3), (-4, 0), (2, 4)):
        shifted = flip_and_shift(one, no, no, unrolled, torch.tensor([[down, right]]))
        assert torch.equal(shifted, TF.crop(TF.pad(one, [4]), 4 - down, 4 - right, 60, 90))


def test_rotation_is_torchvisions():
    images = photos()
    degrees = torch.tensor([-10.0, 3.0, 25.0])
    turned = rotate(images, degrees.deg2rad())
    for image, angle, ours in zip(images, degrees, turned, strict=True):
        theirs = TF.rotate(image, float(angle), v2.InterpolationMode.BILINEAR)
        ones = torch.ones_like(image)  # theirs has no border to repeat
        inside = TF.rotate(ones, float(angle), v2.InterpolationMode.BILINEAR) > 0.999
        assert inside.float().mean() > 0.7
        assert (ours - theirs)[inside].abs().max() < 0.05


def test_rotation_repeats_the_border_as_opencv_does():
    image = photos(1, 1)[0, 0]
    matrix = cv2.getRotationMatrix2D((44.5, 29.5), 8.0, 1.0)
    expected = cv2.warpAffine(image.numpy(), matrix, (90, 60), borderMode=cv2.BORDER_REPLICATE)
    turned = rotate(image[None, None], torch.tensor([math.radians(8.0)]))[0, 0].numpy()
    assert np.abs(turned - expected).max() < 1.5  # OpenCV rounds positions to 1/32 pixel


def test_a_quarter_turn_is_exact():
    square = photos(1, 1, 40, 40)
    quarter = torch.tensor([math.pi / 2])
    assert torch.allclose(rotate(square, quarter), square.rot90(1, (2, 3)), atol=1e-2)
    assert torch.equal(rotate(square, quarter, nearest=True), square.rot90(1, (2, 3)))


@pytest.mark.parametrize("channels", [1, 3])
def test_blur_is_torchvisions(channels):
    images = photos(3, channels) + 20 * torch.randn(3, channels, 60, 90)
    sigma = torch.tensor([0.2, 0.9, 1.6])
    smooth = blur(images, sigma)
    for image, width, ours in zip(images, sigma, smooth, strict=True):
        theirs = TF.gaussian_blur(image, [11, 11], [float(width)] * 2)  # 2 * ceil(3 * 1.6) + 1
        assert (ours - theirs).abs().max() < 1e-3


def test_blur_of_an_image_smaller_than_the_kernel():
    assert blur(torch.full((1, 1, 3, 40), 7.0), torch.tensor([5.0])).allclose(torch.tensor(7.0))


def test_saturation_is_torchvisions():
    images = photos().clamp(60, 200)  # theirs cuts off what leaves 0..1
    factors = torch.tensor([0.0, 0.7, 1.3])
    ours = coloured(images, colour_matrices(factors, torch.zeros(3)))
    for image, factor, changed in zip(images, factors, ours, strict=True):
        assert (changed - 255 * TF.adjust_saturation(image / 255, float(factor))).abs().max() < 0.02


@pytest.mark.parametrize("third", [1 / 3, -1 / 3])
def test_a_third_turn_of_hue_is_torchvisions(third):
    images = photos()
    turned = coloured(images, colour_matrices(torch.ones(3), torch.full((3,), third)))
    assert (turned - 255 * TF.adjust_hue(images / 255, third)).abs().max() < 0.02


def test_small_turns_of_hue_come_near_those_of_hsv():
    images = photos() / 255
    turned = coloured(images, colour_matrices(torch.ones(3), torch.full((3,), 0.05)))
    before, after = (
        np.stack([cv2.cvtColor(i.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2HSV)[..., 0] for i in batch])
        for batch in (images, turned)
    )
    degrees = ((after - before + 180) % 360 - 180)[(images.amax(1) - images.amin(1) > 0.2).numpy()]
    assert abs(degrees.mean() - 18) < 0.5
    assert degrees.min() > 14  # the hue of HSI is an angle, that of HSV a way along a hexagon
    assert degrees.max() < 22
    assert torch.allclose(turned.sum(1), images.sum(1), atol=1e-5)


def test_saturation_comes_before_hue():
    factor, turn, one, none = (torch.tensor([value]) for value in (0.5, 0.1, 1.0, 0.0))
    both = colour_matrices(one, turn) @ colour_matrices(factor, none)
    assert torch.allclose(colour_matrices(factor, turn), both, atol=1e-6)


def test_grey_stays_grey():
    grey = photos(2, 1).expand(-1, 3, -1, -1)
    changed = coloured(grey, colour_matrices(torch.tensor([0.3, 1.8]), torch.tensor([0.4, -0.2])))
    assert (changed - grey).abs().max() < 0.03  # the weights of the grey sum to 0.9999
