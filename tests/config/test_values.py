from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from inspection.config.values import complaint, describe, fits


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, int, True),
        (1.0, int, False),
        (True, int, False),
        (1, float, True),
        ("1", float, False),
        (False, float, False),
        ("a", str, True),
        (1, str, False),
        (None, str, False),
        (None, str | None, True),
        (True, bool, True),
        (1, bool, False),
        ("a/b", Path, True),
        ("max", Literal["max", "min"], True),
        ("Max", Literal["max", "min"], False),
        (True, Literal[1], False),
        ([1, 2], Sequence[int], True),
        ([1, 2.5], list[int], False),
        ("12", Sequence[int], False),
        ([1, 2], tuple[int, int], True),
        ([1, 2, 3], tuple[int, int], False),
        ([1, 2, 3], tuple[int, ...], True),
        ([["a", None]], Sequence[tuple[str, str | None]], True),
        ({"a": 1}, Mapping[str, int], True),
        ({"a": "b"}, dict[str, int], False),
        (object(), Any, True),
    ],
)
def test_fits(value, hint, expected):
    assert fits(value, hint) is expected


def test_describe_in_words():
    assert describe(tuple[int, int] | None) == "a list of 2 whole numbers or null"
    assert describe(Literal["auto"] | bool) == "auto or true or false"
    assert describe(Sequence[float]) == "a list of numbers"


def test_complaint_offers_the_remedy():
    assert "1.0e-3" in complaint("1e-3", float)
    assert "did you mean max?" in complaint("mx", Literal["max", "min"])
    assert complaint("outputs/a", Sequence[str]).endswith("; a list has brackets: [outputs/a]")
    assert "brackets" not in complaint("text", tuple[int, int] | None)
    assert complaint(None, int) == "expected a whole number, found null"
