import time

import numpy as np
import pytest

from inspection.data.cache import ImageCache
from inspection.data.geometry import Geometry
from inspection.data.masks import MaskReader, SparseRows, is_defective, mask_through, mask_to_camera
from inspection.errors import InputError
from tests.conftest import write_image


def square(height, width, top, left, bottom, right):
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_same_size_stays_as_it_is():
    mask = np.random.default_rng(0).random((9, 7)) < 0.5
    np.testing.assert_array_equal(mask_through(Geometry((9, 7)), mask), mask)


@pytest.mark.parametrize(("covered", "expected"), [(8, 1), (7, 0), (9, 1)])
def test_a_pixel_counts_from_half_covered_on(covered, expected):
    mask = np.zeros((4, 8), bool)
    mask[:, 4:] = True  # a pixel that is whole, so that the defect does not vanish
    mask[:, :4].flat[:covered] = True
    assert mask_through(Geometry((1, 2)), mask).tolist() == [[expected, 1]]


def test_a_defect_that_would_vanish_keeps_its_most_covered_pixels():
    mask = square(100, 100, 43, 21, 44, 35)  # one pixel high, 14 long
    small = mask_through(Geometry((10, 10)), mask)
    assert np.argwhere(small).tolist() == [[4, 2]]  # 9 of its pixels lie there, 5 beside
    mask = square(100, 100, 43, 20, 44, 40)
    assert np.argwhere(mask_through(Geometry((10, 10)), mask)).tolist() == [[4, 2], [4, 3]]


def test_also_beside_one_that_does_not_vanish():
    mask = square(100, 100, 0, 0, 30, 30) | square(100, 100, 77, 88, 78, 89)
    small = mask_through(Geometry((10, 10)), mask)
    assert small.sum() == 10
    assert small[7, 8] == 1


def test_crop_and_resize_are_those_of_the_image():
    geometry = Geometry((20, 30), crop=(10, 20, 70, 60))
    mask = square(80, 90, 30, 24, 50, 44)
    image = np.where(mask, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(mask_through(geometry, mask), geometry.apply(image)[0] >= 128)


def test_what_lies_outside_the_crop_is_gone():
    geometry = Geometry((10, 10), crop=(0, 0, 20, 20))
    assert not mask_through(geometry, square(40, 40, 30, 30, 40, 40)).any()


@pytest.mark.parametrize("value", [1, 37, 255])
def test_any_value_but_zero_is_defective_except_in_a_jpeg(tmp_path, value):
    mask = np.array([[0, value]], np.uint8)
    assert is_defective(mask, tmp_path / "a.png").tolist() == [[False, True]]
    assert is_defective(mask, tmp_path / "a.JPG").tolist() == [[False, value > 127]]
    assert is_defective(mask.astype(np.uint16) * 257, tmp_path / "a.jpg").tolist() == [[False, value > 127]]


def test_any_channel_of_a_colour_mask_counts(tmp_path):
    mask = np.zeros((1, 2, 3), np.uint8)
    mask[0, 1, 2] = 200
    assert is_defective(mask, tmp_path / "a.png").tolist() == [[False, True]]


def test_another_size_than_the_image_s_names_both(tmp_path):
    image = write_image(tmp_path / "image.png", np.zeros((8, 10), np.uint8))
    mask = write_image(tmp_path / "mask.png", np.zeros((10, 8), np.uint8))
    reader = MaskReader(Geometry((8, 10)), {mask: image})
    with pytest.raises(InputError, match=r"mask.png: the mask is 8 x 10 .*image.png is 10 x 8"):
        reader.read(mask)


@pytest.mark.parametrize("budget", [10, 0])
def test_rows_of_images_without_a_mask_are_zero(tmp_path, budget):
    reader_of = {}
    for number in range(3):
        image = write_image(tmp_path / f"{number}.png", np.zeros((6, 6), np.uint8))
        drawn = np.zeros((6, 6), np.uint8)
        drawn[number] = 255
        reader_of[write_image(tmp_path / f"{number}_mask.png", drawn)] = image
    reader = MaskReader(Geometry((6, 6)), reader_of)
    cache = ImageCache(list(reader_of), reader, budget, tmp_path / "cache")
    cache.prepare()
    rows = SparseRows(cache, [1, 4, 3], 5)
    found = rows.gather([0, 4, 1, 1, 3])
    assert found.shape == (5, 1, 6, 6)
    assert found.dtype == np.uint8
    assert [image[0].any(1).nonzero()[0].tolist() for image in found] == [[], [1], [0], [0], [2]]
    assert rows.gather([0, 2]).shape == (2, 1, 6, 6)


def test_many_specks_take_one_look_at_the_image():
    mask = np.zeros((1024, 1024), bool)
    mask[5::20, 7::20] = True  # 2601 of them, each less than half of a pixel
    start = time.process_time()
    small = mask_through(Geometry((128, 128)), mask)
    assert time.process_time() - start < 2  # a look at the whole image for each took 11 s
    places = np.argwhere(mask) * 128 // 1024
    assert small.sum() == len(np.unique(places, axis=0))
    assert small[tuple(places.T)].all()


@pytest.mark.parametrize("crop", [None, (2, 1, 10, 7)])
def test_on_the_way_back_no_defect_vanishes_either(crop):
    geometry = Geometry((60, 80), crop)
    mask = square(60, 80, 20, 40, 23, 43) | square(60, 80, 40, 0, 60, 40)  # one is a third of a camera pixel
    left, top, right, bottom = crop or (0, 0, 10, 8)
    back = mask_to_camera(geometry, mask, (8, 10))
    assert back.shape == (8, 10)
    inside = back[top:bottom, left:right]
    assert back.sum() == inside.sum()
    row, column = 20 * inside.shape[0] // 60, 40 * inside.shape[1] // 80
    assert inside[row, column]
    assert not inside[:, column + 1 :].any()
    assert inside[-1, 0]
    assert not mask_to_camera(geometry, np.zeros((60, 80), bool), (8, 10)).any()
