import numpy as np
import pytest

from inspection.pictures.mask_panel import DEFECT
from inspection.pictures.place_panel import FOUND, draw_boxes, place_panel

TITLE = ["größe_検査.png", "defect 0.97 · target: defect"]


def photograph(height=120, width=200):
    return np.random.default_rng(0).integers(0, 200, (height, width), dtype=np.uint8)


def truth(height=120, width=200):
    mask = np.zeros((height, width), bool)
    mask[40:60, 50:90] = True
    return mask


def heat(height=120, width=200):
    return truth(height, width).astype(np.float32)


def pixels(picture, colour):
    return int((picture == np.array(colour, np.uint8)).all(-1).sum())


def test_boxes_are_drawn_where_they_are():
    picture = np.zeros((100, 120, 3), np.uint8)
    drawn = draw_boxes(picture, [((20, 30, 60, 80), 0.9)])
    assert (drawn[30, 22:58] == FOUND).all()
    assert (drawn[79, 22:58] == FOUND).all()  # the last pixel within
    assert (drawn[45:78, 20] == FOUND).all()
    assert (drawn[45:78, 59] == FOUND).all()
    assert not (drawn[60, 40:50] == FOUND).any()
    assert not picture.any()


def test_boxes_follow_the_size_of_the_picture():
    drawn = draw_boxes(np.zeros((50, 60, 3), np.uint8), [((40, 60, 120, 100), 0.9)], (0.5, 0.5))
    assert (drawn[49, 22:58] == FOUND).all()
    assert (drawn[32:48, 20] == FOUND).all()


@pytest.mark.parametrize(
    "box", [(0, 0, 5, 5), (-20, -20, 3, 3), (195, 115, 200, 120), (0, 0, 200, 120), (3, 3, 3, 3)]
)
def test_scores_stay_within_the_picture(box):
    drawn = draw_boxes(np.zeros((120, 200, 3), np.uint8), [(box, 0.5)])
    assert drawn.shape == (120, 200, 3)
    assert pixels(drawn, FOUND) > 0


def test_truth_and_boxes_are_told_apart():
    panel = place_panel(photograph(), heat(), [((50, 40, 90, 60), 0.9)], truth(), TITLE)
    assert pixels(panel, FOUND) > 60
    assert pixels(panel, DEFECT) > 60
    without = place_panel(photograph(), heat(), [], None, TITLE)
    assert without.shape[1] < panel.shape[1]
    assert pixels(without, FOUND) == pixels(without, DEFECT) == 0


@pytest.mark.parametrize("right", [True, False, None])
def test_one_size_for_one_kind_of_image(right):
    first = place_panel(photograph(), heat(), [], truth(), TITLE)
    again = place_panel(photograph(), None, [((1, 2, 9, 9), 0.1)] * 3, truth() & False, TITLE, right=right)
    assert again.shape == first.shape
    assert first.dtype == np.uint8


def test_large_images_are_shrunk():
    panel = place_panel(photograph(1200, 2000), heat(1200, 2000), [((500, 400, 900, 600), 1)], None, TITLE)
    assert panel.shape[1] < 1100
    assert pixels(panel, FOUND) > 60
