"""Which verdicts somebody is to act on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspection.inspector import Inspector, Verdict


def can_alarm(inspector: "Inspector") -> bool:
    """Whether there is anything of which `is_alarm` could be said: not of classes that are all equal."""
    decision = inspector.decision
    if decision.kind == "quantities":
        return getattr(decision, "alarm", None) is not None
    return decision.kind in ("boxes", "any_of") or getattr(decision, "defect", None) is not None


def is_alarm(verdict: "Verdict", inspector: "Inspector") -> bool:
    """Whether a verdict is one that a person, or the line, is to act on.

    A defect, where there is such a class; a quantity above its limit; an attribute that holds, of those that have
    a colour where some do; anything that a detector has found. Classes that are all equal give no alarm.

    Args:
        verdict: On an image.
        inspector: Which gave it.
    """
    decision = inspector.decision
    if decision.kind == "boxes":
        return bool(verdict.boxes)
    if decision.kind == "quantities":
        return any(verdict.called.values())
    if decision.kind == "any_of":
        watched = [name for name, _ in inspector.passport.colours or ()] or decision.names
        return any(verdict.called.get(name, False) for name in watched)
    defect: int | None = getattr(decision, "defect", None)
    return defect is not None and verdict.label == decision.names[defect]
