"""The classification module in a trainer of its own, with plain arguments."""

import functools

import lightning as L
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as sk
from torch import nn
from torch.utils.data import DataLoader

from inspection.tasks.classification import Classification

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, of trainers that are built by hand

COUNT = 23


class Flat(nn.Module):
    """The smallest network: one linear layer over all pixels."""

    def __init__(self, classes=2):
        super().__init__()
        self.linear = nn.Linear(4, classes)

    def forward(self, images):
        return self.linear(images.flatten(1))


def build(network=None, **settings):
    plain = {
        "loss": nn.CrossEntropyLoss,
        "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
        "scheduler": None,
        "classes": ["ok", "defect"],
        "defect": "defect",
        "ordered": False,
        "mean": [0.25],
        "std": [0.5],
    }
    torch.manual_seed(0)
    return Classification(network=network or Flat(), **plain | settings)


@pytest.fixture
def batches():
    random = np.random.default_rng(4)
    images = torch.from_numpy(random.integers(0, 256, (COUNT, 1, 2, 2)).astype(np.uint8))
    targets = torch.from_numpy(random.integers(0, 2, COUNT))
    order = torch.from_numpy(random.permutation(COUNT))  # rows come in any order
    return [{"image": images[rows], "target": targets[rows], "index": rows} for rows in order.split(5)]


def everything(batches):
    """All batches as one, sorted by row."""
    whole = {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}
    order = whole["index"].argsort()
    return {key: value[order] for key, value in whole.items()}


def loader(batches):
    return DataLoader(batches, batch_size=None)


def trainer(tmp_path, **settings):
    return L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
        max_epochs=1,
        **settings,
    )


def by_hand(task, images):
    """Logits of the linear layer, written out."""
    layer = task.model.network.linear
    return (((images.double() / 255) - 0.25) / 0.5).flatten(1) @ layer.weight.double().T + layer.bias.double()


def test_outcome_is_sorted_by_row_and_its_figures_are_scikit_learns(batches, tmp_path):
    task = build()
    trainer(tmp_path).test(task, loader(batches), verbose=False)
    whole, outcome = everything(batches), task.outcome
    assert outcome.rows.tolist() == list(range(COUNT))
    assert torch.equal(outcome.targets, whole["target"])
    logits = by_hand(task, whole["image"])
    assert outcome.logits.dtype == torch.float32
    assert torch.allclose(outcome.logits.double(), logits, atol=1e-5)
    assert torch.allclose(outcome.probabilities.sum(1), torch.ones(COUNT, dtype=torch.float64))
    target, score = whole["target"].numpy(), logits.softmax(1)[:, 1].detach().numpy()
    assert outcome.counts.tolist() == sk.confusion_matrix(target, score >= 0.5).tolist()
    assert outcome.figures["f1"] == pytest.approx(sk.f1_score(target, score >= 0.5))
    assert outcome.figures["auroc"] == pytest.approx(sk.roc_auc_score(target, score), abs=1e-5)
    assert outcome.figures["loss"] == pytest.approx(sk.log_loss(target, score), abs=1e-5)


def test_second_pass_forgets_the_first(batches, tmp_path):
    task, machine = build(), trainer(tmp_path)
    machine.validate(task, loader(batches), verbose=False)
    machine.validate(task, loader(batches[:2]), verbose=False)
    assert len(task.outcome.rows) == 10
    assert int(task.outcome.counts.sum()) == 10


def test_training_figures_are_of_what_was_learned_from(batches, tmp_path):
    """The confusion of the training batches as each was seen, before its step."""
    task, machine = build(), trainer(tmp_path)
    seen = []
    whole = task.training_step

    def noted(batch, batch_idx):
        seen.append((by_hand(task, batch["image"]).detach(), batch["target"]))
        return whole(batch, batch_idx)

    task.training_step = noted
    machine.fit(task, loader(batches), loader(batches))
    logits, targets = (torch.cat(parts) for parts in zip(*seen, strict=True))
    found = {name: float(value) for name, value in machine.callback_metrics.items()}
    assert found["train/f1"] == pytest.approx(sk.f1_score(targets, logits.argmax(1)))
    assert found["train/accuracy"] == pytest.approx(sk.accuracy_score(targets, logits.argmax(1)))
    assert found["train/loss"] == pytest.approx(float(F.cross_entropy(logits, targets)), abs=1e-5)
    assert found["val/loss"] != found["train/loss"]


