import numpy as np
import pytest

from inspection.audit.findings import Case, Finding
from inspection.audit.sheets import CASES, draw_finding
from inspection.errors import InputError

COLOURS = {
    "a ä.png": (250, 10, 10),
    "b.png": (10, 250, 10),
    "c.png": (10, 10, 250),
    "white.png": (255, 255, 255),
}


def read(file):
    if file not in COLOURS:
        raise InputError("gone")
    return np.full((60, 80, 3), COLOURS[file], np.uint8)


def seen(sheet, colour):
    return int((sheet == colour).all(2).sum())


def sheet_of(*files, text="): likeness 0.9"):
    cases = tuple(Case(text, each) for each in files)
    return draw_finding(
        Finding("near_copies", "note", "pairs", cases, pictured=True), read, {"b.png": "ok, val"}
    )


def test_the_images_of_a_case_stand_side_by_side():
    sheet = sheet_of(("a ä.png", "b.png"))
    red, green = ((sheet == COLOURS[name]).all(2) for name in ("a ä.png", "b.png"))
    assert red.sum() > 3000
    assert (red.any(1) == green.any(1)).all()
    assert red.any(0).nonzero()[0].max() < green.any(0).nonzero()[0].min()


def test_a_blank_picture_has_a_line_around_it():
    assert seen(sheet_of(("white.png",)), (105, 112, 122)) > 200


def test_single_images_take_less_room():
    assert sheet_of(("c.png",)).shape[1] < sheet_of(("c.png", "b.png")).shape[1]


@pytest.mark.parametrize("count", [1, CASES, 40])
def test_many_cases_and_files(count):
    sheet = sheet_of(*[("a ä.png",) * 6] * count, text="a = b = ... (6 files)")
    assert sheet.shape[1] < 2000
    assert seen(sheet, COLOURS["a ä.png"]) > 10_000 * min(count, CASES)


def test_an_image_that_is_gone_by_now():
    assert sheet_of(("gone.png", "b.png")).ndim == 3
