"""A run that was stopped and goes on ends where one ends that was not."""

import csv
import json
import os
import signal
import subprocess
import sys

import lightning as L
import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import get_model

from inspection.config.entry import CONF
from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.runs import train as runs

pytestmark = pytest.mark.slow  # each trains twice

# All that draws random numbers or keeps state over the epochs.
SHAKY = [
    "model.dropout=0.3",
    "data.augment.rotation=5",
    "data.augment.horizontal_flip=0.5",
    "data.augment.gain=[0.9,1.1]",
    "callbacks.early_stopping.patience=20",
    "~callbacks.heatmaps",
    "~callbacks.samples",
    "logger=none",
]


FILES = ("history.csv", "predictions.csv", "splits.csv")


def equal_checkpoints(one, two, files=FILES):
    first, second = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (one, two))
    assert first["epoch"] == second["epoch"]
    assert first["state_dict"].keys() == second["state_dict"].keys()
    for name, value in first["state_dict"].items():
        assert torch.equal(value, second["state_dict"][name]), name
    states = [state["optimizer_states"][0]["state"] for state in (first, second)]
    for number, state in states[0].items():
        for name, value in state.items():  # momentum_buffer, exp_avg, ...
            assert torch.equal(value, states[1][number][name]), name
    assert first["optimizer_states"][0]["param_groups"] == second["optimizer_states"][0]["param_groups"]
    weights = [load_file(run / "inspector.safetensors") for run in (one, two)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    for name in files:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def rates(run):
    with (run / "history.csv").open(newline="") as stream:
        return [float(row["lr"]) for row in csv.DictReader(stream)]


class Breakdown(L.Callback):
    """Ends the process, as far as a test can, in the middle of an epoch."""

    def __init__(self, epoch, error):
        self.epoch, self.error = epoch, error

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 2:
            raise self.error


@pytest.fixture
def train_until(monkeypatch):
    """Trains until an epoch in whose middle an error is raised."""
    build = runs._build_trainer

    def train(cfg, folder, epoch, error):
        def with_breakdown(*arguments):
            trainer = build(*arguments)
            trainer.callbacks.insert(0, Breakdown(epoch, error))
            return trainer

        folder.mkdir(exist_ok=True)
        monkeypatch.setattr(runs, "_build_trainer", with_breakdown)
        with pytest.raises(type(error)):
            runs.train(plain(cfg), folder)
        monkeypatch.undo()

    return train


@pytest.mark.parametrize(
    "settings",
    [
        ["scheduler=none"],
        ["scheduler=step", "scheduler.step_size=1"],
        ["scheduler=cosine"],
        ["scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.1"],
        ["trainer.precision=bf16-mixed", "trainer.channels_last=true"],
        ["data.balance=loss", "data.memory_budget=0"],
    ],
    ids=lambda overrides: overrides[0],
)
def test_resumed_run_equals_the_uninterrupted_one(config, run_training, train_until, tmp_path, settings):
    more = [*SHAKY, *settings, "trainer.max_epochs=4"]
    whole = run_training(config(*more), tmp_path / "whole")
    train_until(config(*more), tmp_path / "broken", 2, RuntimeError("power cut"))
    assert not (tmp_path / "broken" / "metrics.json").exists()
    resumed = run_training(config(*more, "ckpt_path=last"), tmp_path / "broken")
    equal_checkpoints(whole.folder, resumed.folder)
    epochs = [line for line in resumed.output.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in epochs] == ["3/4", "4/4"]
    assert resumed.warnings == []
    # What is saved makes the run in one go.
    assert (whole.folder / "config.yaml").read_text() == (resumed.folder / "config.yaml").read_text()


@pytest.mark.parametrize(("schedule", "broken"), [("plateau", 3), ("plateau", 4), ("step", 4)])
def test_validated_every_second_epoch(config, run_training, train_until, tmp_path, schedule, broken):
    """No validation is an improvement of 10, so the plateau schedule lowers the rate after each but the first."""
    settings = {
        "plateau": ["scheduler.patience=0", "scheduler.factor=0.1", "+scheduler.threshold=10"],
        "step": ["scheduler.step_size=2", "scheduler.gamma=0.1"],
    }
    more = [*SHAKY, f"scheduler={schedule}", *settings[schedule], "trainer.check_val_every_n_epoch=2"]
    more += ["trainer.max_epochs=6"]
    whole = run_training(config(*more), tmp_path / "whole")
    assert whole.warnings == []
    falls = {"plateau": [0, 0, 0, 0, 1, 1], "step": [0, 0, 1, 1, 2, 2]}[schedule]
    assert rates(tmp_path / "whole") == pytest.approx([0.005 * 0.1**n for n in falls])
    train_until(config(*more), tmp_path / "broken", broken, RuntimeError("power cut"))
    resumed = run_training(config(*more, "ckpt_path=last"), tmp_path / "broken")
    equal_checkpoints(whole.folder, resumed.folder, files=("predictions.csv", "splits.csv"))
    assert rates(tmp_path / "broken") == rates(tmp_path / "whole")


def test_resumed_run_keeps_its_best_and_its_patience(config, run_training, train_until, tmp_path):
    """The best epoch lies before the break; the star and the stop count on from there."""
    ruin = ["scheduler=step", "scheduler.step_size=1", "scheduler.gamma=500"]
    more = [*ruin, "trainer.max_epochs=8", "callbacks.early_stopping.patience=3", "~callbacks.heatmaps"]
    more += ["~callbacks.samples", "logger=none"]
    whole = run_training(config(*more), tmp_path / "whole")
    train_until(config(*more), tmp_path / "broken", 2, RuntimeError("power cut"))
    resumed = run_training(config(*more, "ckpt_path=last"), tmp_path / "broken")
    assert (whole.folder / "history.csv").read_bytes() == (resumed.folder / "history.csv").read_bytes()
    said = [
        [line.rpartition("  ")[0] for line in run.output.splitlines() if line.startswith("epoch")]
        for run in (whole, resumed)
    ]
    assert said[1] == said[0][2:]
    assert whole.result["best_epoch"] == resumed.result["best_epoch"] == 1


def test_best_checkpoint_survives_in_a_run_that_was_moved(config, run_training, tmp_path):
    """Lightning knows it by its old path alone, and would take the next epoch for the best one."""
    ruin = ["scheduler=step", "scheduler.step_size=1", "scheduler.gamma=500"]
    more = [*ruin, "~callbacks.heatmaps", "~callbacks.samples", "logger=none"]
    first = run_training(config(*more, "trainer.max_epochs=1"), tmp_path / "here")
    best = (tmp_path / "here" / "checkpoints" / "best.ckpt").read_bytes()
    (tmp_path / "here").rename(tmp_path / "there")
    moved = run_training(config(*more, "trainer.max_epochs=2", "ckpt_path=last"), tmp_path / "there")
    assert (tmp_path / "there" / "checkpoints" / "best.ckpt").read_bytes() == best
    assert moved.result["val/f1"] == first.result["val/f1"]
    assert not (tmp_path / "here").exists()


def test_finished_run_is_evaluated_again(config, run_training, tmp_path):
    more = ["~callbacks.heatmaps", "~callbacks.samples", "logger=none"]
    first = run_training(config(*more), tmp_path)
    files = {name: (tmp_path / name).read_bytes() for name in ("history.csv", "predictions.csv")}
    again = run_training(config(*more, "ckpt_path=last"), tmp_path)
    assert not [line for line in again.output.splitlines() if line.startswith("epoch")]
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    assert again.result == pytest.approx(first.result)


def test_early_stopped_run_stays_stopped(config, run_training, tmp_path):
    ruin = ["scheduler=step", "scheduler.step_size=1", "scheduler.gamma=500"]
    more = [*ruin, "callbacks.early_stopping.patience=2", "~callbacks.heatmaps", "~callbacks.samples"]
    more += ["trainer.max_epochs=9", "logger=none"]
    first = run_training(config(*more), tmp_path)
    files = {name: (tmp_path / name).read_bytes() for name in ("history.csv", "predictions.csv")}
    assert len(files["history.csv"].splitlines()) == 1 + 3
    again = run_training(config(*more, "ckpt_path=last"), tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    assert again.result == pytest.approx(first.result)


def test_pretrained_run_goes_on_without_the_file_of_weights(config, run_training, train_until, tmp_path):
    """The checkpoint holds all weights; what is frozen and how images are normalised are those of the run."""
    torch.manual_seed(0)
    file = tmp_path / "weights.pth"
    torch.save(get_model("mnasnet0_5", num_classes=5).state_dict(), file)
    more = [
        "model=torchvision",
        "model.name=mnasnet0_5",
        f"model.weights={file}",
        "model.freeze_batch_norm=true",
    ]
    more += ["~callbacks.heatmaps", "~callbacks.samples", "logger=none", "task.module.backbone_lr=1e-3"]
    whole = run_training(config(*more), tmp_path / "whole")
    train_until(config(*more), tmp_path / "broken", 1, RuntimeError("power cut"))
    file.unlink()
    resumed = run_training(config(*more, "ckpt_path=last"), tmp_path / "broken")
    equal_checkpoints(whole.folder, resumed.folder)
    for name in ("config.yaml", "passport.json"):
        said = [(folder / name).read_text() for folder in (whole.folder, resumed.folder)]
        assert said[0].replace("whole", "broken") == said[1]


def test_stopped_by_the_person(config, train_until, run_training, tmp_path, capsys):
    train_until(config(*SHAKY), tmp_path, 1, KeyboardInterrupt())
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert f"stopped in epoch 2; go on with the same command and ckpt_path={last}" in capsys.readouterr().out
    assert "test/f1" in run_training(config(*SHAKY, f"ckpt_path={last}"), tmp_path).result


def test_stopped_by_the_person_before_there_is_anything(config, train_until, tmp_path, capsys):
    train_until(config(*SHAKY), tmp_path, 0, KeyboardInterrupt())
    assert "stopped in epoch 1, before the first checkpoint" in capsys.readouterr().out


def test_other_images_than_it_was_trained_on(quick, run_training, draw, tmp_path):
    root = draw(tmp_path / "images", good=20, defects=20)
    cfg = quick(f"data.root={root}", "trainer.max_epochs=1")
    run_training(cfg, tmp_path / "run")
    next(root.rglob("*.png")).unlink()
    with pytest.raises(InputError, match="does not fit the data: 1 files gone, 0 new"):
        run_training(quick(f"data.root={root}", "ckpt_path=last"), tmp_path / "run")


@pytest.mark.slow
def test_killed_and_resumed_from_the_command_line(config, overrides, run_training, tmp_path):
    epochs = 6
    more = [*SHAKY, "scheduler=step", "scheduler.step_size=1", "scheduler.gamma=0.8"]
    more += [f"trainer.max_epochs={epochs}", f"paths.outputs={tmp_path / 'outputs'}"]
    whole = run_training(config(*more), tmp_path / "whole")

    command = [sys.executable, str(CONF.parent / "scripts" / "train.py"), *overrides, *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as the tests: sums in the same order
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if line.startswith("epoch   3/"):
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    (run,) = (tmp_path / "outputs" / "coil" / "small_cnn").iterdir()
    assert not (run / "metrics.json").exists()

    done = subprocess.run(
        [*command, "ckpt_path=last"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    equal_checkpoints(whole.folder, run)
    with (run / "history.csv").open(newline="") as stream:
        assert [int(row["epoch"]) for row in csv.DictReader(stream)] == list(range(1, epochs + 1))
    said = [json.loads((folder / "metrics.json").read_text()) for folder in (whole.folder, run)]
    assert [said[0][part] for part in ("val", "test")] == [said[1][part] for part in ("val", "test")]


def test_a_fold_goes_on_with_its_images(quick, run_training, tmp_path):
    """Its split is written down like any other, and read back instead of dealt out again."""
    fold = ["data.fold=1", "data.folds=3"]
    first = run_training(quick(*fold, "trainer.max_epochs=1"), tmp_path)
    before = (tmp_path / "splits.csv").read_bytes()
    again = run_training(
        quick(*fold, "trainer.max_epochs=2", f"ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}"), tmp_path
    )
    assert first.result.keys() == again.result.keys()
    assert (tmp_path / "splits.csv").read_bytes() == before
    assert [line for line in again.output.splitlines() if line.startswith("epoch   2/2")]
