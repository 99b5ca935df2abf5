"""All kinds of decision, by the name that an inspector's file has for them."""

from collections.abc import Mapping
from typing import Any

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, Decision, OneOf
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities

_ALL: tuple[type[Decision], ...] = (OneOf, AnyOf, Area, Boxes, Located, Quantities)
KINDS: dict[str, type[Decision]] = {decision.kind: decision for decision in _ALL}


def decision_from(values: Mapping[str, Any]) -> Decision:
    """A decision out of what `Decision.to_dict` gave.

    Raises:
        KeyError, TypeError, ValueError: If the values are of none.
    """
    return KINDS[values["kind"]](**{name: value for name, value in values.items() if name != "kind"})
