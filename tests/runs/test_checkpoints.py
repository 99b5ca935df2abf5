"""Checkpoints on a full disk, and conf's rules of what is kept and when to stop."""

import contextlib
import errno
import io
import os
import resource
import signal
import subprocess
import sys

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from inspection.config.entry import CONF
from inspection.config.instantiate import instantiate
from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.runs import checkpoints
from inspection.runs.checkpoints import (
    AtomicCheckpointIO,
    network_weights,
    read_checkpoint,
    trainable_and_total,
)
from inspection.runs.train import train


@pytest.fixture(autouse=True)
def ctrl_c():
    """A process that was started in the background of a shell ignores SIGINT, and so would the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def file_limit():
    """Lets no file grow beyond so many bytes, as a disk would that has no more room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def checkpoint(fill, size=50_000):
    return {"epoch": 0, "state_dict": {"model.network.weight": torch.full((size,), float(fill))}}


def test_written_and_read_back(tmp_path):
    path = tmp_path / "checkpoints" / "best.ckpt"
    AtomicCheckpointIO().save_checkpoint(checkpoint(3), path)
    weights = network_weights(read_checkpoint(path))
    assert weights.keys() == {"weight"}
    assert weights["weight"].eq(3).all()
    assert [file.name for file in path.parent.iterdir()] == ["best.ckpt"]


def test_full_disk_leaves_the_previous_checkpoint(tmp_path, file_limit):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(checkpoint(1), path)
    before = path.read_bytes()
    file_limit(len(before) // 2)
    with pytest.raises(InputError) as error:
        AtomicCheckpointIO().save_checkpoint(checkpoint(2), path)
    file_limit(resource.RLIM_INFINITY)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    message = str(error.value)
    assert message.startswith(f"{path}: the checkpoint could not be written ({os.strerror(errno.EFBIG)})")
    assert "the previous one is unchanged" in message
    assert message.endswith(f"go on with ckpt_path={path}")


def test_full_disk_before_the_first_checkpoint(tmp_path, file_limit):
    file_limit(1000)
    with pytest.raises(InputError, match=r"there is none before it\. Make room, then start again"):
        AtomicCheckpointIO().save_checkpoint(checkpoint(1), tmp_path / "best.ckpt")
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "checkpoints").write_text("a file in the place of the folder")
    with pytest.raises(InputError, match="could not be written"):
        AtomicCheckpointIO().save_checkpoint(checkpoint(1), tmp_path / "checkpoints" / "best.ckpt")


