"""Localisation by class activation maps: which figures come of which maps and masks."""

import csv
import functools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from inspection.data.geometry import Geometry
from inspection.decide.located import Located
from inspection.errors import InputError
from inspection.models.cam_net import MapHead
from inspection.tasks.localisation import CamLocalisation
from inspection.tasks.losses import ClassWeightedCrossEntropy
from inspection.tasks.places import PlaceOutcome, packed, unpacked
from tests.conftest import write_image

SIZE = (16, 24)
GEOMETRY = Geometry(SIZE, crop=(4, 6, 52, 38))  # halved


class Bright(nn.Module):
    """Says defect where the image is bright: its maps are as large as the image."""

    def __init__(self):
        super().__init__()
        self.head = MapHead(1, 2)
        nn.init.zeros_(self.head.linear.weight)
        self.head.linear.weight.data[1] = 100.0
        self.head.linear.bias.data = torch.tensor([0.0, -5.0])

    def forward(self, images):
        return self.head(images)


def build(network=None, **settings):
    plain = {
        "loss": functools.partial(ClassWeightedCrossEntropy, ["good", "defect"], "defect", 3.0),
        "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
        "scheduler": None,
        "classes": ["good", "defect"],
        "defect": "defect",
        "box_threshold": 0.8,
        "hit_iou": 0.5,
        "mean": [0.0],
        "std": [1.0],
    }
    return CamLocalisation(network=network or Bright(), **plain | settings)


def square(top, left, bottom, right, value=200):
    image = np.zeros(SIZE, np.uint8)
    image[top:bottom, left:right] = value
    return image


IMAGES = [  # image, true mask, kind
    (square(2, 3, 8, 9), square(2, 3, 8, 9), "dent"),  # found exactly
    (square(2, 3, 8, 9) + square(10, 15, 14, 20, 190), square(2, 3, 8, 9) + square(10, 15, 14, 20), "dent"),
    (square(2, 3, 8, 9), square(10, 15, 14, 20), "scratch"),  # called for something else
    (square(2, 3, 4, 4, 60), square(2, 3, 4, 4), "scratch"),  # seen, but not called
    (square(0, 0, 0, 0), square(0, 0, 0, 0), "good"),
    (square(1, 1, 8, 8), square(0, 0, 0, 0), "good"),  # a false alarm
]


def batch_of(images):
    pixels, masks, kinds = zip(*images, strict=True)
    return {
        "image": torch.from_numpy(np.stack(pixels))[:, None],
        "mask": torch.from_numpy((np.stack(masks) > 0).astype(np.uint8))[:, None],
        "target": torch.tensor([int(kind != "good") for kind in kinds]),
        "index": torch.arange(len(images)),
    }


def evaluate(images=IMAGES, task=None, kinds=True, masks=True, root=None):
    task = task or build()
    batch = batch_of(images)
    if not masks:
        del batch["mask"]
    files = [f"{row}.png" for row in range(len(images))]
    samples = SimpleNamespace(kinds=tuple(kind for *_, kind in images) if kinds else None, files=files)
    data = SimpleNamespace(loss_weights=None, samples=samples, root=root, geometry=GEOMETRY)
    task.take(data)
    task.eval()
    with torch.no_grad():
        kept = task.keep(task.outputs_of(batch), batch)
    return task.make_outcome(batch["index"], kept)


def test_figures_by_hand():
    outcome = evaluate()
    assert outcome.called[:, 1].tolist() == [True, True, True, False, False, True]
    ious = [1.0, 1.0, 1.0, 0.0, 0.0]  # of five defects
    figures = outcome.figures
    assert figures["box_iou"] == pytest.approx(sum(ious) / 5)
    assert figures["hit_rate"] == pytest.approx(3 / 5)
    assert figures["box_precision"] == pytest.approx(
        3 / 5
    )  # one box lies beside the defect, one on a good image
    assert figures["pointing"] == pytest.approx(3 / 4)
    assert figures["pointing/dent"] == 1
    assert figures["pointing/scratch"] == pytest.approx(1 / 2)
    assert figures["recall/dent"] == 1
    assert figures["recall/scratch"] == pytest.approx(1 / 2)
    assert figures["hit_rate/scratch"] == 0
    assert "pointing/good" not in figures
    assert 0.5 < figures["pixel_auroc/scratch"] < figures["pixel_auroc"] < figures["pixel_auroc/dent"] < 1


