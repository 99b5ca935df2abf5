import numpy as np

from inspection.pictures.grid import sample_grid, stack


def test_stack_keeps_the_panels_and_fills_with_white():
    first, second = np.full((10, 30, 3), 7, np.uint8), np.full((20, 10, 3), 9, np.uint8)
    sheet = stack([first, second], gap=4)
    assert sheet.shape == (34, 30, 3)
    assert np.array_equal(sheet[:10], first)
    assert np.array_equal(sheet[14:, :10], second)
    assert (sheet[10:14] == 255).all()
    assert (sheet[14:, 10:] == 255).all()
    assert stack([]).shape == (1, 1, 3)


def test_a_row_a_class_and_all_pictures_at_one_scale():
    rows = {
        "ok": [(np.full((40, 100), 50, np.uint8), "a.png")] * 3,
        "defect": [(np.full((20, 50, 1), 90, np.uint8), "Spule_äöü_検査_" * 9)],
        "rare": [],
    }
    sheet = sample_grid(rows, cell=200, height=200)
    large, small = ((sheet == value).all(axis=2) for value in (50, 90))
    assert large.sum() >= 3 * 80 * 200
    assert 40 * 100 <= small.sum() < 45 * 110
    assert np.where(large)[0].max() < np.where(small)[0].min()


def test_a_picture_stays_in_its_place():
    sheet = sample_grid({"ok": [(np.zeros((300, 10, 3), np.uint8), "tall.png")]}, cell=100, height=120)
    assert sheet.shape[0] < 190


def test_a_row_of_flat_pictures_is_flat():
    tall, flat = (np.full(shape, 50, np.uint8) for shape in ((200, 100), (20, 100)))
    sheet = sample_grid({"ok": [(tall, "")], "defect": [(flat, "")]}, cell=100, height=200)
    assert sheet.shape[0] < 200 + 20 + 120


def test_an_empty_sheet():
    assert sample_grid({}).ndim == 3
    assert sample_grid({"ok": [], "defect": []}).ndim == 3
