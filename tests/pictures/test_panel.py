import numpy as np
import pytest

from inspection.pictures.frame import RIGHT, WRONG
from inspection.pictures.overlay import as_rgb
from inspection.pictures.panel import fit_heat, fit_width, heat_panel

TITLE = ["Spule_äöü_検査.png", "defect 0.97 · target: defect · HiResCAM"]


def photograph(height=100, width=200):
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def heat(height=100, width=200):
    hot = np.zeros((height, width), np.float32)
    hot[height // 2 :, width // 2 :] = 1
    return hot


def contains(panel, picture):
    height, width = picture.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(panel[..., 0], (height, width))
    return bool((windows == picture[..., 0]).all(axis=(2, 3)).any())


def test_the_photograph_is_in_it_unchanged():
    image = photograph(20, 170)
    assert contains(heat_panel(image, heat(20, 170), TITLE), as_rgb(image))


@pytest.mark.parametrize("right", [True, False, None])
def test_one_size_for_one_kind_of_image(right):
    first = heat_panel(photograph(), heat(), TITLE)
    assert heat_panel(photograph(), None, TITLE, right=right).shape == first.shape
    assert heat_panel(photograph(), heat()[::10, ::10], [name * 9 for name in TITLE]).shape == first.shape


def test_no_evidence_is_told_and_nothing_is_painted():
    image = np.full((100, 200), 80, np.uint8)
    none, some = heat_panel(image, None, []), heat_panel(image, heat() * 0.7, [])
    scale = 60  # px at the right: the colours of the scale
    assert np.ptp(none[:, :-scale].astype(int), axis=2).max() < 20  # grey, text, paper
    assert np.ptp(some[:, :-scale].astype(int), axis=2).max() > 100


def test_the_frame_tells_right_from_wrong_and_so_does_a_word():
    right, wrong, unknown = (
        heat_panel(photograph(), None, TITLE, right=each) for each in (True, False, None)
    )
    assert tuple(right[0, 0]) == tuple(right[-1, -1]) == RIGHT
    assert tuple(wrong[0, 0]) == WRONG
    assert tuple(unknown[0, 0]) not in (RIGHT, WRONG)
    corner = np.s_[5:35, -80:-5]
    white_on_colour = [(each[corner] == 255).all(axis=2) for each in (right, wrong)]
    assert not np.array_equal(*white_on_colour)  # another word, not only another colour


def test_large_images_are_shrunk_and_tiny_ones_enlarged():
    large = heat_panel(np.zeros((3000, 4000), np.uint8), heat(3000, 4000), TITLE, width=300)
    assert 900 < large.shape[1] < 1000
    assert fit_width(np.zeros((3000, 4000, 3), np.uint8), 300).shape == (225, 300, 3)
    assert fit_width(np.zeros((28, 28, 3), np.uint8), 300).shape == (160, 160, 3)


def test_a_note_lies_below():
    plain, noted = (
        heat_panel(photograph(), None, TITLE),
        heat_panel(photograph(), None, TITLE, "threshold 0.5"),
    )
    assert noted.shape[0] > plain.shape[0]
    assert noted.shape[1] == plain.shape[1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (40, 40, 3), (40, 40, 1)])
def test_odd_shapes(shape):
    panel = heat_panel(np.zeros(shape, np.uint8), np.ones(shape[:2], np.float32), TITLE, right=False)
    assert panel.dtype == np.uint8
    assert panel.shape[2] == 3


def test_a_single_hot_pixel_of_a_fine_map_stays_visible():
    heat = np.zeros((400, 700), np.float32)
    heat[200, 333] = 1.0
    shown = fit_heat(heat, 320, 183)
    assert shown.shape == (183, 320)
    assert shown.max() > 0.9
    assert shown.mean() < 0.001
    assert fit_heat(np.zeros((40, 70), np.float32), 160, 91).max() == 0
