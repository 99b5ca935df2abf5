"""What a run refuses before an epoch is spent."""

import functools
import shutil

import pytest
import torch
from torch import nn

from inspection.errors import InputError
from inspection.models.backbone import TorchvisionNetwork
from inspection.runs.train import check_fits
from inspection.tasks.classification import Classification


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.image_size=[4,4]", r"SmallCNN can't take images of 1x4x4 \(data.channels, data.image_size\)"),
        ("optimizer.lr=-1", "optimizer or scheduler: .*learning rate"),
        ("model.width=0", "width=0: expected 1 or more"),
        ("trainer.max_epochs=0", "trainer.max_epochs=0: expected 1 or more"),
        ("seed=-1", "seed=-1: expected 0 to"),
        ("data.split_seed=-1", "data.split_seed=-1: expected 0 or more"),
        ("task.monitor=val/f2", "task.monitor=val/f2: no such figure; did you mean val/f1"),
        ("callbacks.heatmaps.layer=network.nowhere", "network.nowhere"),
        ("loss=bce", r"loss: not one for this kind of question \(.*\); use loss=cross_entropy, "),
    ],
)
def test_values_that_no_run_can_have(config, run_training, tmp_path, override, message):
    with pytest.raises(InputError, match=message):
        run_training(config(override), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("override", ["data.image_size=[32,32]", "optimizer.lr=0.5", "model=lenet"])
def test_a_run_is_not_resumed_with_other_settings(config, trained, run_training, tmp_path, override):
    run = tmp_path / "run"
    shutil.copytree(trained.folder, run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    ruin = ["scheduler=step", "scheduler.step_size=2", "scheduler.gamma=500", "trainer.max_epochs=5"]
    with pytest.raises(InputError, match=r"can't go on with other settings: .*the run has") as error:
        run_training(config(*ruin, "ckpt_path=last", override), run)
    assert override.partition("=")[0].split(".")[0] in str(error.value)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_shares_that_do_not_sum_to_one_are_said(module, draw, tmp_path):
    draw(tmp_path / "images", good=20, defects=12)
    data = module(split=[5, 3, 2])
    data.setup()
    assert any("50.0%, 30.0%, 20.0%" in note for note in data.notes)


@pytest.mark.parametrize(
    ("settings", "awake"),
    [({}, True), ({"freeze_batch_norm": True}, False), ({"trainable": ["head"]}, False)],
)
def test_trying_the_network_leaves_it_as_it_was(module, settings, awake):
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
    check_fits(task, module(image_size=[64, 64]))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(norm.training == awake for norm in norms)
    assert all(m.training for m in task.modules() if not isinstance(m, nn.BatchNorm2d))
    assert all(value.equal(before[name]) for name, value in task.state_dict().items())
