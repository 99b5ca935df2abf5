import numpy as np
import pytest

from inspection.pictures.overlay import colour_heat
from inspection.pictures.tiles import feature_sheet, filter_sheet, matrix_sheet, signed_colours


def holds(sheet, tile):
    windows = np.lib.stride_tricks.sliding_window_view(sheet, tile.shape)
    return bool((windows == tile).all(axis=(3, 4, 5)).any())


def test_signed_colours_are_symmetric_and_zero_is_white():
    colours = signed_colours(np.array([[-2.0, -1.0, 0.0, 1.0, np.nan]]))[0].tolist()
    assert colours[0] == colours[1] == [0, 90, 181]
    assert colours[2] == colours[4] == [255, 255, 255]
    assert colours[3] == [204, 80, 0]


def test_each_filter_has_its_own_scale():
    kernels = np.zeros((3, 3, 3), np.float32)
    kernels[0, 1, 1], kernels[1, 0, 0], kernels[2, 2, 2] = 2.0, 1.0, -2.0
    sheet = filter_sheet(kernels, ["0", "1", "2"], ["conv1"])
    for kernel in kernels:
        assert holds(sheet, signed_colours(kernel / np.abs(kernel).max()).repeat(16, 0).repeat(16, 1))


def test_filters_over_colour_are_in_colour():
    kernels = np.zeros((1, 3, 5, 5), np.float32)
    kernels[0, 0] = 0.5
    sheet = filter_sheet(kernels, ["0"], ["conv1"])
    assert holds(sheet, np.broadcast_to(np.array([255, 128, 128], np.uint8), (45, 45, 3)))


def test_large_matrices_fit_a_screen():
    assert max(matrix_sheet(np.ones((2048, 512)), ["conv"]).shape) < 1150
    assert matrix_sheet(np.zeros((4, 3)), ["conv"]).shape[1] > 240


def test_each_feature_map_has_its_own_range():
    maps = np.stack([np.full((30, 40), 7.0), np.arange(1200.0).reshape(30, 40)])
    sheet = feature_sheet(maps, ["#3", "#9"], ["features.0"], tile=40)
    assert holds(sheet, colour_heat(np.zeros((30, 40))))
    assert holds(sheet, colour_heat(maps[1] / 1199))


def test_rows_are_broken():
    maps = np.random.default_rng(0).random((9, 20, 20))
    one, two = (
        feature_sheet(maps[:count], ["#"] * count, ["x"], columns=8, tile=60).shape for count in (8, 9)
    )
    assert one[1] == two[1]
    assert two[0] > one[0] + 60


@pytest.mark.parametrize("draw", [filter_sheet, feature_sheet])
def test_captions_have_to_fit(draw):
    with pytest.raises(ValueError, match="Expected"):
        draw(np.zeros((2, 3, 3)), ["a"], ["x"])
