import cv2
import numpy as np
import pytest
import torch

from inspection.data.augment import Augment


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=16, height=40, width=60):
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (count, 5, 6), dtype=np.uint8)
    return torch.from_numpy(np.stack([cv2.resize(p, (width, height)) for p in small])[:, None])


def test_nothing_asked_for_changes_nothing():
    images = pictures()
    assert Augment()(images, generator()) is images


def test_flips_are_drawn_for_each_image():
    images = pictures(64)
    changed = Augment(horizontal_flip=0.5)(images, generator())
    same = (changed == images).flatten(1).all(1)
    mirrored = (changed == images.flip(-1)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 16 < int(mirrored.sum()) < 48
    assert torch.equal(Augment(vertical_flip=1.0)(images, generator()), images.flip(-2))


def test_rotation_agrees_with_opencv():
    image = cv2.GaussianBlur(pictures(1, 80, 120)[0, 0].numpy(), (0, 0), 3)
    turned = Augment(rotation=10.0)(torch.from_numpy(image)[None, None], generator(4))[0, 0].numpy()
    draw = torch.rand(5, 1, generator=generator(4))[0].item()
    degrees = (2 * draw - 1) * 10
    matrix = cv2.getRotationMatrix2D((59.5, 39.5), degrees, 1.0)
    expected = cv2.warpAffine(image, matrix, (120, 80), borderMode=cv2.BORDER_REPLICATE)
    difference = np.abs(turned.astype(int) - expected.astype(int))[15:-15, 15:-15]
    assert abs(degrees) > 1
    assert difference.max() <= 4  # OpenCV rounds positions to 1/32 pixel


def test_brightness_and_contrast_by_hand():
    images = torch.full((200, 1, 4, 4), 100, dtype=torch.uint8)
    brighter = Augment(brightness=0.1)(images, generator())[:, 0, 0, 0].int() - 100
    assert brighter.min() >= -26
    assert brighter.max() <= 26
    assert len(brighter.unique()) > 30
    contrast = Augment(contrast=0.2)(images, generator())[:, 0, 0, 0].int()
    assert contrast.min() >= 94  # 127.5 - 27.5 * 1.2 = 94.5, rounded to even
    assert contrast.max() <= 106


def test_the_generator_decides():
    images, augment = pictures(), Augment(5.0, 0.5, 0.5, 0.1, 0.1)
    assert torch.equal(augment(images, generator(1)), augment(images, generator(1)))
    assert not torch.equal(augment(images, generator(1)), augment(images, generator(2)))


@pytest.mark.parametrize("wrong", [{"horizontal_flip": 1.5}, {"rotation": -1}, {"contrast": 2}])
def test_amounts_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=f"data.augment.{next(iter(wrong))}="):
        Augment(**wrong)
