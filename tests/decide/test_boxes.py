import pytest
import torch

from inspection.decide.boxes import Boxes
from inspection.decide.kinds import decision_from


def detections(*rows):
    return torch.tensor([[0.0, 0, 5, 5, score, which] for score, which in rows])


def test_a_box_counts_from_its_score_on():
    decision = Boxes(["a", "b"], {"a": 0.4, "b": 0.8})
    found = detections((0.9, 0), (0.41, 0), (0.39, 0), (0.79, 1), (0.0, 0))
    assert decision.called(found).tolist() == [True, True, False, False, False]
    assert decision.called(torch.stack([found, found])).shape == (2, 5)


def test_an_observed_score_includes_its_own_box():
    """Also where float32 has no such number: 0.7 is 0.699999988 there."""
    found = detections((0.7, 0), (0.1, 0))
    decision = Boxes(["a"], float(found[0, 4]))
    assert decision.called(found).tolist() == [True, False]


def test_survives_the_passport():
    decision = Boxes(["a", "b"], 0.25)
    again = decision_from(decision.to_dict())
    assert isinstance(again, Boxes)
    assert again.to_dict() == decision.to_dict() == {
        "kind": "boxes", "names": ["a", "b"], "score": {"a": 0.25, "b": 0.25}
    }  # fmt: skip


def test_another_operating_point():
    decision = Boxes(["a", "b"], 0.25)
    assert decision.at(0.6).scores == (0.6, 0.6)
    assert decision.at({"b": 0.7}).scores == (0.25, 0.7)
    assert decision.scores == (0.25, 0.25)


@pytest.mark.parametrize(
    "score", [0.0, 1.2, -1, {"c": 0.5}, {"a": 0, "b": 0.5}, {"a": 0.5, "b": 0.5, "c": 0.5}]
)
def test_impossible_scores(score):
    with pytest.raises(ValueError, match="score"):
        Boxes(["a", "b"], score)


def test_each_class_has_a_score():
    """No score is made up for a class that is not named."""
    with pytest.raises(ValueError, match=r"score=\{'b': 0.3\}: none for a, c; give one of each class"):
        Boxes(["a", "b", "c"], {"b": 0.3})
    assert Boxes(["a", "b", "c"], 0.2).at({"b": 0.3}).scores == (0.2, 0.3, 0.2)


def test_words():
    decision = Boxes(["motor", "valve", "pump"], {"motor": 0.3, "valve": 0.5, "pump": 0.3})
    assert decision.words([1, 0, 1]) == "1 motor, 2 valve"
    assert decision.words([]) == "none"
    assert decision.limits() == "a score of at least: motor 0.3, valve 0.5, pump 0.3"
    assert Boxes(["a", "b"], 0.3).limits() == "a score of 0.3 or more"
