import numpy as np
import pytest

from inspection.pictures.two_samples import histogram_pairs

ORANGE = np.array([213, 94, 0])


def orange(picture):
    return (np.abs(picture.astype(int) - ORANGE).sum(2) < 30).sum()


def test_what_has_moved_is_orange():
    random = np.random.default_rng(0)
    samples = {name: (random.normal(size=200), random.normal(size=50)) for name in "abcd"}
    still, moved = (histogram_pairs(samples, which) for which in ((), ("b",)))
    assert still.dtype == np.uint8
    assert still.shape[2] == 3
    assert orange(still) == 0
    assert orange(moved) > 100


def test_constant_values_and_what_is_no_number():
    constant = np.zeros(9)
    picture = histogram_pairs({"area": (constant, constant), "x": (constant, np.full(9, np.nan))}, ())
    assert picture.size
    with pytest.raises(ValueError, match="one statistic or more"):
        histogram_pairs({}, ())
