"""Pictures of thermal images."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from inspection.callbacks import thermal
from inspection.callbacks.charts import Charts
from inspection.callbacks.thermal import ThermalLogger
from inspection.data.thermal import ThermalDataModule
from inspection.decide.quantities import Quantities
from inspection.tasks.quantity_outcome import QuantityOutcome
from inspection.tasks.regression import Regression

DECISION = Quantities(["maximum", "average"], "K", [340, 300], [20, 2], alarm={"maximum": 350})
TARGETS = torch.tensor([[360.0, 300.0], [330.0, 301.0]], dtype=torch.float64)
VALUES = torch.tensor([[349.0, 300.5], [331.0, 301.0]], dtype=torch.float64)


@pytest.fixture
def drawn(monkeypatch):
    """Arguments of each picture."""
    kept = []

    def panel(image, boxes, title, **settings):
        kept.append(SimpleNamespace(image=image, boxes=boxes, title=title, **settings))
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(thermal, "thermal_panel", panel)
    return kept


def outcome(decision=DECISION):
    return QuantityOutcome.of(decision, torch.tensor([4, 2]), VALUES, TARGETS, torch.tensor([340.0, 300.0]))


def data(window, hidden=None):
    module = ThermalDataModule.__new__(ThermalDataModule)
    module.samples = SimpleNamespace(files=[f"{number}.png" for number in range(5)])
    module.is_synthetic, module.window = True, window
    module.hidden = lambda row: hidden
    return module


def images():
    pictures = torch.full((2, 1, 40, 50), 20, dtype=torch.uint8)
    pictures[:, :, 10:20, 10:20] = 220
    pictures[:, :, 25:35, 30:45] = 240
    return pictures


def panels(data, outcome=None):
    return ThermalLogger().panels(None, data, outcome or globals()["outcome"](), np.array([0, 1]), images())


def test_true_and_predicted_values_peaks_in_kelvin_and_the_alarm(drawn):
    assert len(panels(data((200.0, 455.0)))) == 2
    first, second = drawn
    assert first.title == [
        "4.png",
        "maximum 349.0 K, true 360.0 (-11.0)",
        "average 300.5 K, true 300.0 (+0.5)",
        "alarm from maximum 350 K: no, true yes",
    ]
    assert second.title[-1] == "alarm from maximum 350 K: no, true no"
    assert first.labels == ["440 K", "420 K"]
    assert first.window == (200.0, 455.0)
    assert len(first.boxes) == 2
    assert first.note == "SYNTHETIC image"


def test_without_a_scale_the_spots_have_no_kelvin_and_what_is_hidden_is_none(drawn):
    panels(data(None, hidden=(28, 23, 47, 37)))
    assert drawn[0].labels == [""]
    assert drawn[0].hidden == (28, 23, 47, 37)
    ((left, top, right, bottom),) = drawn[0].boxes
    assert (left, top, right, bottom) == pytest.approx((10, 10, 20, 20), abs=1)


def test_without_an_alarm_there_is_no_line_of_it(drawn):
    bare = Quantities(["maximum", "average"], "K", [340, 300], [20, 2])
    panels(data(None), outcome(bare))
    assert len(drawn[0].title) == 3


def test_a_share_is_checked():
    with pytest.raises(ValueError, match="share=1"):
        ThermalLogger(share=1)


def test_curves_are_of_one_unit():
    task = Regression.__new__(Regression)
    torch.nn.Module.__init__(task)
    task.outcome = outcome()
    charts = Charts("val/mae/maximum", "min")
    names = [
        "epoch",
        "lr",
        "val/loss",
        "val/mae",
        "val/mae/maximum",
        "val/mae/average",
        "val/worst",
        "val/r2",
    ]
    shown = [name for name in names if charts._has_curve(name, task)]
    assert shown == ["epoch", "lr", "val/loss", "val/mae", "val/mae/maximum"]
