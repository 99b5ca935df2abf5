"""The detection module on images that it can learn in a moment, with plain arguments."""

import dataclasses
import functools
import json
import math
from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from inspection.data.geometry import Geometry
from inspection.data.objects import ObjectDataModule
from inspection.decide.boxes import Boxes
from inspection.errors import InputError
from inspection.models.simple_yolo import SimpleYolo
from inspection.models.torchvision_detector import TorchvisionDetector
from inspection.tasks.box_metrics import average_precisions
from inspection.tasks.box_outcome import DETECTIONS, BoxOutcome, Source
from inspection.tasks.detection import Detection
from inspection.tasks.yolo_loss import TERMS, YoloLoss

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, of trainers that are built by hand

NAMES = ["square", "bar"]
SIZE = (64, 64)


def build(network=None, **settings):
    torch.manual_seed(0)
    plain = {
        "network": network or SimpleYolo(1, 2, SIZE, stride=16, width=8),
        "loss": YoloLoss,
        "optimizer": functools.partial(torch.optim.Adam, lr=3e-3),
        "scheduler": None,
        "classes": NAMES,
        "score": 0.3,
        "mean": [0.3],
        "std": [0.3],
        "monitor": "val/map_50",
    }
    return Detection(**plain | settings)


def images(count=24, seed=0):
    """A batch of bright squares and dark bars on grey, and some empty images."""
    random = np.random.default_rng(seed)
    pixels = random.normal(100, 8, (count, 1, *SIZE)).clip(0, 255).astype(np.uint8)
    boxes, classes = np.zeros((count, 2, 4), np.float32), np.full((count, 2), -1)
    for row in range(count):
        for place in range(random.integers(0, 3)):
            which = int(random.integers(0, 2))
            wide, high = (18, 18) if which == 0 else (26, 10)
            # In two halves, so that none hides the other.
            left, top = random.integers(0, 64 - wide), 32 * place + random.integers(0, 32 - high)
            pixels[row, 0, top : top + high, left : left + wide] = 230 if which == 0 else 20
            boxes[row, place], classes[row, place] = (left, top, left + wide, top + high), which
    return {
        "image": torch.from_numpy(pixels),
        "target": torch.zeros(count, 2),
        "index": torch.arange(count),
        "boxes": torch.from_numpy(boxes),
        "box_class": torch.from_numpy(classes),
    }


def parts(batch, size):
    return [
        {name: values[start : start + size] for name, values in batch.items()}
        for start in range(0, len(batch["index"]), size)
    ]


class Data(L.LightningDataModule):
    def __init__(self, batch, size=8):
        super().__init__()
        self.batches, self.loss_weights = parts(batch, size), None

    def train_dataloader(self):
        return DataLoader(self.batches, batch_size=None)

    val_dataloader = train_dataloader


def trainer(tmp_path, epochs=1):
    return L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        check_val_every_n_epoch=epochs,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )


@pytest.mark.slow
def test_learns_to_find_objects(tmp_path):
    task = build()
    run = trainer(tmp_path, epochs=40)
    run.fit(task, datamodule=Data(images(32), size=8))
    figures = task.outcome.figures
    assert figures["map_50"] > 0.7
    assert figures["f1"] > 0.7
    assert figures["loss"] < 2
    logged = {name for name in run.callback_metrics if name.startswith("train/")}
    assert logged == {"train/loss", *(f"train/loss/{term}" for term in TERMS)}
    terms = [float(run.callback_metrics[f"train/loss/{term}"]) for term in TERMS]
    assert sum(terms) == pytest.approx(float(run.callback_metrics["train/loss"]), rel=1e-4)


def test_figures_do_not_depend_on_how_images_were_batched(tmp_path):
    task, batch = build(), images()
    seen = []
    for size in (5, 24):
        trainer(tmp_path).validate(task, datamodule=Data(batch, size), verbose=False)
        seen.append(task.outcome)
    assert seen[0].figures == pytest.approx(seen[1].figures, nan_ok=True, rel=1e-5)
    torch.testing.assert_close(seen[0].detections, seen[1].detections, rtol=1e-4, atol=1e-3)


