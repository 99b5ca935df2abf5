"""What an inspector says of a kind of question, and how that is written and drawn."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.data.geometry import Geometry
from inspection.decide.decisions import Decision
from inspection.inspector.backends import Said
from inspection.inspector.passport import Passport
from inspection.inspector.verdict import Box, Verdict

Row = list[str]


class Answers(ABC):
    """From what a network says to verdicts, and from verdicts to what a person reads.

    Args:
        decision: The operating point.
        passport: Of the inspector.
        geometry: From camera image to what the network sees, and back.

    Attributes:
        answer: The output of a network that verdicts are made of, see `Backend`.
    """

    answer: str

    def __init__(self, decision: Any, passport: Passport, geometry: Geometry) -> None:
        self.decision: Decision = decision
        self.passport, self.geometry = passport, geometry

    @abstractmethod
    def verdicts(
        self,
        said: Said,
        pixels: NDArray[np.uint8],
        camera_shapes: Sequence[tuple[int, int]],
        evidence: bool,
    ) -> list[Verdict]:
        """Verdicts on images.

        Args:
            said: What was said of them: the outputs of `wanted`.
            pixels: What the geometry gave, uint8 `[N, C, H, W]`.
            camera_shapes: Height and width of each camera image.
            evidence: Whether verdicts are to say what speaks for them.

        Returns:
            One verdict an image.
        """

    def wanted(self, evidence: bool) -> list[str]:
        """Outputs that verdicts are made of.

        Args:
            evidence: As in `verdicts`.
        """
        return [self.answer]

    def explained(self) -> list[int | None]:
        """Outputs whose evidence is shown; None stands for the most probable class. Here none has any."""
        return []

    @abstractmethod
    def operating_point(self) -> str:
        """When a part is called what, in words."""

    @abstractmethod
    def columns(self) -> Row:
        """Columns of `predictions.csv` between file and fault."""

    @abstractmethod
    def cells(self, verdict: Verdict) -> Row:
        """A verdict in these columns."""

    @abstractmethod
    def headings(self) -> Row:
        """Columns of the printed table behind file and verdict."""

    @abstractmethod
    def figures(self, verdict: Verdict) -> Row:
        """A verdict in these columns."""

    @abstractmethod
    def tally(self, verdict: Verdict) -> list[str]:
        """Which of `tallied` are counted for a verdict."""

    def tallied(self) -> list[str]:
        """What is counted over all images: here the decision's names."""
        return list(self.decision.names)

    @abstractmethod
    def alarming(self) -> list[str]:
        """Which of `tallied` somebody is to act on; empty: none, as of classes that are all equal."""

    def is_alarm(self, verdict: Verdict) -> bool:
        """Whether any of these is counted for a verdict."""
        return not set(self.alarming()).isdisjoint(self.tally(verdict))

    @abstractmethod
    def overlay(self, title: str, picture: np.ndarray, verdict: Verdict) -> np.ndarray:
        """The camera image with what was said of it.

        Args:
            title: Name of the image.
            picture: RGB uint8 `[H, W, 3]`.
            verdict: With its evidence.

        Returns:
            RGB uint8, of any size.
        """

    def files(self, boxes: Sequence[tuple[str, tuple[int, int], Sequence[Box]]]) -> dict[str, Any]:
        """Content of further JSON files, plain values by file name.

        Args:
            boxes: Of all images, in order: file, height and width of the camera image, and the verdict's boxes.
        """
        return {}

    def tables(self) -> dict[str, Row]:
        """Columns behind the file of further tables with any number of rows an image, by their file name."""
        return {}

    def rows(self, verdict: Verdict) -> dict[str, list[Row]]:
        """The rows of a verdict in these tables."""
        return {}
