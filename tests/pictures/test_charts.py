import math
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from inspection.pictures import charts
from inspection.pictures.charts import confusion_matrix, label_matrices, learning_curves


@pytest.fixture
def figures(monkeypatch):
    """Keep the figures that the charts draw, so that a test can ask them what they show."""
    kept: list[Figure] = []
    make = charts.new_figure

    def keep(width, height):
        kept.append(make(width, height))
        return kept[-1]

    monkeypatch.setattr(charts, "new_figure", keep)
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


def test_more_mistakes_are_a_darker_orange(figures):
    picture = charts._shades(np.array([[0.9, 0.1], [0.001, 0.999]]))
    assert picture[0, 1].sum() < picture[1, 0].sum() - 0.2
    blue, orange = picture[0, 0], picture[0, 1]
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


def test_a_matrix_for_each_attribute(figures):
    counts = np.array([[[90, 2], [3, 5]], [[0, 0], [0, 100]], [[0, 0], [0, 0]]])
    picture = label_matrices(counts, ["error", "break", "長さ"])
    error, broken, length = figures[0].axes
    assert words(error) == ["90\n97.8%", "2\n2.2%", "3\n37.5%", "5\n62.5%"]
    assert words(broken) == ["0", "0", "0", "100\n100%"]
    assert error.get_title(loc="left") == "error\n95 of 100 right (95.0%)"
    assert length.get_title(loc="left") == "□□\nno images"
    assert [label.get_text() for label in error.get_yticklabels()] == ["no\nn=92", "yes\nn=8"]
    assert [axes.get_xlabel() for axes in figures[0].axes] == ["verdict"] * 3
    assert [axes.get_ylabel() for axes in figures[0].axes] == ["target", "", ""]
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(("number", "rows", "columns"), [(1, 1, 1), (5, 1, 5), (6, 2, 3), (20, 4, 5)])
def test_attributes_wrap_into_full_rows_and_stay_readable(figures, number, rows, columns):
    label_matrices(np.full((number, 2, 2), 12345), [f"attribute_with_a_long_name_{i}" for i in range(number)])
    shown = [axes for axes in figures[0].axes if axes.get_visible()]
    assert len(shown) == number
    boxes = [axes.get_window_extent() for axes in shown]
    assert len({round(box.y0) for box in boxes}) == rows
    assert len({round(box.x0) for box in boxes}) == columns
    for axes, box in zip(shown, boxes, strict=True):
        assert box.width > 150  # px
        assert max(text.get_window_extent().width for text in axes.texts) < box.width / 2
        title = axes.title, axes._left_title
        assert max(text.get_window_extent().x1 for text in title) < box.x0 + 1.35 * box.width


def test_attributes_must_fit_the_counts():
    for counts in (np.zeros((3, 2, 2), int), np.zeros((2, 2), int)):
        with pytest.raises(ValueError, match=r"\[2, 2, 2\] for 2 attributes"):
            label_matrices(counts, ["a", "b"])
    with pytest.raises(ValueError, match="0 attributes"):
        label_matrices(np.zeros((0, 2, 2), int), [])


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
        label_matrices(np.array([[[1, 0], [0, 1]]]), ["検査"])
