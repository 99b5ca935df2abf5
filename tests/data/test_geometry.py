import json
import re

import cv2
import numpy as np
import pytest

from inspection.data.geometry import Geometry
from inspection.errors import InputError

CAMERA = np.random.default_rng(0).integers(0, 256, (52, 80), dtype=np.uint8)


def test_crop_alone_is_exact_and_whole_images_pass_untouched():
    cropped = Geometry((40, 70), crop=(5, 6, 75, 46)).apply(CAMERA)
    np.testing.assert_array_equal(cropped, CAMERA[None, 6:46, 5:75])
    np.testing.assert_array_equal(Geometry((52, 80)).apply(CAMERA), CAMERA[None])


def test_shrinking_averages_areas_and_16_bit_is_rounded_once():
    blocks = CAMERA.reshape(26, 2, 40, 2).mean((1, 3))
    assert np.abs(Geometry((26, 40)).apply(CAMERA)[0] - blocks).max() <= 0.51
    raw = CAMERA.astype(np.uint16) * 16 + 3
    exact = raw.reshape(26, 2, 40, 2).mean((1, 3)) * 255 / 4095
    shrunk = Geometry((26, 40), white_level=4095).apply(raw)[0]
    assert np.abs(shrunk - exact).max() <= 0.54  # half a step of 8 bit, and half a step of 16 bit before


def test_enlarging_is_linear_also_when_the_other_side_shrinks():
    ramp = np.repeat(np.arange(0, 240, 24, dtype=np.uint8)[None], 20, axis=0)  # [20, 10]
    enlarged = Geometry((10, 20)).apply(ramp)[0]
    expected = np.clip((np.arange(20) + 0.5) / 2 - 0.5, 0, 9) * 24
    assert np.abs(enlarged - expected).max() <= 1


