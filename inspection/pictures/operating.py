"""What a threshold trades against what, and whether probabilities come true."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspection.pictures.figure import drawn, new_figure
from inspection.pictures.text import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FOUND, _ALARMS, _CHOSEN, _LINE = "#0072B2", "#D55E00", "#222222", "#555555"  # of Okabe and Ito
_COLUMNS = 3


class Trade(NamedTuple):
    """What is called at each threshold.

    Attributes:
        name: Of what is called.
        score: What is compared with the threshold, in words.
        says: What the chosen threshold does, in words.
        thresholds: Falling, `[C]`.
        found: Share of those to be found that are, `[C]`.
        alarms: Share of false alarms, `[C]`; NaN where undefined.
        alarms_of: What they are a share of, e.g. `good ones called`.
        chosen: The threshold, or None.
        interval: Where it may lie, or None.
    """

    name: str
    score: str
    says: str
    thresholds: NDArray[np.floating]
    found: NDArray[np.floating]
    alarms: NDArray[np.floating]
    alarms_of: str
    chosen: float | None
    interval: tuple[float, float] | None


class Kept(NamedTuple):
    """What came true of what was said, in bins: mean confidence, share that was right, number; `[bins]` each."""

    confidence: NDArray[np.floating]
    right: NDArray[np.floating]
    counts: NDArray[np.integer]
    error: float


def operating_chart(
    trades: Sequence[Trade], calibration: Mapping[str, Kept], attributes: int = 1
) -> np.ndarray:
    """Draw what each threshold trades, with the one that was chosen, and a reliability diagram.

    Args:
        trades: One chart each, in rows of up to three.
        calibration: By a word each (`before`, `after`): drawn over one another in the last chart; none: no chart.
        attributes: Whose answers the calibration has together.

    Returns:
        RGB uint8.

    Raises:
        ValueError: If there is nothing to draw.
    """
    number = len(trades) + bool(calibration)
    if not number:
        raise ValueError("Expected a threshold or a calibration to draw but got none.")
    rows = -(-number // _COLUMNS)
    columns = -(-number // rows)
    figure = new_figure(4.2 * columns + 0.2, 4.3 * rows + 0.2)
    places = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in places[number:]:
        axes.set_visible(False)
    for axes, trade in zip(places, trades, strict=False):
        _draw_trade(axes, trade)
    if calibration:
        _draw_calibration(places[number - 1], calibration, attributes)
    return drawn(figure)


def _draw_trade(axes: "Axes", trade: Trade) -> None:
    # A threshold calls the scores above it: from one score down to the next nothing changes.
    axes.step(trade.thresholds, trade.found, where="post", color=_FOUND, linewidth=1.8, label="found")
    axes.step(
        trade.thresholds,
        trade.alarms,
        where="post",
        color=_ALARMS,
        linewidth=1.8,
        linestyle="--",
        label=trade.alarms_of,
    )
    if trade.interval is not None:
        axes.axvspan(*trade.interval, color=_LINE, alpha=0.18, linewidth=0, label="may lie here")
    if trade.chosen is not None:
        axes.axvline(trade.chosen, color=_CHOSEN, linewidth=1.4, label=f"chosen: {trade.chosen:.3g}")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(f"threshold of {drawable(trade.score)}")
    axes.set_ylabel("share")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8, frameon=False)
    says = "\n".join(textwrap.wrap(drawable(trade.says), 52))
    axes.set_title(f"{drawable(trade.name)}\n{says}", fontsize=9, loc="left")
    _plain(axes)


def _draw_calibration(axes: "Axes", calibration: Mapping[str, Kept], attributes: int) -> None:
    axes.plot((0, 1), (0, 1), color=_LINE, linewidth=1.2)
    styles = ((_ALARMS, "s", "--"), (_FOUND, "o", "-"))
    for (name, kept), (colour, marker, line) in zip(calibration.items(), styles, strict=False):
        some = kept.counts > 0
        size = 12 + 90 * kept.counts[some] / max(1, kept.counts.max())
        label = f"{name} ({'mean error' if attributes > 1 else 'error'} {kept.error:.3f})"
        axes.plot(kept.confidence[some], kept.right[some], color=colour, linestyle=line, linewidth=1.2)
        axes.scatter(
            kept.confidence[some],
            kept.right[some],
            s=size,
            color=colour,
            marker=marker,
            alpha=0.75,
            label=label,
            edgecolors="none",
        )
    said = np.concatenate([each.confidence[each.counts > 0] for each in calibration.values()])
    least = np.floor(10 * said.min(initial=1)) / 10 - 0.02  # of two classes the surer one has half at least
    axes.set_xlim(least, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("probability that was said")
    axes.set_ylabel("share that was so")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8, frameon=False)
    of = f" of {attributes} attributes together" if attributes > 1 else ""
    axes.set_title(f"calibration{of}\non the line, probabilities are shares", fontsize=9, loc="left")
    _plain(axes)


def _plain(axes: "Axes") -> None:
    axes.grid(color="#e3e5e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
