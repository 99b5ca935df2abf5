"""What a report shows: plain data of any task; whatever a task does not have is left empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["missed", "false alarm", "wrong", "wrong place", "right"]
"""What an image is to a question: a defect that was not called, one that is none, another class, or in order."""


@dataclass(frozen=True)
class Figure:
    """A number with the interval that a repetition would fall into; NaN: undefined.

    Example:
        >>> str(Figure(0.9, 0.861, 0.947)), str(Figure(0.25)), str(Figure(float("nan")))
        ('0.900 (0.861 to 0.947)', '0.250', 'undefined')
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None or np.isnan(self.low) or np.isnan(self.high):
            return figure_text(self.value)
        return f"{figure_text(self.value)} ({figure_text(self.low)} to {figure_text(self.high)})"


Cell = str | int | float | Figure


def figure_text(value: float) -> str:
    """A figure for people: three decimals, four digits of what is larger, `undefined`.

    Example:
        >>> [figure_text(value) for value in (0.91234, 351.23, 12345.6, float("nan"))]
        ['0.912', '351.2', '12346', 'undefined']
    """
    if np.isnan(value):
        return "undefined"
    size = abs(value)
    return f"{value:.{3 if size < 100 else 1 if size < 1000 else 0}f}"


@dataclass(frozen=True)
class Table:
    """The first row and the first column are names."""

    title: str
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes:
        data: Bytes of a JPEG or PNG file.
        width: In pixels.
        height: In pixels.
    """

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Titled:
    """A picture with a line below it."""

    title: str
    picture: Picture


@dataclass(frozen=True)
class Gathering:
    """Pictures of one sort: localised defects, masks, samples; wide ones have a row each."""

    title: str
    pictures: Sequence[Titled]
    text: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Confusion:
    """What targets were taken for.

    Attributes:
        title: Part, or attribute and part.
        names: K.
        counts: Int `[K, K]`: target in the row, verdict in the column.
        of: Name and part of the scores that it belongs to; None: it stands by itself.
        nothing: Whether the last name stands for nothing: what was not found, and what was found where nothing is.
    """

    title: str
    names: Sequence[str]
    counts: NDArray[np.int64]
    of: tuple[str, str] | None = None
    nothing: bool = False


@dataclass(frozen=True)
class Scores:
    """Scores of one name on one part: what is called from a score on.

    Attributes:
        name: What is called: the defect class, an attribute, a class of objects.
        part: `val`, `test`.
        scores: float64 `[M]`, the higher the more a defect.
        truth: Whether each is one, bool `[M]`.
        unscored: Number of true ones without a score (objects without a box): called at no threshold.
        stored: The threshold of the operating point.
        low: Smallest threshold that there can be, or None.
        high: Largest one, or None.
        what: What a score is, on the axis: `P(defect)`, `called pixels`.
        called: What is called: `defect`; None: its name.
        counted: What is called, in the plural: `images`, `boxes`.
        countable: Whether what is in order can be counted (images) or not (places without an object).
    """

    name: str
    part: str
    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    unscored: int = 0
    stored: float = 0.5
    low: float | None = None
    high: float | None = None
    what: str = "score"
    called: str | None = None
    counted: str = "images"
    countable: bool = True


@dataclass(frozen=True)
class Series:
    """One line of a chart; NaN is a gap."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    strong: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class LineChart:
    """Lines over one axis.

    Attributes:
        title: Above it.
        x: What is to the right.
        y: What is upwards.
        series: Of the same unit.
        mark: A place on the x axis and what is there.
        unit_interval: Whether y goes from 0 to 1.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    mark: tuple[float, str] | None = None
    unit_interval: bool = False


@dataclass(frozen=True)
class Reliability:
    """How often it is true what a network is so sure of, in bins of its probability.

    Attributes:
        confidence: Mean probability of each bin, `[B]`.
        frequency: Share that is true, `[B]`.
        count: Things in each bin, int `[B]`; 0: the bin is not drawn.
        error: Expected calibration error.
    """

    confidence: NDArray[np.float64]
    frequency: NDArray[np.float64]
    count: NDArray[np.int64]
    error: float


@dataclass(frozen=True)
class Calibration:
    """Reliability as the network gives it, and after temperature scaling.

    It is shown with the scores of its name and part, if there are such.
    """

    name: str
    part: str
    before: Reliability
    after: Reliability | None = None
    text: str = ""


@dataclass(frozen=True)
class Card:
    """One image of the gallery.

    Attributes:
        file: Its name.
        part: `val`, `test`.
        target: What it is, in words.
        verdict: What was said of it, in words.
        kinds: What it is to each name that it has something to do with.
        wrongness: The higher, the farther from its target.
        certainty: The lower, the nearer to the other verdict.
        score: What it was judged by, or None.
        facts: Lines of name and value: probabilities, sizes.
        picture: The image.
        evidence: Where the network looks, or what it found.
    """

    file: str
    part: str
    target: str
    verdict: str
    kinds: Sequence[tuple[str, Kind]]
    wrongness: float = 0.0
    certainty: float = 0.0
    score: float | None = None
    facts: Sequence[tuple[str, str]] = ()
    picture: Picture | None = None
    evidence: Picture | None = None


@dataclass(frozen=True)
class Gallery:
    """Images that are worth a look.

    Attributes:
        cards: In the order in which they are shown at first.
        total: Number of all images that were evaluated.
        text: Which of them are here, and where all are.
        score: What `Card.score` is.
    """

    cards: Sequence[Card]
    total: int
    text: str = ""
    score: str = "score"


@dataclass(frozen=True)
class Report:
    """All of a page, from top to bottom.

    Attributes:
        task: Its name.
        question: What is asked of each image.
        synthetic: Whether the images were drawn by us.
        facts: Name and value: data, network, when it was trained.
        notes: What a reader has to know.
        highlights: Name and figure of what matters most.
        highlights_of: What the highlights are of: `test images`.
        operating_point: Name and value: rule, threshold, interval.
        split: What was in which part.
        headline: Main figures, a column a part.
        tables: Further figures.
        confusions: Matrices.
        scores: What thresholds are chosen on.
        costs: Of a missed defect and of a false alarm, at first.
        calibrations: Diagrams.
        gallery: Mistakes and least certain images.
        gatherings: Further pictures.
        training: Curves over the epochs.
        command: That makes the run again.
        later: Name and value: what was decided since, of which the command knows nothing.
        config: The same, composed: YAML.
        part_names: Parts in words.
    """

    task: str
    question: str
    synthetic: bool = False
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    highlights: Sequence[tuple[str, Figure]] = ()
    highlights_of: str = ""
    operating_point: Sequence[tuple[str, str]] = ()
    split: Table | None = None
    headline: Table | None = None
    tables: Sequence[Table] = ()
    confusions: Sequence[Confusion] = ()
    scores: Sequence[Scores] = ()
    costs: tuple[float, float] = (1.0, 1.0)
    calibrations: Sequence[Calibration] = ()
    gallery: Gallery | None = None
    gatherings: Sequence[Gathering] = ()
    training: Sequence[LineChart] = ()
    command: str = ""
    later: Sequence[tuple[str, str]] = ()
    config: str = ""
    part_names: Mapping[str, str] = field(
        default_factory=lambda: {"train": "training", "val": "validation", "test": "test"}
    )
