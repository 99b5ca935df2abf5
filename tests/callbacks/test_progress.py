import math
from types import SimpleNamespace

import pytest
import torch

from inspection.callbacks.progress import EpochLines


def end(lines, number, value, rank=0, **figures):
    metrics = {"val/f1": value, "train/loss": 0.5, "val/loss": 0.25, **figures}
    trainer = SimpleNamespace(
        current_epoch=number,
        max_epochs=12,
        is_global_zero=rank == 0,
        callback_metrics={name: torch.tensor(figure) for name, figure in metrics.items()},
        num_training_batches=3,
    )
    lines.on_train_epoch_start(trainer, None)
    lines.on_train_batch_end(trainer, None, None, None, 0)
    lines.on_train_epoch_end(trainer, None)


def test_line_of_an_epoch(capsys):
    end(EpochLines("val/f1", "max"), 4, 0.75)
    line = capsys.readouterr().out
    assert line.startswith("epoch   5/12  train/loss 0.5000  val/loss 0.2500  val/f1 0.7500 *  ")
    assert line.endswith(" s\n")


@pytest.mark.parametrize(
    ("mode", "values", "stars"),
    [
        ("max", [0.5, 0.5, 0.6, 0.4], "* * "),
        ("min", [0.5, 0.5, 0.6, 0.4], "*  *"),
        ("max", [math.nan, 0.0, math.nan, 0.1], " * *"),
    ],
)
def test_star_marks_what_is_better_than_before(capsys, mode, values, stars):
    lines = EpochLines("val/f1", mode)
    for number, value in enumerate(values):
        end(lines, number, value)
    shown = capsys.readouterr().out.splitlines()
    assert "".join("*" if " * " in line else " " for line in shown) == stars
    for line, value in zip(shown, values, strict=True):
        assert ("undefined" in line) == math.isnan(value)


def test_resumed_run_remembers_its_best(capsys):
    first, resumed = EpochLines("val/f1", "max"), EpochLines("val/f1", "max")
    end(first, 0, 0.8)
    resumed.load_state_dict(first.state_dict())
    end(resumed, 1, 0.7)
    assert [" * " in line for line in capsys.readouterr().out.splitlines()] == [True, False]


def test_one_process_speaks(capsys):
    end(EpochLines("val/f1", "max"), 0, 0.5, rank=1)
    assert capsys.readouterr().out == ""


def test_bar_where_a_person_is_watching(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    end(EpochLines("val/f1", "max"), 0, 0.5)
    captured = capsys.readouterr()
    assert "epoch 1/12" in captured.err
    assert captured.err.endswith("\r")  # wiped
    assert captured.out.startswith("epoch   1/12")
