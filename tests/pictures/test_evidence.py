import numpy as np
import pytest

from inspection.pictures.evidence import Shown, comparison_sheet, evidence_picture, heat_bar
from inspection.pictures.overlay import colour_heat


def photograph(height=120, width=300):
    return np.random.default_rng(0).integers(60, 200, (height, width, 3), dtype=np.uint8)


def corner(height=120, width=300):
    heat = np.zeros((height, width), np.float32)
    heat[:20, :30] = 1
    return heat


def find(panel, picture):
    height, width = picture.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(panel[..., 0], (height, width))
    return np.argwhere((windows == picture[..., 0]).all(axis=(2, 3)))


@pytest.mark.parametrize("colour", [None, (230, 159, 0)])
def test_cold_pixels_are_the_cameras_own_and_hot_ones_are_not(colour):
    image = photograph()
    drawn = evidence_picture(image, corner(), ["a.png", "defect 0.97"], colour=colour)
    ((top, left),) = find(drawn, image[40:, 60:])
    shown = drawn[top - 40 : top + 80, left - 60 : left + 240]
    assert np.abs(shown[:15, :20].astype(int) - image[:15, :20]).mean() > 20
    if colour is not None:
        mixed = image[3:15, 3:20] * (1 - 0.7) + np.array(colour) * 0.7  # inside its outline
        assert np.abs(shown[3:15, 3:20] - mixed).max() <= 1


def test_small_images_are_enlarged_by_a_whole_number():
    image = photograph(20, 50)
    drawn = evidence_picture(image, np.zeros((20, 50)), ["a.png"])
    assert len(find(drawn, image.repeat(5, axis=0).repeat(5, axis=1))) == 1


def test_no_evidence_leaves_the_photograph_and_says_so():
    image = photograph()
    none, zero = (evidence_picture(image, heat, ["a.png"]) for heat in (None, np.zeros((120, 300))))
    assert len(find(none, image)) == 1
    assert none.shape[0] > zero.shape[0]  # one more line of text


def test_the_scale_goes_from_1_on_top_to_0():
    bar = heat_bar(101)
    assert (bar[[0, 50, 100], 5] == colour_heat(np.array([[1.0], [0.5], [0.0]]))[:, 0]).all()
    coloured = heat_bar(101, (0, 114, 178), strength=1.0)
    assert coloured[1, 5].tolist() == pytest.approx([0, 114, 178], abs=3)
    assert coloured[99, 5].min() > 200


def test_sheet_has_a_row_a_class_and_a_column_a_method():
    image = photograph()
    methods = {"Grad-CAM": Shown(corner(), "deletion 0.12"), "occlusion": Shown(None)}
    one = comparison_sheet(image, [("bent", methods)], ["a.png"], width=200)
    two = comparison_sheet(image, [("bent", methods), ("dirty", methods)], ["a.png"], width=200)
    assert 3 * 200 < one.shape[1] == two.shape[1] < 3 * 200 + 100
    assert one.shape[0] + 80 < two.shape[0]
    assert one.dtype == np.uint8
