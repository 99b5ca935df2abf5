import numpy as np
import pytest

from inspection.explain.boxes import find_boxes


def blobs(*places, size=(40, 60), sigma=3.0):
    """Heat about places (x, y, height)."""
    y, x = np.mgrid[: size[0], : size[1]]
    return sum(h * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * sigma**2)) for a, b, h in places)


def test_one_hot_place_gives_one_box_around_it():
    ((box, score),) = find_boxes(blobs((20, 10, 1.0)), 0.8)
    half = 3 * np.sqrt(-2 * np.log(0.8))  # where the Gaussian has fallen to 0.8
    assert score == 1
    assert box == (20 - int(half), 10 - int(half), 20 + int(half) + 1, 10 + int(half) + 1)


def test_several_defects_give_several_boxes_hottest_first():
    found = find_boxes(blobs((12, 10, 0.9), (45, 30, 1.0), (40, 8, 0.5)), 0.8)
    assert [round(score, 2) for _, score in found] == [1.0, 0.9]
    for (left, top, right, bottom), (x, y) in zip([f.box for f in found], [(45, 30), (12, 10)], strict=True):
        assert left <= x < right
        assert top <= y < bottom
    assert len(find_boxes(blobs((12, 10, 0.9), (45, 30, 1.0), (40, 8, 0.5)), 0.45)) == 3


def test_a_higher_threshold_gives_tighter_boxes():
    wide, tight = (find_boxes(blobs((20, 20, 1.0)), threshold)[0].box for threshold in (0.7, 0.9))
    assert wide[0] < tight[0] < tight[2] < wide[2]


def test_the_scale_of_the_map_does_not_count():
    heat = blobs((20, 10, 1.0), (40, 30, 0.85))
    assert find_boxes(heat * 7.5, 0.8) == [
        (box, pytest.approx(score)) for box, score in find_boxes(heat, 0.8)
    ]


@pytest.mark.parametrize(
    "heat",
    [
        None,
        np.zeros((5, 5)),
        np.ones((5, 5)),
        np.full((5, 5), 0.9) + np.eye(5) * 0.1,
        np.full((5, 5), np.nan),
        -np.ones((4, 4)),
        np.zeros((0, 5)),
    ],
)
def test_a_flat_or_empty_map_gives_none(heat):
    assert find_boxes(heat, 0.8) == []


def test_places_that_touch_at_a_corner_are_one():
    heat = np.zeros((4, 4))
    heat[0, 0] = heat[1, 1] = 1
    assert find_boxes(heat) == [((0, 0, 2, 2), 1.0)]


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan")])
def test_what_is_no_threshold_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold="):
        find_boxes(np.ones((2, 2)), threshold)
