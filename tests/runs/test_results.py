import csv
import json
import math

import numpy as np
import torch

from inspection.data.labels import Attributes, Classes
from inspection.data.splits import Samples
from inspection.decide.decisions import AnyOf, OneOf
from inspection.inspector.plain import write_json
from inspection.runs.results import hyperparameters, write_predictions
from inspection.tasks.name_outcomes import ClassOutcome, LabelOutcome


def test_undefined_figures_are_null(tmp_path):
    values = {"f1": math.nan, "list": [1, (math.inf, 2.5)], "größe": "ü", "none": None, "flag": True}
    write_json(tmp_path / "x.json", values)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == {
        "f1": None,
        "list": [1, [None, 2.5]],
        "größe": "ü",
        "none": None,
        "flag": True,
    }
    assert "größe" in text


def test_predictions_in_words(tmp_path):
    samples = Samples(
        files=("a, b.png", "ü/c.png", "d.png"),
        targets=np.array([0, 1, 1]),
        groups=("a", "c", "d"),
        parts=np.array(["test", "val", "val"]),
        labels=Classes(["ok", "defect"], "defect"),
    )
    decision = OneOf(["ok", "defect"], "defect")
    logits = torch.tensor([[0.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    outcomes = {
        "val": ClassOutcome.of(decision, torch.tensor([1, 2]), logits[1:], torch.tensor([1, 1])),
        "test": ClassOutcome.of(decision, torch.tensor([0]), logits[:1], torch.tensor([0])),
    }
    write_predictions(tmp_path / "x.csv", outcomes, samples)
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    high, low = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(3))
    assert rows == [
        ["file", "split", "target", "verdict", "probability_ok", "probability_defect", "right"],
        ["ü/c.png", "val", "defect", "defect", f"{1 - high:.6f}", f"{high:.6f}", "True"],
        ["d.png", "val", "defect", "ok", f"{1 - low:.6f}", f"{low:.6f}", "False"],
        ["a, b.png", "test", "ok", "defect", "0.500000", "0.500000", "False"],  # one half is a defect
    ]


def test_predictions_of_several_attributes(tmp_path):
    targets = np.array([[True, False], [False, False]])
    samples = Samples(
        ("a.png", "b.png"), targets, ("a", "b"), np.array(["val", "val"]), Attributes(["error", "break"])
    )
    logits = torch.tensor([[2.0, -1.0], [0.0, -3.0]])
    outcome = LabelOutcome.of(
        AnyOf(["error", "break"], {"break": 0.2}), torch.arange(2), logits, torch.tensor(targets).float()
    )
    write_predictions(tmp_path / "x.csv", {"val": outcome}, samples)
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0] == {
        "file": "a.png",
        "split": "val",
        "target_error": "True",
        "target_break": "False",
        "verdict_error": "True",
        "verdict_break": "True",  # 0.269 is at least 0.2
        "probability_error": f"{1 / (1 + math.exp(-2)):.6f}",
        "probability_break": f"{1 / (1 + math.exp(1)):.6f}",
        "right": "False",
    }
    assert (rows[1]["verdict_error"], rows[1]["verdict_break"]) == ("True", "False")


def test_hyperparameters_are_flat_and_plain():
    config = {
        "task": {
            "name": "coil",
            "module": {
                "_target_": "inspection.tasks.classification.Classification",
                "network": {"_target_": "inspection.models.lenet.LeNet", "width": 8},
                "scheduler": {},
                "backbone_lr": 1e-5,
                "thresholds": {"error": 0.7},
            },
        },
        "data": {
            "_target_": "d.Folder",
            "augment": {"rotation": 5.0},
            "crop": [1, 2],
            "root": None,
            "on": True,
        },
        "model": {"_target_": "inspection.models.lenet.LeNet", "width": 8},
        "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1},
        "scheduler": {},
        "decide": {"_target_": "inspection.decide.rules.Recall", "r": 0.9},
        "paths": {"data": "data"},
        "seed": 3,
    }
    flat = hyperparameters(config)
    assert flat == {
        "task": "coil",
        "model": "LeNet",
        "model/width": 8,
        "optimizer": "SGD",
        "decide": "Recall",
        "decide/r": 0.9,
        "optimizer/lr": 0.1,
        "seed": 3,
        "data": "Folder",
        "data/augment/rotation": 5.0,
        "data/crop": "[1, 2]",
        "data/root": "None",
        "data/on": True,
        "loss": "None",
        "task/module": "Classification",
        "task/module/backbone_lr": 1e-5,
        "task/module/thresholds/error": 0.7,
        "trainer": "None",
        "callbacks": "None",
    }
    # The columns of TensorBoard's table stand in this order: what is varied most comes first.
    assert list(flat)[:6] == ["task", "model", "model/width", "optimizer", "optimizer/lr", "seed"]
