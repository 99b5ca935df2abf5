"""Against scikit-learn."""

import math

import pytest
import torch
from sklearn.metrics import (
    max_error,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
)

from inspection.tasks.regression_metrics import alarm_figures, error_figures

NAMES = ("maximum", "average", "minimum")


def test_errors_are_scikit_learns():
    torch.manual_seed(0)
    targets = 300 + 20 * torch.randn(40, 3)
    predicted = targets + torch.randn(40, 3) * torch.tensor([1.0, 10.0, 40.0])
    figures = error_figures(predicted, targets, NAMES)
    for column, name in enumerate(NAMES):
        true, said = targets[:, column].double().numpy(), predicted[:, column].double().numpy()
        assert figures[f"mae/{name}"] == pytest.approx(mean_absolute_error(true, said))
        assert figures[f"rmse/{name}"] == pytest.approx(math.sqrt(mean_squared_error(true, said)))
        assert figures[f"worst/{name}"] == pytest.approx(max_error(true, said))
        assert figures[f"r2/{name}"] == pytest.approx(r2_score(true, said))
    for figure in ("mae", "rmse", "r2"):
        each = [figures[f"{figure}/{name}"] for name in NAMES]
        assert figures[figure] == pytest.approx(sum(each) / 3)
    assert figures["worst"] == max(figures[f"worst/{name}"] for name in NAMES)
    assert figures["r2/minimum"] < 0 < figures["r2/maximum"]


def test_the_mean_explains_nothing_and_the_truth_all():
    targets = torch.tensor([[1.0], [2.0], [6.0]])
    assert error_figures(targets.mean(0).expand(3, 1), targets, "a")["r2"] == pytest.approx(0)
    assert error_figures(targets, targets, "a")["r2"] == 1


def test_undefined_is_not_0():
    same = torch.tensor([[300.1, 1.0]] * 7)
    said = same + torch.tensor([1.0, 2.0])
    figures = error_figures(said, same, "ab")
    assert figures["mae/a"] == pytest.approx(1, abs=1e-4)
    assert all(math.isnan(figures[name]) for name in ("r2", "r2/a", "r2/b"))
    one = torch.cat([same, torch.tensor([[300.1, 2.0]])])
    assert math.isnan(error_figures(one, one, "ab")["r2/a"])
    assert error_figures(one, one, "ab")["r2"] == 1  # the mean over those that have a value
    nothing = error_figures(torch.zeros(0, 2), torch.zeros(0, 2), "ab")
    assert all(math.isnan(value) for value in nothing.values())


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"\[N, 2\] but got \[3, 2\] and \[3, 1\]"):
        error_figures(torch.zeros(3, 2), torch.zeros(3, 1), "ab")


def test_alarms_are_scikit_learns():
    torch.manual_seed(0)
    called, true = torch.rand(50) > 0.4, torch.rand(50) > 0.6
    figures = alarm_figures(called, true)
    assert figures["alarm_recall"] == pytest.approx(recall_score(true, called))
    assert figures["alarm_precision"] == pytest.approx(precision_score(true, called))
    assert figures["alarm_missed"] == int((true & ~called).sum())
    assert figures["alarm_false"] == int((called & ~true).sum())


def test_no_alarm_is_undefined_not_perfect():
    never = torch.zeros(4, dtype=torch.bool)
    figures = alarm_figures(never, never)
    assert math.isnan(figures["alarm_recall"])
    assert math.isnan(figures["alarm_precision"])
    assert math.isnan(alarm_figures(~never, never)["alarm_recall"])
    assert alarm_figures(~never, never)["alarm_precision"] == 0