def test_the_figures_are_those_of_the_detections(tmp_path):
    task, batch = build(), images()
    trainer(tmp_path).validate(task, datamodule=Data(batch), verbose=False)
    task.eval()
    with torch.no_grad():
        found = task(batch["image"])
    expected = average_precisions(found, batch["boxes"], batch["box_class"], NAMES)
    got = {name: task.outcome.figures[name] for name in expected}
    assert got == pytest.approx(expected, nan_ok=True, abs=1e-3)
    assert set(task.evaluated()) == set(task.outcome.figures) - {"loss"}
    grid = task.model.network.grid(task.model.normalise(batch["image"]))
    loss = sum(YoloLoss()(grid, batch["boxes"], batch["box_class"]).values())
    assert task.outcome.figures["loss"] == pytest.approx(float(loss), rel=1e-4)


def test_a_detector_of_torchvision_learns_through_the_same_module(tmp_path):
    task = build(TorchvisionDetector("ssdlite320_mobilenet_v3_large", 2))
    run = trainer(tmp_path)
    run.fit(task, datamodule=Data(images(8), size=4))
    assert {"train/loss/classification", "train/loss/bbox_regression"} <= set(run.callback_metrics)
    assert float(run.callback_metrics["train/loss"]) > 0
    assert math.isnan(task.outcome.figures["loss"])  # it has none in eval mode
    assert task.outcome.detections.shape == (8, 100, 6)


class Crowd(ObjectDataModule):
    """Samples with three bars in one cell of the first training image, and two in another."""

    def __init__(self, parts):
        self.coco = SimpleNamespace(images=[SimpleNamespace(id=row) for row in range(3)], category_ids=(1, 2))
        self.camera_shapes, self.geometry = np.full((3, 2), 64), Geometry(SIZE)
        self.samples = SimpleNamespace(rows=lambda part: np.flatnonzero(np.array(parts) == part))
        self.boxes = torch.tensor([[[0.0, 0, 12, 12], [1, 1, 12, 12], [2, 2, 12, 12], [40, 40, 60, 60]]] * 3)
        self.box_class = torch.tensor([[0, 1, 1, 1], [0, 1, -1, 1], [0, 0, 0, 0]])
        self.loss_weights, self.notes = None, []


def test_objects_that_a_cell_has_no_box_left_for_are_noted():
    data = Crowd(["train", "train", "val"])
    build().take(data)
    assert len(data.notes) == 1
    assert data.notes[0].startswith("1 of 7 training objects can't be learned: more than 2 (model.boxes)")
    for parts, network in (
        (["val", "train", "val"], None),
        (["train"] * 3, SimpleYolo(1, 2, SIZE, stride=16, boxes=3, width=1)),
        (["train"] * 3, TorchvisionDetector("ssdlite320_mobilenet_v3_large", 2)),
    ):
        data = Crowd(parts)
        build(network).take(data)
        assert data.notes == []


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="Linear finds no boxes: take a detector, model=simple_yolo"):
        build(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="score"):
        build(score=0.0)
    with pytest.raises(TypeError, match="no loss of boxes"):
        build(loss=nn.CrossEntropyLoss).make_loss(None)
    with pytest.raises(InputError, match=r"data\.balance=loss"):
        build().make_loss(torch.ones(2))


# --------------------------------------------------------------------------------------------- outcome

BOX, OTHER, NOWHERE = [0.0, 0, 10, 10], [20.0, 0, 30, 10], [40.0, 40, 50, 50]


