"""In which of a few ways a result is shown: what a person tells apart at a glance."""

from typing import TYPE_CHECKING, Literal

from inspection.stream.frames import Result

if TYPE_CHECKING:
    from inspection.decide.decisions import Decision

Role = Literal["good", "defect", "other", "failed"]


def can_alarm(decision: "Decision") -> bool:
    """Whether a verdict can be an alarm at all, see `is_alarm`: only then is one that is not good news."""
    if decision.kind in ("boxes", "any_of"):
        return True
    what = "alarm" if decision.kind == "quantities" else "defect"
    return getattr(decision, what, None) is not None


def role_of(result: Result, alarms: bool) -> Role:
    """How a result is shown.

    Args:
        result: Of a frame.
        alarms: Whether its inspector gives alarms.
    """
    if result.verdict is None:
        return "failed"
    if result.alarm:
        return "defect"
    return "good" if alarms else "other"
