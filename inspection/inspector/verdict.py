"""What the line acts on."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Box:
    """A place in the camera image, and what is there.

    Attributes:
        left: In pixels of the camera image.
        top: As `left`.
        right: The first pixel outside.
        bottom: The first pixel outside.
        label: Name of what is there.
        score: How sure that is, 0..1.
    """

    left: float
    top: float
    right: float
    bottom: float
    label: str
    score: float

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom


@dataclass(frozen=True)
class Defect(Box):
    """A connected defect of a mask.

    Attributes:
        area: In pixels of the camera image.
        centre: x, y of the centre of gravity.
    """

    area: float
    centre: tuple[float, float]


@dataclass(frozen=True)
class Verdict:
    """What the line acts on. What a kind of question does not ask for stays empty.

    Attributes:
        label: The verdict in words: name of the class, or of the attributes that hold (`none` if none does).
        probability: Of that class, 0..1; None for attributes, each of which has its own.
        probabilities: Of every class or attribute, by name.
        called: Whether each class or attribute is said to hold, by name.
        heatmaps: Evidence by class or attribute: float32 `[H, W]` in 0..1 over the camera image, zero outside the
            crop; None where nothing speaks for it. Empty when not asked for.
        method: How the evidence was found, see `METHOD_NAMES`; None when no heatmap was asked for.
        boxes: Places in the camera image: the surest first, the defects of a mask the largest first.
        mask: bool `[H, W]` over the camera image, true where the defect is.
        quantities: What the network says, by name.
        operating_point: From which score, area or quantity on something was called, see `Decision.points`.
        peak: The largest value of the image's own pixels as the network sees them, in the unit of the quantities;
            None of images without an absolute scale.
    """

    label: str
    probability: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    called: dict[str, bool] = field(default_factory=dict)
    heatmaps: dict[str, np.ndarray | None] = field(default_factory=dict)
    method: str | None = None
    boxes: list[Box] = field(default_factory=list)
    mask: np.ndarray | None = None
    quantities: dict[str, float] = field(default_factory=dict)
    operating_point: dict[str, float] = field(default_factory=dict)
    peak: float | None = None