def test_what_was_called_for_something_else_is_misplaced():
    assert evaluate().misplaced.tolist() == [False, False, True, False, False, False]
    assert not evaluate(masks=False).misplaced.any()


def test_figures_of_a_kind_are_those_of_its_images_beside_the_good_ones():
    alone = evaluate([image for image in IMAGES if image[2] != "scratch"]).figures
    for name in ("pixel_auroc", "aupro"):
        assert evaluate().figures[f"{name}/dent"] == pytest.approx(alone[name])


def test_several_defects_have_a_box_each_and_what_is_called_good_has_none():
    outcome = evaluate()
    assert [len(place.boxes) for place in outcome.places] == [1, 2, 1, 0, 0, 1]
    assert [box for box, _ in outcome.places[1].boxes] == [(3, 2, 9, 8), (15, 10, 20, 14)]


def test_all_promised_figures_are_there():
    task = build()
    assert set(task.evaluated()) <= evaluate(task=task).figures.keys()


def test_without_masks_only_the_classes_have_figures():
    outcome = evaluate(masks=False)
    for name in ("pointing", "pixel_auroc", "aupro", "box_iou", "hit_rate", "box_precision"):
        assert math.isnan(outcome.figures[name]), name
    assert outcome.figures["f1"] == evaluate().figures["f1"]
    assert len(outcome.places[0].boxes) == 1


def test_without_a_defect_the_places_are_undefined():
    outcome = evaluate([image for image in IMAGES if image[2] == "good"])
    assert all(math.isnan(outcome.figures[name]) for name in ("pointing", "pixel_auroc", "aupro", "box_iou"))
    assert outcome.figures["box_precision"] == 0  # a box on a good image


def test_a_defect_that_lies_nobody_knows_where_counts_for_the_verdict_alone():
    unknown = (square(3, 3, 9, 9), square(0, 0, 0, 0), "dent")
    plain, more = evaluate().figures, evaluate([*IMAGES, unknown])
    assert more.places[-1].points is None
    assert len(more.places[-1].boxes) == 1
    for name in ("pointing", "pixel_auroc", "aupro", "box_iou", "hit_rate", "box_precision"):
        assert more.figures[name] == plain[name], name
        if name != "box_precision":
            assert more.figures[f"{name}/dent"] == plain[f"{name}/dent"]
    assert more.figures["recall"] > plain["recall"]


def test_without_kinds():
    outcome = evaluate(kinds=False)
    assert outcome.columns()[-2:] == ["boxes", "pointing"]
    assert outcome.figures["pointing"] == evaluate().figures["pointing"]
    assert outcome.examples().keys() == {"good", "defect"}
    titles = [table.title for table in outcome.tables({"test": outcome})]
    assert "each type of defect" not in titles
    assert outcome.details()["hit_iou"] == 0.5


