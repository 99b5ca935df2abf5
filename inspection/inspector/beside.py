"""The JSON beside an exported inspector, in which its operating point can be changed with a text editor."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspection.decide.decisions import Decision
from inspection.decide.kinds import decision_from
from inspection.errors import InputError
from inspection.inspector.passport import Passport

BESIDE = "inspector.json"

_OPERATING = ("threshold", "thresholds", "score", "min_area", "box_threshold", "alarm", "called_from")
"""What of a decision is applied behind the graph."""
_COPIED = ("task", "question", "geometry", "made")
"""Of the passport, for people to read."""


def read_beside(path: Path, passport: Passport, graph: str | None) -> Decision:
    """The decision that the JSON beside an inspector asks for.

    Args:
        path: Of the JSON.
        passport: In the inspector itself.
        graph: Id of its graph.

    Raises:
        InputError: If the JSON is damaged, another inspector's, or asks for more than another operating point.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark before it
        of_graph, wanted = values["graph"], dict(values["decision"])
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.name} beside it is no JSON any more ({error}); a number has a point: 0.5. Mend it, or export "
            "again"
        ) from None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path.name} beside it is damaged ({error}); export again, or remove it") from None
    if of_graph != graph:
        raise InputError(
            f"{path.name} beside it belongs to another inspector ({values.get('file', of_graph)}): keep each "
            "inspector in a folder of its own, or remove the JSON to run it as it was exported"
        )
    own = decision_from(passport.decision).to_dict()
    said = {name: (values[name], getattr(passport, name)) for name in _COPIED if name in values}
    said["classes"] = values.get("classes", own["names"]), own["names"]
    for name, (there, here) in said.items():
        if there != json.loads(json.dumps(here)):
            raise _not_here(path, name, own)
    _check(path, wanted, own)
    try:
        return decision_from(wanted)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path.name}: decision: {error}") from None


def _check(path: Path, wanted: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    strange = [key for key in wanted if key not in own]
    for key in [*strange, *own]:  # a slip of the pen, before what it hides
        if key not in own:
            raise InputError(f"{path.name}: decision has no {key!r}; there is {', '.join(own)}")
        if key not in wanted:
            raise InputError(f"{path.name}: decision.{key} is missing; it was exported with {own[key]}")
        if key not in _OPERATING:
            if wanted[key] != own[key]:
                raise _not_here(path, f"decision.{key}", own)
        elif isinstance(own[key], Mapping):
            if not isinstance(wanted[key], Mapping) or set(wanted[key]) != set(own[key]):
                raise InputError(
                    f"{path.name}: decision.{key}={wanted[key]}: expected a number for each of "
                    f"{', '.join(own[key])}"
                )
            for name, number in wanted[key].items():
                _check_number(path, f"{key}.{name}", number)
        elif wanted[key] is not None or own[key] is not None:
            optional = key == "called_from" and wanted[key] is None
            if not optional:
                _check_number(path, key, wanted[key])


def _check_number(path: Path, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{path.name}: decision.{name}={value!r}: expected a number")


def _not_here(path: Path, name: str, own: Mapping[str, Any]) -> InputError:
    movable = ", ".join(f"decision.{key}" for key in own if key in _OPERATING) or "nothing"
    return InputError(
        f"{path.name}: {name} is not what the graph was exported with: only {movable} can be changed without "
        "exporting again"
    )
