import numpy as np
import pytest
import torch

from inspection.data.labels import Attributes, Classes
from inspection.errors import InputError

SEVERAL = np.array([[True, False], [True, False], [False, True], [True, True]])


def test_loss_weights_make_both_sides_count_alike():
    targets = np.array([0, 0, 0, 1])
    weights = Classes(["a", "b"], None).loss_weights(targets)
    assert (weights[targets].numpy() * (targets == 0)).sum() == pytest.approx(
        (weights[targets].numpy() * (targets == 1)).sum()
    )
    weights = Attributes(["error", "break"]).loss_weights(SEVERAL)
    assert (weights.numpy() * SEVERAL.sum(0)).tolist() == pytest.approx((~SEVERAL).sum(0).tolist())
    assert weights.dtype == torch.float32


def test_targets_as_the_loss_takes_them():
    classes, several = Classes(["a", "b"], "b"), Attributes(["error", "break"])
    assert classes.tensor(np.array([1, 0])).dtype == torch.int64
    assert several.tensor(SEVERAL).tolist() == SEVERAL.astype(float).tolist()
    assert several.tensor(SEVERAL).dtype == torch.float32


def test_what_a_part_needs():
    def lacking(labels, part, targets):
        return [what for what, holds in labels.needed(part) if not holds(targets).any()]

    classes = Classes(["a", "b"], "b")
    for part in ("train", "val", "test"):
        assert lacking(classes, part, np.array([0, 0])) == ["image of class 'b'"]
        assert lacking(classes, part, np.array([0, 1])) == []
    several = Attributes(["error", "break"])
    assert lacking(several, "train", SEVERAL[:2]) == [
        "image where 'error' is False",
        "image where 'break' is True",
    ]
    assert lacking(several, "test", SEVERAL[:2]) == []  # a figure that is undefined is not the end
    assert several.notes("test", SEVERAL[:2]) == [
        "no test image where break is true: some figures will be undefined; means leave them out"
    ]
    assert several.notes("test", SEVERAL) == several.notes("test", SEVERAL[:0]) == []


def test_names():
    with pytest.raises(InputError, match="expected two or more different names"):
        Classes(["a"], None)
    with pytest.raises(InputError, match="expected one or more different names"):
        Attributes(["a", "a"])
    assert Attributes(["break"]).names == ("break",)