def test_channels():
    colour = np.dstack([CAMERA, 255 - CAMERA, CAMERA // 2])
    np.testing.assert_array_equal(Geometry((52, 80), channels=3).apply(colour), np.moveaxis(colour, 2, 0))
    np.testing.assert_array_equal(Geometry((52, 80), channels=3).apply(CAMERA), np.stack([CAMERA] * 3))
    assert Geometry((26, 80), channels=1).apply(colour).shape == (1, 26, 80)


@pytest.mark.parametrize("size", [(52, 80), (30, 100), (20, 30)])
def test_the_result_is_contiguous_uint8(size):
    image = Geometry(size, crop=(1, 2, 60, 50), channels=3).apply(CAMERA)
    assert image.shape == (3, *size)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


def test_read_is_apply_to_the_file(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), CAMERA)
    geometry = Geometry((20, 30), crop=(1, 2, 60, 50))
    np.testing.assert_array_equal(geometry.read(tmp_path / "a.png"), geometry.apply(CAMERA))


def test_an_image_smaller_than_the_crop_names_file_size_box_and_remedy(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), CAMERA)
    with pytest.raises(InputError) as caught:
        Geometry((20, 30), crop=(0, 0, 81, 50)).read(tmp_path / "a.png")
    for part in ("a.png", "80 x 52", "data.crop=[0, 0, 81, 50]", "null"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": (0, 5)}, "data.image_size: expected [height, width]"),
        ({"image_size": (5,)}, "data.image_size: expected [height, width]"),
        ({"image_size": 224}, "data.image_size: expected [height, width], but got 224"),
        ({"image_size": (5.5, 5)}, "data.image_size: expected [height, width] in whole pixels"),
        ({"crop": (1, 2, 3)}, "data.crop: expected [left, top, right, bottom]"),
        ({"crop": (5, 0, 5, 9)}, "data.crop: expected [left, top, right, bottom]"),
        ({"crop": (-1, 0, 5, 9)}, "data.crop: expected [left, top, right, bottom]"),
        ({"crop": "0123"}, "data.crop: expected [left, top, right, bottom]"),
        ({"channels": 4}, "data.channels: expected 1 (grey) or 3 (RGB), but got 4"),
        ({"white_level": 0}, "data.white_level: expected an integer in 1..65535 or null, but got 0"),
        ({"white_level": 0.5}, "data.white_level: expected an integer in 1..65535 or null, but got 0.5"),
    ],
)
def test_values_that_cannot_be_name_their_config_key(values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Geometry(**{"image_size": (4, 4)} | values)


def test_apply_refuses_what_is_no_camera_image():
    for image in (CAMERA.astype(np.float32), CAMERA[None], np.dstack([CAMERA] * 4)):
        with pytest.raises(InputError, match=r"frame 7: expected uint8 or uint16"):
            Geometry((4, 4)).apply(image, "frame 7")


def test_a_geometry_survives_json_and_hashes():
    geometry = Geometry([400, 700], crop=[50, 60, 750, 460], channels=3, white_level=4095)
    restored = Geometry.from_dict(json.loads(json.dumps(geometry.to_dict())))
    assert restored == geometry
    assert hash(restored) == hash(geometry)
    with pytest.raises(InputError, match="expected the keys"):
        Geometry.from_dict(geometry.to_dict() | {"colour": 1})


def test_a_heatmap_lies_where_its_evidence_is_in_the_camera_image():
    """A mark in the camera image, seen through the geometry, comes back to the mark."""
    geometry = Geometry((20, 70), crop=(5, 6, 75, 46))
    camera = np.zeros((52, 80), np.uint8)
    camera[20:30, 40:60] = 255
    heatmap = geometry.apply(camera)[0].astype(np.float64) / 255
    placed = geometry.heatmap_to_camera(heatmap, camera.shape)
    assert placed.shape == camera.shape
    assert placed.dtype == np.float32
    np.testing.assert_array_equal(placed > 0.5, camera > 0)
    everything = geometry.heatmap_to_camera(np.ones((5, 5)), (52, 80))
    inside = np.zeros((52, 80), bool)
    inside[6:46, 5:75] = True
    np.testing.assert_array_equal(everything, inside)


def test_boxes_follow_the_heatmap_back():
    geometry = Geometry((20, 70), crop=(5, 6, 75, 46))
    np.testing.assert_allclose(
        geometry.boxes_to_camera(np.array([[35, 7, 55, 12]]), (52, 80)), [[40, 20, 60, 30]]
    )
    np.testing.assert_allclose(
        Geometry((26, 40)).boxes_to_camera(np.array([[0, 0, 40, 26]]), (52, 80)), [[0, 0, 80, 52]]
    )
    assert geometry.boxes_to_camera(np.empty((0, 4)), (52, 80)).shape == (0, 4)


def test_a_heatmap_for_a_camera_image_smaller_than_the_crop_is_refused():
    with pytest.raises(InputError, match="smaller than"):
        Geometry((4, 4), crop=(0, 0, 9, 9)).heatmap_to_camera(np.ones((4, 4)), (8, 9))


RAW = np.random.default_rng(1).integers(1000, 3000, (52, 80)).astype(np.uint16)


def test_a_window_of_raw_values_is_spread_over_8_bit():
    window = Geometry((52, 80), black_level=1200, white_level=2475, depth=16)
    expected = np.clip((RAW.astype(float) - 1200) / 5, 0, 255)
    assert np.abs(window.apply(RAW)[0] - expected).max() <= 0.5
    unchanged = Geometry((52, 80), white_level=2475, black_level=0)
    np.testing.assert_array_equal(unchanged.apply(RAW), Geometry((52, 80), white_level=2475).apply(RAW))


def test_auto_gain_takes_the_extremes_of_the_camera_s_pixels_within_the_crop():
    raw = RAW.copy()
    raw[0, 0], raw[30, 40] = 60000, 20000  # a wild pixel outside the crop, a hot one inside
    image = Geometry((20, 35), crop=(5, 6, 75, 46), auto_gain=True).apply(raw)[0]
    inside = raw[6:46, 5:75].astype(float)
    areas = inside.reshape(20, 2, 35, 2).mean((1, 3))
    expected = (areas - inside.min()) * 255 / (inside.max() - inside.min())
    assert np.abs(image - expected).max() <= 0.51
    assert image.max() < 100  # the hot pixel is an extreme of the camera's, not of the mean over its area


def test_auto_gain_does_not_change_with_gain_and_offset_nor_when_it_is_applied_again():
    geometry = Geometry((52, 80), auto_gain=True)
    image = geometry.apply(RAW)
    np.testing.assert_array_equal(geometry.apply(RAW * 7 + 500), image)
    np.testing.assert_array_equal(geometry.apply(image[0]), image)


def test_auto_gain_of_a_constant_image_is_black_and_not_a_division_by_zero():
    with np.errstate(all="raise"):
        image = Geometry((4, 5), auto_gain=True).apply(np.full((8, 10), 1234, np.uint16))
    np.testing.assert_array_equal(image, np.zeros((1, 4, 5), np.uint8))


def test_another_depth_than_the_network_was_made_for_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "ü.png"), CAMERA)
    with pytest.raises(InputError, match=r"ü\.png: has 8 bits a pixel; expected 16"):
        Geometry((4, 4), depth=16).read(tmp_path / "ü.png")
    with pytest.raises(InputError, match="has 16 bits a pixel; expected 8"):
        Geometry((4, 4), depth=8).apply(RAW)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"black_level": -1},
            "data.black_level: expected an integer from 0 to below the white level (65535)",
        ),
        ({"black_level": 300, "white_level": 300}, "below the white level (300), but got 300"),
        ({"auto_gain": True, "white_level": 300}, "data.auto_gain: each image has levels of its own"),
        ({"depth": 12}, "data.depth: expected 8, 16 or null, but got 12"),
    ],
)
def test_levels_that_cannot_be_name_their_config_key(values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Geometry(**{"image_size": (4, 4)} | values)


def test_a_picture_shows_all_of_the_camera_image_in_the_network_s_shades():
    for geometry in (
        Geometry((40, 70), crop=(5, 6, 75, 46), black_level=1200, white_level=2500),
        Geometry((40, 70), crop=(5, 6, 75, 46), auto_gain=True),
    ):
        picture = geometry.picture(RAW)
        assert picture.shape == (52, 80, 3)
        np.testing.assert_array_equal(picture[6:46, 5:75, 1], geometry.apply(RAW)[0])


@pytest.mark.parametrize("crop", [None, (10, 20, 110, 60)])
def test_boxes_go_to_the_image_and_back(crop):
    geometry, shape = Geometry((50, 80), crop=crop), (100, 160)
    boxes = np.array([[12.0, 24, 60, 50], [30, 20.5, 31, 60]])
    seen = geometry.boxes_from_camera(boxes, shape)
    np.testing.assert_allclose(geometry.boxes_to_camera(seen, shape), boxes)
    left, top = (boxes[0, :2] - (0, 0) if crop is None else boxes[0, :2] - crop[:2]) * (
        (0.5, 0.5) if crop is None else (0.8, 1.25)
    )
    np.testing.assert_allclose(seen[0, :2], [left, top])
