import pytest
import torch

from inspection.decide.decisions import AnyOf
from inspection.decide.rules import Cost, Fixed, Recall
from inspection.tasks.name_outcomes import LabelOutcome
from inspection.tasks.operating import choose
from inspection.tasks.operating_picture import operating_picture
from tests.tasks.test_resampled import COUNT, KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_picture_if_it_has_a_threshold_or_probabilities(kind):
    outcome = KINDS[kind](torch.arange(COUNT))
    point, _ = choose(lambda _: outcome, outcome.decision, Cost(resamples=20), None)
    picture = operating_picture(outcome, point)
    if kind == "quantities without alarm":
        assert picture is None
    else:
        assert picture is not None
        assert picture.shape[0] > 300


def test_calibration_of_attributes_has_the_error_of_the_figures(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "inspection.tasks.operating_picture.operating_chart",
        lambda trades, kept, attributes: seen.update(kept, attributes=attributes),
    )
    logits = torch.full((10, 2), 0.7).logit()
    targets = torch.stack([torch.arange(10) < 4, torch.arange(10) < 10], 1).float()
    outcome = LabelOutcome.of(AnyOf(["cut", "wide"]), torch.arange(10), logits, targets)
    point, _ = choose(lambda _: outcome, outcome.decision, Fixed(resamples=0, calibrate=False), None)

    operating_picture(outcome, point)

    assert seen["attributes"] == 2
    assert seen["after"].error == pytest.approx(0.3)  # 0.7 is said of 0.4 and of 1: together of 0.7
    assert outcome.figures["ece"] == pytest.approx(0.3)


@pytest.mark.parametrize("rule", [Recall(1.0, resamples=0), Fixed()])
def test_without_an_interval_and_without_a_choice(rule):
    outcome = KINDS["boxes"](torch.arange(COUNT))
    point, _ = choose(lambda _: outcome, outcome.decision, rule, None)
    assert operating_picture(outcome, point) is not None


def test_without_an_image_there_is_a_picture_of_nothing_at_most():
    outcome = KINDS["two classes"](torch.arange(0))
    point, _ = choose(lambda _: outcome, outcome.decision, Cost(), None)
    operating_picture(outcome, point)
