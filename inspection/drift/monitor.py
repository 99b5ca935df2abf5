"""Whether what comes in still looks like what the inspector was validated on."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inspection.drift.observed import Array, Observed
from inspection.drift.reference import LEAST_IMAGES, Reference
from inspection.drift.report import OTHERWISE, UNLIKE, DriftReport, Test
from inspection.drift.ruler import FEATURES, short
from inspection.drift.two_samples import holm, ks_test, larger_share, rank_tail

LEAST_DISTANCE = 0.1
"""Of distribution functions: a smaller one is no matter, however sure many images make it."""


@dataclass(frozen=True)
class Finding:
    """What was found of one image.

    Attributes:
        p: How probable an image so unusual, or more so, is among those like validation's: at least 1 over their
            number and 1.
        out: The statistics that are farther from what is usual than on any validation image, or on all but the few
            that the rate allows; the farthest first, but optics before features, which they move, too.
    """

    p: float
    out: tuple[str, ...]

    @property
    def unlike(self) -> bool:
        """Whether it looks like none of the validation images, at the stated rate."""
        return bool(self.out)


@dataclass(frozen=True)
class _Seen:
    """One image of the window: what was found of it, what it belongs to, its values, whether they are compared."""

    finding: Finding
    group: str | None
    values: tuple[float, ...]
    compared: bool


class DriftMonitor:
    """Takes in measurements as they come and says whether they still look like validation's.

    Two questions at two stated rates of false alarms. Of each image: does it look like none of the validation
    images? Of the last images together: are they still of one distribution with them? There each statistic of the
    images judged good has an exact test against validation images judged good, and so have the number of images
    that are unlike and the share that is judged otherwise; Holm's procedure keeps the rate of all tests together.

    A report is one look. Who looks again at windows that overlap has more than one chance of a false alarm.

    Args:
        reference: Of the inspector.
        window: How many of the last images are judged together; None: all that came.
        rate: Probability of a report of drift where there is none.
        image_rate: Probability that an image is called unlike that is not. Where the reference has too few
            images for it, the smallest possible is taken, and the report says so.

    Raises:
        ValueError: If a rate is none, or the window too short.
    """

    def __init__(
        self,
        reference: Reference,
        window: int | None = 50,
        rate: float = 0.01,
        image_rate: float = 0.001,
    ) -> None:
        if not 0 < rate < 1 or not 0 < image_rate < 1:
            raise ValueError(f"rate={rate}, image_rate={image_rate}: expected above 0, below 1")
        if window is not None and window < LEAST_IMAGES:
            raise ValueError(
                f"window={window}: expected {LEAST_IMAGES} or more; fewer images can't be judged"
            )
        self.reference, self.rate, self.asked = reference, rate, image_rate
        self.rank = reference.rank(image_rate)
        self.limit = float(reference.largest[self.rank - 1])
        self.seen = 0
        self.findings: deque[Finding] = deque(maxlen=window)
        self._judged: deque[_Seen] = deque(maxlen=window)
        self._groups: set[str | None] = set()  # of `_judged`

    @property
    def image_rate(self) -> float:
        """The rate of single images that is kept: what was asked for, or the smallest that is possible."""
        return self.rank / (self.reference.images + 1)

    def see(self, observed: Observed, groups: Sequence[str] | None = None) -> list[Finding]:
        """Take in a batch.

        Args:
            observed: Measured as the reference was.
            groups: Of each image what it belongs to, where the reference knows groups: only the first image of
                each is judged together with others. None: each is its own.

        Returns:
            A finding an image.

        Raises:
            ValueError: If something was not measured that the reference has.
        """
        if not len(observed):
            return []
        statistics = self.reference.ruler.statistics(observed)
        values = statistics | {name: short(scores) for name, scores in observed.scores.items()}
        names, verdict = list(self.reference.samples), self.reference.verdict
        if not set(names) <= set(values):
            raise ValueError(f"Expected measurements of {', '.join(names)} but got {', '.join(values)}.")
        if verdict is not None and observed.verdicts is None:
            raise ValueError(f"Expected verdicts: images judged {verdict} are compared.")
        words = [verdict] * len(observed) if observed.verdicts is None else observed.verdicts.tolist()
        compared = [verdict is None or word == verdict for word in words]
        rows = (
            np.array([values[name] for name in names]).reshape(len(names), -1).T.tolist()
            if names
            else [()] * len(observed)
        )
        findings = [self._find(row) for row in self.reference.ruler.deviations(statistics)]
        self.seen += len(findings)
        self.findings.extend(findings)
        for position, finding in enumerate(findings):
            group = None if groups is None else groups[position]
            if group is not None and group in self._groups:
                continue
            if len(self._judged) == self._judged.maxlen:
                self._groups.discard(self._judged[0].group)
            self._judged.append(_Seen(finding, group, tuple(rows[position]), compared[position]))
            self._groups.add(group)
        return findings

    def _find(self, deviations: Array) -> Finding:
        above = int(np.searchsorted(-self.reference.largest, -deviations.max(), side="right"))
        names = list(self.reference.ruler.scales)
        order = sorted(range(len(names)), key=lambda place: (names[place] == FEATURES, -deviations[place]))
        out = tuple(names[place] for place in order if deviations[place] > self.limit)
        return Finding((1 + above) / (self.reference.images + 1), out)

    def report(self) -> DriftReport:
        """What the images of the window say together."""
        tests: list[Test] = []
        judged = len(self._judged)
        if judged >= LEAST_IMAGES:
            tests = self._tests()
        counts = Counter(finding.out[0] for finding in self.findings if finding.unlike)
        return DriftReport(
            images=len(self.findings),
            judged=judged,
            compared=sum(seen.compared for seen in self._judged),
            verdict=self.reference.verdict,
            usual_share=1.0 if self.reference.verdict is None else float(self.reference.compared.mean()),
            reference=self.reference.images,
            rate=self.rate,
            image_rate=self.image_rate,
            asked_image_rate=self.asked,
            unlike=dict(counts.most_common()),
            tests=tests,
            groups_unknown=self.reference.grouped is not None and None in self._groups,
        )

    def samples(self) -> dict[str, tuple[Array, Array]]:
        """Of each statistic the values of the reference and those of the window, as they are compared."""
        usual, names = self.reference.samples, list(self.reference.samples)
        rows = [seen.values for seen in self._judged if seen.compared]
        now = np.asarray(rows, np.float64).reshape(len(rows), len(names))
        return {
            name: (usual[name][self.reference.compared], now[:, column]) for column, name in enumerate(names)
        }

    def _tests(self) -> list[Test]:
        judged = len(self._judged)
        tests = [self._count_unlike(judged)]
        if self.reference.verdict is not None:
            tests.append(self._count_otherwise(judged))
        samples = self.samples()
        if sum(seen.compared for seen in self._judged) >= LEAST_IMAGES:
            tests += [self._compare(name, *values) for name, values in samples.items()]
        adjusted = holm([test.p for test in tests])
        return [
            replace(test, p=p, moved=p <= self.rate and test.distance >= test.least)
            for test, p in zip(tests, adjusted, strict=True)
        ]

    def _count_unlike(self, judged: int) -> Test:
        """Whether more images are unlike than chance makes: some of a batch, which move no distribution."""
        unlike = [seen.finding for seen in self._judged if seen.finding.unlike]
        by_features = sum(finding.out[0] == FEATURES for finding in unlike)
        expected = judged * self.image_rate
        return Test(
            statistic=UNLIKE,
            kind="contents" if 2 * by_features > len(unlike) else "images",
            distance=max(0.0, len(unlike) - expected) / judged,
            p=rank_tail(len(unlike), judged, self.rank, self.reference.images),
            now=float(len(unlike)),
            usual=expected,
        )

    def _count_otherwise(self, judged: int) -> Test:
        """Whether more images have another verdict than those that are compared. Fewer of them are no alarm."""
        known = self.reference.compared
        count, usual = sum(not seen.compared for seen in self._judged), float(1 - known.mean())
        return Test(
            statistic=OTHERWISE,
            kind="scores",
            distance=max(0.0, count / judged - usual),
            p=larger_share(count, judged, int((~known).sum()), len(known)),
            now=count / judged,
            usual=usual,
            least=LEAST_DISTANCE,
        )

    def _compare(self, name: str, usual: Array, now: Array) -> Test:
        distance, p = ks_test(now, usual)
        score = name in self.reference.scores
        # Most scores lie at one end of their scale; the mean tells how many do not.
        of = np.mean if score else np.median
        low, high = np.quantile(usual, (0.25, 0.75)).tolist()
        return Test(
            statistic=name,
            kind="scores" if score else "contents" if name == FEATURES else "images",
            distance=distance,
            p=p,
            now=float(of(now)),
            usual=float(of(usual)),
            width=high - low,
            least=LEAST_DISTANCE,
        )
