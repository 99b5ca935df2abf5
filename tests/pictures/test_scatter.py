import warnings

import numpy as np
import pytest

from inspection.pictures import scatter
from inspection.pictures.scatter import true_against_predicted

TARGETS = np.array([[300.0, 280.0], [310.0, 285.0], [330.0, 290.0]])


@pytest.fixture
def figures(monkeypatch):
    kept = []
    make = scatter.new_figure

    def keep(width, height):
        kept.append(make(width, height))
        return kept[-1]

    monkeypatch.setattr(scatter, "new_figure", keep)
    return kept


def test_a_chart_a_quantity_with_the_diagonal_and_both_errors(figures):
    picture = true_against_predicted(
        TARGETS, TARGETS + np.array([2, -1]), ["maximum", "検査"], "K", [310, 285], [320, None]
    )
    assert picture.dtype == np.uint8
    first, second = figures[0].axes
    assert first.get_title(loc="left") == "maximum\nMAE 2.00 K (always the mean: 10.00 K)"
    assert second.get_title(loc="left").startswith("□□\nMAE 1.00 K")
    points = first.collections[0].get_offsets()
    np.testing.assert_allclose(points, np.stack([TARGETS[:, 0], TARGETS[:, 0] + 2], 1))
    diagonal = first.lines[0]
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert first.get_xlim() == first.get_ylim()
    assert len(first.lines) == 4  # diagonal, mean, and the cross of the alarm
    assert len(second.lines) == 2
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in (first, second)]
    assert legends == [["always the mean", "alarm from 320 K"], ["always the mean"]]


def test_alike_and_no_values_draw_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for targets in (np.full((3, 1), 300.0), np.zeros((0, 1))):
            assert true_against_predicted(targets, targets, ["a"], "K", [300.0]).ndim == 3


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"\[N, 3\] but got \[3, 2\]"):
        true_against_predicted(TARGETS, TARGETS, ["a", "b", "c"], "K", [0, 0, 0])
