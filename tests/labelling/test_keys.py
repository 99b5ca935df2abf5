import pytest

from inspection.errors import InputError
from inspection.labelling.keys import COMMANDS, HELP, Command, Step, Toggle, action_of, assign_keys

SEAM = ["good", "error", "break", "length"]


def test_initials_of_the_seam():
    assert assign_keys(SEAM) == ("g", "e", "b", "l")


@pytest.mark.parametrize(
    ("attributes", "keys"),
    [
        (["break", "bend"], "be"),  # clash with each other: the first one keeps its initial
        (["spot", "dent", "pit"], "oei"),  # clash with commands
        (["good", "gap", "egg", "nun"], "gae1"),  # no letter left
        (["Öse", "Äse"], "oa"),
        (["開", "пятно"], "12"),
        (["x", "x2"], "x1"),
    ],
)
def test_clashes(attributes, keys):
    assert "".join(assign_keys(attributes)) == keys


def test_keys_of_ones_own():
    assert assign_keys(SEAM, {"length": 1, "good": "E"}) == ("e", "r", "b", "1")


def test_as_many_keys_as_there_are():
    attributes = [f"attribute {number}" for number in range(30)]
    keys = assign_keys(attributes)
    assert len(set(keys)) == 30
    assert not set(keys) & set(COMMANDS)
    with pytest.raises(InputError, match="31 are too many, there are 30 keys"):
        assign_keys([*attributes, "more"])


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"god": "x"}, "'god' is not in attributes"),
        ({"good": "s"}, "keys.good=s: that key is a command's"),
        ({"good": "ö"}, "expected a letter a to z or a digit"),
        ({"good": "xy"}, "expected a letter"),
        ({"good": ""}, "expected a letter"),
        ({"good": "x", "error": "x"}, "keys.error=x: that key is another attribute's"),
    ],
)
def test_impossible_keys(chosen, message):
    with pytest.raises(InputError, match=message):
        assign_keys(SEAM, chosen)


def test_codes():
    keys = ("g", "e", "b", "l")
    assert action_of(ord("b"), keys) == Toggle(2)
    assert action_of(ord("B"), keys) == Toggle(2)
    assert action_of(ord("n"), keys) == Step(1)
    assert [action_of(ord(c), keys) for c in "p.,+=-"] == [Step(n) for n in (-1, 10, -10, 100, 100, -100)]
    assert [action_of(ord(c), keys) for c in "sudq"] == list(Command)
    assert action_of(0x100000 | ord("s"), keys) is Command.SAVE  # num lock, in some window systems
    for code in (-1, 0, 27, 13, 0xFF51, 0xFFE1, 0x250000, 0xE9, ord("x")):
        assert action_of(code, keys) is None


def test_help_names_each_command():
    assert {key for keys, _ in HELP for key in keys.split()} == set(COMMANDS) - {"="}
