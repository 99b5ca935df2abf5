import re

import cv2
import numpy as np
import pytest

from inspection.data.radiometric import (
    Radiometry,
    check_statistics,
    read_raw,
    statistics_of,
    write_raw,
)
from inspection.errors import InputError

SUBSTATION = Radiometry(scale=0.1, offset=173.15)
RAW = np.random.default_rng(0).integers(900, 2200, (30, 40)).astype(np.uint16)


def test_kelvin_and_back():
    np.testing.assert_allclose(SUBSTATION.kelvin(RAW), RAW / 10 + 173.15)
    np.testing.assert_array_equal(SUBSTATION.raw(SUBSTATION.kelvin(RAW)), RAW)
    np.testing.assert_array_equal(SUBSTATION.raw([0.0, 300.0, 1e6]), [0, 1268, 65535])


def test_a_window_becomes_raw_levels():
    assert SUBSTATION.levels([230, 420]) == (568, 2468)
    for window in ([420, 230], [300, 300]):
        with pytest.raises(InputError, match=r"data.window=.*the first the smaller one"):
            SUBSTATION.levels(window)
    for window in ([100, 300], [300, 9000]):
        with pytest.raises(
            InputError, match=r"data.window=.*between 173.15 and 6726.65, which data.scale=0.1"
        ):
            SUBSTATION.levels(window)


@pytest.mark.parametrize(
    ("scale", "offset", "key"), [(0, 0, "scale"), (-1, 0, "scale"), (1, np.nan, "offset")]
)
def test_scale_and_offset_are_checked(scale, offset, key):
    with pytest.raises(InputError, match=f"data.{key}="):
        Radiometry(scale, offset)


@pytest.mark.parametrize("name", ["ä ü.png", "a.tif"])
def test_raw_values_survive_the_file(tmp_path, name):
    if name.endswith("png"):
        write_raw(tmp_path / name, RAW)
    else:
        (tmp_path / name).write_bytes(cv2.imencode(".tif", RAW)[1].tobytes())
    np.testing.assert_array_equal(read_raw(tmp_path / name), RAW)


def test_statistics_are_numpys():
    kelvin = RAW / 10 + 173.15
    found = statistics_of(RAW, ["max", "mean", "min", "p99.5", "p0"], SUBSTATION)
    expected = [kelvin.max(), kelvin.mean(), kelvin.min(), np.percentile(kelvin, 99.5), kelvin.min()]
    assert found == pytest.approx(expected)


def test_a_percentile_overlooks_a_wild_pixel():
    wild = RAW.copy()
    wild[0, 0] = 60000
    plain, robust = statistics_of(wild, ["max", "p99.5"], SUBSTATION)
    assert plain > 6000
    assert robust < 400


@pytest.mark.parametrize("name", ["median", "p101", "p", "P50"])
def test_unknown_statistics_are_said(name):
    with pytest.raises(InputError, match=re.escape(f"{name!r}; expected max, mean, min, or a percentile")):
        check_statistics(["max", name])


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ((RAW // 10).astype(np.uint8), "is an 8-bit grey image; expected a radiometric one"),
        (np.dstack([RAW] * 3), "is a 16-bit colour image"),
        (np.zeros((4, 4, 3), np.uint8), "is an 8-bit colour image"),
    ],
)
def test_a_picture_without_temperatures_is_said(tmp_path, image, found):
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    with pytest.raises(InputError, match=rf"a\.png: {found}"):
        read_raw(tmp_path / "a.png")
