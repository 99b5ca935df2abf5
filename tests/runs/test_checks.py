"""What a run refuses before an epoch is spent."""

import csv
import functools
import shutil

import pytest
import torch
from torch import nn

from inspection.errors import InputError
from inspection.models.backbone import TorchvisionNetwork
from inspection.runs.prepare import fit_together
from inspection.tasks.classification import Classification
from tests.conftest import TINY


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.image_size=[4,4]", r"SmallCNN can't take images of 1x4x4 \(data.channels, data.image_size\)"),
        ("optimizer.lr=-1", "optimizer or scheduler: .*learning rate"),
        ("model.width=0", "width=0: expected 1 or more"),
        ("trainer.max_epochs=0", "trainer.max_epochs=0: expected 1 or more"),
        ("trainer.limit_val_batches=0", "trainer.limit_val_batches=0: expected more; the best epoch"),
        ("trainer.limit_val_batches=0.0", "trainer.limit_val_batches=0: expected more; the best epoch"),
        ("seed=-1", "seed=-1: expected 0 to"),
        ("data.split_seed=-1", "data.split_seed=-1: expected 0 or more"),
        ("task.monitor=val/f2", "task.monitor=val/f2: no such figure; did you mean val/f1"),
        ("callbacks.heatmaps.layer=network.nowhere", "network.nowhere"),
        (
            "decide=fixed decide.threshold=1.5",
            "decide.threshold: threshold=1.5: expected a probability, 0 to 1",
        ),
        ("loss=bce", r"loss: not one for this kind of question \(.*\); use loss=cross_entropy, "),
    ],
)
def test_values_that_no_run_can_have(config, run_training, tmp_path, override, message):
    with pytest.raises(InputError, match=message):
        run_training(config(*override.split()), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("task", "overrides", "says"),
    [
        (
            "coil",
            ["model=simple_yolo", "model.stride=8"],
            "SimpleYolo gives 100x6 numbers an image, .* from 2;",
        ),
        (
            "coil",
            ["model=unet", "model.width=4"],
            "UNet gives 1x32x56 numbers an image, .* one class .* from 2;",
        ),
        ("seam", ["model=simple_yolo", "model.width=4"], "SimpleYolo gives 100x6 .* attributes .* from 4;"),
        ("thermal", ["model=simple_yolo", "model.stride=16"], "SimpleYolo gives 100x6 .* quantities from 3;"),
        ("mvtec", ["model=unet", "model.width=4"], "UNet gives 1x64x64 .* from 2;"),
        (
            "surface",
            ["model=small_cnn"],
            "SmallCNN gives .*choose a network that gives a map, such as model=unet",
        ),
        ("equipment", ["model=small_cnn"], "SmallCNN finds no boxes: take a detector"),
    ],
)
def test_a_network_for_another_kind_of_task(compose, run_training, tmp_path, task, overrides, says):
    """The network is named, not the loss."""
    tiny = [word for word in TINY[task] if not word.startswith("model.")]
    places = [f"paths.data={tmp_path / 'data'}", f"paths.outputs={tmp_path / 'outputs'}"]
    with pytest.raises(InputError, match=says) as caught:
        run_training(compose("train", [f"task={task}", *tiny, *overrides, *places]), tmp_path / "run")
    assert "loss" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


RUIN = ["scheduler=step", "scheduler.step_size=2", "scheduler.gamma=500"]  # as in the fixture `trained`


