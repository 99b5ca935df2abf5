"""Does a plain config value fit a type hint, and how is that said in words."""

import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from inspection.config.suggest import did_you_mean

WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    bool: "true or false",
    None: "null",
    type(None): "null",
}
PLURALS: dict[Any, str] = {int: "whole numbers", float: "numbers", str: "texts", Path: "paths"}
SCALARS: dict[Any, Any] = {
    int: int,
    float: (int, float),
    str: str,
    Path: str,
    bool: bool,
    None: type(None),
    type(None): type(None),
}
LISTS = (list, Sequence, Iterable, set, frozenset)


def fits(value: object, hint: Any) -> bool:
    """Whether a value as it comes from YAML (no tuples, no paths) can stand for the hinted type.

    An int is good for a float; a bool is no number; a list stands for any sequence, a text for a path. What
    the hint says beyond int, float, str, bool, None, Literal, unions, sequences, mappings and paths is
    not checked.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, member) for member in args)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in args)
    if (origin or hint) is tuple or (origin or hint) in LISTS or (origin or hint) in (dict, Mapping):
        return _fits_container(value, origin or hint, args)
    if isinstance(value, bool):
        return hint not in (int, float, str, Path, None, type(None))
    return isinstance(value, SCALARS[hint]) if hint in SCALARS else True


def _fits_container(value: object, container: Any, args: tuple[Any, ...]) -> bool:
    if container in (dict, Mapping):
        item = args[1] if len(args) == 2 else Any
        return isinstance(value, dict) and all(fits(v, item) for v in value.values())
    if not isinstance(value, list):
        return False
    if container is tuple and args and args[-1] is not Ellipsis:
        return len(value) == len(args) and all(fits(v, a) for v, a in zip(value, args, strict=True))
    return all(fits(v, args[0] if args else Any) for v in value)


def describe(hint: Any) -> str:
    """The hinted type in a person's words: `a list of 2 whole numbers or null`."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(member) for member in args)
    if origin is Literal:
        return " | ".join(show(choice) for choice in args)
    if (origin or hint) is tuple and args and args[-1] is not Ellipsis:
        same = len(set(args)) == 1
        what = PLURALS.get(args[0], "values") if same else f"values ({', '.join(map(describe, args))})"
        return f"a list of {len(args)} {what}"
    if (origin or hint) is tuple or (origin or hint) in LISTS:
        return _describe_list(args)
    if (origin or hint) in (dict, Mapping):
        return "a mapping"
    return WORDS.get(hint, "a value")


def _describe_list(args: tuple[Any, ...]) -> str:
    if args and get_origin(args[0]) is Literal:
        return f"a list of {describe(args[0])}"
    return f"a list of {PLURALS[args[0]]}" if args and args[0] in PLURALS else "a list"


def show(value: object) -> str:
    """A value as one writes it in YAML."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def complaint(value: object, hint: Any) -> str:
    """What was expected and what was found, with a remedy where one is known."""
    kinds: dict[type, str] = {str: "the text ", list: "the list ", dict: "the mapping "}
    kind = kinds.get(type(value), "")
    shown = repr(value) if isinstance(value, str) else show(value)
    text = f"expected {describe(hint)}, found {kind}{shown}"
    members = _members(hint)
    if isinstance(value, str):
        choices = [str(c) for m in members if get_origin(m) is Literal for c in get_args(m)]
        if float in members and _is_number(value):
            return f"{text}; write the number without quotes and with a point: 1.0e-3, not 1e-3"
        alone = any((get_origin(m) or m) in LISTS and fits([value], m) for m in members)
        return text + (f"; a list has brackets: [{value}]" if alone else did_you_mean(value, choices))
    if isinstance(value, (int, float)) and (str in members or Path in members):
        return f"{text}; quote it to make it a text: '\"{show(value)}\"'"
    return text


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
