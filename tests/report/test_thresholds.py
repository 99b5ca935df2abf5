import base64

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from inspection.report.thresholds import Steps


@pytest.fixture
def scored():
    random = np.random.default_rng(3)
    truth = random.random(500) < 0.3
    return (random.normal(truth * 0.8, 1.0)).round(1), truth  # many ties


def test_counts_at_any_threshold(scored):
    scores, truth = scored
    steps = Steps.of(scores, truth)

    for threshold in (-9.0, *np.unique(scores), 0.05, 0.25, 9.0):
        called = scores >= threshold
        assert steps.at(threshold) == (called.sum(), (called & truth).sum())


def test_areas_as_of_scikit_learn(scored):
    scores, truth = scored
    steps = Steps.of(scores, truth)

    assert steps.average_precision() == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    assert steps.auroc() == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)


def test_what_was_never_found_lowers_the_recall_alone():
    steps = Steps.of(np.array([0.9, 0.5]), np.array([True, False]), unscored=3)

    assert steps.true == 4
    assert steps.recall.tolist() == [0.25, 0.25]
    assert steps.precision.tolist() == [1.0, 0.5]


def test_one_sided_sets_are_undefined():
    good = Steps.of(np.array([0.1, 0.2]), np.array([False, False]))
    bad = Steps.of(np.array([0.1, 0.2]), np.array([True, True]))
    none = Steps.of(np.zeros(0), np.zeros(0, bool))

    assert np.isnan([good.average_precision(), good.auroc(), bad.auroc(), none.auroc()]).all()
    assert bad.average_precision() == 1
    assert none.at(0.5) == (0, 0)


def test_nan_is_called_at_any_threshold():
    assert Steps.of(np.array([np.nan, 0.2]), np.array([True, False])).at(0.9) == (1, 1)


def test_thinned_steps_keep_exact_counts():
    scores = np.random.default_rng(0).random(5000)
    truth = scores > 0.6
    stored = float(scores[17])
    steps = Steps.of(scores, truth, keep=stored, most=100)

    assert not steps.exact
    assert len(steps.thresholds) <= 101
    for threshold, called in zip(steps.thresholds, steps.called, strict=True):
        assert called == (scores >= threshold).sum()
    assert steps.at(stored)[0] == (scores >= stored).sum()


def test_a_page_gets_every_bit():
    scores = np.random.default_rng(0).random(50)
    steps = Steps.of(scores, scores > 0.5)
    packed = steps.packed()

    back = np.frombuffer(base64.b64decode(packed["thresholds"]), "<f8")
    assert (back == np.sort(scores)[::-1]).all()
    assert np.frombuffer(base64.b64decode(packed["called"]), "<u4").tolist() == list(range(1, 51))
