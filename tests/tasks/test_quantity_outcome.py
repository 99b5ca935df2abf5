import numpy as np
import pytest
import torch

from inspection.decide.quantities import Quantities
from inspection.tasks.quantity_outcome import QuantityOutcome

DECISION = Quantities(["maximum", "average"], "K", [340, 300], [20, 2], alarm={"maximum": 350})
TARGETS = torch.tensor([[330.0, 300.0], [355.0, 301.0], [360.0, 303.0], [345.0, 299.0]], dtype=torch.float64)
VALUES = torch.tensor([[331.0, 300.0], [349.0, 301.0], [370.0, 309.0], [352.0, 299.0]], dtype=torch.float64)
USUAL = torch.tensor([340.0, 300.0], dtype=torch.float64)


def outcome(**settings):
    own = {"values": VALUES, "targets": TARGETS, "usual": USUAL, "pixels": TARGETS + 0.5}
    return QuantityOutcome.of(DECISION, torch.tensor([3, 5, 6, 9]), **own | settings)


def test_the_network_stands_beside_both_baselines():
    figures = outcome().figures
    assert figures["mae/maximum"] == pytest.approx((1 + 6 + 10 + 7) / 4)
    assert figures["mae_of_mean/maximum"] == pytest.approx((10 + 15 + 20 + 5) / 4)
    assert figures["mae_of_mean"] == pytest.approx((12.5 + (0 + 1 + 3 + 1) / 4) / 2)
    assert figures["mae_of_pixels"] == pytest.approx(0.5)


def test_without_an_absolute_scale_the_pixels_say_nothing():
    seen = outcome(pixels=None)
    assert not [name for name in seen.figures if "pixels" in name]
    header = seen.tables({"val": seen})[1].rows[0]
    assert header == ["", "mae", "rmse", "worst", "r2", "mae of training mean"]


def test_tables():
    seen = outcome()
    seen.figures["loss"] = 0.5
    headline, each, alarm = seen.tables({"val": seen, "test": seen})
    assert headline.rows[0] == ["", "val", "test"]
    assert [row[0] for row in headline.rows[1:]] == [
        "mae", "rmse", "worst", "r2", "alarm_recall", "alarm_precision", "mae_of_mean", "mae_of_pixels", "loss",
    ]  # fmt: skip
    assert "in K" in headline.title
    assert each.rows[0][-2:] == ["mae of training mean", "mae of pixel statistic"]
    assert each.rows[1][0] == "maximum"
    assert alarm.title == "alarm at a maximum of 350 K"
    assert alarm.rows[1] == ["alarm", 0.5, 0.5, 2, 1, 1]


def test_without_an_alarm_there_is_none():
    bare = Quantities(["maximum", "average"], "K", [340, 300], [20, 2])
    seen = QuantityOutcome.of(bare, torch.arange(4), VALUES, TARGETS, USUAL)
    assert not [name for name in seen.figures if "alarm" in name]
    assert len(seen.tables({"val": seen})) == 2
    assert seen.columns() == ["target_maximum", "target_average", "predicted_maximum", "predicted_average"]


def test_rows_of_a_file():
    seen = outcome()
    assert seen.columns()[-2:] == ["target_alarm", "alarm"]
    assert seen.cells()[1] == ["355.000", "301.000", "349.000", "301.000", "True", "False"]


def test_the_largest_errors_by_scale_come_first():
    assert outcome().mistakes(3).tolist() == [2, 3, 1]  # 6 K of 2, 7 K of 20, 6 K of 20


def test_examples_are_thirds():
    assert {name: rows.tolist() for name, rows in outcome().examples().items()} == {
        "maximum_low": [0, 3],
        "maximum_middle": [1],
        "maximum_high": [2],
    }


def test_plain_details_and_a_chart():
    seen = outcome()
    assert seen.details() == {"quantities": DECISION.to_dict(), "training_mean": [340.0, 300.0]}
    (chart,) = seen.charts().values()
    assert chart.dtype == np.uint8
