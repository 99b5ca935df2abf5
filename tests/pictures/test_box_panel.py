import numpy as np
import pytest

from inspection.pictures.box_panel import FOUND, TRUTH, DrawnBox, box_panel, draw_boxes, found_panel
from inspection.pictures.frame import RIGHT, WRONG

GREY = np.full((120, 160, 3), 128, np.uint8)


def shows(picture, colour):
    return (picture == np.array(colour, np.uint8)).all(-1)


def test_a_box_is_drawn_at_its_border_in_its_colour():
    drawn = draw_boxes(GREY, [DrawnBox((40, 30, 100, 80), "", "truth")], width=160)
    rows, columns = np.nonzero(shows(drawn, TRUTH))
    assert abs(rows.min() - 30) <= 1
    assert abs(rows.max() - 79) <= 1
    assert abs(columns.min() - 40) <= 1
    assert abs(columns.max() - 99) <= 1
    assert (drawn[40:70, 50:90] == 128).all()  # and leaves what is inside alone
    assert (GREY == 128).all()  # and the picture that it was given


@pytest.mark.parametrize(
    ("kind", "colour"), [("truth", TRUTH), ("right", RIGHT), ("wrong", WRONG), ("found", FOUND)]
)
def test_each_kind_has_its_colour(kind, colour):
    assert shows(draw_boxes(GREY, [DrawnBox((40, 30, 100, 80), "", kind)], width=160), colour).sum() > 300


def test_what_was_missed_is_dashed():
    whole, dashed = (
        shows(draw_boxes(GREY, [DrawnBox((40, 30, 100, 80), "", kind)], width=160), WRONG).sum()
        for kind in ("wrong", "missed")
    )
    assert 0.3 * whole < dashed < 0.8 * whole


def test_boxes_follow_a_picture_that_is_shrunk_or_enlarged():
    large = np.full((480, 640, 3), 128, np.uint8)
    shrunk = draw_boxes(large, [DrawnBox((320, 240, 640, 480), "", "truth")], width=320)
    assert shrunk.shape == (240, 320, 3)
    rows, columns = np.nonzero(shows(shrunk, TRUTH))
    assert abs(rows.min() - 120) <= 1
    assert abs(columns.min() - 160) <= 1
    small = draw_boxes(GREY[:40, :40], [DrawnBox((0, 0, 20, 20), "", "truth")], width=320)
    assert small.shape == (80, 80, 3)  # its pixels stay squares of whole pixels


def test_words_stay_in_the_picture_and_off_one_another():
    """Three boxes at one place, in the corner: all three words are to be read."""
    boxes = [DrawnBox((0, 0, 50, 40), f"gauge 0.9{k}", "found") for k in range(3)]
    drawn = draw_boxes(np.full((200, 300, 3), 128, np.uint8), boxes, width=300)
    one = shows(draw_boxes(np.full((200, 300, 3), 128, np.uint8), boxes[:1], width=300), FOUND).sum()
    frame = shows(
        draw_boxes(np.full((200, 300, 3), 128, np.uint8), [DrawnBox((0, 0, 50, 40), "", "found")], width=300),
        FOUND,
    ).sum()
    assert shows(drawn, FOUND).sum() > frame + 2.2 * (one - frame)


def test_a_box_that_leaves_the_picture_is_no_trouble():
    draw_boxes(GREY, [DrawnBox((-20, -10, 500, 300), "motor 0.98", "wrong")], width=160)


def test_panel_has_one_size_whatever_is_in_it():
    some = [DrawnBox((10, 10, 60, 60), "motor", "truth")]
    panels = [
        box_panel(GREY, boxes, boxes, ["a.png", "words"], "SYNTHETIC image", right=right)
        for boxes, right in (([], None), (some, True), (some, False))
    ]
    assert len({panel.shape for panel in panels}) == 1
    assert shows(panels[1], RIGHT).any()
    assert shows(panels[2], WRONG).any()


def test_what_was_found_alone():
    panel = found_panel(GREY[..., 0], [DrawnBox((10, 10, 60, 60), "motor 0.98", "found")], ["a.png"])
    assert shows(panel, FOUND).any()
