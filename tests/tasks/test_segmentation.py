"""The segmentation module in a trainer of its own, with plain arguments."""

import csv
import functools
import math
from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score
from torch import nn
from torch.utils.data import DataLoader

from inspection.data.geometry import Geometry
from inspection.decide.rules import Fixed
from inspection.errors import InputError
from inspection.explain.regions import find_regions
from inspection.tasks.defects import Camera
from inspection.tasks.mask_losses import MaskLoss, dice_losses
from inspection.tasks.mask_outcome import MaskOutcome
from inspection.tasks.segmentation import Segmentation
from tests.conftest import write_image

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, of trainers that are built by hand

COUNT, SIZE = 17, (12, 20)


def build(**settings):
    plain = {
        "network": nn.Conv2d(1, 1, 3, padding=1),
        "loss": MaskLoss,
        "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
        "scheduler": None,
        "classes": ["ok", "defect"],
        "defect": "defect",
        "threshold": 0.5,
        "min_area": 4,
        "mean": [0.25],
        "std": [0.5],
    }
    torch.manual_seed(0)
    return Segmentation(**plain | settings)


@pytest.fixture
def table():
    """Images that are bright where the defect is, some of them without one, some with a speck too many."""
    random = np.random.default_rng(4)
    images = random.integers(0, 90, (COUNT, 1, *SIZE))
    masks = np.zeros((COUNT, 1, *SIZE), np.uint8)
    for row in range(0, COUNT, 2):
        top, left = random.integers(0, 6), random.integers(0, 12)
        masks[row, 0, top : top + 4, left : left + 6] = 1
    images[masks > 0] += 120
    images[1::4, 0, 3, 3:5] = 250
    return {
        "image": torch.from_numpy(images.astype(np.uint8)),
        "mask": torch.from_numpy(masks),
        "target": torch.from_numpy(masks.any(axis=(1, 2, 3)).astype(np.int64)),
        "index": torch.arange(COUNT),
    }


def batches(table, size=5):
    order = torch.from_numpy(np.random.default_rng(1).permutation(COUNT))
    return [{name: values[rows] for name, values in table.items()} for rows in order.split(size)]


class Data(L.LightningDataModule):
    loss_weights = None

    def __init__(self, given, kinds=None, root=None):
        super().__init__()
        self.given = given
        self.samples = SimpleNamespace(kinds=kinds, files=[f"{row}.png" for row in range(COUNT)])
        self.root, self.geometry = root, Geometry(SIZE)

    def train_dataloader(self):
        return DataLoader(self.given, batch_size=None)

    val_dataloader = test_dataloader = train_dataloader


def trainer(folder, **settings):
    plain = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    return L.Trainer(**plain | settings)


def bright(threshold=100.0):
    """A task that calls what is brighter than the threshold."""
    task = build(network=nn.Conv2d(1, 1, 1), mean=[0.0], std=[1.0])
    with torch.no_grad():
        task.model.network.weight.fill_(100.0)
        task.model.network.bias.fill_(-100.0 * threshold / 255)
    return task


def evaluated(task, table, folder, size=5, **data):
    trainer(folder).test(task, Data(batches(table, size), **data), verbose=False)
    return task.outcome


def test_figures_of_a_pass_against_scikit_learn(table, tmp_path):
    task = bright()
    outcome = evaluated(task, table, tmp_path)
    called = (table["image"] > 100).numpy().astype(int)
    masks = table["mask"].numpy()
    assert outcome.rows.tolist() == list(range(COUNT))
    figures = outcome.figures
    assert figures["dice/set"] == pytest.approx(f1_score(masks.ravel(), called.ravel()))
    assert figures["iou/set"] == pytest.approx(jaccard_score(masks.ravel(), called.ravel()))
    each = [f1_score(m.ravel(), c.ravel(), zero_division=1.0) for m, c in zip(masks, called, strict=True)]
    assert figures["dice"] == pytest.approx(np.mean(each))
    verdict = called.sum(axis=(1, 2, 3)) >= 4
    assert figures["f1"] == pytest.approx(f1_score(table["target"].numpy(), verdict))
    logits = task.model(table["image"]).detach()
    assert figures["loss"] == pytest.approx(
        float(dice_losses(logits, table["mask"].float()).mean()), rel=1e-5
    )
    assert set(figures) == {"loss", *task.evaluated()}


def test_figures_do_not_depend_on_the_batches(table, tmp_path):
    one, other = (evaluated(bright(), table, tmp_path, size).figures for size in (3, 17))
    assert one == pytest.approx(other, nan_ok=True)


