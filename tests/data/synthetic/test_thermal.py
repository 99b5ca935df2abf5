import csv
import json

import cv2
import numpy as np
import pytest

from inspection.data.images import read_image
from inspection.data.radiometric import statistics_of
from inspection.data.synthetic.sets import is_synthetic
from inspection.data.synthetic.thermal import (
    BACKGROUND,
    HOTTEST,
    NOISE,
    RADIOMETRY,
    Spot,
    SyntheticThermal,
    draw_thermal,
    temperatures,
)
from inspection.errors import InputError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return SyntheticThermal(str(tmp_path_factory.mktemp("data") / "thermal"), count=12, seed=3).prepare()


@pytest.fixture(scope="module")
def pictures():
    return [draw_thermal(np.random.default_rng([1, index])) for index in range(200)]


def rows_of(folder):
    with (folder / "temperatures.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_layout_is_that_of_the_real_set(drawn):
    assert is_synthetic(drawn)
    assert [p.name for p in drawn.parent.iterdir()] == ["thermal"]
    rows = rows_of(drawn)
    assert list(rows[0]) == ["name", "max_k", "mean_k", "min_k"]
    assert sorted(row["name"] for row in rows) == sorted(p.name for p in (drawn / "pics").iterdir())
    scenes = json.loads((drawn / "scenes.json").read_text())
    assert list(scenes) == [row["name"] for row in rows]
    assert all(1 <= len(spots) <= 3 for spots in scenes.values())


def test_the_table_tells_of_the_very_pixels(drawn):
    for row in rows_of(drawn):
        raw = read_image(drawn / "pics" / row["name"])
        assert raw.dtype == np.uint16
        assert raw.shape == (224, 224)
        found = statistics_of(raw, ["max", "mean", "min"], RADIOMETRY)
        assert found == pytest.approx([float(row[c]) for c in ("max_k", "mean_k", "min_k")], abs=0.005)


def test_same_seed_same_bytes_and_a_larger_set_holds_the_smaller(drawn, tmp_path):
    larger = SyntheticThermal(str(tmp_path / "a"), count=14, seed=3).prepare()
    other = SyntheticThermal(str(tmp_path / "b"), count=1, seed=4).prepare()
    for path in (drawn / "pics").iterdir():
        assert (larger / "pics" / path.name).read_bytes() == path.read_bytes()
    first = "pics/thermal_00000.png"
    assert (other / first).read_bytes() != (drawn / first).read_bytes()


def test_the_published_numbers(pictures):
    spots = [spot for picture in pictures for spot in picture.spots]
    assert {len(picture.spots) for picture in pictures} == {1, 2, 3}
    assert min(spot.peak for spot in spots) > BACKGROUND
    assert 440 < max(spot.peak for spot in spots) <= HOTTEST
    noises = np.concatenate([(p.kelvin - temperatures(p.spots)).ravel() for p in pictures[:20]])
    assert noises.mean() == pytest.approx(0, abs=0.05)
    assert noises.std() == pytest.approx(NOISE, rel=0.01)


def test_spots_overlap_on_many_images_and_then_add_up(pictures):
    def overlaps(picture):
        pairs = zip(picture.spots, picture.spots[1:], strict=False)
        return any(np.hypot(a.x - b.x, a.y - b.y) < a.sigma + b.sigma for a, b in pairs)

    several = [picture for picture in pictures if len(picture.spots) > 1]
    assert 0.4 < np.mean([overlaps(picture) for picture in several]) < 0.9
    spot = Spot(100, 120, 10, 400)
    alone, twice = temperatures([spot]), temperatures([spot, spot])
    assert alone[120, 100] == pytest.approx(400)
    assert twice[120, 100] == pytest.approx(500)
    assert alone[120, 110] == pytest.approx(300 + 100 * np.exp(-0.5), abs=1e-3)


def test_noise_lifts_the_maximum_and_lowers_the_minimum(pictures):
    lift = [p.kelvin.max() - temperatures(p.spots).max() for p in pictures]
    low = [p.kelvin.min() - BACKGROUND for p in pictures]
    assert 5 < np.mean(lift) < 12
    assert np.mean(low) == pytest.approx(-21, abs=1)


@pytest.mark.parametrize(("settings", "key"), [({"count": 0}, "count"), ({"seed": -1}, "seed")])
def test_what_cannot_be_is_said(tmp_path, settings, key):
    with pytest.raises(InputError, match=f"data.synthetic.{key}"):
        SyntheticThermal(str(tmp_path / "a"), **settings)


def test_opencv_reads_what_we_wrote(drawn):
    path = next((drawn / "pics").iterdir())
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(image, read_image(path))
