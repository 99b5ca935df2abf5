"""In which of a few ways a result is shown: what a person tells apart at a glance."""

from typing import Literal

from inspection.stream.frames import Result

Role = Literal["good", "defect", "other", "failed"]


def role_of(result: Result, alarms: bool) -> Role:
    """How a result is shown.

    Args:
        result: Of a frame.
        alarms: Whether its inspector gives any, see `Answers.alarming`: only then is a verdict that is none good
            news.
    """
    if result.verdict is None:
        return "failed"
    if result.alarm:
        return "defect"
    return "good" if alarms else "other"
