"""The task module for quantities: what is learned, stored and measured."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from inspection.data.quantity_labels import Quantities as QuantityLabels
from inspection.errors import InputError
from inspection.tasks.regression import Regression

NAMES = ["maximum", "average", "minimum"]
TARGETS = np.array(
    [[350.0, 300.0, 290.0], [370.0, 310.0, 292.0], [390.0, 320.0, 300.0], [500.0, 305.0, 200.0]]
)


class Pixels(nn.Module):
    """The first three pixels are the outputs."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return self.gain * images.flatten(1)[:, :3]


def task(**settings):
    own = {
        "network": Pixels(),
        "loss": nn.MSELoss,
        "optimizer": lambda parameters: torch.optim.SGD(parameters, 0.1),
        "scheduler": None,
        "mean": [0.0],
        "std": [1.0],
        "names": NAMES,
        "ordered": True,
        "standardised": True,
        "alarm_of": "maximum",
        "alarm_at": 380,
    }
    return Regression(**own | settings)


def data(names=NAMES, targets=TARGETS, unit="K"):
    labels = QuantityLabels(names, unit)
    samples = SimpleNamespace(
        targets=targets, rows=lambda part: np.array([0, 1, 2])
    )  # the last is a test image
    return SimpleNamespace(labels=labels, samples=samples, loss_weights=None, notes=[])


@pytest.fixture
def fitted():
    module = task()
    module.take(data())
    return module


def batch(rows=(0, 1)):
    image = torch.zeros(len(rows), 1, 2, 2, dtype=torch.uint8)
    return {
        "image": image,
        "target": torch.tensor(TARGETS[list(rows)], dtype=torch.float32),
        "index": torch.tensor(rows),
    }


def test_centre_and_scale_are_those_of_the_training_part_alone(fitted):
    assert fitted.decision.centre == pytest.approx(TARGETS[:3].mean(0))
    assert fitted.decision.scale == pytest.approx(TARGETS[:3].std(0))
    assert fitted.usual.tolist() == pytest.approx(TARGETS[:3].mean(0))


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"alarm_at": 390}, None),
        ({"alarm_at": 450}, "no training image reaches a maximum of 450 K: the network never sees an alarm"),
        ({"alarm_at": 501}, "no image reaches a maximum of 501 K: the alarm's figures will be undefined"),
        ({"alarm_of": None}, None),
    ],
)
def test_an_alarm_that_no_image_reaches_is_noted(settings, note):
    given = data()
    task(**settings).take(given)
    expected = [] if note is None else [f"{note}; set task.module.alarm_at"]
    assert given.notes == expected


def test_the_loss_is_of_standardised_quantities(fitted):
    outputs = fitted.outputs_of(batch())
    assert (outputs == 0).all()
    expected = (((TARGETS[:2] - TARGETS[:3].mean(0)) / TARGETS[:3].std(0)) ** 2).mean()
    assert fitted.loss_of(outputs, batch()).item() == pytest.approx(expected, rel=1e-5)


def test_plain_numbers_as_in_the_article():
    module = task(standardised=False)
    module.take(data())
    outputs = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    torch.testing.assert_close(module.decision.values(outputs), outputs.double())
    expected = ((TARGETS[:2] - outputs.numpy()) ** 2).mean()
    assert float(module.loss_of(outputs, batch())) == pytest.approx(expected, rel=1e-5)
    assert module.usual.tolist() == pytest.approx(TARGETS[:3].mean(0))  # the baseline is the same


def test_counts_of_batches_add_up_to_mean_absolute_errors(fitted):
    torch.manual_seed(0)
    outputs = torch.randn(3, 3)
    parts = [fitted.count(outputs[:1], batch([0])), fitted.count(outputs[1:], batch([1, 2]))]
    figures = fitted.figures_of(sum(parts))
    errors = np.abs(fitted.decision.values(outputs).numpy() - TARGETS[:3]).mean(0)
    assert [figures[f"mae/{name}"] for name in NAMES] == pytest.approx(errors, rel=1e-5)
    assert figures["mae"] == pytest.approx(errors.mean(), rel=1e-5)


def test_a_checkpoint_brings_what_its_outputs_mean(fitted):
    checkpoint = {}
    fitted.on_save_checkpoint(checkpoint)
    other = task(alarm_of=None)
    other.on_load_checkpoint(checkpoint)
    assert other.decision.centre == fitted.decision.centre
    assert other.decision.scale == fitted.decision.scale
    assert other.decision.to_dict() == fitted.decision.to_dict()  # unit and alarm, too
    torch.testing.assert_close(other.usual, fitted.usual)


def test_the_outcome_has_the_loss_and_all_figures_that_were_promised(fitted):
    outputs = torch.zeros(4, 3)
    kept = fitted.keep(outputs, batch([0, 1, 2, 3]) | {"pixels": torch.tensor(TARGETS)})
    outcome = fitted.make_outcome(torch.arange(4), kept)
    assert set(fitted.evaluated()) | {"loss"} <= set(outcome.figures)
    assert outcome.figures["mae"] == pytest.approx(
        outcome.figures["mae_of_mean"]
    )  # outputs of 0 are the mean
    assert outcome.figures["mae_of_pixels"] == 0
    expected = float(fitted.loss_of(outputs, batch([0, 1, 2, 3])))
    assert outcome.figures["loss"] == pytest.approx(expected, rel=1e-5)
    assert "val/mae" in fitted.logged()
    assert "train/mae" in fitted.logged()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.BCEWithLogitsLoss])
def test_a_loss_of_probabilities_is_refused(loss):
    with pytest.raises(ValueError, match="not 0 for a prediction that is right"):
        task(loss=loss).take(data())


def test_names_and_order_are_checked():
    with pytest.raises(InputError, match=r"task\.module\.names=.* data\.classes=\['a', 'b', 'c'\]"):
        task().take(data(["a", "b", "c"]))
    with pytest.raises(InputError, match=r"task\.module\.ordered: the mean of 'maximum'"):
        task().take(data(targets=TARGETS[:, ::-1].copy()))


@pytest.mark.parametrize("standardised", [True, False])
def test_the_unit_is_the_datas(standardised):
    module = task(standardised=standardised)
    module.take(data(unit="C"))
    assert module.decision.unit == "C"
    assert module.decision.alarm == {"maximum": 380.0}


def test_the_alarm_is_on_a_quantity_at_a_value_or_none():
    assert task(alarm_of="average", alarm_at=305).decision.alarm == {"average": 305.0}
    assert task(alarm_of=None).decision.alarm is None
    with pytest.raises(
        InputError, match=r"task\.module\.alarm_of=median: expected one of maximum, average, minimum"
    ):
        task(alarm_of="median")
    with pytest.raises(InputError, match=r"task\.module\.alarm_at=null: expected the value of maximum"):
        task(alarm_at=None)
    with pytest.raises(InputError, match=r"task\.module: alarm=.*expected a number"):
        task(alarm_at="hot")
