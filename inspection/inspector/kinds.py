"""Which answers belong to which kind of decision."""

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, Decision, OneOf
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities
from inspection.inspector.answers import Answers
from inspection.inspector.boxes import BoxAnswers
from inspection.inspector.located import LocatedAnswers
from inspection.inspector.masks import MaskAnswers
from inspection.inspector.measuring import QuantityAnswers
from inspection.inspector.naming import ClassAnswers, LabelAnswers

_ANSWERS: dict[type[Decision], type[Answers]] = {
    OneOf: ClassAnswers,
    AnyOf: LabelAnswers,
    Area: MaskAnswers,
    Boxes: BoxAnswers,
    Located: LocatedAnswers,
    Quantities: QuantityAnswers,
}


def answers_of(decision: Decision) -> type[Answers]:
    """The answers of a decision's kind."""
    return _ANSWERS[type(decision)]
