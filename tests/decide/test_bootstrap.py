import numpy as np
import pytest
from scipy.stats import binomtest

from inspection.decide.bootstrap import interval, least_share, resampling_weights


def test_resamples_are_drawn_with_replacement():
    weights = resampling_weights(50, 2000, seed=0)
    assert weights.shape == (2000, 50)
    assert (weights.sum(1) == 50).all()
    # An image is left out of (1 - 1/n)^n of the resamples, and its number has a variance of 1 - 1/n.
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.01)
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.02)
    assert (resampling_weights(50, 2000, seed=0) == weights).all()
    assert (resampling_weights(50, 2000, seed=1) != weights).any()


def test_groups_are_drawn_whole():
    groups = ["b", "a", "b", "c", "b"]
    weights = resampling_weights(5, 300, seed=0, groups=groups)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    assert (weights[:, 0] != weights[:, 1]).any()
    each = resampling_weights(5, 10, seed=3, groups=range(5))
    assert (each == resampling_weights(5, 10, seed=3)).all()


def test_groups_of_no_image_and_of_others():
    assert resampling_weights(0, 3, seed=0).shape == (3, 0)
    with pytest.raises(ValueError, match="Expected 3 groups, one an image, but got 2"):
        resampling_weights(3, 1, seed=0, groups=["a", "b"])


def test_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(0).normal(5, 2, 400)
    means = resampling_weights(400, 4000, seed=0) @ values / 400
    low, high = interval(means, 0.95)
    error = 1.96 * values.std() / 20
    assert (low, high) == (
        pytest.approx(values.mean() - error, abs=0.02),
        pytest.approx(values.mean() + error, abs=0.02),
    )


def test_groups_widen_the_interval_of_what_their_images_share():
    groups = np.repeat(np.arange(20), 10)
    values = np.random.default_rng(0).normal(size=20)[groups]
    alone, together = (resampling_weights(200, 1000, seed=0, groups=each) for each in (None, groups.tolist()))
    widths = [np.subtract(*interval(each @ values / each.sum(1), 0.95)) for each in (alone, together)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(10), rel=0.1)


def test_undefined_resamples_are_left_out_unless_they_are_most():
    values = np.array([1.0, np.nan, 3.0, 2.0])
    assert interval(values, 0.5) == (1.5, 2.5)
    assert interval(np.array([1.0, np.nan]), 0.5) == (1, 1)
    assert interval(np.array([1.0, np.nan, np.nan]), 0.5) is None
    assert interval(np.array([]), 0.5) is None


@pytest.mark.parametrize("number", [1, 6, 300])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_a_share_of_all_has_the_exact_interval(number, confidence):
    exact = binomtest(number, number).proportion_ci(confidence, "exact")
    assert (least_share(number, confidence), 1) == pytest.approx((exact.low, exact.high))
    none = binomtest(0, number).proportion_ci(confidence, "exact")
    assert 1 - least_share(number, confidence) == pytest.approx(none.high)
