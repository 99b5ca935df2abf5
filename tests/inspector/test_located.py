"""Boxes in the camera image: the answers of an inspector with a network whose maps are known."""

import numpy as np
import pytest
import torch

from inspection.data.geometry import Geometry
from inspection.decide.located import Located
from inspection.inspector import Inspector, Passport
from inspection.models.cam_net import CamNetwork

CAMERA = (60, 80)
GEOMETRY = Geometry(image_size=(16, 32), crop=(8, 12, 72, 44), channels=3)  # shrunk by two


@pytest.fixture
def inspector(monkeypatch):
    """Calls a defect where the image is bright: its maps are the images."""
    monkeypatch.setattr(CamNetwork, "features", lambda self, images: images[:, :1].expand(-1, 512, -1, -1))
    passport = Passport(
        task="mvtec",
        question="Is there a defect, and where?",
        network={
            "_target_": "inspection.models.cam_net.CamNetwork",
            "name": "vgg11",
            "num_classes": 2,
            "frozen": 0,
        },
        decision=Located(["good", "defect"], "defect", box_threshold=0.8).to_dict(),
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        geometry=GEOMETRY.to_dict(),
    )
    weights = CamNetwork("vgg11", 2, 0).state_dict()
    weights["head.linear.weight"] = torch.tensor([[0.0], [100 / 512]]).expand(2, 512)
    weights["head.linear.bias"] = torch.tensor([0.0, -3.0])
    made = Inspector.of(passport, weights)
    made.model.network.map_grid = (0.0, 1.0)
    return made


def camera_image():
    image = np.zeros(CAMERA, np.uint8)
    image[20:26, 30:50] = 200
    image[40:44, 60:64] = 180
    image[14:16, 10:12] = 100  # too weak for a box
    image[0:6, 0:6] = 255  # outside the crop
    return image


def test_boxes_lie_in_the_camera_image(inspector):
    (verdict,) = inspector.inspect([camera_image()])
    assert verdict.label == "defect"
    sides = [(box.left, box.top, box.right, box.bottom) for box in verdict.boxes]
    assert sides == [(30, 20, 50, 26), (60, 40, 64, 44)]
    probability = verdict.probabilities["defect"]
    assert [box.score for box in verdict.boxes] == [
        pytest.approx(probability),
        pytest.approx(probability * 0.9, rel=1e-5),
    ]
    assert {box.label for box in verdict.boxes} == {"defect"}
    assert verdict.heatmaps == {}


def test_what_is_called_good_has_no_box(inspector):
    faint, empty = camera_image() // 8, np.zeros(CAMERA, np.uint8)
    for verdict in inspector.inspect([faint, empty]):
        assert verdict.label == "good"
        assert verdict.boxes == []
    (moved,) = inspector.with_threshold(0.01).inspect([faint])
    assert moved.label == "defect"
    assert len(moved.boxes) == 2


def test_heatmaps_are_of_the_same_pass(inspector):
    plain, shown = (inspector.inspect([camera_image()], heatmaps=heat)[0] for heat in (False, True))
    assert shown.boxes == plain.boxes
    assert shown.probabilities == plain.probabilities
    assert shown.method == "cam"
    heat = shown.heatmaps["defect"]
    assert heat.shape == CAMERA
    assert heat[22, 40] == pytest.approx(1)
    assert not heat[:12].any()  # outside the crop
    (nothing,) = inspector.inspect([np.zeros(CAMERA, np.uint8)], heatmaps=True)
    assert nothing.heatmaps == {"defect": None}


def test_answers_for_people(inspector):
    answers = inspector.answers
    (verdict,) = inspector.inspect([camera_image()], heatmaps=True)
    assert "0.8 of the greatest" in answers.operating_point()
    row = dict(zip(answers.columns(), answers.cells(verdict), strict=True))
    assert row["verdict"] == "defect"
    assert row["boxes"] == "2"
    assert len(answers.headings()) == len(answers.figures(verdict))
    assert answers.tables() == {"boxes.csv": ["label", "score", "left", "top", "right", "bottom"]}
    (first, second) = answers.rows(verdict)["boxes.csv"]
    assert (first[0], first[2:]) == ("defect", ["30.00", "20.00", "50.00", "26.00"])
    assert float(first[1]) > float(second[1])
    picture = np.repeat(camera_image()[..., None], 3, axis=2)
    assert answers.overlay("a.png", picture, verdict).dtype == np.uint8


def test_a_saved_inspector_says_the_same(inspector, tmp_path):
    inspector.save(tmp_path / "it.safetensors")
    again = Inspector.load(tmp_path / "it.safetensors")
    again.model.network.map_grid = (0.0, 1.0)
    assert again.inspect([camera_image()])[0].boxes == inspector.inspect([camera_image()])[0].boxes
