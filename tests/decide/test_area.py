import pytest
import torch

from inspection.decide.area import Area
from inspection.decide.kinds import decision_from


def test_pixels_from_their_probability_on():
    logits = torch.tensor([[-1.0, 0.0], [0.4, 3.0]])
    assert Area("ab", "b").called(logits.sigmoid()).tolist() == [[False, True], [True, True]]
    for threshold in (0.1, 0.3, 0.75, 0.9):
        called = Area("ab", "b", threshold).called(logits.sigmoid())
        assert torch.equal(called, logits.double().sigmoid() >= threshold)
    assert not Area("ab", "b", 1.0).called(logits.sigmoid()).any()


def test_a_part_from_its_area_on():
    areas = torch.tensor([0, 1, 9, 10, 11])
    assert Area(["ok", "defect"], "defect", min_area=10).labels(areas).tolist() == [0, 0, 0, 1, 1]
    assert Area(["defect", "ok"], "defect", min_area=10).labels(areas).tolist() == [1, 1, 1, 0, 0]
    assert Area(["ok", "defect"], "defect").labels(areas).tolist() == [0, 1, 1, 1, 1]


def test_kept_as_plain_values():
    decision = Area(["ok", "scratched"], "scratched", 0.3, 12)
    assert decision_from(decision.to_dict()).to_dict() == decision.to_dict()
    assert decision.to_dict()["kind"] == "area"


def test_another_operating_point():
    decision = Area(["ok", "defect"], "defect", 0.5, 12)
    assert (decision.at(0.3).threshold, decision.at(0.3).min_area) == (0.3, 12)
    moved = decision.at({"min_area": 40})
    assert (moved.threshold, moved.min_area) == (0.5, 40)
    assert decision.at({"pixel": 0.2, "min_area": 1}).to_dict()["threshold"] == 0.2
    with pytest.raises(ValueError, match=r"'area' is neither pixel .* nor min_area"):
        decision.at({"area": 3})
    with pytest.raises(ValueError, match=r"threshold=1\.5: expected a probability"):
        decision.at(1.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": ["ok", "a", "b"]}, "expected two classes, one of them the defect"),
        ({"defect": None}, "expected two classes, one of them the defect"),
        ({"threshold": 0.0}, "threshold=0.0: expected a probability, above 0"),
        ({"threshold": float("nan")}, "expected a probability"),
        ({"min_area": 0}, "min_area=0: expected a number of pixels, 1 or more"),
        ({"min_area": 2.5}, "min_area=2.5"),
    ],
)
def test_impossible_decisions(settings, message):
    with pytest.raises(ValueError, match=message):
        Area(**{"names": ["ok", "defect"], "defect": "defect"} | settings)


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ({"min_area": float("inf")}, "min_area=inf: expected a number of pixels"),
        ({"min_area": float("nan")}, "min_area=nan"),
        ({"min_area": "a"}, "min_area=a"),
        ({"pixel": None}, "threshold=None: expected a probability"),
        ({"pixel": "0.3"}, "threshold=0.3: expected a probability"),
        ({"pixel": True}, "threshold=True"),
    ],
)
def test_what_is_no_number_is_said(threshold, message):
    with pytest.raises(ValueError, match=message):
        Area(["ok", "defect"], "defect").at(threshold)
