"""What is said where a network gives no numbers: never that a part is good."""

from typing import NamedTuple

import pytest
import torch

from inspection.decide.area import Area
from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.finite import are_finite
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities

NAN = torch.full((1, 2), torch.nan)


@pytest.mark.parametrize("decision", [OneOf(["ok", "bad"], "bad"), Located(["bad", "ok"], "bad", 0.9)])
def test_a_class_that_is_no_number_is_no_good_part(decision):
    assert decision.words(decision.called(decision.probabilities(NAN))[0]) == "bad"


def test_attributes_pixels_and_alarms_that_are_no_numbers():
    attributes = AnyOf(["error", "break"])
    assert attributes.called(attributes.probabilities(NAN)).tolist() == [[True, True]]
    for threshold in (0.3, 1.0):
        area = Area(["ok", "defect"], "defect", threshold)
        assert area.called(NAN).tolist() == [[True, True]]
    heat = Quantities(["max", "min"], "K", [350, 300], [20, 5], alarm={"max": 360})
    assert heat.alarms(heat.values(NAN)).tolist() == [True]


def test_only_tensors_of_a_tuple_count():
    class Given(NamedTuple):
        logits: torch.Tensor
        maps: torch.Tensor | None
        terms: dict[str, float]

    logits = torch.zeros(3, 2)
    maps = torch.zeros(3, 4, 4)
    maps[1, 2, 2] = torch.nan
    assert are_finite(Given(logits, maps, {})).tolist() == [True, False, True]
    logits[2, 0] = -torch.inf
    assert are_finite(Given(logits, None, {"a": torch.nan})).tolist() == [True, True, False]
