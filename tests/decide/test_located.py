import json

import pytest
import torch

from inspection.decide.decisions import OneOf
from inspection.decide.kinds import decision_from
from inspection.decide.located import Located


def test_says_what_one_of_says():
    probabilities = torch.tensor([[0.7, 0.3], [0.6, 0.4]], dtype=torch.float64)
    one, located = OneOf("ab", "b", 0.4), Located("ab", "b", 0.4)
    assert located.called(probabilities).equal(one.called(probabilities))
    assert located.exclusive


def test_comes_back_out_of_plain_values():
    decision = Located(["good", "defect"], "defect", 0.3, box_threshold=0.75)
    values = json.loads(json.dumps(decision.to_dict()))
    again = decision_from(values)
    assert isinstance(again, Located)
    assert again.to_dict() == decision.to_dict()
    assert (again.threshold, again.box_threshold) == (0.3, 0.75)


def test_another_operating_point_keeps_the_boxes():
    moved = Located("ab", "b", box_threshold=0.9).at({"b": 0.2})
    assert isinstance(moved, Located)
    assert (moved.threshold, moved.box_threshold) == (0.2, 0.9)
    with pytest.raises(ValueError, match="expected one for 'b'"):
        moved.at({"a": 0.2})


@pytest.mark.parametrize(("defect", "limit"), [(None, 0.8), ("b", 0), ("b", 1.2)])
def test_what_can_not_be_is_refused(defect, limit):
    with pytest.raises(ValueError, match=r"defect=null|box_threshold="):
        Located("ab", defect, box_threshold=limit)