@pytest.fixture
def refused(config, trained, run_training, tmp_path):
    """Tries to go on with a copy of a run, and gives the message; nothing of the run may have changed."""

    def resume(*overrides, change=lambda run: None):
        run = tmp_path / "run"
        shutil.copytree(trained.folder, run)
        change(run)
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        with pytest.raises(InputError) as error:
            run_training(config(*RUIN, "trainer.max_epochs=5", "ckpt_path=last", *overrides), run)
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
        return str(error.value)

    return resume


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.image_size=[32,32]", "data.image_size=[32, 32] (the run has [40, 48])"),
        ("optimizer.lr=0.5", "optimizer.lr=0.5 (the run has 0.005)"),
        ("model=lenet", "model=LeNet (the run has SmallCNN)"),
        ("task.module.backbone_lr=1e-5", "task.module.backbone_lr=1e-05 (the run has None)"),
        ("task.module.ordered=true", "task.module.ordered=True (the run has False)"),
        ("task.monitor=val/auroc", "task.module.monitor=val/auroc (the run has val/f1)"),
        ("scheduler.gamma=0.1", "scheduler.gamma=0.1 (the run has 500)"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(refused, override, said):
    message = refused(override)
    assert "run can't go on with other settings: " in message
    assert said in message
    assert message.endswith("give the overrides that the run was started with, or train anew")


def without_optimizer(run):
    path = run / "checkpoints" / "last.ckpt"
    values = torch.load(path, weights_only=True)
    del values["optimizer_states"]
    torch.save(values, path)


def with_two_groups(run):
    path = run / "checkpoints" / "last.ckpt"
    values = torch.load(path, weights_only=True)
    values["optimizer_states"][0]["param_groups"] *= 2
    torch.save(values, path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: (run / "checkpoints" / "last.ckpt").write_bytes(b"half"), "last.ckpt is damaged"),
        (without_optimizer, "holds weights, but not the state of a training (optimizer_states)"),
        (with_two_groups, "other parameters of the network (loaded state dict has a different number of"),
    ],
)
def test_a_checkpoint_that_training_cannot_go_on_from(refused, change, said):
    message = refused(change=change)
    assert message.startswith("ckpt_path=")
    assert said in message


def test_a_schedule_over_the_whole_run_is_not_made_longer(quick, run_training, tmp_path):
    first = run_training(quick("scheduler=cosine", "trainer.max_epochs=2"), tmp_path)
    with pytest.raises(InputError) as error:
        run_training(quick("scheduler=cosine", "trainer.max_epochs=4", "ckpt_path=last"), first.folder)
    message = str(error.value)
    assert "scheduler.T_max=4 (the run has 2)" in message
    assert "scheduler.T_max follows trainer.max_epochs" in message
    assert message.endswith("give trainer.max_epochs=2, or train anew")


@pytest.mark.parametrize("schedule", [["scheduler=none"], ["scheduler=step", "scheduler.step_size=1"]])
def test_other_schedules_go_on_for_more_epochs(config, run_training, tmp_path, schedule):
    bare = ["~callbacks.heatmaps", "~callbacks.samples", "logger=none", *schedule]
    run_training(config(*bare, "trainer.max_epochs=1"), tmp_path)
    run_training(config(*bare, "trainer.max_epochs=3", "ckpt_path=last"), tmp_path)
    with (tmp_path / "history.csv").open(newline="") as stream:
        rates = [float(row["lr"]) for row in csv.DictReader(stream)]
    factor = 1 if schedule == ["scheduler=none"] else 0.5
    assert rates == pytest.approx([0.005, 0.005 * factor, 0.005 * factor**2])


def test_shares_that_do_not_sum_to_one_are_said(module, draw, tmp_path):
    draw(tmp_path / "images", good=20, defects=12)
    data = module(split=[5, 3, 2])
    data.setup()
    assert any("50.0%, 30.0%, 20.0%" in note for note in data.notes)


@pytest.mark.parametrize(
    ("settings", "awake"),
    [({}, True), ({"freeze_batch_norm": True}, False), ({"trainable": ["head"]}, False)],
)
def test_trying_the_network_leaves_it_as_it_was(module, draw, tmp_path, settings, awake):
    """Batch norms that are frozen stay asleep, those that are not stay awake, and no image has been counted."""
    torch.manual_seed(0)
    network = TorchvisionNetwork("shufflenet_v2_x0_5", 2, **settings)
    task = Classification(
        network=network,
        loss=nn.CrossEntropyLoss,
        optimizer=functools.partial(torch.optim.SGD, lr=0.1),
        scheduler=None,
        classes=["ok", "defect"],
        defect="defect",
        ordered=False,
        mean=[0.5],
        std=[0.5],
    )
    before = {name: value.clone() for name, value in task.state_dict().items()}
    draw(tmp_path / "images", good=8, defects=8)
    data = module(image_size=[64, 64])
    data.setup()
    fit_together(task, data)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(norm.training == awake for norm in norms)
    assert all(m.training for m in task.modules() if not isinstance(m, nn.BatchNorm2d))
    assert all(value.equal(before[name]) for name, value in task.state_dict().items())
