"""What is said of drift, to people and to programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from inspection.drift.reference import LEAST_IMAGES
from inspection.drift.two_samples import larger_share

UNLIKE, OTHERWISE = "unlike images", "judged otherwise"
"""Names of the tests that count single images: those unlike all of validation, and those of other verdicts."""
_COUNTS = (UNLIKE, OTHERWISE)

Kind = Literal["images", "contents", "scores"]
_KINDS = ("images", "contents", "scores")
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
        now: Median on the window; of scores the mean, of single images how many are unlike, of verdicts the share.
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
        if self.statistic == OTHERWISE:
            return f"more {self.statistic}: {_percent(self.now)} instead of {_percent(self.usual)}"
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
        compared: How many of those had the verdict whose images are compared.
        verdict: That verdict; None: all images are compared.
        usual_share: Share of the validation images that had it.
        reference: Number of validation images, one of each group.
        rate: Probability of a report of drift where there is none.
        image_rate: Probability that a single image is called unlike that is not.
        asked_image_rate: What was asked for instead.
        unlike: Images that look like none of the reference: how many, by what is out.
        tests: Of each statistic; none of too few images.
        groups_unknown: Whether validation images belonged to groups, and it is not known to which new ones do.
    """

    images: int
    judged: int
    compared: int
    verdict: str | None
    usual_share: float
    reference: int
    rate: float
    image_rate: float
    asked_image_rate: float
    unlike: Mapping[str, int]
    tests: Sequence[Test]
    groups_unknown: bool = False

    @property
    def moved(self) -> list[Test]:
        """The statistics that have moved, the farthest first."""
        return sorted((test for test in self.tests if test.moved), key=lambda test: -test.distance)

    @property
    def statistics(self) -> list[Test]:
        """The tests that compare distributions; none where too few images can be compared."""
        return [test for test in self.tests if test.statistic not in _COUNTS]

    @property
    def drift(self) -> bool:
        """Whether anything has moved."""
        return bool(self.moved)

    def moved_of(self, *kinds: str) -> list[Test]:
        """The statistics of some kinds that have moved."""
        return [test for test in self.moved if test.kind in kinds]

    @property
    def _worst(self) -> str:
        """What speaks first: a kind whose distributions have moved, else the name of a count that is too large."""
        moved = self.moved
        kinds = {test.kind for test in moved if test.statistic not in _COUNTS}
        names = {test.statistic for test in moved}
        return next((each for each in (*_KINDS, OTHERWISE, UNLIKE) if each in kinds | names), "")

    def cause(self) -> str:
        """What is probably behind it, in a sentence; empty where nothing has moved."""
        # Where images of all verdicts are compared, another share of defects moves whatever defects look like.
        or_share = "" if self.verdict else "; or another share of defects or classes than in validation"
        otherwise = (
            f"the images judged {self.verdict} look as they did, but more are judged otherwise than in "
            "validation: more defects, or parts that the network takes for them"
        )
        if not self.statistics:
            otherwise = (
                f"of {_images(self.judged)} only {self.compared} were judged {self.verdict}, too few to tell "
                "what has changed; look at the images: light, lens, the parts, and whether the verdicts are right"
            )
        causes = {
            "images": f"the images have changed; look at light, lens, camera and the place of the part{or_share}",
            "contents": "light and lens are as they were, but the network sees what validation did not show: "
            f"another product, material or kind of defect{or_share}",
            "scores": "the images look as they did, but the network is less or more sure: parts that differ "
            f"in what it looks at{or_share}",
            OTHERWISE: otherwise,
            UNLIKE: "more of the images than chance makes look like none of the validation images; look at those",
            "": "",
        }
        return causes[self._worst]

    @property
    def fewer(self) -> bool:
        """Whether clearly fewer images than of validation have another verdict than those that are compared."""
        if self.verdict is None or not self.judged:
            return False
        count, known = self.compared, round(self.usual_share * self.reference)
        return larger_share(count, self.judged, known, self.reference) <= self.rate

    def notes(self) -> list[str]:
        """What a person should know of the test itself."""
        notes = []
        if self.judged < LEAST_IMAGES:
            notes.append(
                f"{_images(self.judged)}: too few to say whether their distribution has moved "
                f"({LEAST_IMAGES} or more can be judged)"
            )
        if self.tests and not self.statistics and self.compared >= LEAST_IMAGES:
            notes.append(
                "judged by another threshold than validation was: the images are looked at one by one only"
            )
        if self.tests and self.compared < LEAST_IMAGES:
            notes.append(
                f"{_images(self.compared)} judged {self.verdict}: too few to compare how they look "
                f"({LEAST_IMAGES} or more can be compared)"
            )
        if self.fewer:
            notes.append(
                f"{_percent(1 - self.compared / self.judged)} of the images were judged otherwise than "
                f"{self.verdict}, of validation {_percent(1 - self.usual_share)}: no drift if the line makes few"
            )
        if self.judged < self.images:
            notes.append(
                f"images of one group are not independent: the first of each, {self.judged} of "
                f"{self.images}, are judged together"
            )
        if self.groups_unknown:
            notes.append(
                "a table told which validation images belong together (data.group), which is not known of new "
                "images: each counts as its own, and where some belong together it is said too often"
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
            own = self._worst if self._worst in _KINDS else "scores"
            others = [test.words() for test in self.moved if test.kind != own and test.statistic != UNLIKE]
            lines += [f"  {test.words()}" for test in self.moved_of(own) if test.statistic != UNLIKE]
            lines += [f"  and with that {words}" for words in others]
            lines.append(f"  seen in {self._compared()}; {self._by_chance}")
            lines.append(
                "  the tested figures are of images like validation's: they may not hold for these verdicts"
            )
        elif self.tests and not self.statistics:
            lines.append(
                "no drift seen: no more images than chance makes are unlike validation or judged otherwise"
            )
        elif self.tests:
            lines.append(
                f"no drift: {self._compared()} together look like those of validation ({self._by_chance})"
            )
        if self.unlike:
            what = ", ".join(f"{name} {count}" for name, count in self.unlike.items())
            expected = self.images * self.image_rate
            lines.append(
                f"unlike all validation images: {sum(self.unlike.values())} of {self.images} (by chance about "
                f"{_digits(expected)}): {what}"
            )
        few = (
            self.judged < self.images
            or not self.tests
            or self.unlike
            or not self.statistics
            or self.groups_unknown
            or self.fewer
        )
        return [*lines, *(f"note: {note}" for note in self.notes() if few)]

    @property
    def _by_chance(self) -> str:
        return f"where nothing has changed, at most 1 check in {round(1 / self.rate)} says drift"

    def _compared(self) -> str:
        if self.verdict is None:
            return _images(self.judged)
        return f"{_images(self.compared)} judged {self.verdict}"

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
            "verdict": self.verdict,
            "compared": self.compared,
            "usual_share": self.usual_share,
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


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _digits(value: float) -> str:
    """Three digits or so.

    Example:
        >>> [_digits(value) for value in (118.25, 0.4567, 2.0, 0.0, 1234.5)]
        ['118.2', '0.457', '2.00', '0.00', '1234.5']
    """
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 or not value else f"{value:.3g}"