def test_specks_below_the_area_do_not_make_a_defect(table, tmp_path):
    outcome = evaluated(bright(), table, tmp_path)
    specked = range(1, COUNT, 4)
    assert all(int(outcome.areas[row]) == 2 and int(outcome.verdicts[row]) == 0 for row in specked)
    assert all(outcome.defects[row] == [] and len(outcome.regions[row]) == 1 for row in specked)
    assert outcome.figures["precision"] == 1
    strict = evaluated(build_strict(), table, tmp_path)
    assert strict.figures["precision"] == pytest.approx(9 / 13)


def test_a_fixed_probability_of_pixels_is_that_of_the_masks(table, tmp_path):
    """Which pixels are called is counted while images are looked at: the point must be there before."""
    task = bright(100)
    low = 1 / (1 + math.exp((100 - 80.5) / 2.55))  # what the network says of a grey level of 80.5
    task.decide_by(Fixed({"pixel": low, "min_area": 6.5}, resamples=0))
    trainer(tmp_path).validate(task, Data(batches(table)), verbose=False)
    called = (table["image"] > 80).flatten(1).sum(1)
    assert not called.equal((table["image"] > 100).flatten(1).sum(1))
    assert task.outcome.areas.equal(called)
    assert (task.decision.threshold, task.decision.min_area) == (low, 7)
    assert task.outcome.verdicts.tolist() == (called >= 7).long().tolist()
    only_pixels = bright(100)
    only_pixels.decide_by(Fixed({"pixel": low}, resamples=0))
    trainer(tmp_path).validate(only_pixels, Data(batches(table)), verbose=False)
    assert (only_pixels.decision.threshold, only_pixels.decision.min_area) == (low, 4)


def build_strict():
    task = bright()
    task.decision = task.decision.at({"min_area": 1})
    return task


def test_nothing_as_large_as_a_map_is_kept(table, tmp_path):
    task = bright()
    evaluated(task, table, tmp_path)
    kept = [value for _, kept in task._seen for value in kept.values()]
    assert max(value.numel() for value in kept if isinstance(value, torch.Tensor)) <= 5 * 3


def test_training_learns_and_is_logged(table, tmp_path):
    task = build(
        optimizer=functools.partial(torch.optim.Adam, lr=0.1), loss=functools.partial(MaskLoss, bce=1.0)
    )
    fit = trainer(tmp_path, max_epochs=30)
    fit.fit(task, Data(batches(table)))
    assert set(task.logged()) <= set(fit.callback_metrics)
    assert float(fit.callback_metrics["val/dice"]) > 0.7
    assert float(fit.callback_metrics["train/dice"]) > 0.5


