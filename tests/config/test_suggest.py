import pytest

from inspection.config.suggest import did_you_mean, likely_keys

KEYS = ["seed", "data", "data.seed", "data.synthetic.seed", "optimizer", "optimizer.lr", "trainer.max_epochs"]


def test_did_you_mean():
    assert did_you_mean("coi", ["coil", "thermal"]) == "; did you mean coil?"
    assert did_you_mean("NONE", ["none"]) == "; did you mean none?"
    assert did_you_mean("x", ["coil"]) == ""


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("trainer.max_epoch", ["trainer.max_epochs"]),
        ("lr", ["optimizer.lr"]),
        ("model.seed", ["seed", "data.seed", "data.synthetic.seed"]),
        ("optimzer.lrr", ["optimizer.lr"]),
        ("epochs", ["trainer.max_epochs"]),
        ("quite_other", []),
    ],
)
def test_likely_keys(key, expected):
    assert likely_keys(key, KEYS) == expected
