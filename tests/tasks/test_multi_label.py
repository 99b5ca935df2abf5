"""The multi-label module in a trainer of its own, with plain arguments."""

import functools
import math

import lightning as L
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as sk
from torch import nn
from torch.utils.data import DataLoader

from inspection.tasks.multi_label import MultiLabel

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, of trainers that are built by hand

COUNT = 41
NAMES = ["good", "error", "break"]


class Flat(nn.Module):
    """The smallest network: one linear layer over all pixels."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, len(NAMES))

    def forward(self, images):
        return self.linear(images.flatten(1))


def build(**settings):
    plain = {
        "network": Flat(),
        "loss": nn.BCEWithLogitsLoss,
        "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
        "scheduler": None,
        "classes": NAMES,
        "thresholds": None,
        "mean": [0.25],
        "std": [0.5],
    }
    torch.manual_seed(0)
    return MultiLabel(**plain | settings)


@pytest.fixture
def batches():
    random = np.random.default_rng(4)
    images = torch.from_numpy(random.integers(0, 256, (COUNT, 1, 2, 2)).astype(np.uint8))
    targets = torch.from_numpy((random.random((COUNT, 3)) < 0.4).astype(np.float32))
    order = torch.from_numpy(random.permutation(COUNT))
    return [{"image": images[rows], "target": targets[rows], "index": rows} for rows in order.split(6)]


class Data(L.LightningDataModule):
    def __init__(self, batches, loss_weights=None):
        super().__init__()
        self.batches, self.loss_weights = batches, loss_weights

    def train_dataloader(self):
        return DataLoader(self.batches, batch_size=None)

    val_dataloader = test_dataloader = train_dataloader


def trainer(tmp_path):
    return L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
        max_epochs=1,
    )


def everything(task, batches):
    """Probabilities by hand and targets, sorted by row."""
    whole = {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}
    order = whole["index"].argsort()
    pixels = ((whole["image"][order].double() / 255 - 0.25) / 0.5).flatten(1)
    layer = task.model.network.linear
    logits = pixels @ layer.weight.double().T + layer.bias.double()
    return logits.detach(), whole["target"][order].numpy()


def test_figures_are_scikit_learns_at_each_threshold(batches, tmp_path):
    thresholds = {"error": 0.4, "break": 0.6}
    task = build(thresholds=thresholds)
    trainer(tmp_path).test(task, datamodule=Data(batches), verbose=False)
    logits, target = everything(task, batches)
    scores = logits.sigmoid().numpy()
    judged = scores >= [0.5, 0.4, 0.6]
    outcome = task.outcome
    assert outcome.rows.tolist() == list(range(COUNT))
    assert outcome.called.tolist() == judged.tolist()
    assert outcome.counts.tolist() == sk.multilabel_confusion_matrix(target, judged).tolist()
    figures = outcome.figures
    assert figures["f1"] == pytest.approx(sk.f1_score(target, judged, average="macro"))
    assert figures["exact_match"] == pytest.approx(sk.accuracy_score(target, judged))
    assert figures["average_precision/break"] == pytest.approx(
        sk.average_precision_score(target[:, 2], scores[:, 2]), abs=1e-5
    )
    expected = F.binary_cross_entropy_with_logits(logits, torch.from_numpy(target).double())
    assert figures["loss"] == pytest.approx(float(expected), abs=1e-5)
    assert outcome.right.tolist() == (judged == target).all(1).tolist()


def test_weights_of_the_data_reach_the_loss(batches, tmp_path):
    weights = torch.tensor([0.5, 3.0, 7.0])
    task = build()
    trainer(tmp_path).test(task, datamodule=Data(batches, weights), verbose=False)
    logits, target = everything(task, batches)
    loss = F.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(target).double(), pos_weight=weights.double()
    )
    assert task.outcome.figures["loss"] == pytest.approx(float(loss), abs=1e-4)


def test_what_is_logged_is_what_is_said(batches, tmp_path):
    task, machine = build(), trainer(tmp_path)
    machine.fit(task, datamodule=Data(batches))
    found = set(machine.callback_metrics)
    assert found == set(task.logged())
    assert "val/f1/error" in found
    assert not math.isnan(float(machine.callback_metrics["train/f1"]))


def test_worst_mistakes_come_first(batches, tmp_path):
    task = build()
    trainer(tmp_path).test(task, datamodule=Data(batches), verbose=False)
    logits, target = everything(task, batches)
    scores = logits.sigmoid().numpy()
    wrong = np.flatnonzero(((scores >= 0.5) != target).any(1))
    worst = np.where(target > 0, scores, 1 - scores).min(1)
    assert task.outcome.mistakes(1000).tolist() == sorted(wrong, key=lambda row: worst[row])
    examples = task.outcome.examples()
    assert {name: rows.tolist() for name, rows in examples.items()} == {
        name: np.flatnonzero(target[:, column]).tolist() for column, name in enumerate(NAMES)
    }


def test_tables_of_the_console(batches, tmp_path):
    task = build()
    trainer(tmp_path).test(task, datamodule=Data(batches), verbose=False)
    headline, each = task.outcome.tables({"test": task.outcome})
    assert ["exact_match", (task.outcome.figures["exact_match"], None)] in [
        list(row) for row in headline.rows
    ]
    assert [row[0] for row in each.rows] == ["", *NAMES]
    column = {name: [row[place] for row in each.rows[1:]] for place, name in enumerate(each.rows[0])}
    matrices = task.outcome.counts.numpy()
    assert column["true"] == matrices[:, 1].sum(1).tolist()
    assert column["missed"] == matrices[:, 1, 0].tolist()
    assert column["false alarms"] == matrices[:, 0, 1].tolist()


def test_threshold_of_no_attribute():
    with pytest.raises(ValueError, match="'brake' is none of good, error, break"):
        build(thresholds={"brake": 0.4})
