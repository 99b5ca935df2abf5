import itertools

import numpy as np
import pytest
from scipy.stats import betabinom, hypergeom, ks_2samp

from inspection.drift.two_samples import holm, ks_test, larger_share, rank_tail


@pytest.mark.parametrize(
    ("n", "m", "shift"), [(8, 50, 0.2), (50, 500, 0.3), (30, 30, 1.0), (1, 9, 5.0), (200, 7, 0)]
)
def test_ks_is_scipys_exact_one(n, m, shift):
    random = np.random.default_rng(n)
    sample, reference = random.normal(size=n), random.normal(size=m) + shift
    expected = ks_2samp(sample, reference, method="exact")
    distance, p = ks_test(sample, reference)
    assert distance == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-10)


def test_ks_by_counting_all_ways_to_mix_two_samples():
    def distance(places):
        steps = np.cumsum([1 / 3 if place in places else -1 / 4 for place in range(7)])
        return np.abs(steps).max()

    ways = [distance(places) for places in itertools.combinations(range(7), 3)]
    sample, reference = np.array([0.0, 1.0, 3.0]), np.array([2.0, 4.0, 5.0, 6.0])
    found, p = ks_test(sample, reference)
    assert found == pytest.approx(distance((0, 1, 3)))
    assert p == pytest.approx(np.mean([way >= found - 1e-9 for way in ways]))


def test_ks_takes_equal_values_and_sizes_beyond_floats():
    zeros = np.zeros(40)
    assert ks_test(zeros, zeros) == (0.0, 1.0)
    some = np.concatenate([zeros, np.ones(40)])
    assert ks_test(some, np.repeat(some, 3)) == (0.0, 1.0)
    random = np.random.default_rng(0)
    distance, p = ks_test(random.normal(size=3000), random.normal(size=500))  # counts of 10^620
    assert p == pytest.approx(ks_2samp(random.normal(size=1), random.normal(size=1)).pvalue, abs=1)
    assert 0 < p <= 1
    assert ks_test(random.normal(size=3000) + 9, random.normal(size=500)) == (1.0, 1e-10)
    assert distance < 0.1


def test_rank_tail_is_beta_binomial():
    for count, new, rank, known in [(1, 50, 1, 188), (4, 50, 1, 188), (3, 20, 5, 100), (20, 20, 2, 9)]:
        expected = betabinom.sf(count - 1, new, rank, known - rank + 1)
        assert rank_tail(count, new, rank, known) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert rank_tail(0, 50, 1, 188) == 1.0


def test_larger_share_is_fishers_exact_test():
    for count, new, known_count, known in [(3, 50, 10, 200), (30, 50, 40, 200), (0, 9, 3, 9), (9, 9, 0, 500)]:
        expected = hypergeom.sf(count - 1, known + new, known_count + count, new)
        assert larger_share(count, new, known_count, known) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert larger_share(0, 10, 0, 10) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
