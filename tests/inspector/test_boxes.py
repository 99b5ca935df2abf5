"""From detections to verdicts in camera pixels, and what is written of them."""

import json

import numpy as np
import pytest
import torch

from inspection.data.geometry import Geometry
from inspection.decide.boxes import Boxes
from inspection.inspector.boxes import BoxAnswers
from inspection.inspector.inspector import Inspector
from inspection.inspector.passport import Passport
from inspection.models.simple_yolo import SimpleYolo

NAMES = ["motor", "valve"]
GEOMETRY = Geometry((32, 64), crop=(10, 20, 138, 84))  # twice as large as what the network sees


FOUND = np.array([[4.0, 2, 24, 12, 0.9, 1], [30, 4, 40, 30, 0.6, 0], [0, 0, 5, 5, 0.2, 0]], np.float32)


@pytest.fixture
def answers():
    return BoxAnswers(Boxes(NAMES, 0.5), None, GEOMETRY)


@pytest.fixture
def verdict(answers):
    said = {"boxes": np.stack([FOUND] * 2)}
    images = np.zeros((2, 1, 32, 64), np.uint8)
    return answers.verdicts(said, images, [(100, 200)] * 2, evidence=True)[1]


def test_boxes_are_in_camera_pixels(verdict):
    assert [(box.label, round(box.score, 4)) for box in verdict.boxes] == [("valve", 0.9), ("motor", 0.6)]
    first = verdict.boxes[0]
    assert (first.left, first.top, first.right, first.bottom) == (18, 24, 58, 44)
    assert verdict.label == "1 motor, 1 valve"
    assert verdict.called == {"motor": True, "valve": True}


def test_rows_and_columns(answers, verdict):
    assert dict(zip(answers.columns(), answers.cells(verdict), strict=True)) == {
        "verdict": "1 motor, 1 valve",
        "number_motor": "1",
        "number_valve": "1",
    }
    (columns,) = answers.tables().values()
    (rows,) = answers.rows(verdict).values()
    assert dict(zip(columns, rows[0], strict=True)) == {
        "label": "valve",
        "score": "0.900000",
        "left": "18.00",
        "top": "24.00",
        "right": "58.00",
        "bottom": "44.00",
    }
    assert answers.tally(verdict) == ["valve", "motor"]
    assert len(answers.headings()) == len(answers.figures(verdict))
    assert answers.operating_point().startswith("a box counts with a score of 0.5 or more")


def test_boxes_of_all_images_as_coco(answers, verdict):
    (content,) = answers.files([("a.png", (100, 200), verdict.boxes), ("b.png", (100, 200), [])]).values()
    assert json.loads(json.dumps(content)) == content
    assert content["images"][1] == {"id": 2, "file_name": "b.png", "width": 200, "height": 100}
    assert content["annotations"][0]["bbox"] == [18.0, 24.0, 40.0, 20.0]
    assert content["annotations"][0]["score"] == 0.9
    assert content["annotations"][1]["category_id"] == 1


def test_overlay_shows_the_boxes(answers, verdict):
    picture = np.full((100, 200, 3), 128, np.uint8)
    drawn = answers.overlay("a.png", picture, verdict)
    assert drawn.shape[0] > 100
    assert not np.array_equal(
        drawn, answers.overlay("a.png", picture, answers._verdict(np.zeros((0, 6)), (100, 200)))
    )


def test_inspector_gives_boxes_and_survives_its_file(tmp_path):
    torch.manual_seed(0)
    arguments = {"in_channels": 1, "num_classes": 2, "image_size": [32, 64], "stride": 8, "width": 2}
    network = SimpleYolo(**arguments)
    network.head.bias.data[4] = 3.0  # boxes everywhere
    passport = Passport(
        task="equipment",
        question="What is where?",
        network={"_target_": "inspection.models.simple_yolo.SimpleYolo", **arguments},
        decision=Boxes(NAMES, 0.3).to_dict(),
        mean=(0.5,),
        std=(0.5,),
        geometry=GEOMETRY.to_dict(),
    )
    inspector = Inspector.of(passport, network.state_dict())
    inspector.save(tmp_path / "inspector.safetensors")
    image = np.random.default_rng(0).integers(0, 256, (100, 200), dtype=np.uint8)
    (verdict,) = Inspector.load(tmp_path / "inspector.safetensors").inspect([image])
    assert verdict == inspector.inspect([image])[0]
    assert len(verdict.boxes) > 3
    assert all(10 <= box.left < box.right <= 138 for box in verdict.boxes)  # within the crop
    assert all(box.score >= 0.3 for box in verdict.boxes)
    (stricter,) = inspector.with_threshold(0.99).inspect([image])
    assert len(stricter.boxes) < len(verdict.boxes)
