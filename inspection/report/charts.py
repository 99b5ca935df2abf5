"""Charts as SVG: colours are classes of the style sheet, so that both themes and print have their own."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspection.report.contents import Calibration, LineChart, Reliability, figure_text
from inspection.report.markup import Html, element, together
from inspection.report.plot import Plot
from inspection.report.thresholds import Steps

COLOURS = 6
"""Colours of lines in the style sheet; further lines begin again with another dash."""
MOST_POINTS = 400
"""Of a drawn line: more are not told apart on paper."""


def framed(title: str, drawing: Html, *below: Html) -> Html:
    """A chart with its title and what there is to say below."""
    return element("figure", element("figcaption", title), drawing, below, class_="chart")


def nothing(title: str, why: str) -> Html:
    """Why there is no chart."""
    return framed(title, element("p", why, class_="nothing"))


def legend(*entries: tuple[str, str]) -> Html:
    """Pairs of a class of the style sheet and what has it."""
    items = [element("li", _sample(style), words) for style, words in entries]
    return element("ul", items, class_="legend")


def _sample(style: str) -> Html:
    if style.startswith("bar"):
        mark = element("rect", x=2, y=2, width=18, height=8, class_=style)
    elif style.startswith("point"):
        mark = _mark(style, 11, 6)
    else:
        mark = element("path", d="M0 6H22", class_=style)
    return element("svg", mark, viewBox="0 -3 22 18", class_="sample", aria_hidden="true")


def _mark(style: str, x: float, y: float) -> Html:
    """The moving point is a disc, the stored one a diamond: told apart without colours."""
    if style == "point here":
        return element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=4, class_=style)
    return element("path", d=f"M{x:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z", class_=style)


_POINTS = (("point stored", "stored operating point"), ("point here", "threshold of the slider"))


def precision_recall(steps: Steps, stored: float, countable: bool = True) -> Html:
    """The curve as steps: between two thresholds nothing lies on a straight line (Davis and Goadrich, 2006).

    The area below it is the average precision. Of boxes, whose rest can't be counted, there is no chance level,
    and their average precision is defined in another way.
    """
    plot = Plot(0, 1, 0, 1)
    recall, precision = steps.recall, steps.precision
    if not steps.true:
        return nothing("Precision and recall", "none is there to be found: recall is undefined")
    if not len(recall):
        return nothing("Precision and recall", "nothing was found at any score")
    keep = _thinned(len(recall))
    xs = np.repeat(np.append(0.0, recall[keep]), 2)[1:-1]
    ys = np.repeat(precision[keep], 2)
    called, hits = steps.at(stored)
    marks = [] if not called else [hits / steps.true, hits / called]
    title, below, key = "Precision and recall", [], list(_POINTS)
    if countable:
        title += f", average precision {figure_text(steps.average_precision())}"
        share = steps.true / (steps.true + steps.false)
        below.append(element("path", d=plot.path([0, 1], [share, share]), class_="line chance"))
        key.insert(0, ("line chance", "chance"))
    drawing = plot.draw(
        title,
        "recall: share that is found",
        "precision",
        *below,
        element("path", d=plot.path(xs.tolist(), ys.tolist()), class_="line c0 strong"),
        *_points(plot, marks),
        kind="pr",
    )
    return framed(title, drawing, legend(*key))


def roc(steps: Steps, stored: float) -> Html:
    """The ROC curve; of objects without a countable rest there is none."""
    plot = Plot(0, 1, 0, 1)
    if not steps.true or not steps.false:
        return nothing("ROC", "all are of one kind: undefined")
    xs, ys = np.append(0.0, steps.false_rate), np.append(0.0, steps.recall)
    # Corners alone: on a straight piece there is nothing to see.
    turns = np.ones(len(xs), bool)
    turns[1:-1] = np.abs(np.diff(xs)[1:] * np.diff(ys)[:-1] - np.diff(xs)[:-1] * np.diff(ys)[1:]) > 1e-15
    xs, ys = xs[turns], ys[turns]
    keep = _thinned(len(xs))
    called, hits = steps.at(stored)
    title = f"ROC, area under it {figure_text(steps.auroc())}"
    drawing = plot.draw(
        title,
        "false alarms: share of what is in order",
        "recall: share that is found",
        element("path", d=plot.path([0, 1], [0, 1]), class_="line chance"),
        element("path", d=plot.path(xs[keep].tolist(), ys[keep].tolist()), class_="line c0 strong"),
        *_points(plot, [(called - hits) / steps.false, hits / steps.true]),
        kind="roc",
    )
    return framed(title, drawing, legend(("line chance", "chance"), *_POINTS))


def lines(chart: LineChart) -> Html:
    """Lines over one axis, told apart by colour and dash."""
    every_x = [x for each in chart.series for x in each.xs]
    finite = [y for each in chart.series for y in each.ys if math.isfinite(y)]
    if not every_x or not finite:
        return nothing(chart.title, "nothing was recorded")
    low, high = (0.0, 1.0) if chart.unit_interval else _rounded(min(finite), max(finite))
    first, last = min(every_x), max(every_x)
    plot = Plot(first - 0.5, last + 0.5, low, high) if first == last else Plot(first, last, low, high)
    drawn, entries = [], []
    if chart.mark is not None:
        place = plot.x(chart.mark[0])
        drawn.append(
            element("path", d=f"M{place:.1f} {plot.top}V{plot.height - plot.bottom}", class_="line mark")
        )
    for number, each in enumerate(chart.series):
        turn = number // COLOURS
        style = (
            f"line c{number % COLOURS}"
            + " strong" * each.strong
            + " dashed" * each.dashed
            + " dotted" * (turn > 0)
        )
        keep = _thinned(len(each.xs))
        xs, ys = np.asarray(each.xs, float)[keep], np.asarray(each.ys, float)[keep]
        drawn.append(element("path", d=plot.path(xs.tolist(), ys.tolist()), class_=style))
        if len(xs) <= 60:
            drawn += [
                element(
                    "circle",
                    cx=f"{plot.x(x):.1f}",
                    cy=f"{plot.y(y):.1f}",
                    r=2.2,
                    class_=f"dot c{number % COLOURS}",
                )
                for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
                if math.isfinite(y)
            ]
        entries.append((style, each.name))
    if chart.mark is not None:
        entries.append(("line mark", chart.mark[1]))
    return framed(chart.title, plot.draw(chart.title, chart.x, chart.y, *drawn), legend(*entries))


def reliability(calibration: Calibration) -> Html:
    """How often it is true against how sure the network is; the larger a point, the more lies in its bin."""
    plot = Plot(0, 1, 0, 1)
    drawn = [element("path", d=plot.path([0, 1], [0, 1]), class_="line chance")]
    entries = [("line chance", "as sure as it is right")]
    said = (("before", calibration.before), ("after", calibration.after))
    single = calibration.after is None
    for number, (word, each) in enumerate(said):  # in the colours of the run's picture
        if each is None:
            continue
        look = "c0" if single or number else "c1 dashed"
        drawn.append(_reliability_line(plot, each, look))
        words = "calibration error" if single else f"{word} temperature scaling: calibration error"
        entries.append((f"line {look} strong", f"{words} {figure_text(each.error)}"))
    title = "Calibration"
    drawing = plot.draw(title, "probability that the network gives", "share that is true", *drawn)
    return framed(title, drawing, legend(*entries))


def _reliability_line(plot: Plot, bins: Reliability, look: str) -> Html:
    full = np.asarray(bins.count) > 0
    xs, ys, counts = (np.asarray(each, float)[full] for each in (bins.confidence, bins.frequency, bins.count))
    most = counts.max() if len(counts) else 1.0
    dots = [
        element(
            "circle",
            cx=f"{plot.x(x):.1f}",
            cy=f"{plot.y(y):.1f}",
            r=f"{2 + 4 * math.sqrt(count / most):.1f}",
            class_=f"dot {look}",
        )
        for x, y, count in zip(xs.tolist(), ys.tolist(), counts.tolist(), strict=True)
    ]
    line = element(
        "path",
        d=plot.path(xs.tolist(), ys.tolist()),
        class_=f"line faint {look}",
    )
    return together(line, dots)


def _points(plot: Plot, at: Sequence[float]) -> list[Html]:
    """The stored point and the one that moves; hidden where there is none."""
    if not at:
        return [element("circle", r=4, class_="point here", visibility="hidden")]
    x, y = plot.x(at[0]), plot.y(at[1])
    return [_mark("point stored", x, y), _mark("point here", x, y)]


def _thinned(count: int) -> NDArray[np.int64]:
    """Which points of a line are drawn."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(np.int64))


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Limits of an axis that begins at 0 where that is near."""
    if 0 <= low < 0.6 * high:
        low = 0.0
    room = 0.05 * ((high - low) or abs(high) or 1.0)
    return (low if low == 0 else low - room), high + room
