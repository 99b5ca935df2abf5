import numpy as np
import pytest
from scipy.stats import binomtest

from inspection.decide.paired import binomial_p, compare_paired


@pytest.mark.parametrize(("above", "below"), [(0, 0), (5, 0), (9, 1), (12, 10), (40, 61), (900, 800)])
def test_mcnemar_is_the_exact_binomial_test(above, below):
    expected = binomtest(above, above + below, 0.5).pvalue if above + below else 1.0
    assert binomial_p(above, below) == pytest.approx(expected, rel=1e-9)


def test_difference_counts_and_interval():
    differences = np.repeat([1.0, -1.0, 0.0], [30, 10, 160])
    found = compare_paired(differences)
    assert (found.above, found.below, found.difference) == (30, 10, 0.1)
    assert found.p == pytest.approx(binomtest(30, 40, 0.5).pvalue)
    error = differences.std() / np.sqrt(200)
    assert found.low == pytest.approx(0.1 - 1.96 * error, abs=0.01)
    assert found.high == pytest.approx(0.1 + 1.96 * error, abs=0.01)
    assert found == compare_paired(differences)  # the same draws each time


def test_signs_of_errors_are_flipped():
    """Of four differences all 16 ways can be counted by hand: 2 of them are as far from 0."""
    found = compare_paired(np.array([0.5, 1.5, 2.0, 0.1]))
    assert found.p == pytest.approx(2 / 16, abs=0.01)
    assert compare_paired(np.zeros(5)).p == 1.0
    random = np.random.default_rng(0)
    assert compare_paired(random.normal(1, 1, 100)).p < 0.001
    assert compare_paired(random.normal(0, 1, 100)).p > 0.01


def test_frames_of_a_video_are_one_witness():
    differences = np.repeat([1.0, -1.0], [30, 10])
    alone = compare_paired(differences)
    videos = [f"video_{number // 10}" for number in range(40)]  # three for the one, one for the other
    grouped = compare_paired(differences, videos)
    assert alone.p < 0.01
    assert grouped.p == pytest.approx(10 / 16, abs=0.02)  # 5 of 8 ways are as uneven as 3 : 1
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert compare_paired(differences, [str(number) for number in range(40)]).p == alone.p


@pytest.mark.parametrize("differences", [[], [0.1, np.nan, 0.2], [0.1, np.inf]])
def test_what_is_no_number_is_no_difference(differences):
    """NaN differences had p = 0.0001."""
    with pytest.raises(ValueError, match="Expected finite differences"):
        compare_paired(np.array(differences))
