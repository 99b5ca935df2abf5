"""In which of a few ways a result is shown: what a person tells apart at a glance."""

from typing import TYPE_CHECKING, Literal

from inspection.stream.frames import Result

if TYPE_CHECKING:
    from inspection.inspector import Inspector

Role = Literal["good", "defect", "other", "failed"]


def role_of(result: Result, alarms: bool) -> Role:
    """How a result is shown.

    Args:
        result: Of a frame.
        alarms: Whether its inspector gives any, see `can_alarm`: only then is a verdict that is none good news.
    """
    if result.verdict is None:
        return "failed"
    if result.alarm:
        return "defect"
    return "good" if alarms else "other"


def alarming(inspector: "Inspector") -> list[str]:
    """Which of what the answers tally are alarms, see `is_alarm`."""
    decision = inspector.decision
    if decision.kind == "boxes":
        return list(decision.names)
    if decision.kind == "quantities":
        return ["alarm"]
    if decision.kind == "any_of":
        return [name for name, _ in inspector.passport.colours or ()] or list(decision.names)
    defect: int | None = getattr(decision, "defect", None)
    return [] if defect is None else [decision.names[defect]]