@pytest.fixture
def outcome():
    """Image 0: all right. 1: one missed, two false alarms. 2: empty, rightly. 3: one of another class."""
    detections = torch.zeros(4, 3, 6)
    detections[0, 0] = torch.tensor([*BOX, 0.9, 0])
    detections[1] = torch.tensor([[*BOX, 0.8, 0], [*NOWHERE, 0.6, 0], [*NOWHERE, 0.5, 1]])
    detections[2, 0] = torch.tensor([*BOX, 0.1, 0])  # below the score
    detections[3, 0] = torch.tensor([*OTHER, 0.7, 0])
    boxes, classes = torch.zeros(4, 2, 4), torch.full((4, 2), -1)
    boxes[[0, 1, 1, 3], [0, 0, 1, 0]] = torch.tensor([BOX, BOX, OTHER, OTHER])
    classes[[0, 1, 1, 3], [0, 0, 1, 0]] = torch.tensor([0, 0, 0, 1])
    shapes = np.array([[0, 0]] * 5 + [[128, 256]] * 4)
    source = Source(("x",) * 5 + (7, 8, 9, 11), (70, 90), shapes, Geometry((64, 64)))
    rows = torch.arange(5, 9)
    return BoxOutcome.of(Boxes(NAMES, 0.3), rows, detections, boxes, classes, source)


def test_right_wrong_and_worst(outcome):
    assert outcome.right.tolist() == [True, False, True, False]
    assert outcome.mistakes(8).tolist() == [1, 3]
    assert outcome.mistakes(1).tolist() == [1]
    assert {name: list(places) for name, places in outcome.examples().items()} == {
        "square": [0, 1],
        "bar": [3],
        "empty": [2],
    }


def test_a_class_may_be_named_empty(outcome):
    named = dataclasses.replace(outcome, decision=Boxes(["empty", "bar"], 0.3))
    assert {name: list(places) for name, places in named.examples().items()} == {
        "empty": [0, 1],
        "bar": [3],
        "(empty)": [2],
    }


def test_table_and_details(outcome):
    table = outcome.tables({"val": outcome})[1]
    assert table.rows[1][-3:] == [3, 1, 2]  # square: objects, missed, false alarms
    assert table.rows[2][-3:] == [1, 1, 1]
    assert outcome.details()["boxes"]["bar"] == {"objects": 1, "missed": 1, "false_alarms": 1}
    assert outcome.figures["precision"] == pytest.approx(2 / 5)


def test_rows_of_predictions(outcome):
    cells = [dict(zip(outcome.columns(), row, strict=True)) for row in outcome.cells()]
    assert cells[1] == {
        "target": "2 square",
        "verdict": "2 square, 1 bar",
        "objects": "2",
        "missed": "1",
        "false_alarms": "2",
    }
    assert cells[2]["verdict"] == cells[2]["target"] == "none"


def test_detections_are_written_in_camera_pixels(outcome, tmp_path):
    """The geometry shrank 256x128 to 64x64: four times across, twice down."""
    samples = SimpleNamespace()
    assert DETECTIONS in BoxOutcome.write_files(tmp_path, {"val": outcome}, samples)
    results = json.loads((tmp_path / DETECTIONS).read_text())
    assert len(results) == 6  # also what lies below the score
    assert results[0] == {"image_id": 7, "category_id": 70, "bbox": [0.0, 0.0, 40.0, 20.0], "score": 0.9}
    assert results[-1] == {"image_id": 11, "category_id": 70, "bbox": [80.0, 0.0, 40.0, 20.0], "score": 0.7}
    assert {result["image_id"] for result in results} == {7, 8, 9, 11}


def test_chart_is_a_picture(outcome):
    picture = outcome.charts()["confusion_matrix"]
    assert picture.dtype == np.uint8
    assert picture.ndim == 3


def test_no_image_with_an_object_is_undefined_not_zero():
    nothing = torch.zeros(2, 3, 6)
    empty = BoxOutcome.of(
        Boxes(NAMES, 0.3), torch.arange(2), nothing, torch.zeros(2, 1, 4), torch.full((2, 1), -1)
    )
    assert all(math.isnan(value) for value in empty.figures.values())
