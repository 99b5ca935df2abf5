import json
import math

import pytest
import torch

from inspection.decide.kinds import decision_from
from inspection.decide.quantities import Quantities

NAMES = ("maximum", "average", "minimum")
CENTRE, SCALE = [350.0, 300.0, 290.0], [20.0, 5.0, 4.0]


def heat(**settings):
    return Quantities(**{"names": NAMES, "unit": "K", "centre": CENTRE, "scale": SCALE} | settings)


def test_the_order_holds_whatever_the_network_says():
    torch.manual_seed(0)
    for size in (1.0, 30.0, 1e4):
        values = heat().values(torch.randn(2000, 3) * size)
        assert values.isfinite().all()
        assert (values[:, 0] >= values[:, 1]).all()
        assert (values[:, 1] >= values[:, 2]).all()


@pytest.mark.parametrize("ordered", [True, False])
def test_outputs_of_0_are_the_centres_and_move_by_the_scales(ordered):
    outputs = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    values = heat(ordered=ordered).values(outputs)
    torch.testing.assert_close(values[0], torch.tensor(CENTRE, dtype=torch.float64))
    for place, scale in enumerate(SCALE):
        (gradient,) = torch.autograd.grad(values[0, place], outputs, retain_graph=True)
        assert float(gradient[0, place]) == pytest.approx(scale)


def test_by_hand():
    plain = heat(ordered=False).values(torch.tensor([[1.0, -2.0, 0.5]]))
    torch.testing.assert_close(plain, torch.tensor([[370.0, 290.0, 292.0]], dtype=torch.float64))
    step = 50 * math.log1p(math.exp(20 / (50 * (1 - math.exp(-1))) + math.log(math.e - 1)))
    ordered = heat().values(torch.tensor([[1.0, -2.0, 0.0]]))[0].tolist()
    assert ordered == pytest.approx([290 + step, 290, 280])


def test_every_output_has_a_gradient_also_far_out():
    outputs = torch.full((1, 3), -8.0, requires_grad=True)
    heat().values(outputs).sum().backward()
    assert (outputs.grad != 0).all()


def test_any_number_of_ordered_quantities():
    torch.manual_seed(0)
    for names in ("a", "ab", "abcde"):
        centre = [float(-place) for place in range(len(names))]
        values = Quantities(names, "K", centre, [1.0] * len(names)).values(torch.randn(100, len(names)) * 5)
        assert values.shape == (100, len(names))
        assert (values.diff(dim=1) <= 0).all()


def test_standardised_is_what_the_outputs_of_unordered_ones_are():
    decision, outputs = heat(ordered=False), torch.randn(10, 3, dtype=torch.float64)
    torch.testing.assert_close(decision.standardised(decision.values(outputs)), outputs)


def test_fitted_takes_mean_and_standard_deviation():
    torch.manual_seed(0)
    targets = torch.tensor(CENTRE) + torch.randn(50, 3) * torch.tensor(SCALE)
    decision = heat(alarm={"maximum": 400}).fitted(targets)
    assert decision.centre == pytest.approx(targets.double().mean(0).tolist())
    assert decision.scale == pytest.approx(targets.double().std(0, correction=0).tolist())
    assert decision.alarm == {"maximum": 400.0}


def test_constant_and_equal_targets_divide_by_nothing():
    decision = heat().fitted(torch.full((5, 3), 300.0))
    values = decision.values(torch.randn(20, 3))
    assert values.isfinite().all()
    assert decision.standardised(values).isfinite().all()
    assert (values.diff(dim=1) <= 0).all()


def test_targets_in_the_wrong_order_are_said_or_taken_as_plain_numbers():
    targets = torch.tensor([[290.0, 300.0, 350.0], [291.0, 301.0, 351.0]])
    assert heat(ordered=False).fitted(targets).centre == (290.5, 300.5, 350.5)
    with pytest.raises(ValueError, match=r"mean of 'maximum' .* is below that of 'average'"):
        heat().fitted(targets)


def test_an_alarm_includes_its_own_value():
    decision = heat(alarm={"average": 300})
    values = torch.tensor([[400.0, 299.999, 280.0], [310.0, 300.0, 280.0]])
    assert decision.alarms(values).tolist() == [False, True]
    assert decision.words(values[1]) == "maximum 310.0 K, average 300.0 K, minimum 280.0 K: alarm"
    assert heat().alarms(values).tolist() == [False, False]
    assert heat().words(values[0]).endswith("minimum 280.0 K")


def test_the_alarm_moves():
    values = torch.tensor([[379.0, 300.0, 280.0], [390.0, 300.0, 280.0], [400.0, 300.0, 280.0]])
    for moved in (
        heat(alarm={"maximum": 400}).at(380.0),
        heat(alarm={"maximum": 400}).at({"maximum": 380.0}),
    ):
        assert moved.watched == ("maximum", 400.0, 380.0)
        assert moved.alarms(values).tolist() == [False, True, True]  # what the network must say
        assert moved.deserved(values).tolist() == [False, False, True]  # what is true
        assert moved.replaced().watched == moved.watched
    other = heat(alarm={"maximum": 400}).at(380.0).at({"minimum": 285})
    assert other.watched == ("minimum", 285.0, 285.0)
    with pytest.raises(ValueError, match=r"no alarm to move; name a quantity: threshold=\{maximum: 380.0\}"):
        heat().at(380.0)
    with pytest.raises(ValueError, match=r"expected one of maximum, average, minimum"):
        heat().at({"median": 3.0})


def test_survives_json():
    decision = heat(alarm={"maximum": 400}, ordered=False)
    again = decision_from(json.loads(json.dumps(decision.to_dict())))
    assert isinstance(again, Quantities)
    assert again.to_dict() == decision.to_dict()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": []}, "expected one or more different names"),
        ({"names": ["a", "a", "b"]}, "expected one or more different names"),
        ({"centre": [1.0]}, "a centre and a scale for each of 3 quantities but got 1 and 3"),
        ({"scale": [1.0, 0.0, 1.0]}, "scales above 0"),
        ({"centre": [math.nan, 1.0, 0.0]}, "expected numbers"),
        ({"centre": [1.0, 2.0, 0.0]}, "falling values for the ordered maximum, average, minimum"),
        ({"alarm": {"median": 1.0}}, "expected one of maximum, average, minimum"),
        ({"alarm": {"maximum": "hot"}}, "expected a number"),
        ({"alarm": {"maximum": 1.0, "average": 2.0}}, "expected one of"),
    ],
)
def test_what_cannot_be_is_said(settings, message):
    with pytest.raises(ValueError, match=message):
        heat(**settings)


@pytest.mark.parametrize("ordered", [True, False])
def test_outputs_of_quantities(ordered):
    torch.manual_seed(0)
    decision = Quantities(["a", "b", "c", "d"], "K", [350, 300, 290, 280], [20, 5, 5, 3], ordered=ordered)
    outputs = torch.randn(40, 4).double() * 3
    values = decision.values(outputs)
    torch.testing.assert_close(decision.outputs(values), outputs, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(decision.values(decision.outputs(values)), values)
    same = torch.full((1, 4), 300.0, dtype=torch.float64)
    assert decision.outputs(same).isfinite().all()
    torch.testing.assert_close(decision.values(decision.outputs(same)), same, rtol=0, atol=1e-6)
