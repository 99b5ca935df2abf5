import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inspection.tasks.place_metrics import PixelScores, box_ious, match_boxes, points_inside


def random_set(seed, images=6, size=(24, 31), levels=None):
    """Noisy maps and masks of a few rectangles; some images have none."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((images, *size), bool)
    for mask in masks[: images * 2 // 3]:
        for _ in range(rng.integers(1, 4)):
            top, left = rng.integers(0, size[0] - 6), rng.integers(0, size[1] - 6)
            mask[top : top + rng.integers(1, 6), left : left + rng.integers(1, 6)] = True
    scores = rng.normal(0, 1.0, masks.shape) + masks * rng.uniform(0, 2, (images, 1, 1))
    if levels:
        scores = np.round(scores * levels) / levels  # many ties
    return scores, masks


def counted(scores, masks, batches=1):
    total = PixelScores()
    for part in np.array_split(np.arange(len(scores)), batches):
        one = PixelScores()
        one.add(scores[part], masks[part])
        total = total + one
    return total


def regions_of(mask):
    """Connected regions (8 neighbours) by flood fill."""
    left, found = set(map(tuple, np.argwhere(mask).tolist())), []
    while left:
        todo = [left.pop()]
        region = list(todo)
        while todo:
            y, x = todo.pop()
            near = {(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            todo += near
            region += near
        found.append(tuple(np.array(region).T))
    return found


def aupro_by_hand(scores, masks, limit):
    """Threshold by threshold; the area by adding up many thin strips."""
    scores = scores.astype(np.float16).astype(np.float64)
    good = scores[~masks]
    defects = [
        image[region] for image, mask in zip(scores, masks, strict=True) for region in regions_of(mask)
    ]
    points = [(0.0, 0.0)]
    for threshold in np.unique(scores)[::-1]:
        overlap = np.mean([(defect >= threshold).mean() for defect in defects])
        points.append(((good >= threshold).mean(), overlap))
    x, y = np.array(points).T
    strips = (np.arange(200_000) + 0.5) / 200_000 * limit
    return np.interp(strips, x, y).mean()


@pytest.mark.parametrize("levels", [None, 2, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_auroc_equals_that_of_scikit_learn(seed, levels):
    scores, masks = random_set(seed, levels=levels)
    expected = roc_auc_score(masks.ravel(), scores.astype(np.float16).astype(float).ravel())
    assert counted(scores, masks).auroc() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_aupro_equals_brute_force(seed, levels, limit):
    scores, masks = random_set(seed, levels=levels)
    assert counted(scores, masks).aupro(limit) == pytest.approx(aupro_by_hand(scores, masks, limit), abs=2e-5)


def test_aupro_by_hand():
    # A small defect that is found at once and a large one of which half is found after half of the good pixels.
    masks = np.array([[[1, 0, 1, 1, 1, 1, 0, 0, 0, 0]]], bool)
    scores = np.array([[[9, 0, 5, 5, 1, 1, 6, 6, 0, 0]]], float)
    counts = counted(scores, masks)
    assert counts.regions == 2
    # false positives 0, 2/5 at score 6, 1; overlap 0.5 (9), 0.5 (6), 0.75 (5), 1 (1), 1 (0)
    assert counts.aupro(0.4) == pytest.approx(0.5)
    assert counts.aupro(0.2) == pytest.approx(0.5)
    assert counts.aupro(1.0) == pytest.approx(0.4 * 0.5 + 0.6 * 1.0)


def test_perfect_maps_reach_one_and_inverted_ones_zero():
    _, masks = random_set(3)
    perfect = counted(masks.astype(float), masks)
    assert perfect.auroc() == 1
    assert perfect.aupro() == pytest.approx(1)
    inverted = counted(-masks.astype(float), masks)
    assert inverted.auroc() == 0
    assert inverted.aupro() == 0


def test_small_defects_count_as_much_as_large_ones():
    masks = np.zeros((1, 20, 20), bool)
    masks[0, 0, 0], masks[0, 5:15, 5:15] = True, True
    found_large, found_small = np.zeros((1, 20, 20)), np.zeros((1, 20, 20))
    found_large[0, 5:15, 5:15], found_small[0, 0, 0] = 1, 1
    large, small = counted(found_large, masks), counted(found_small, masks)
    assert large.auroc() > small.auroc() + 0.4
    assert large.aupro() == pytest.approx(small.aupro())


def test_counts_of_parts_add_up():
    scores, masks = random_set(4)
    whole, parts = counted(scores, masks), counted(scores, masks, batches=4)
    assert whole.auroc() == parts.auroc()
    assert whole.aupro() == pytest.approx(parts.aupro(), abs=1e-12)
    assert whole.regions == parts.regions


def test_signs_zeros_and_what_is_beyond_float16_keep_their_order():
    scores = np.array([[[-1e9, -70000.0, -1.5, -1e-7, -0.0, 0.0, 1e-7, 1.0, 70000.0]]])
    counts = PixelScores()
    counts.add(scores, np.zeros(scores.shape, bool))
    order = [int(level) for level in np.flatnonzero(counts.good)]
    assert counts.good[order].tolist() == [2, 1, 1, 2, 1, 1, 1]


def test_without_a_defect_or_without_anything_good_it_is_undefined():
    scores = np.random.default_rng(0).normal(size=(2, 5, 5))
    for masks in (np.zeros((2, 5, 5), bool), np.ones((2, 5, 5), bool)):
        counts = counted(scores, masks)
        assert math.isnan(counts.auroc())
        assert math.isnan(counts.aupro())


def test_maps_and_masks_must_fit():
    with pytest.raises(ValueError, match="Expected maps and masks"):
        PixelScores().add(np.zeros((1, 4, 4)), np.zeros((1, 4, 5), bool))


def test_pointing_game():
    heat = np.array([[0.0, 2.0], [1.0, 0.0]])
    assert points_inside(heat, np.array([[False, True], [False, False]]))
    assert not points_inside(heat, np.array([[True, False], [True, True]]))
    assert not points_inside(np.ones((2, 2)), np.ones((2, 2), bool))  # a flat map points nowhere


def test_box_ious_by_hand():
    one = np.array([[0, 0, 10, 10], [5, 5, 6, 6]])
    other = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10]])
    expected = [[1, 50 / 150, 0], [1 / 100, 1 / 100, 0]]
    np.testing.assert_allclose(box_ious(one, other), expected)
    assert box_ious(np.zeros((0, 4)), other).shape == (0, 3)


def test_each_box_has_one_partner():
    true = np.array([[0, 0, 10, 10], [0, 0, 10, 8]])
    found = np.array([[0, 0, 10, 9]])
    np.testing.assert_allclose(match_boxes(found, true), [0.9, 0])
    found = np.array([[0, 0, 10, 9], [0, 0, 10, 10]])
    np.testing.assert_allclose(match_boxes(found, true), [1, 8 / 9])


def test_missing_and_needless_boxes():
    true = np.array([[0, 0, 4, 4]])
    assert match_boxes(np.zeros((0, 4)), true).tolist() == [0]
    assert match_boxes(np.array([[6, 6, 9, 9]]), true).tolist() == [0]
    assert match_boxes(true, np.zeros((0, 4))).tolist() == []
