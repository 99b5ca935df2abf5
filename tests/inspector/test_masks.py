"""Masks in the camera image: the answers of an inspector with a network whose mask is known."""

import numpy as np
import pytest
import torch

from inspection.data.geometry import Geometry
from inspection.decide.area import Area
from inspection.inspector import Defect, Inspector, Passport
from inspection.models.unet import UNet

CAMERA = (60, 80)
GEOMETRY = Geometry(image_size=(16, 32), crop=(8, 12, 72, 44))  # shrunk by two


def passport(**settings):
    plain = {
        "task": "surface",
        "question": "Where is this surface defective?",
        "network": {"_target_": "inspection.models.unet.UNet", "in_channels": 1, "width": 2},
        "decision": Area(["ok", "defect"], "defect", 0.5, min_area=6).to_dict(),
        "mean": (0.0,),
        "std": (1.0,),
        "geometry": GEOMETRY.to_dict(),
    }
    return Passport(**plain | settings)


@pytest.fixture
def inspector(monkeypatch):
    """Calls what is brighter than 100 of 255."""
    torch.manual_seed(0)
    monkeypatch.setattr(UNet, "forward", lambda self, images: 40 * (images - 100 / 255))
    return Inspector.of(passport(), UNet(1, 2).state_dict())


def camera_image():
    image = np.zeros(CAMERA, np.uint8)
    image[20:26, 30:50] = 200  # 120 pixels
    image[40:44, 60:64] = 150  # 16
    image[0:6, 0:6] = 255  # outside the crop
    return image


def test_mask_and_defects_lie_in_the_camera_image(inspector):
    (verdict,) = inspector.inspect([camera_image()])
    assert verdict.label == "defect"
    assert verdict.called == {"ok": False, "defect": True}
    expected = camera_image() > 100
    expected[0:6, 0:6] = False
    np.testing.assert_array_equal(verdict.mask, expected)
    large, small = verdict.boxes
    assert isinstance(large, Defect)
    assert (large.left, large.top, large.right, large.bottom) == (30, 20, 50, 26)
    assert (large.area, large.centre, large.label) == (120, (40, 23), "defect")
    assert (small.area, small.centre) == (16, (62, 42))
    assert large.score == pytest.approx(1 / (1 + np.exp(-40 * 100 / 255)), abs=1e-6)
    assert large.score > small.score
    assert verdict.quantities == {"area": 136, "called_pixels": 34}


def test_too_little_for_a_defect(inspector):
    """The second defect alone has 4 pixels of what the network sees; 6 make a defect."""
    image = camera_image()
    image[20:26] = 0
    (verdict,) = inspector.inspect([image])
    assert (verdict.label, verdict.boxes, verdict.quantities) == ("ok", [], {"area": 16, "called_pixels": 4})
    (verdict,) = inspector.with_threshold({"min_area": 4}).inspect([image])
    assert (verdict.label, len(verdict.boxes)) == ("defect", 1)
    assert inspector.decision.min_area == 6


def test_files_and_pictures(inspector):
    (verdict,) = inspector.inspect([camera_image()])
    answers = inspector.answers
    assert dict(zip(answers.columns(), answers.cells(verdict), strict=True)) == {
        "verdict": "defect",
        "area": "136.0",
        "called_pixels": "34",
        "defects": "2",
    }
    assert len(answers.headings()) == len(answers.figures(verdict))
    assert answers.tally(verdict) == ["defect"]
    (columns,) = answers.tables().values()
    first, second = answers.rows(verdict)["defects.csv"]
    assert dict(zip(columns, first, strict=True)) == {
        "number": "1",
        "area": "120.0",
        "left": "30.0",
        "top": "20.0",
        "right": "50.0",
        "bottom": "26.0",
        "centre_x": "40.0",
        "centre_y": "23.0",
        "probability": "1.0000",
    }
    assert second[0] == "2"
    assert "from 6 such pixels on (of 32 x 16)" in answers.operating_point()
    picture = answers.overlay("part.png", np.zeros((*CAMERA, 3), np.uint8), verdict)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3


def test_no_image_and_images_of_several_sizes(inspector):
    assert inspector.inspect([]) == []
    sizes = [CAMERA, (100, 90)]
    verdicts = inspector.inspect([np.zeros(size, np.uint8) for size in sizes])
    assert [verdict.mask.shape for verdict in verdicts] == sizes
    assert {verdict.label for verdict in verdicts} == {"ok"}


def test_tiles_ship_with_the_network(tmp_path):
    """Large images are evaluated tile by tile by whoever loads the file."""
    torch.manual_seed(0)
    network = passport().network | {"tile": 384, "overlap": 288}
    geometry = Geometry(image_size=(400, 390)).to_dict()
    weights = UNet(1, 2).state_dict()
    Inspector.of(passport(network=network, geometry=geometry), weights).save(tmp_path / "tiled.safetensors")
    tiles = Inspector.load(tmp_path / "tiled.safetensors")
    whole = Inspector.of(passport(geometry=geometry), weights)
    image = np.random.default_rng(0).integers(0, 256, (400, 390), dtype=np.uint8)
    seen = []
    tiles.model.network.head.register_forward_hook(lambda module, args, output: seen.append(output.shape[2:]))
    one, other = (inspector.inspect([image])[0] for inspector in (tiles, whole))
    assert max(max(size) for size in seen) == 384
    assert (one.mask != other.mask).mean() < 1e-4
    assert one.label == other.label


def test_a_defect_that_is_called_is_on_the_mask_of_a_smaller_camera_image(inspector):
    inspector.geometry = inspector.answers.geometry = Geometry(image_size=(16, 32))
    pixels = np.zeros((1, 16, 32), np.uint8)
    pixels[0, 5:8, 9:12] = 200
    pixels[0, 12:, 20:] = 200
    (verdict,) = inspector.inspect_pixels([pixels], [(3, 5)])
    assert verdict.label == "defect"
    assert len(verdict.boxes) == 2
    assert verdict.mask.shape == (3, 5)
    assert verdict.mask[1, 1]
    assert verdict.mask[2, 4]
