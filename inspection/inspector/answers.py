"""What an inspector says of a kind of question, and how that is written and drawn."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from inspection.data.geometry import Geometry
from inspection.decide.decisions import Decision
from inspection.inspector.passport import Passport
from inspection.inspector.verdict import Box, Verdict

Row = list[str]


class Answers(ABC):
    """From images to verdicts, and from verdicts to what a person reads.

    Args:
        decision: The operating point.
        passport: Of the inspector.
        geometry: From camera image to what the network sees, and back.
    """

    def __init__(self, decision: Any, passport: Passport, geometry: Geometry) -> None:
        self.decision: Decision = decision
        self.passport, self.geometry = passport, geometry

    @abstractmethod
    def verdicts(
        self, model: nn.Module, images: Tensor, camera_shapes: Sequence[tuple[int, int]], evidence: bool
    ) -> list[Verdict]:
        """Verdicts on images.

        Args:
            model: Takes the images as they are; in eval mode.
            images: What the geometry gave, `[N, C, H, W]`, on the model's device.
            camera_shapes: Height and width of each camera image.
            evidence: Whether to find out what speaks for the verdict, which may take longer.

        Returns:
            One verdict an image.
        """

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
