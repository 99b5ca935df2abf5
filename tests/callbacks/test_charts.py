import math
from types import SimpleNamespace

import pytest
import torch

from inspection.callbacks import charts
from inspection.callbacks.charts import Charts
from inspection.tasks.classification import Classification

NAN = math.nan


def history(*values, monitor="val/f1"):
    return [{"epoch": epoch, monitor: value} for epoch, value in enumerate(values)]


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("max", [0.1, 0.7, 0.7, 0.3], 1),
        ("min", [0.5, 0.2, 0.2, 0.3], 1),
        ("max", [NAN, 0.0, 0.0], 1),
        ("max", [NAN, NAN], None),
        ("max", [], None),
    ],
)
def test_best_epoch_is_the_first_of_the_best_ones(mode, values, best):
    chart = Charts("val/f1", mode)
    chart.history = history(*values)
    assert chart.best_epoch() == best


def test_best_epoch_of_a_metric_that_is_not_there():
    chart = Charts("val/recall")
    chart.history = history(0.1, 0.2)
    assert chart.best_epoch() is None


def epoch(folder, number, rate, **figures):
    optimizer = SimpleNamespace(param_groups=[{"lr": rate}])
    return SimpleNamespace(
        current_epoch=number,
        callback_metrics={name.replace("_", "/"): torch.tensor(value) for name, value in figures.items()},
        optimizers=[optimizer],
        is_global_zero=True,
        fast_dev_run=False,
        default_root_dir=str(folder),
    )


def live(chart, trainer, next_rate):
    chart.on_train_epoch_start(trainer, None)
    trainer.optimizers[0].param_groups[0]["lr"] = next_rate  # the schedule steps within the epoch
    chart.on_train_epoch_end(trainer, None)


def test_table_has_the_rate_that_the_epoch_was_trained_with(tmp_path):
    chart = Charts()
    live(chart, epoch(tmp_path, 0, 0.1, val_f1=0.5), 0.05)
    live(chart, epoch(tmp_path, 1, 0.05, val_f1=0.25), 0.025)
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "epoch,lr,val/f1",
        "1,0.1,0.5",
        "2,0.05,0.25",
    ]


def test_resumed_run_goes_on_with_its_rows(tmp_path):
    first = Charts()
    live(first, epoch(tmp_path, 0, 0.1, val_f1=0.5), 0.1)
    state = first.state_dict()
    live(first, epoch(tmp_path, 1, 0.1, val_f1=0.6), 0.1)  # an epoch that was not saved any more
    resumed = Charts()
    resumed.load_state_dict(state)
    live(resumed, epoch(tmp_path, 1, 0.1, val_f1=0.75), 0.1)
    assert [row["val/f1"] for row in resumed.history] == [0.5, 0.75]
    assert (tmp_path / "history.csv").read_text().splitlines()[1:] == ["1,0.1,0.5", "2,0.1,0.75"]
    assert resumed.best_epoch() == 2


def test_other_processes_and_trial_runs_write_nothing(tmp_path):
    for name, value in (("is_global_zero", False), ("fast_dev_run", True)):
        trainer = epoch(tmp_path, 0, 0.1, val_f1=0.5)
        setattr(trainer, name, value)
        live(Charts(), trainer, 0.1)
    assert not list(tmp_path.iterdir())


def test_confusion_matrix_of_the_right_part(monkeypatch):
    seen = []
    monkeypatch.setattr(charts, "show", lambda trainer, tag, picture, file: seen.append((tag, file, picture)))
    task = object.__new__(Classification)
    charts_of = SimpleNamespace(charts=lambda: {"confusion_matrix": ("matrix",)})
    task.__dict__ |= {"outcome": charts_of, "operating": None}
    monkeypatch.setattr(charts, "title_bar", lambda picture, lines, **_: (*picture, *lines))
    real, drawn = (
        SimpleNamespace(is_global_zero=True, datamodule=SimpleNamespace(is_synthetic=synthetic))
        for synthetic in (False, True)
    )
    Charts().on_validation_end(real, task)
    Charts().on_test_end(drawn, task)
    assert seen == [
        ("confusion_matrix/val", "confusion_matrix_val.png", ("matrix", "val images")),
        ("confusion_matrix/test", "confusion_matrix_test.png", ("matrix", "test images, SYNTHETIC")),
    ]