def test_types_of_defects_have_their_own_figures(table, tmp_path):
    kinds = ["good" if row % 2 else ("crack", "spot")[row % 4 // 2] for row in range(COUNT)]
    for row in range(COUNT):
        write_image(tmp_path / f"{row}.png", np.zeros((24, 60), np.uint8))
    outcome = evaluated(bright(), table, tmp_path, kinds=kinds, root=tmp_path)
    details = outcome.details()
    assert details["kinds"]["crack"]["images"] == 5
    assert details["kinds"]["good"]["called"] == 0
    assert details["confusion_matrix"] == [[8, 0], [0, 9]]
    assert {name: len(rows) for name, rows in outcome.examples().items()} == {
        "crack": 5,
        "good": 8,
        "spot": 4,
    }
    figures, of_kinds = outcome.figures, details["kinds"]
    for kind in ("crack", "spot"):
        assert figures[f"dice/{kind}"] == of_kinds[kind]["dice"]
        assert figures[f"iou/{kind}"] == of_kinds[kind]["iou"]
        assert figures[f"recall/{kind}"] == 1
    assert figures["dice/good"] == of_kinds["good"]["dice"] == 0.5  # four of eight have a speck
    assert "recall/good" not in figures
    titles = [row[0] for row in outcome.tables({"test": outcome})[1].rows]
    assert titles == ["", "crack", "good", "spot"]
    columns, cells = outcome.columns(), outcome.cells()
    assert all(len(row) == len(columns) for row in cells)
    assert dict(zip(columns, cells[1], strict=True)) | {"pixel_recall": ""} == dict(
        zip(
            columns,
            ["ok", "good", "ok", "12.0", "2", "0", "0.000000", "0.000000", "0.000000", ""],
            strict=True,
        )
    )


def test_a_type_of_defect_may_be_called_like_a_figure(table, tmp_path):
    plain = evaluated(bright(), table, tmp_path, root=tmp_path).figures
    kinds = ["good" if row % 2 else "set" for row in range(COUNT)]
    named = evaluated(bright(), table, tmp_path, kinds=kinds, root=tmp_path).figures
    assert named["dice/set"] == plain["dice/set"] != named["dice"]
    assert named["recall/set"] == 1


def outcome_of(pixels, targets):
    """Of an area of at least 4 pixels."""
    pixels = torch.tensor(pixels)
    return MaskOutcome.of(
        build().decision,
        torch.arange(len(pixels)),
        pixels,
        torch.tensor(targets),
        torch.zeros(len(pixels)),
        [[] for _ in targets],
        None,
        None,
    )


def test_worst_mistakes_come_first():
    outcome = outcome_of(
        [[9, 1, 1], [2, 3, 9], [0, 0, 9], [0, 9, 0], [0, 0, 0], [2, 1, 3]], [1, 1, 1, 0, 0, 1]
    )
    assert outcome.mistakes(9).tolist() == [2, 3, 5, 1]  # missed, false alarm, missed in part, poor
    assert outcome.mistakes(1).tolist() == [2]


def test_a_defect_whose_mask_is_empty_lies_nowhere():
    """The verdict on it is right or wrong; its pixels are not counted."""
    outcome = outcome_of([[8, 2, 0], [0, 0, 0], [0, 5, 0], [0, 0, 0]], [1, 1, 1, 0])
    alone = outcome_of([[8, 2, 0], [0, 0, 0]], [1, 0])
    for name in ("dice", "iou", "pixel_precision", "pixel_recall", "dice/set", "dice/defects"):
        assert outcome.figures[name] == pytest.approx(alone.figures[name])
    assert outcome.figures["recall"] == pytest.approx(2 / 3)
    assert outcome.by_kind()["defect"]["images"] == 3
    assert outcome.by_kind()["defect"]["dice"] == pytest.approx(16 / 18)
    assert outcome.cells()[1][-4:] == ["", "", "", ""]
    assert outcome.mistakes(9).tolist() == [1]


def test_a_part_without_a_defect():
    outcome = outcome_of([[0, 0, 0], [0, 3, 0]], [0, 0])
    assert outcome.figures["dice"] == 0.5
    assert outcome.figures["accuracy"] == 1
    assert np.isnan([outcome.figures[name] for name in ("recall", "f1", "dice/defects")]).all()
    assert list(outcome.by_kind()) == ["ok"]


def test_defects_are_listed_in_pixels_of_the_camera_image(tmp_path):
    """A crop of 40 x 24 pixels, shrunk to 20 x 12."""
    write_image(tmp_path / "part.png", np.zeros((60, 80), np.uint8))
    camera = Camera(tmp_path, Geometry((12, 20), crop=(10, 5, 50, 29)))
    mask = np.zeros((12, 20), bool)
    mask[2:5, 4:10] = mask[9, 19] = True
    regions = find_regions(mask, np.full(mask.shape, 0.75))
    outcome = MaskOutcome.of(
        build().decision,
        torch.arange(2),
        torch.tensor([[19, 0, 0], [0, 0, 0]]),
        torch.tensor([1, 0]),
        torch.zeros(2),
        [regions, []],
        None,
        camera,
    )
    samples = SimpleNamespace(files=["part.png", "other.png"], parts=["test", "test"])
    assert list(MaskOutcome.write_files(tmp_path, {"test": outcome}, samples)) == ["defects.csv"]
    with (tmp_path / "defects.csv").open(newline="") as stream:
        large, small = csv.reader(list(stream)[1:])
    numbers = ["72.0", "18.0", "9.0", "30.0", "15.0", "24.0", "12.0", "0.7500"]
    assert large == ["part.png", "test", "1", *numbers]
    assert small[:7] == ["part.png", "test", "2", "4.0", "48.0", "23.0", "50.0"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"data\.balance=loss: pixels are not weighted"):
        build().make_loss(torch.ones(2))
    with pytest.raises(TypeError, match="CrossEntropyLoss is no loss of masks"):
        build(loss=nn.CrossEntropyLoss).make_loss(None)
    batch = {"image": torch.zeros(2, 1, 4, 4, dtype=torch.uint8), "mask": torch.zeros(2, 1, 4, 4)}
    with pytest.raises(InputError, match=r"Flatten gives \[2, 16\] for masks \[2, 1, 4, 4\]: .* model=unet"):
        build(network=nn.Flatten()).outputs_of(batch)
    with pytest.raises(ValueError, match="expected two classes"):
        build(classes=["a", "b", "c"])
