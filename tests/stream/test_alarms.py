from types import SimpleNamespace

import pytest

from inspection.inspector.verdict import Box, Verdict
from inspection.stream.alarms import can_alarm, is_alarm


def inspector(kind, colours=None, **decision):
    return SimpleNamespace(
        decision=SimpleNamespace(kind=kind, names=("a", "b"), **decision),
        passport=SimpleNamespace(colours=colours),
    )


@pytest.mark.parametrize(
    ("judge", "verdict", "alarm"),
    [
        (inspector("one_of", defect=1), Verdict("b"), True),
        (inspector("one_of", defect=1), Verdict("a"), False),
        (inspector("located", defect=0), Verdict("a"), True),
        (inspector("area", defect=1), Verdict("b"), True),
        (inspector("one_of", defect=None), Verdict("b"), None),
        (inspector("any_of"), Verdict("b", called={"a": False, "b": True}), True),
        (inspector("any_of"), Verdict("none", called={"a": False, "b": False}), False),
        (inspector("any_of", colours=[["a", "red"]]), Verdict("b", called={"a": False, "b": True}), False),
        (inspector("quantities", alarm={"b": 3}), Verdict("3 K", called={"b": True}), True),
        (inspector("quantities", alarm={"b": 3}), Verdict("3 K", called={"b": False}), False),
        (inspector("quantities", alarm=None), Verdict("3 K"), None),
        (inspector("boxes"), Verdict("a", boxes=[Box(0, 0, 1, 1, "a", 0.9)]), True),
        (inspector("boxes"), Verdict("nothing"), False),
    ],
)
def test_what_somebody_is_to_act_on(judge, verdict, alarm):
    assert can_alarm(judge) is (alarm is not None)
    assert is_alarm(verdict, judge) is bool(alarm)
