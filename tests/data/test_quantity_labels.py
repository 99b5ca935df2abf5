import numpy as np
import pytest
import torch

from inspection.data.quantity_labels import Quantities
from inspection.data.splits import split
from inspection.errors import InputError

LABELS = Quantities(["maximum", "average"], "K")
TARGETS = np.random.default_rng(0).normal([350, 300], [20, 5], (200, 2))


def test_fifths_of_the_first_quantity():
    fifths = LABELS.indicators(TARGETS)
    assert fifths.sum(1).tolist() == [1] * 200
    assert fifths.sum(0).tolist() == [40] * 5
    means = [TARGETS[column, 0].mean() for column in fifths.T]
    assert means == sorted(means)
    assert LABELS.indicators(np.full((7, 2), 300.0)).sum() == 7  # all alike: one bin
    assert LABELS.indicators(np.zeros((0, 2))).shape == (0, 5)


def test_a_split_by_them_gives_each_part_cold_and_hot_ones():
    parts = split(LABELS.indicators(TARGETS), [str(n) for n in range(200)], [0.6, 0.2, 0.2], seed=0)
    for part in ("train", "val", "test"):
        own = TARGETS[parts == part, 0]
        for share in (0.1, 0.5, 0.9):
            assert np.quantile(own, share) == pytest.approx(np.quantile(TARGETS[:, 0], share), abs=6)


def test_range_and_mean_of_each_part():
    rows = LABELS.counts({"train": np.array([[310.0, 300.0], [320.0, 301.0]]), "test": np.zeros((0, 2))})
    assert rows == [
        ["maximum (K)", "310.0 to 320.0, mean 315.0", "-"],
        ["average (K)", "300.0 to 301.0, mean 300.5", "-"],
    ]


def test_examples_are_thirds_from_cold_to_hot():
    examples = LABELS.examples(np.array([[5.0, 0], [1, 0], [3, 0], [2, 0], [6, 0], [4, 0]]))
    assert {name: rows.tolist() for name, rows in examples.items()} == {
        "maximum_low": [1, 3],
        "maximum_middle": [2, 5],
        "maximum_high": [0, 4],
    }
    assert sum(len(rows) for rows in LABELS.examples(TARGETS[:2]).values()) == 2


def test_cells_are_read_back():
    cells = LABELS.cells(np.array([300.1234, 290.0]))
    assert cells == ["300.123", "290"]
    assert LABELS.same("300.12300", cells[0])
    assert not LABELS.same("300.2", cells[0])
    assert not LABELS.same("hot", cells[0])


def test_targets_are_float32():
    torch.testing.assert_close(LABELS.tensor(TARGETS), torch.tensor(TARGETS, dtype=torch.float32))


def test_there_is_nothing_to_balance():
    with pytest.raises(InputError, match=r"data\.balance=none"):
        LABELS.loss_weights(TARGETS)
    with pytest.raises(InputError, match=r"data\.balance=none"):
        LABELS.classes_to_draw(TARGETS)


def test_a_constant_quantity_is_noted():
    assert LABELS.notes("val", TARGETS) == []
    same = TARGETS.copy()
    same[:, 1] = 300
    assert LABELS.notes("val", same) == ["all val images have the same average: R2 is undefined"]
