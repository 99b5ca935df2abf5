"""Which verdicts a person, or the line, is to act on."""

import pytest

from inspection.data.geometry import Geometry
from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities
from inspection.inspector import Box, Passport, Verdict
from inspection.inspector.kinds import answers_of

NAMES = ["a", "b"]
HOT = Verdict("alarm", called={"alarm": True})
COOL = Verdict("no alarm", called={"alarm": False})


def answers(decision, colours=None):
    geometry = Geometry((4, 4))
    given = Passport(
        "t", "Which?", {}, decision.to_dict(), (0.5,), (0.5,), geometry.to_dict(), colours=colours
    )
    return answers_of(decision)(decision, given, geometry)


def one(name):
    return Verdict(name, called={each: each == name for each in NAMES})


@pytest.mark.parametrize(
    ("given", "alarming", "verdict", "alarm"),
    [
        (answers(OneOf(NAMES, "b")), ["b"], one("b"), True),
        (answers(OneOf(NAMES, "b")), ["b"], one("a"), False),
        (answers(OneOf(NAMES, None)), [], one("b"), False),
        (answers(Located(NAMES, "a")), ["a"], one("a"), True),
        (answers(Area(NAMES, "b")), ["b"], Verdict("b"), True),
        (answers(Area(NAMES, "b")), ["b"], Verdict("a"), False),
        (answers(AnyOf(NAMES)), ["a", "b"], one("b"), True),
        (answers(AnyOf(NAMES)), ["a", "b"], one("none"), False),
        (answers(AnyOf(NAMES), [["a", "red"]]), ["a"], one("b"), False),
        (answers(AnyOf(NAMES), [["a", "red"]]), ["a"], one("a"), True),
        (answers(Quantities(["b"], "K", [3], [1], alarm={"b": 3})), ["alarm"], HOT, True),
        (answers(Quantities(["b"], "K", [3], [1], alarm={"b": 3})), ["alarm"], COOL, False),
        (answers(Quantities(["b"], "K", [3], [1])), [], Verdict("b 3 K"), False),
        (answers(Boxes(NAMES)), ["a", "b"], Verdict("1", boxes=[Box(0, 0, 1, 1, "a", 0.9)]), True),
        (answers(Boxes(NAMES)), ["a", "b"], Verdict("nothing"), False),
    ],
)
def test_what_somebody_is_to_act_on(given, alarming, verdict, alarm):
    assert given.alarming() == alarming
    assert set(alarming) <= set(given.tallied())
    assert given.is_alarm(verdict) is alarm