def test_ctrl_c_while_writing_leaves_nothing_half(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(checkpoint(1), path)

    def stopped(_, stream):
        stream.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.torch, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO().save_checkpoint(checkpoint(2), path)
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    assert read_checkpoint(path)["state_dict"]["model.network.weight"].eq(1).all()


def ctrl_c_in_write(monkeypatch):
    """Ctrl-C while torch's zip writer is at work, which calls back for every piece of a tensor."""

    class Stream(io.FileIO):
        def write(self, data):
            if not pressed and self.tell() > 1000:
                pressed.append(True)
                signal.raise_signal(signal.SIGINT)
            return super().write(data)

    pressed = []
    save = torch.save

    def into_stream(values, stream):
        with Stream(stream.name, "wb") as own:
            save(values, own)

    monkeypatch.setattr(checkpoints.torch, "save", into_stream)
    return pressed


@pytest.mark.parametrize("before", [True, False])
def test_ctrl_c_in_the_zip_writer_waits_for_the_checkpoint(tmp_path, monkeypatch, before):
    path, handler = tmp_path / "last.ckpt", signal.getsignal(signal.SIGINT)
    if before:
        AtomicCheckpointIO().save_checkpoint(checkpoint(1), path)
    pressed = ctrl_c_in_write(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO().save_checkpoint(checkpoint(2), path)
    assert pressed
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    assert read_checkpoint(path)["state_dict"]["model.network.weight"].eq(2).all()
    assert signal.getsignal(signal.SIGINT) is handler


def test_interrupt_that_was_not_held_back_is_no_full_disk(tmp_path, monkeypatch):
    """As where the handler is not Python's: torch's zip writer makes a RuntimeError of it."""
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(checkpoint(1), path)
    monkeypatch.setattr(checkpoints, "interrupt_held_back", contextlib.nullcontext)
    ctrl_c_in_write(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO().save_checkpoint(checkpoint(2), path)
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    assert read_checkpoint(path)["state_dict"]["model.network.weight"].eq(1).all()


def test_ctrl_c_in_the_first_checkpoint_of_a_run(quick, run_training, tmp_path, monkeypatch, capsys):
    """The best one is complete and can be gone on from, the last one was never begun."""
    handler = signal.getsignal(signal.SIGINT)
    ctrl_c_in_write(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(plain(quick("trainer.max_epochs=2")), tmp_path)
    monkeypatch.undo()
    signal.signal(signal.SIGINT, handler)  # Lightning leaves it switched off
    best = tmp_path / "checkpoints" / "best.ckpt"
    assert [path.name for path in best.parent.iterdir()] == ["best.ckpt"]
    said = capsys.readouterr().out
    assert f"stopped in epoch 1; go on with the same command and ckpt_path={best}" in said
    assert "test/f1" in run_training(quick("trainer.max_epochs=2", f"ckpt_path={best}"), tmp_path).result


def test_disk_that_fills_up_in_a_run(quick, run_training, tmp_path, monkeypatch):
    """The second epoch's first checkpoint breaks off in the middle; the run can be resumed."""
    save, written = torch.save, []

    def fill_up(values, stream):
        buffer = io.BytesIO()
        save(values, buffer)
        if len(written) == 2:
            stream.write(buffer.getvalue()[:5000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(buffer.getvalue())
        stream.write(written[-1])

    cfg = quick("callbacks.best.monitor=val/loss", "callbacks.best.mode=min")
    monkeypatch.setattr(checkpoints.torch, "save", fill_up)
    with pytest.raises(InputError, match="No space left on device") as error:
        run_training(cfg, tmp_path)
    monkeypatch.undo()
    folder = tmp_path / "checkpoints"
    assert str(error.value).endswith(f"go on with ckpt_path={folder / 'last.ckpt'}")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "best.ckpt": written[0],
        "last.ckpt": written[1],
    }
    resumed = run_training(quick(f"ckpt_path={folder / 'last.ckpt'}"), tmp_path)
    assert "test/f1" in resumed.result


def test_disk_that_fills_up_under_another_file(quick, run_training, tmp_path, monkeypatch):
    def full(path, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("inspection.runs.evaluation.write_predictions", full)
    with pytest.raises(InputError, match=r"predictions\.csv: could not be written \(No space left") as error:
        run_training(quick(), tmp_path)
    assert str(error.value).endswith(f"go on with ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}")


@pytest.mark.slow
def test_full_disk_ends_the_command_with_a_message(overrides, tmp_path):
    """LeNet's 495 kB of weights on a disk that takes 300 kB."""
    script = CONF.parent / "scripts" / "train.py"
    bare = ["~callbacks.heatmaps", "~callbacks.samples", "~callbacks.charts", "logger=none"]
    command = [sys.executable, str(script), *overrides, *bare, "model=lenet", f"paths.outputs={tmp_path}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert message.startswith("error: ")
    assert "best.ckpt: the checkpoint could not be written" in message
    assert not list(tmp_path.rglob("*.ckpt*"))


# ------------------------------------------------------------------------------------------ reading


def test_what_is_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "none.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    with pytest.raises(InputError, match="no checkpoint of this project: it has no state_dict"):
        read_checkpoint(tmp_path / "list.ckpt")


@pytest.mark.parametrize("content", [b"", b"hello world, these are words\n", b"epoch,loss\n1,0.5\n"])
def test_file_of_something_else(tmp_path, content):
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(InputError, match=r"x.ckpt is damaged, or no checkpoint of this project \(.+\)$"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_one_flipped_bit(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(checkpoint(1), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"last.ckpt is damaged, .* does not match its checksum"):
        read_checkpoint(path)


class Trap:
    def __reduce__(self):
        return (os.system, ("echo executed",))


def test_nothing_in_a_checkpoint_is_executed(tmp_path, capfd):
    torch.save({"state_dict": {}, "callbacks": Trap()}, tmp_path / "trap.ckpt")
    with pytest.raises(InputError, match="is damaged, or no checkpoint of this project"):
        read_checkpoint(tmp_path / "trap.ckpt")
    assert "executed" not in capfd.readouterr().out


def test_parameters_are_counted():
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    network[0].requires_grad_(False)
    assert trainable_and_total(network) == (10, 26)


# ------------------------------------------------------------------------------------------ best and last


class Scripted(L.LightningModule):
    """Reports a given validation F1 in each epoch; its one weight counts the epochs."""

    def __init__(self, values):
        super().__init__()
        self.values = values
        self.count = nn.Parameter(torch.zeros(1))

    def training_step(self, batch, batch_idx):
        return -self.count.sum()

    def validation_step(self, batch, batch_idx):
        self.log("val/f1", self.values[self.current_epoch])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)  # one up in each epoch


NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "epochs", "best"),
    [
        ([0.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.99], 5, 1),  # three epochs without a better one
        ([0.1, 0.9, 0.8, 0.9, 0.91, 0.5, 0.1], 7, 4),  # an equal one is no better one, a better one is
        ([0.9, 0.1, 0.1, 0.1], 4, 0),
        ([NAN, NAN, 0.2, 0.3], 4, 3),  # undefined figures neither stop a run nor count as the best
        ([0.2, NAN, 0.1, 0.3, NAN], 5, 3),
        ([NAN, NAN, NAN, NAN], 3, 0),
    ],
)
@pytest.mark.filterwarnings("ignore")  # Lightning's, of a trainer that is built by hand
def test_callbacks_of_conf_keep_and_stop_by_the_largest_f1(quick, tmp_path, values, epochs, best):
    nodes = plain(quick("callbacks.early_stopping.patience=3"))["callbacks"]
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=len(values),
        callbacks=[instantiate(node) for node in nodes.values()],
        plugins=[AtomicCheckpointIO()],
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    loader = DataLoader(torch.zeros(1, 1))
    trainer.fit(Scripted(values), loader, loader)
    assert trainer.current_epoch == epochs
    count = {
        path.name: int(torch.load(path, weights_only=True)["state_dict"]["count"])
        for path in (tmp_path / "checkpoints").iterdir()
    }
    assert count == {"best.ckpt": best + 1, "last.ckpt": epochs}
