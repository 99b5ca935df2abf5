"""Where the scores of a name lie, as SVG."""

import math

import numpy as np
from numpy.typing import NDArray

from inspection.report.charts import framed, legend, nothing
from inspection.report.markup import Html, element
from inspection.report.plot import Plot, tick_text, ticks

_BINS = 40
_HEIGHTS = (
    "Each kind is as tall as the other, and small numbers are drawn larger (root): one image is seen, too."
)


def score_histogram(
    scores: NDArray[np.float64],
    truth: NDArray[np.bool_],
    stored: float,
    what: str,
    called: str,
    counted: str = "images",
) -> Html:
    """Where the scores of what should be called (upwards) and of all else (downwards) lie.

    Each is scaled to its own most. The stored threshold is on the scale, also where no score is near it.
    """
    finite = np.isfinite(scores)
    scores, truth = np.asarray(scores, np.float64)[finite], np.asarray(truth, bool)[finite]
    if not len(scores):
        return nothing("Scores", f"no {counted}")
    limit = stored if math.isfinite(stored) else float(scores.max())
    low, high = min(float(scores.min()), limit), max(float(scores.max()), limit)
    if low >= 0 and high <= 1:  # probabilities: all of the scale, unless they fill little of it
        low, high = 0.0, 1.05 * high if 0 < high < 0.5 else 1.0
    if high <= low:
        low, high = low - 0.5, high + 0.5
    plot = Plot(low, high, -1.08, 1.08)
    edges = np.linspace(low, high, _BINS + 1)
    bars = []
    for style, own, sign in (("bar defect", scores[truth], 1), ("bar other", scores[~truth], -1)):
        counts = np.histogram(own, edges)[0]
        most = max(int(counts.max()), 1)
        for number, count in enumerate(counts.tolist()):
            if not count:
                continue
            # By the root: a single defect among a thousand good ones has to be seen.
            tall = math.sqrt(count / most)
            left, right = plot.x(edges[number]), plot.x(edges[number + 1])
            top = plot.y(tall) if sign > 0 else plot.y(0)
            bars.append(
                element(
                    "rect",
                    x=f"{left + 0.5:.1f}",
                    y=f"{top:.1f}",
                    width=f"{right - left - 1:.1f}",
                    height=f"{plot.y(0) - plot.y(tall):.1f}",
                    class_=style,
                )
            )
    base, at = plot.height - plot.bottom, plot.x(limit)
    grid = []
    words = []
    for value in ticks(low, high):
        place = f"{plot.x(value):.1f}"
        grid.append(element("line", x1=place, x2=place, y1=plot.top, y2=base))
        words.append(element("text", tick_text(value), x=place, y=base + 16, text_anchor="middle"))
    title = f"Scores of {len(truth):,} {counted}"
    drawing = element(
        "svg",
        element("g", grid, class_="grid"),
        element("g", bars),
        element("path", d=f"M{plot.left} {plot.y(0):.1f}H{plot.width - plot.right}", class_="axis"),
        element("g", words, class_="ticks"),
        element(
            "g",
            element(
                "text",
                what,
                x=(plot.left + plot.width - plot.right) / 2,
                y=plot.height - 5,
                text_anchor="middle",
            ),
            element(
                "text",
                f"number of {counted}",
                x=13,
                y=base / 2,
                text_anchor="middle",
                transform=f"rotate(-90 13 {base / 2})",
            ),
            class_="labels",
        ),
        element("path", d=f"M{at:.1f} {plot.top}V{base}", class_="line limit"),
        element("path", d=f"M0 {plot.top}V{base}", class_="line here", transform=f"translate({at:.1f} 0)"),
        viewBox=f"0 0 {plot.width:g} {plot.height:g}",
        role="img",
        aria_label=title,
        data_kind="scores",
        data_plot=f"{low:.6g} {high:.6g} 0 1 {plot.left:g} {plot.width - plot.right:g} {base:g} {plot.top:g}",
    )
    key = legend(
        ("bar defect", f"{called}: {int(truth.sum()):,}"),
        ("bar other", f"others: {int((~truth).sum()):,}"),
        ("line limit", "stored threshold"),
        ("line here", "threshold of the slider"),
    )
    return framed(title, drawing, key, element("p", _HEIGHTS, class_="quiet"))
