from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from inspection.callbacks.reseed import ReseedEachEpoch
from inspection.callbacks.resume import ResumeExactly


def schedule(kind, **settings):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    return kind(optimizer, **settings)


def trainer(scheduler, epoch, value=None, frequency=1):
    return SimpleNamespace(
        lr_scheduler_configs=[SimpleNamespace(scheduler=scheduler, frequency=frequency)],
        current_epoch=epoch,
        callback_metrics={} if value is None else {"val/f1": torch.tensor(value)},
    )


def test_plateau_gets_the_step_that_the_checkpoint_lacks():
    scheduler = schedule(ReduceLROnPlateau, mode="max", patience=0, factor=0.1)
    scheduler.step(0.5)
    before = ResumeExactly("val/f1")
    before.on_train_epoch_end(trainer(scheduler, 1, 0.4), None)  # the checkpoint is written after this
    after = ResumeExactly("val/f1")
    after.load_state_dict(before.state_dict())
    after.on_train_epoch_start(trainer(scheduler, 2), None)
    assert scheduler.optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    after.on_train_epoch_start(trainer(scheduler, 2), None)  # and no further one
    assert scheduler.last_epoch == 2


def test_plateau_of_every_second_epoch_is_not_behind():
    scheduler = schedule(ReduceLROnPlateau, mode="max", patience=0, factor=0.1)
    scheduler.step(0.5)
    callback = ResumeExactly("val/f1")
    callback.on_train_epoch_end(trainer(scheduler, 1, 0.4, frequency=2), None)
    for epoch in (2, 3):
        callback.on_train_epoch_start(trainer(scheduler, epoch, frequency=2), None)
        assert scheduler.last_epoch == 1
    callback.on_train_epoch_start(trainer(scheduler, 4, frequency=2), None)
    assert scheduler.last_epoch == 2


def test_other_schedules_are_left_alone():
    scheduler = schedule(StepLR, step_size=1)
    callback = ResumeExactly("val/f1")
    callback.load_state_dict({"value": 0.4})
    callback.on_train_epoch_start(trainer(scheduler, 5), None)
    assert scheduler.last_epoch == 0


@pytest.mark.parametrize(("waited", "stopped"), [(2, False), (3, True), (4, True)])
def test_early_stopping_that_had_stopped_the_run(waited, stopped):
    stopping = SimpleNamespace(wait_count=waited, patience=3)
    run = SimpleNamespace(early_stopping_callbacks=[stopping], should_stop=False)
    ResumeExactly("val/f1").on_train_start(run, None)
    assert run.should_stop is stopped


def test_random_numbers_depend_on_seed_epoch_and_process():
    def draw(seed=1, epoch=2, rank=0):
        torch.rand(7)  # whatever was drawn before
        ReseedEachEpoch(seed).on_train_epoch_start(
            SimpleNamespace(current_epoch=epoch, global_rank=rank), None
        )
        return torch.rand(3).tolist()

    assert draw() == draw()
    others = [draw(seed=2), draw(epoch=3), draw(rank=1), draw(seed=2, epoch=1)]
    assert len({tuple(numbers) for numbers in [draw(), *others]}) == 5
