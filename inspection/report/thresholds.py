"""What is called at each threshold: counts, precision-recall and ROC curves."""

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_STEPS = 20_000
"""Thresholds that a page holds of one name and part; beyond, evenly spaced ones of them."""


@dataclass(frozen=True)
class Steps:
    """Counts at each threshold that makes a difference: what has a score of at least that is called.

    Attributes:
        thresholds: Distinct scores, descending, float64 `[S]`.
        called: What is called at each, int64 `[S]`.
        hits: True ones of them, int64 `[S]`.
        true: True ones, with those that no score was given to.
        false: Others.
        exact: Whether all distinct scores are among the thresholds.
    """

    thresholds: NDArray[np.float64]
    called: NDArray[np.int64]
    hits: NDArray[np.int64]
    true: int
    false: int
    exact: bool

    @classmethod
    def of(
        cls,
        scores: NDArray[np.float64],
        truth: NDArray[np.bool_],
        unscored: int = 0,
        keep: float | None = None,
        most: int = MOST_STEPS,
    ) -> "Steps":
        """The steps of scores.

        Args:
            scores: `[M]`, the higher the more a defect; NaN is called at any threshold.
            truth: Whether each is a defect, `[M]`.
            unscored: Number of defects that have no score: called at none.
            keep: A threshold whose counts must stay exact.
            most: Thresholds that are kept.

        Example:
            >>> steps = Steps.of(np.array([0.9, 0.2, 0.9, 0.4]), np.array([True, False, False, True]))
            >>> steps.thresholds.tolist(), steps.called.tolist(), steps.hits.tolist()
            ([0.9, 0.4, 0.2], [2, 3, 4], [1, 2, 2])
        """
        scores = np.where(np.isnan(scores), np.inf, np.asarray(scores, np.float64))
        truth = np.asarray(truth, bool)
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else order
        hits = np.cumsum(truth[order], dtype=np.int64)[last]
        thresholds, called = ranked[last], last.astype(np.int64) + 1
        exact = len(last) <= most
        if not exact:
            chosen = np.linspace(0, len(last) - 1, most).round().astype(np.int64)
            if keep is not None:
                chosen = np.append(chosen, max(0, int((thresholds >= keep).sum()) - 1))
            chosen = np.unique(chosen)
            thresholds, called, hits = thresholds[chosen], called[chosen], hits[chosen]
        true = int(truth.sum())
        return cls(thresholds, called, hits, true + unscored, len(truth) - true, exact)

    def at(self, threshold: float) -> tuple[int, int]:
        """What is called at a threshold, and the true ones of them."""
        number = int((self.thresholds >= threshold).sum())
        return (int(self.called[number - 1]), int(self.hits[number - 1])) if number else (0, 0)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of what is called that is true, `[S]`."""
        return self.hits / self.called

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of what is true that is called, `[S]`; NaN without any."""
        return self.hits / self.true if self.true else np.full(len(self.hits), np.nan)

    @property
    def false_rate(self) -> NDArray[np.float64]:
        """Share of the others that is called, `[S]`; NaN without any."""
        return (self.called - self.hits) / self.false if self.false else np.full(len(self.hits), np.nan)

    def average_precision(self) -> float:
        """Mean of the precision over the steps of the recall, not interpolated; NaN without any true one."""
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum()) if self.true else np.nan

    def auroc(self) -> float:
        """Area under the ROC curve by trapezes; NaN unless there are both."""
        if not self.true or not self.false:
            return np.nan
        rise, run = np.append(0.0, self.recall), np.append(0.0, self.false_rate)
        return float((np.diff(run) * (rise[1:] + rise[:-1]) / 2).sum())

    def packed(self) -> dict[str, object]:
        """Plain values for a page: arrays in base64, as exact as they are."""
        finite = np.clip(self.thresholds, -np.finfo(np.float64).max, np.finfo(np.float64).max)
        return {
            "thresholds": _base64(finite.astype("<f8")),
            "called": _base64(self.called.astype("<u4")),
            "hits": _base64(self.hits.astype("<u4")),
            "true": self.true,
            "false": self.false,
            "exact": self.exact,
        }


def _base64(values: NDArray[np.generic]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
