import math
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from inspection.pictures import charts
from inspection.pictures.charts import confusion_matrix, learning_curves


@pytest.fixture
def figures(monkeypatch):
    """Keep the figures that the charts draw, so that a test can ask them what they show."""
    kept: list[Figure] = []
    make = charts._figure

    def keep(width, height):
        kept.append(make(width, height))
        return kept[-1]

    monkeypatch.setattr(charts, "_figure", keep)
    return kept


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_counts_and_row_percentages(figures):
    picture = confusion_matrix(np.array([[412, 3], [17, 68]]), ["ok", "defect"])
    (axes,) = figures[0].axes
    assert words(axes) == ["412\n99.3%", "3\n0.7%", "17\n20.0%", "68\n80.0%"]
    assert axes.get_title(loc="left") == "480 of 500 right (96.0%)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ok  (n=415)", "defect  (n=85)"]
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


@pytest.mark.parametrize("size", [2, 5, 11, 20])
def test_no_text_is_wider_than_its_cell(figures, size):
    counts = np.full((size, size), 1234)
    confusion_matrix(counts, [f"class_with_a_long_name_{index}" for index in range(size)])
    (axes,) = figures[0].axes
    cell = axes.get_window_extent().width / size
    assert max(text.get_window_extent().width for text in axes.texts) < cell
    assert axes.get_window_extent().width / size > 35  # px, with letters of at least 7.5 points


def test_an_absent_class_and_an_empty_matrix(figures):
    confusion_matrix(np.array([[5, 0], [0, 0]]), ["ok", "検査"])
    assert words(figures[0].axes[0]) == ["5\n100%", "0", "0", "0"]
    confusion_matrix(np.zeros((2, 2), int), ["ok", "defect"])
    assert figures[1].axes[0].get_title(loc="left") == "no images"


def test_names_must_fit_the_counts():
    with pytest.raises(ValueError, match=r"\[3, 3\].*\[2, 2\]"):
        confusion_matrix(np.zeros((2, 2), int), ["a", "b", "c"])


HISTORY = [
    {"epoch": 0, "lr": 0.1, "train/loss": 0.9, "val/loss": 0.8, "val/f1": math.nan},
    {"epoch": 1, "lr": 0.1, "train/loss": 0.5, "val/loss": 0.6, "val/f1": 0.7},
    {"epoch": 2, "lr": 0.1, "train/loss": 0.4, "val/loss": math.inf},
    {"epoch": 3, "lr": 0.1, "train/loss": 0.3, "val/loss": 0.5, "val/f1": 0.9},
]


def curve(axes, name):
    (line,) = (line for line in axes.lines if str(line.get_label()).startswith(name))
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata(), dtype=float)


def test_undefined_and_missing_values_are_gaps(figures):
    learning_curves(HISTORY, "val/f1", 3)
    loss, metric = figures[0].axes
    epochs, f1 = curve(metric, "val/f1")
    assert epochs.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(f1, [math.nan, 0.7, math.nan, 0.9])
    np.testing.assert_array_equal(curve(loss, "val/loss")[1], [0.8, 0.6, math.nan, 0.5])


def test_the_best_epoch_is_marked_in_both_and_named(figures):
    learning_curves(HISTORY, "val/f1", 3)
    for axes in figures[0].axes:
        assert curve(axes, "best epoch")[0].tolist() == [3, 3]
    assert figures[0].axes[0].get_title(loc="left") == "best val/f1 0.900 in epoch 3"


def test_scores_are_shown_on_their_whole_range(figures):
    learning_curves(HISTORY, "val/f1", None)
    low, high = figures[0].axes[1].get_ylim()
    assert low <= 0
    assert high >= 1


@pytest.mark.parametrize(
    "history", [[], HISTORY[:1], [{"epoch": 0, "train/loss": math.nan}], [{"val/f1": 0.5}, {"val/f1": 0.6}]]
)
def test_short_and_empty_histories_draw_without_a_warning(history):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert learning_curves(history, "val/f1", None).ndim == 3
        confusion_matrix(np.array([[1]]), ["検査"])
