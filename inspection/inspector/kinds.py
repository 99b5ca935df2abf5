"""Which answers belong to which kind of decision."""

from inspection.decide.decisions import AnyOf, Decision, OneOf
from inspection.inspector.answers import Answers
from inspection.inspector.naming import ClassAnswers, LabelAnswers

_ANSWERS: dict[type[Decision], type[Answers]] = {OneOf: ClassAnswers, AnyOf: LabelAnswers}


def answers_of(decision: Decision) -> type[Answers]:
    """The answers of a decision's kind."""
    return _ANSWERS[type(decision)]
