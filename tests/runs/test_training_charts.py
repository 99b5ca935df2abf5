import numpy as np
import torch

from inspection.decide.decisions import OneOf
from inspection.runs.training_charts import read_history, training_charts
from inspection.tasks.name_outcomes import ClassOutcome


def test_a_history_has_gaps(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,train/loss,val/f1\n1,0.5,\n2,0.25,0.75\n", encoding="utf-8")

    assert read_history(tmp_path / "history.csv") == [
        {"epoch": 1.0, "train/loss": 0.5},
        {"epoch": 2.0, "train/loss": 0.25, "val/f1": 0.75},
    ]
    assert read_history(tmp_path / "none.csv") == []


def test_curves_of_classes_stay_out_of_the_way(trained):
    history = [
        {"epoch": 1.0, "lr": 0.1, "train/loss": 1.0, "val/f1": 0.5, "val/f1/dent": 0.1},
        {"epoch": 2.0, "lr": 0.1, "train/loss": 0.5, "val/f1/dent": 0.1},
    ]
    outcome = ClassOutcome.of(OneOf(["a", "b"], "b"), torch.arange(2), torch.eye(2), torch.tensor([0, 1]))

    loss, figures = training_charts(history, "val/f1", 1, outcome)

    assert [each.name for each in loss.series] == ["training: loss"]
    assert [each.name for each in figures.series] == ["validation: F1 (chose the best epoch)"]
    assert figures.mark == (1.0, "best epoch, 1")
    assert np.isnan(figures.series[0].ys[1])
