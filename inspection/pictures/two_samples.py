"""Two samples of several statistics, each as a pair of histograms."""

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from inspection.pictures.figure import drawn, new_figure
from inspection.pictures.text import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_USUAL, _NOW, _MOVED = "#9aa0a8", "#0072B2", "#D55E00"  # the last two of Okabe and Ito
_COLUMNS = 3


def histogram_pairs(
    samples: Mapping[str, tuple[np.ndarray, np.ndarray]],
    moved: Collection[str],
    usual: str = "validation",
    now: str = "now",
) -> np.ndarray:
    """Draw a chart a statistic: the one sample filled, the other as a line on it.

    Args:
        samples: Of each statistic the usual values and those of now, `[m]` and `[n]`, one or more each.
        moved: Statistics whose samples differ: marked by colour and by a word.
        usual: Name of the one sample.
        now: Of the other.

    Returns:
        RGB uint8.

    Raises:
        ValueError: If there is no statistic.
    """
    if not samples:
        raise ValueError("Expected samples of one statistic or more.")
    columns = min(_COLUMNS, len(samples))
    rows = math.ceil(len(samples) / columns)
    figure = new_figure(3.1 * columns + 0.3, 2.3 * rows + 0.3)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places[len(samples) :]:
        axes.set_visible(False)
    for index, (axes, (name, (before, after))) in enumerate(zip(places, samples.items(), strict=False)):
        _pair(axes, np.asarray(before, float), np.asarray(after, float), name in moved, (usual, now))
        word = ": moved" if name in moved else ""
        axes.set_title(
            drawable(name) + word, fontsize=10, loc="left", fontweight="bold" if word else "normal"
        )
        if index % columns == 0:
            axes.set_ylabel("share of images")
        if index == 0:  # with room for the legend above the bars
            axes.set_ylim(top=1.35 * axes.get_ylim()[1])
            axes.legend(fontsize=8, frameon=False, loc="upper left")
    return drawn(figure)


def _pair(axes: "Axes", before: np.ndarray, after: np.ndarray, moved: bool, names: tuple[str, str]) -> None:
    both = np.concatenate([before, after])
    both = both[np.isfinite(both)]
    low, high = np.quantile(both, (0.005, 0.995)).tolist() if len(both) else (0.0, 1.0)
    if high - low < 1e-9 * max(abs(low), 1e-3):
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, int(np.clip(2 * math.sqrt(len(after)), 8, 24)) + 1)
    heights = [_shares(sample, edges) for sample in (before, after)]
    axes.stairs(heights[0], edges, fill=True, color=_USUAL, alpha=0.55, label=f"{names[0]} (n={len(before)})")
    colour = _MOVED if moved else _NOW
    axes.stairs(heights[1], edges, color=colour, linewidth=1.8, label=f"{names[1]} (n={len(after)})")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(axis="both", nbins=4)


def _shares(sample: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Share of a sample in each bin; what lies outside counts in the outermost."""
    counts, _ = np.histogram(np.clip(np.nan_to_num(sample), edges[0], edges[-1]), edges)
    return counts / max(1, len(sample))
