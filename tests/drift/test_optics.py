import cv2
import numpy as np
import pytest

from inspection.drift.optics import COLOUR, MONO, measure_optics


def photograph(channels=1, seed=0):
    """A bright disc with a soft edge and some grain."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :80]
    disc = 60 + 120 / (1 + np.exp((np.hypot(y - 30, x - 40) - 15) / 1.2))
    image = np.repeat((disc + random.normal(0, 2, disc.shape))[None], channels, 0)
    return image.clip(0, 255).astype(np.uint8)


def one(image, name):
    return measure_optics(image[None])[name].item()


def test_by_hand_with_numpy_and_opencv():
    images = np.stack([photograph(seed=seed) for seed in range(3)])
    optics = measure_optics(images)
    assert tuple(optics) == MONO
    for row, image in enumerate(images[:, 0].astype(np.float64)):
        laplacian = cv2.Laplacian(image, cv2.CV_64F)[1:-1, 1:-1]
        sharpness = np.log((laplacian.var() + 0.1) / (image.var() + 1))
        across = (np.diff(image, axis=1) ** 2).sum(0)
        expected = {
            "brightness": image.mean(),
            "contrast": image.std(),
            "sharpness": sharpness,
            "across": (across * (np.arange(79) + 0.5)).sum() / across.sum() / 79,
        }
        for name, value in expected.items():
            assert optics[name][row].item() == pytest.approx(value, rel=1e-4), name


def test_each_change_moves_its_statistic_in_its_direction():
    image = photograph()
    blurred = cv2.GaussianBlur(image[0], (0, 0), 1.5)[None]
    assert one(blurred, "sharpness") < one(image, "sharpness") - 0.5
    darker = (image * 0.8).astype(np.uint8)
    assert one(darker, "brightness") == pytest.approx(0.8 * one(image, "brightness"), abs=0.6)
    assert one(darker, "sharpness") == pytest.approx(
        one(image, "sharpness"), abs=0.1
    )  # less light, not less sharp
    moved = np.roll(image, (6, 8), (1, 2))
    assert (
        one(image, "across") + 0.05 < one(moved, "across") < one(image, "across") + 0.1
    )  # grain has edges, too
    assert one(image, "down") + 0.05 < one(moved, "down") < one(image, "down") + 0.1  # grain has edges, too


def test_colour_does_not_depend_on_the_light():
    image = photograph(3)
    assert tuple(measure_optics(image[None])) == COLOUR
    assert one(image, "red") == pytest.approx(1 / 3, abs=1e-3)
    red = (image * np.array([1.0, 0.8, 0.8])[:, None, None]).astype(np.uint8)
    assert one(red, "red") > one(image, "red") + 0.03
    assert one((red * 0.7).astype(np.uint8), "red") == pytest.approx(one(red, "red"), abs=2e-3)


def test_flat_and_tiny_images_have_numbers():
    for size in [(1, 1), (2, 9), (3, 3)]:
        for channels in (1, 3):
            for values in measure_optics(np.zeros((2, channels, *size), np.uint8)).values():
                assert np.isfinite(values).all()
    assert all(len(values) == 0 for values in measure_optics(np.zeros((0, 1, 8, 8), np.uint8)).values())