def test_one_step_is_that_of_the_optimizer(batches, tmp_path):
    task = build()
    layer = task.model.network.linear
    before = layer.weight.detach().clone()
    batch = batches[0]
    pixels = ((batch["image"].float() / 255 - 0.25) / 0.5).flatten(1)
    loss = F.cross_entropy(layer(pixels), batch["target"])
    (gradient,) = torch.autograd.grad(loss, layer.weight)
    trainer(tmp_path, limit_val_batches=0).fit(task, loader(batches[:1]))
    assert torch.allclose(layer.weight, before - 0.1 * gradient, atol=1e-6)


class Weighted(L.LightningDataModule):
    def __init__(self, batches, loss_weights):
        super().__init__()
        self.batches, self.loss_weights = batches, loss_weights

    def test_dataloader(self):
        return loader(self.batches)


def test_class_weights_of_the_data_reach_the_loss(batches, tmp_path):
    weights = torch.tensor([0.25, 4.0])
    task = build()
    trainer(tmp_path).test(task, datamodule=Weighted(batches, weights), verbose=False)
    whole = everything(batches)
    expected = F.cross_entropy(by_hand(task, whole["image"]), whole["target"], weights.double())
    assert task.outcome.figures["loss"] == pytest.approx(float(expected), abs=1e-5)
    plain = build()
    trainer(tmp_path).test(plain, datamodule=Weighted(batches, None), verbose=False)
    assert plain.loss.weight is None


def test_names_of_what_is_logged(batches, tmp_path):
    task, machine = build(), trainer(tmp_path)
    machine.fit(task, loader(batches), loader(batches))
    assert sorted(task.logged()) == sorted(machine.callback_metrics)


def test_frozen_weights_are_left_out_of_the_optimizer():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Linear(3, 2))
    network[1].requires_grad_(False)
    optimizer = build(network).configure_optimizers()
    assert [p.shape for p in optimizer.param_groups[0]["params"]] == [(2, 3), (2,)]


@pytest.mark.parametrize("nothing", [None, {}])
def test_without_a_schedule(nothing):
    assert isinstance(build(scheduler=nothing).configure_optimizers(), torch.optim.SGD)


def test_schedule_follows_the_monitored_metric():
    plateau = functools.partial(torch.optim.lr_scheduler.ReduceLROnPlateau, mode="max")
    made = build(scheduler=plateau, monitor="val/recall").configure_optimizers()
    assert made["lr_scheduler"]["monitor"] == "val/recall"
    assert made["lr_scheduler"]["interval"] == "epoch"


def test_evaluation_is_in_float32_whatever_the_training_is_in(batches, tmp_path):
    exact, mixed = build(), build()
    trainer(tmp_path, precision="32-true").test(exact, loader(batches), verbose=False)
    trainer(tmp_path, precision="bf16-mixed").test(mixed, loader(batches), verbose=False)
    assert torch.equal(exact.outcome.logits, mixed.outcome.logits)


def test_channels_last_changes_the_layout_alone(batches):
    network = nn.Sequential(nn.Conv2d(1, 8, 2), nn.Flatten(), nn.Linear(8, 2))
    task = build(network)
    expected = task(batches[0]["image"])
    task.use_channels_last()
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(task(batches[0]["image"]), expected, atol=1e-6)


def test_checkpoint_holds_tensors_and_plain_values(batches, tmp_path):
    task, machine = build(), trainer(tmp_path)
    machine.fit(task, loader(batches), loader(batches))
    machine.save_checkpoint(tmp_path / "x.ckpt")
    checkpoint = torch.load(tmp_path / "x.ckpt", weights_only=True)
    assert {name for name in checkpoint["state_dict"] if name.startswith("model.network.")} == {
        "model.network.linear.weight",
        "model.network.linear.bias",
    }
    assert "hyper_parameters" not in checkpoint
