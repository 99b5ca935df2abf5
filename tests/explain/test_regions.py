import numpy as np
import pytest

from inspection.explain.regions import find_regions


def test_by_hand():
    mask = np.zeros((20, 30), np.uint8)
    mask[2:5, 3:10] = 1  # 21 pixels
    mask[10:18, 20:24] = 255  # 32 pixels
    mask[19, 0] = 1
    large, middle, single = find_regions(mask)
    assert (large.area, large.box, large.centre) == (32, (20, 10, 24, 18), (22.0, 14.0))
    assert (middle.area, middle.box, middle.centre) == (21, (3, 2, 10, 5), (6.5, 3.5))
    assert (single.area, single.box, single.centre) == (1, (0, 19, 1, 20), (0.5, 19.5))


def test_a_scratch_aslant_is_one_region():
    assert [region.area for region in find_regions(np.eye(12, dtype=bool))] == [12]


def test_a_ring_is_one_region_and_its_hole_none():
    mask = np.ones((9, 9), bool)
    mask[3:6, 3:6] = False
    (ring,) = find_regions(mask)
    assert (ring.area, ring.box, ring.centre) == (72, (0, 0, 9, 9), (4.5, 4.5))


def test_centre_is_the_mean_of_the_pixels():
    mask = np.random.default_rng(0).random((15, 15)) > 0.4
    for region in find_regions(mask):
        left, top, right, bottom = region.box
        assert left <= region.centre[0] <= right
        assert top <= region.centre[1] <= bottom
    (whole,) = find_regions(np.ones((4, 4), bool))
    y, x = np.indices((4, 4))
    assert whole.centre == ((x + 0.5).mean(), (y + 0.5).mean())


@pytest.mark.parametrize("shape", [(0, 0), (5, 7), (1, 1)])
def test_nothing_in_an_empty_mask(shape):
    assert find_regions(np.zeros(shape, bool)) == []


def test_scores_are_means_of_the_pixels():
    mask = np.zeros((6, 8), bool)
    mask[0:2, 0:2] = mask[4, 4:7] = True
    probabilities = np.random.default_rng(0).random((6, 8)).astype(np.float32)
    square, line = find_regions(mask, probabilities)
    assert square.score == pytest.approx(probabilities[0:2, 0:2].mean())
    assert line.score == pytest.approx(probabilities[4, 4:7].mean())
    assert find_regions(mask)[0].score == 1
    with pytest.raises(ValueError, match=r"Expected probabilities \[6, 8\] but got \[8, 6\]"):
        find_regions(mask, probabilities.T)


def test_everything():
    (whole,) = find_regions(np.ones((5, 7), bool), np.full((5, 7), 0.25))
    assert (whole.box, whole.score) == ((0, 0, 7, 5), 0.25)


def test_a_picture_is_no_mask():
    with pytest.raises(ValueError, match=r"Expected a mask \[H, W\] but got \[4, 4, 3\]"):
        find_regions(np.zeros((4, 4, 3)))