def test_boxes_of_a_run_lie_in_the_camera_images(tmp_path):
    for number in range(len(IMAGES)):
        write_image(tmp_path / f"{number}.png", np.zeros((40, 60), np.uint8))
    outcome = evaluate(root=tmp_path)
    samples = SimpleNamespace(files=[f"{n}.png" for n in range(len(IMAGES))], parts=["val"] * len(IMAGES))
    assert PlaceOutcome.write_files(tmp_path, {"val": outcome}, samples).keys() == {"boxes.csv"}
    with (tmp_path / "boxes.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == ["0.png", "1.png", "1.png", "2.png", "5.png"]
    sides = [[float(row[side]) for side in ("left", "top", "right", "bottom")] for row in rows[1:3]]
    assert sides == [[10, 10, 22, 22], [34, 26, 44, 34]]  # twice as large, beside the crop's corner
    sure = float(outcome.probabilities[1, 1])
    assert [float(row["score"]) for row in rows[1:3]] == [
        pytest.approx(sure, abs=1e-6),
        pytest.approx(sure * 190 / 200, abs=1e-5),
    ]
    assert {row["label"] for row in rows} == {"defect"}


def test_maps_of_features_that_cancel_have_no_boxes():
    network = Bright()
    network.head = MapHead(3, 2)
    network.head.linear.weight.data = torch.tensor([[0.0, 0, 0], [1.0, 1.0, -2.0]])
    network.head.linear.bias.data = torch.tensor([0.0, 5.0])
    torch.manual_seed(0)
    noise = torch.finfo(torch.float32).eps * torch.randn(len(IMAGES), 2, *SIZE).sign()
    features = torch.rand(len(IMAGES), 1, *SIZE).expand(-1, 3, -1, -1).clone()
    features[:, :2] *= 1 + noise
    network.forward = lambda images: network.head(features)
    outcome = evaluate(task=build(network))
    assert outcome.called[:, 1].all()
    assert not any(place.boxes for place in outcome.places)
    assert outcome.figures["pointing"] == 0


def test_rows_of_the_table_of_predictions():
    outcome = evaluate()
    rows = [dict(zip(outcome.columns(), cells, strict=True)) for cells in outcome.cells()]
    assert [row["kind"] for row in rows] == [kind for *_, kind in IMAGES]
    assert [row["boxes"] for row in rows] == ["1", "2", "1", "0", "0", "1"]
    assert [row["pointing"] for row in rows] == ["True", "True", "False", "True", "", ""]


def test_a_right_verdict_for_a_wrong_place_is_a_mistake_behind_wrong_verdicts():
    outcome = evaluate()
    wrong = set(outcome.mistakes(2).tolist())
    assert wrong == {3, 5}
    assert outcome.mistakes(8).tolist()[2:] == [2]
    assert outcome.mistakes(1).shape == (1,)


def test_tables_name_each_type_of_defect():
    outcome = evaluate()
    tables = {table.title: table.rows for table in outcome.tables({"test": outcome})}
    rows = {row[0]: row[1] for row in tables["each type of defect"][1:]}
    assert rows == {"dent": 2, "scratch": 2}
    (headline, *_) = outcome.tables({"test": outcome})
    assert "aupro" in [row[0] for row in headline.rows]


def test_training_makes_no_maps_and_the_loss_weights_defects():
    task = build()
    batch = batch_of(IMAGES)
    task.take(None)
    outputs = task.train().outputs_of(batch)
    assert outputs.maps is None
    expected = nn.functional.cross_entropy(outputs.logits, batch["target"], torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(task.loss_of(outputs, batch), expected)


def test_evaluation_gives_the_same_logits_as_a_plain_pass():
    task, batch = build().eval(), batch_of(IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(task.outputs_of(batch).logits, task(batch["image"]))


def test_a_network_without_maps_is_refused_by_name():
    task = build(nn.Sequential(nn.Flatten(), nn.Linear(SIZE[0] * SIZE[1], 2))).eval()
    with pytest.raises(InputError, match="does not end in global average pooling"):
        task.outputs_of(batch_of(IMAGES))


def test_masks_are_packed_to_bits_and_back():
    masks = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (3, 1, 5, 7)).astype(np.uint8))
    assert packed(masks).shape == (3, 5)
    np.testing.assert_array_equal(unpacked(packed(masks), (5, 7)), masks[:, 0].numpy().astype(bool))


@pytest.mark.parametrize("settings", [{"hit_iou": 0}, {"hit_iou": 1.1}, {"box_threshold": 0}])
def test_what_is_no_threshold_is_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        build(**settings)


def test_many_images_are_taken_a_few_at_a_time():
    few, many = evaluate(), evaluate(IMAGES * 30)
    assert many.figures["aupro"] == pytest.approx(few.figures["aupro"])
    assert many.figures["box_iou"] == pytest.approx(few.figures["box_iou"])
    assert isinstance(many, PlaceOutcome)
    assert isinstance(many.decision, Located)
