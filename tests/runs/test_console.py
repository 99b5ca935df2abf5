import math
from types import SimpleNamespace

import numpy as np
import pytest
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from inspection.data.labels import Classes
from inspection.data.splits import Samples
from inspection.runs import console


def test_undefined_is_no_number():
    assert console.number(math.nan) == console.number(None) == "undefined"
    assert console.number(0.0) == "0.0000"


def test_columns_are_aligned():
    rows = [["", "val", "test"], ["f1", "0.5000", "undefined"], ["balanced_accuracy", "1.0000", "0.2500"]]
    assert console.table(rows).splitlines() == [
        "                        val       test",
        "  f1                 0.5000  undefined",
        "  balanced_accuracy  1.0000     0.2500",
    ]


def test_a_step_is_one_line_where_nobody_is_watching(capsys):
    report = console.steps()
    for done in range(1, 4):
        report("decoding images", done, 3)
    captured = capsys.readouterr()
    assert captured.out == "decoding images: 3\n"
    assert captured.err == ""


def test_a_step_is_a_bar_where_a_person_is_watching(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    report = console.steps()
    for done in range(1, 4):
        report("decoding images", done, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "decoding images" in captured.err


def test_one_of_several_processes_speaks(capsys, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    console.steps()("decoding images", 3, 3)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("trainable", "words"), [(True, "all trainable"), (False, "8 trainable")])
def test_network_and_its_parameters(capsys, tmp_path, trainable, words):
    picked = console.Hardware("bf16-mixed", True, "CPU x")
    network = nn.Linear(4, 2)
    network.bias.requires_grad_(trainable)
    console.announce_network(network, picked, tmp_path)
    network.name, network.notes = "resnet18", ["weights of a file"]
    console.announce_network(network, picked, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"network   Linear, 10 parameters, {words}"
    assert lines[1] == "hardware  CPU x; bf16-mixed, channels last; evaluation in float32"
    assert lines[2] == f"run       {tmp_path}"
    assert lines[4:6] == [f"network   resnet18, 10 parameters, {words}", "          weights of a file"]


@pytest.mark.parametrize(
    ("names", "kinds", "expected"),
    [
        (
            ["ok", "defect"],
            "good spot spot scratch good",
            ["ok 1 0 1 2", "defect 1 1 1 3", "scratch 0 0 1 1", "spot 1 1 0 2"],
        ),
        (
            ["good", "defect"],
            "matt spot spot spot shiny",
            ["good 1 0 1 2", "matt 1 0 0 1", "shiny 0 0 1 1", "defect 1 1 1 3"],
        ),
    ],
)
def test_kinds_stand_below_their_class_unless_it_has_one_alone(capsys, names, kinds, expected):
    labels = Classes(names, "defect")
    parts = np.asarray(["train", "train", "val", "test", "test"])
    targets = np.asarray([0, 1, 1, 1, 0])
    samples = Samples(tuple("abcde"), targets, tuple("abcde"), parts, labels, tuple(kinds.split()))
    data = SimpleNamespace(split_by="shared out", labels=labels, notes=[])
    console.announce_split(data, samples)
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [*expected, "images 2 1 2 5"]
