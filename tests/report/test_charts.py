import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from inspection.report import charts
from inspection.report.contents import Calibration, LineChart, Reliability, Series
from inspection.report.histogram import score_histogram
from inspection.report.plot import Plot, ticks
from inspection.report.thresholds import Steps


def points(svg: str, style: str) -> list[tuple[float, float]]:
    path = re.search(rf'd="([^"]*)" class="{style}"', svg).group(1)
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](\S+) ([0-9.]+)", path)]


def test_corners_of_the_roc_curve():
    steps = Steps.of(np.array([0.9, 0.8, 0.3, 0.1]), np.array([True, False, True, False]))
    plot = Plot(0, 1, 0, 1)

    svg = charts.roc(steps, 0.5)

    expected = [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    assert "0.750" in svg
    assert points(svg, "line c0 strong") == [
        (pytest.approx(plot.x(x), abs=0.06), pytest.approx(plot.y(y), abs=0.06)) for x, y in expected
    ]


def test_the_area_below_the_drawn_curve_is_the_average_precision():
    random = np.random.default_rng(1)
    truth = random.random(60) < 0.4
    scores = (truth + random.normal(0, 1, 60)).round(1)
    plot = Plot(0, 1, 0, 1)

    svg = charts.precision_recall(Steps.of(scores, truth), 0.5)

    pixels = points(svg, "line c0 strong")
    width, base, height = plot.x(1) - plot.x(0), plot.y(0), plot.y(0) - plot.y(1)
    at = [((x - plot.x(0)) / width, (base - y) / height) for x, y in pixels]
    area = sum((x1 - x0) * y1 for (x0, _), (x1, y1) in itertools.pairwise(at))
    assert area == pytest.approx(average_precision_score(truth, scores), abs=5e-3)


def test_boxes_have_no_chance_level():
    steps = Steps.of(np.array([0.9, 0.2]), np.array([True, False]))

    assert "chance" not in charts.precision_recall(steps, 0.5, countable=False)


def test_a_gap_in_a_line_is_left_open():
    chart = LineChart("loss", "epoch", "loss", [Series("val", [1, 2, 3, 4], [1.0, math.nan, 2.0, 3.0])])

    path = re.search(r'd="([^"]*)" class="line c0"', charts.lines(chart)).group(1)

    assert path.count("M") == 2
    assert path.count("L") == 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_nothing_to_draw_is_said(count):
    scores, truth = np.full(count, 0.5), np.zeros(count, bool)
    steps = Steps.of(scores, truth)

    drawn = [
        charts.precision_recall(steps, 0.5),
        charts.roc(steps, 0.5),
        score_histogram(scores, truth, 0.5, "P", "images"),
        charts.lines(LineChart("loss", "epoch", "loss", [Series("val", [1.0] * count, [math.nan] * count)])),
    ]

    assert all("nan" not in each for each in drawn)
    assert all('class="nothing"' in each for each in (*drawn[:2], drawn[3]))


@pytest.mark.parametrize("stored", [450.0, 200.0, 305.0])
def test_a_stored_threshold_far_from_all_scores_is_where_it_belongs(stored):
    drawn = score_histogram(np.array([290.0, 305.0, 333.0]), np.zeros(3, bool), stored, "maximum, K", "alarm")

    low, high, _, _, left, right, _, _ = map(float, re.search(r'data-plot="([^"]*)"', drawn).group(1).split())
    at = float(re.search(r'd="M([\d.]+) [^"]*" class="line limit"', drawn).group(1))
    assert low + (at - left) / (right - left) * (high - low) == pytest.approx(stored, abs=0.5)


def test_an_empty_bin_is_not_drawn():
    bins = Reliability(np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.0, 0.8]), np.array([5, 0, 20]), 0.1)

    single = charts.reliability(Calibration("defect", "val", bins))
    assert single.count("<circle") == 2
    assert "dashed" not in single
    both = charts.reliability(Calibration("defect", "val", bins, replace(bins, error=0.2)))
    assert re.findall(r'class="line faint (.*?)"', both) == ["c1 dashed", "c0"]  # as in the run's picture


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.03, 0.04), (250.0, 420.0), (-3, 12000), (5, 5)])
def test_ticks_lie_inside(low, high):
    values = ticks(low, high)

    assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)
    assert len(values) <= 11
