from dataclasses import replace

import numpy as np
import pytest

from inspection.labelling.keys import assign_keys
from inspection.labelling.screen import draw
from inspection.labelling.session import View

SEAM = ["good", "error", "break", "length"]
KEYS = assign_keys(SEAM)
RED = (255, 0, 0)


def view(picture, count=4, **changes):
    no = (False,) * count
    plain = View(picture, "v", "0 / 9", "v_000000.png", no, no, False, 0, "", "", False)
    return replace(plain, **changes)


def red(height, width):
    return np.full((height, width, 3), RED, np.uint8)


def place_of_frame(screen):
    rows, columns = np.nonzero((screen == RED).all(-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def changed_region(first, second):
    rows, columns = np.nonzero((first != second).any(-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize(
    ("height", "width", "shown"),
    [(100, 100, (700, 700)), (480, 640, (480, 640)), (2160, 3840, (574, 1020)), (4000, 100, (744, 19))],
)
def test_the_frame_fills_its_place_and_keeps_its_shape(height, width, shown):
    screen = draw(view(red(height, width)), SEAM, KEYS, (1280, 800))
    assert screen.shape == (800, 1280, 3)
    left, top, right, bottom = place_of_frame(screen)
    assert (bottom - top, right - left) == shown
    assert right <= 1280 - 260


def test_small_frames_stay_sharp():
    picture = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    screen = draw(view(picture), SEAM, KEYS, (1280, 800))
    np.testing.assert_array_equal(screen[22:722:14, 90:930:14], picture)


def test_grey_frames_and_none():
    grey = draw(view(np.full((480, 640), 77, np.uint8)), SEAM, KEYS, (1280, 800))
    assert (grey[372, 510] == 77).all()
    assert draw(view(None), SEAM, KEYS, (1280, 800)).shape == (800, 1280, 3)


def test_each_state_is_seen():
    base = view(red(100, 100))
    screen = draw(base, SEAM, KEYS, (1280, 800))
    on = (False, False, True, False)
    third = changed_region(screen, draw(replace(base, values=on), SEAM, KEYS, (1280, 800)))
    second = changed_region(
        screen, draw(replace(base, values=(False, True, False, False)), SEAM, KEYS, (1280, 800))
    )
    assert third[1] > second[1]
    assert third[3] - third[1] < 30
    assert third[0] > 1020
    for other in (
        replace(base, saved=True),
        replace(base, changed=on),
        replace(base, labelled=1),
        replace(base, contradiction="good and error"),
        replace(base, message="saved"),
        replace(base, message="saved", refused=True),
        replace(base, frame="1 / 9"),
        replace(base, video="w"),
        replace(base, file="v_000001.png"),
    ):
        changed_region(screen, draw(other, SEAM, KEYS, (1280, 800)))


@pytest.mark.parametrize("count", [1, 12, 30])
@pytest.mark.parametrize("size", [(640, 400), (1280, 800)])
def test_many_attributes_and_long_texts_have_room(count, size):
    names = [f"a very long name of an attribute, öäü 開 {number}" for number in range(count)]
    long = dict.fromkeys(("video", "file", "message", "contradiction"), "a long text that goes on " * 20)
    shown = view(red(100, 100), count, values=(True,) * count, changed=(True,) * count, **long)
    screen = draw(shown, names, assign_keys(names), size)
    assert screen.shape[0] >= size[1]
    assert screen.shape[1] == size[0]
    lowest = draw(replace(shown, labelled=7), names, assign_keys(names), size)
    assert (
        changed_region(screen, lowest)[3] < screen.shape[0] - 50
    )  # the last line of the panel is above the bar


def test_the_picture_that_is_given_stays_as_it_is():
    picture = red(100, 100)
    picture.flags.writeable = False
    draw(view(picture), SEAM, KEYS, (1280, 800))
    assert (picture == RED).all()
