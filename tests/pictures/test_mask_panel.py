import numpy as np
import pytest

from inspection.pictures.frame import RIGHT, WRONG
from inspection.pictures.mask_panel import (
    DEFECT,
    FALSE_ALARM,
    HIT,
    MISSED,
    error_overlay,
    fit_mask,
    mask_overlay,
    mask_panel,
)

TITLE = ["Kachel_äöü_検査.png", "defect, 120 px · target: defect · Dice 0.71"]


def photograph(height=100, width=200):
    return np.random.default_rng(0).integers(60, 200, (height, width), dtype=np.uint8)


def mask(height=100, width=200, left=0.2):
    inside = np.zeros((height, width), bool)
    inside[height // 4 : height // 2, int(width * left) : int(width * (left + 0.3))] = True
    return inside


def share(picture, colour):
    return (picture == np.asarray(colour)).all(axis=2).mean()


def test_errors_have_the_colours_of_their_kind():
    truth, predicted = mask(), mask(left=0.3)
    shown = error_overlay(photograph(), predicted, truth)
    assert share(shown, HIT) == (truth & predicted).mean()
    assert share(shown, MISSED) == (truth & ~predicted).mean()
    assert share(shown, FALSE_ALARM) == (predicted & ~truth).mean()
    around = shown[~(truth | predicted)]
    assert np.ptp(around.astype(int), axis=1).max() == 0  # grey
    assert around.max() < 100  # and dark, so that the errors stand out


def test_colours_differ_in_lightness_too():
    grey = [np.dot(colour, (0.299, 0.587, 0.114)) for colour in (HIT, MISSED, FALSE_ALARM)]
    assert min(abs(a - b) for i, a in enumerate(grey) for b in grey[:i]) > 20


def test_shrunk_errors_show_what_most_pixels_are():
    truth = np.zeros((400, 400), bool)
    truth[:, 100:200] = True
    predicted = truth.copy()
    predicted[:, 201] = True  # a pixel beside it, less than half of a shown one
    shown = error_overlay(photograph(100, 100), predicted, truth)
    assert share(shown, FALSE_ALARM) == share(shown, MISSED) == 0
    assert share(shown, HIT) == pytest.approx(0.25)


def test_what_is_thin_stays_visible():
    large = np.zeros((1000, 1500), bool)
    large[500, 300:900] = True
    large[10, 10] = True
    small = fit_mask(large, 300, 200)
    assert small[100, 61:179].all()
    assert small[2, 2]
    assert small.mean() < 0.01
    assert not fit_mask(np.zeros((1000, 1500), bool), 300, 200).any()
    assert np.array_equal(fit_mask(mask(), 400, 200), np.kron(mask(), np.ones((2, 2), bool)))


def test_overlay_leaves_the_rest_alone():
    image, inside = photograph(), mask()
    shown = mask_overlay(image, inside)
    assert (shown[~inside] == image[~inside][:, None]).all()
    assert tuple(shown[25, 40]) == DEFECT  # the line
    inner = shown[30, 50].astype(int)
    assert inner[0] > inner[2]  # a tint through which the photograph is seen
    assert tuple(inner) != DEFECT
    assert image.ndim == 2  # as it was


@pytest.mark.parametrize("right", [True, False, None])
def test_one_size_for_one_kind_of_image(right):
    first = mask_panel(photograph(), mask(), mask(), TITLE)
    other = mask_panel(
        photograph(), mask() & False, mask(left=0.5), [line * 9 for line in TITLE], right=right
    )
    assert other.shape == first.shape
    assert tuple(other[0, 0]) == {True: RIGHT, False: WRONG, None: tuple(other[0, 0])}[right]


def test_without_a_truth_there_are_two_pictures():
    all_four = mask_panel(photograph(), mask(), mask(), TITLE)
    two = mask_panel(photograph(), mask(), None, TITLE)
    assert two.shape[1] < 0.6 * all_four.shape[1]
    assert share(two, MISSED) == share(two, FALSE_ALARM) == 0
    assert share(two, DEFECT) > 0


def test_errors_and_their_legend_are_in_the_panel():
    panel = mask_panel(photograph(), mask(), mask(left=0.3), TITLE)
    assert share(panel, MISSED) > 0
    assert share(panel, FALSE_ALARM) > 0
    good = mask_panel(photograph(), mask() & False, mask() & False, TITLE)
    assert 0 < share(good, MISSED) * good[..., 0].size < 200  # the legend alone


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (40, 40, 3), (40, 40, 1), (1500, 2000)])
def test_odd_shapes(shape):
    inside = np.ones(shape[:2], bool)
    panel = mask_panel(np.zeros(shape, np.uint8), inside, inside, TITLE, right=False, width=300)
    assert panel.dtype == np.uint8
    assert panel.shape[1] <= 4 * 300 + 60


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"Expected a mask \[100, 200\] but got \[50, 200\]"):
        mask_panel(photograph(), mask(50), None, TITLE)
