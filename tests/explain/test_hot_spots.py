import numpy as np
import pytest

from inspection.data.synthetic.thermal import Spot, temperatures
from inspection.explain.hot_spots import find_hot_spots


def noisy(spots, seed=0):
    scene = temperatures(spots)
    return scene + np.random.default_rng(seed).normal(0, 5, scene.shape)


def test_each_spot_has_its_box_the_hottest_first():
    spots = [Spot(60, 50, 10, 400), Spot(160, 170, 15, 430)]
    hot, warm = find_hot_spots(noisy(spots), share=0.5)
    for found, spot in ((hot, spots[1]), (warm, spots[0])):
        assert found.left <= spot.x < found.right
        assert found.top <= spot.y < found.bottom
        assert found.peak == pytest.approx(spot.peak, abs=20)
    # Half of the way up to 430 K: a Gaussian has fallen to that at sigma * sqrt(2 ln 2).
    radius = 15 * np.sqrt(2 * np.log(2))
    assert hot.right - hot.left == pytest.approx(2 * radius, abs=5)
    assert hot.area == pytest.approx(np.pi * radius**2, rel=0.2)


def test_overlapping_spots_are_one_place():
    assert len(find_hot_spots(noisy([Spot(100, 100, 15, 420), Spot(118, 100, 15, 420)]), share=0.5)) == 1


def test_an_even_image_has_none_with_and_without_noise():
    assert find_hot_spots(np.full((50, 60), 300.0)) == []
    assert find_hot_spots(np.zeros((50, 60), np.uint8)) == []
    for seed in range(20):
        assert find_hot_spots(noisy([], seed)) == []


def test_scale_and_offset_do_not_matter():
    image = noisy([Spot(60, 50, 10, 400)])
    one, other = find_hot_spots(image), find_hot_spots(image * 7 - 100)
    assert [(s.left, s.top, s.right, s.bottom) for s in one] == [
        (s.left, s.top, s.right, s.bottom) for s in other
    ]


def test_single_wild_pixels_and_missing_ones_are_no_spot():
    image = noisy([Spot(60, 50, 10, 400)])
    image[5, 5] = 500
    image[200, 200] = np.nan
    spots = find_hot_spots(image, share=0.5)
    assert [spot.left <= 60 < spot.right and spot.top <= 50 < spot.bottom for spot in spots] == [True]


def test_at_most_so_many():
    places = [Spot(20 + 40 * (n % 5), 20 + 40 * (n // 5), 4, 400) for n in range(15)]
    assert len(find_hot_spots(temperatures(places), share=0.5, most=6)) == 6


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"image \[H, W\] but got \[3, 4, 5\]"):
        find_hot_spots(np.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match=r"share=1.0"):
        find_hot_spots(np.zeros((3, 4)), share=1.0)
