"""What is said of drift, to people and to programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

LEAST_IMAGES = 8
"""Fewer images are no distribution that could be judged."""

UNLIKE = "unlike images"
"""Name of the test that counts single images."""

Kind = Literal["images", "contents", "scores"]
WORDS = {
    "brightness": ("darker", "brighter"),
    "contrast": ("of less contrast", "of more contrast"),
    "sharpness": ("blurred", "sharper or noisier"),
    "across": ("shifted to the left", "shifted to the right"),
    "down": ("shifted up", "shifted down"),
    "red": ("less red", "redder"),
    "blue": ("less blue", "bluer"),
    "features": ("more ordinary to the network", "strange to the network"),
}
"""What it means where a statistic is smaller, and larger, than usual."""
_UNITS = {"brightness": "of 255", "across": "of the width", "down": "of the height"}
_NEAR = 0.25  # of the middle half's width: medians so near say nothing, the spread has changed


@dataclass(frozen=True)
class Test:
    """One statistic of the window against the reference.

    Attributes:
        statistic: Its name.
        kind: `images`: what light, lens and pose do. `contents`: what the network makes of them. `scores`: what
            was said of them.
        distance: Kolmogorov and Smirnov's, 0..1; of single images the share that is too much.
        p: P-value, adjusted for all tests of the window.
        now: Median on the window; of scores the mean, of single images how many are unlike.
        usual: The same on the reference, or expected.
        width: Between the quartiles of the reference.
        least: A smaller distance is no matter, however sure many images make it.
        moved: Whether the statistic has moved, at the rate of the report.
    """

    __test__ = False  # to pytest, which takes its name for an order

    statistic: str
    kind: Kind
    distance: float
    p: float
    now: float
    usual: float
    width: float = 0.0
    least: float = 0.0
    moved: bool = False

    def words(self) -> str:
        """How it has moved.

        Example:
            >>> Test("brightness", "images", 0.9, 0.0, 92.0, 118.0).words()
            'darker: brightness 92.0 instead of 118.0 of 255'
        """
        unit = f" {_UNITS[self.statistic]}" if self.statistic in _UNITS else ""
        # Logarithms are nothing for people.
        now, usual = (
            math.exp(value) if self.statistic == "sharpness" else value for value in (self.now, self.usual)
        )
        figures = f"{self.statistic} {_digits(now)} instead of {_digits(usual)}{unit}"
        if self.kind == "scores" or self.statistic not in WORDS:
            return figures
        if abs(self.now - self.usual) < _NEAR * self.width:
            return f"{self.statistic} spreads differently (about {_digits(usual)}{unit}, as usual)"
        return f"{WORDS[self.statistic][self.now > self.usual]}: {figures}"


@dataclass(frozen=True)
class DriftReport:
    """Whether images still look like those the inspector was validated on.

    Attributes:
        images: How many were looked at one by one.
        judged: How many of them were judged together: the first of each group.
        reference: Number of validation images, one of each group.
        rate: Probability of a report of drift where there is none.
        image_rate: Probability that a single image is called unlike that is not.
        asked_image_rate: What was asked for instead.
        unlike: Images that look like none of the reference: how many, by what is out.
        tests: Of each statistic; none of too few images.
    """

    images: int
    judged: int
    reference: int
    rate: float
    image_rate: float
    asked_image_rate: float
    unlike: Mapping[str, int]
    tests: Sequence[Test]

    @property
    def moved(self) -> list[Test]:
        """The statistics that have moved, the farthest first."""
        return sorted((test for test in self.tests if test.moved), key=lambda test: -test.distance)

    @property
    def drift(self) -> bool:
        """Whether anything has moved."""
        return bool(self.moved)

    def moved_of(self, *kinds: str) -> list[Test]:
        """The statistics of some kinds that have moved."""
        return [test for test in self.moved if test.kind in kinds]

    def cause(self) -> str:
        """What is probably behind it, in a sentence; empty where nothing has moved."""
        if [test.statistic for test in self.moved] == [UNLIKE]:
            return (
                "more of the images than chance makes look like none of the validation images; look at those"
            )
        if self.moved_of("images"):
            return "the images have changed; look at light, lens, camera and the place of the part"
        if self.moved_of("contents"):
            return (
                "light and lens are as they were, but the network sees what validation did not show: another "
                "product, material or kind of defect, or another share of defects"
            )
        if self.moved_of("scores"):
            return (
                "the images look as they did, but the verdicts are distributed differently: another share of "
                "defects than in validation, or parts that differ in what the network looks at"
            )
        return ""

    def notes(self) -> list[str]:
        """What a person should know of the test itself."""
        notes = []
        if self.judged < LEAST_IMAGES:
            notes.append(
                f"{_images(self.judged)}: too few to say whether their distribution has moved "
                f"({LEAST_IMAGES} or more can be judged)"
            )
        if self.judged < self.images:
            notes.append(
                f"images of one group are not independent: the first of each, {self.judged} of "
                f"{self.images}, are judged together"
            )
        if self.image_rate > self.asked_image_rate:
            notes.append(
                f"the reference has {_images(self.reference)}: of images that are as they should be, 1 in "
                f"{round(1 / self.image_rate)} is called unlike, not 1 in {round(1 / self.asked_image_rate)}"
            )
        return notes

    def lines(self) -> list[str]:
        """For the console: the finding first, then what has moved, then the notes."""
        lines = []
        if self.drift:
            lines.append(f"DRIFT: {self.cause()}")
            own = (
                "images" if self.moved_of("images") else "contents" if self.moved_of("contents") else "scores"
            )
            others = [test.words() for test in self.moved if test.kind != own and test.statistic != UNLIKE]
            lines += [f"  {test.words()}" for test in self.moved_of(own) if test.statistic != UNLIKE]
            lines += [f"  and with that {words}" for words in others]
        elif self.tests:
            lines.append(
                f"no drift: {_images(self.judged)} together look like the {self.reference} of validation "
                f"(where nothing has changed, at most 1 check in {round(1 / self.rate)} says drift)"
            )
        if self.unlike:
            what = ", ".join(f"{name} {count}" for name, count in self.unlike.items())
            expected = self.images * self.image_rate
            lines.append(
                f"unlike all validation images: {sum(self.unlike.values())} of {self.images} (by chance about "
                f"{_digits(expected)}): {what}"
            )
        few = self.judged < self.images or not self.tests or self.unlike
        return [*lines, *(f"note: {note}" for note in self.notes() if few)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "drift": self.drift if self.tests else None,
            "images_moved": bool(self.moved_of("images")) if self.tests else None,
            "contents_moved": bool(self.moved_of("contents")) if self.tests else None,
            "scores_moved": bool(self.moved_of("scores")) if self.tests else None,
            "summary": self.lines(),
            "notes": self.notes(),
            "images": self.images,
            "judged": self.judged,
            "reference": self.reference,
            "rate": self.rate,
            "image_rate": self.image_rate,
            "unlike": dict(self.unlike),
            "tests": {
                test.statistic: {k: v for k, v in asdict(test).items() if k != "statistic"}
                for test in self.tests
            },
        }


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _digits(value: float) -> str:
    """Three digits or so.

    Example:
        >>> [_digits(value) for value in (118.25, 0.4567, 2.0, 0.0, 1234.5)]
        ['118.2', '0.457', '2.00', '0.00', '1234.5']
    """
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 or not value else f"{value:.3g}"
