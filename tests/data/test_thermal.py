import csv

import cv2
import numpy as np
import pytest

from inspection.data import thermal
from inspection.data.augment import Augment
from inspection.data.radiometric import read_raw, write_raw
from inspection.data.thermal import ThermalDataModule
from inspection.errors import InputError
from tests.conftest import PLAIN_DATA

CLASSES = ["maximum", "average", "minimum"]
COLUMNS = ["max_k", "mean_k", "min_k"]
COUNT = 30


def draw(root, count=COUNT):
    """Radiometric images with names of several languages, and their table."""
    random = np.random.default_rng(0)
    (root / "pics").mkdir(parents=True)
    rows = []
    for number in range(count):
        raw = random.normal(1200 + 10 * number, 20, (20, 24)).astype(np.uint16)
        name = f"ü_検_{number:02d}.png"
        write_raw(root / "pics" / name, raw)
        kelvin = raw / 10 + 173.15
        rows.append([name, kelvin.max(), kelvin.mean(), kelvin.min()])
    write_table(root, rows)
    return rows


def write_table(root, rows, columns=COLUMNS):
    with (root / "temperatures.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["name", *columns], *rows])


@pytest.fixture
def rows(tmp_path):
    return draw(tmp_path / "set")


@pytest.fixture
def module(tmp_path):
    def build(**settings):
        own = {
            "root": str(tmp_path / "set"),
            "classes": CLASSES,
            "pictures": "pics",
            "table": "temperatures.csv",
            "columns": COLUMNS,
            "statistics": ["max", "mean", "min"],
            "scale": 0.1,
            "offset": 173.15,
            "render": "radiometric",
            "window": [280.0, 350.0],
            "occlusion": 0.2,
            "cache_dir": str(tmp_path / "cache"),
        }
        plain = {name: value for name, value in PLAIN_DATA.items() if name != "white_level"}
        return ThermalDataModule(**plain | own | settings)

    return build


def test_a_batch_of_radiometric_images(rows, module):
    data = module(image_size=[20, 24])
    data.setup()
    batch = data.batch(range(COUNT))
    names = [file.removeprefix("pics/") for file in data.samples.files]
    assert names == [row[0] for row in rows]
    expected = np.array([row[1:] for row in rows])
    np.testing.assert_allclose(batch["target"], expected, atol=0.01)
    np.testing.assert_allclose(batch["pixels"], expected, atol=1e-9)
    low, high = data.window
    assert (low, high) == pytest.approx((280, 350), abs=0.051)  # at raw values
    kelvin = low + batch["image"].numpy().astype(float) / 255 * (high - low)
    np.testing.assert_allclose(kelvin.max((1, 2, 3)), expected[:, 0], atol=0.5 * 70 / 255 + 1e-6)
    assert data.split_by.startswith("shared out by quantity")


def test_what_the_table_says_counts_and_the_pixels_are_kept_beside_it(rows, module, tmp_path):
    write_table(tmp_path / "set", [[row[0], row[1] + 5, row[2], row[3]] for row in rows])
    data = module()
    data.setup()
    batch = data.batch([0])
    assert float(batch["target"][0, 0] - batch["pixels"][0, 0]) == pytest.approx(5, abs=1e-3)


def test_without_a_table_the_pixels_are_the_targets(rows, module, tmp_path):
    (tmp_path / "set" / "temperatures.csv").unlink()
    data = module(table=None, statistics=["p99", "mean", "p1"])
    data.setup()
    batch = data.batch(range(COUNT))
    np.testing.assert_allclose(batch["target"], batch["pixels"], atol=1e-4)
    assert (batch["target"][:, 0].numpy() < np.array([row[1] for row in rows])).all()


def test_the_crop_is_what_is_measured(rows, module):
    data = module(table=None, crop=[0, 0, 2, 2])
    data.setup()
    assert data.samples.targets[:, 0].mean() < np.mean([row[1] for row in rows]) - 1


def test_a_crop_outside_of_an_image_is_said(rows, module):
    with pytest.raises(
        InputError, match=r"30 of 30 images cannot be used.*\n.*24 x 20 pixels .* smaller than data.crop"
    ):
        module(table=None, crop=[30, 30, 40, 40]).setup()


def test_temperatures_outside_of_the_window_are_noted(rows, module):
    data = module(window=[290.0, 320.0])
    data.setup()
    (note,) = (note for note in data.notes if "data.window" in note)
    outside = sum(row[3] < data.window[0] or row[1] > data.window[1] for row in rows)
    assert note.startswith(f"{outside} images have pixels outside of data.window")
    wide = module(window=[200.0, 400.0])
    wide.setup()
    assert not any("data.window" in note for note in wide.notes)


def test_pixels_outside_of_the_window_are_noted_whatever_is_asked_of_them(rows, module):
    quiet = {"classes": ["middle"], "columns": ["mean_k"], "statistics": ["p50"], "window": [290.0, 330.0]}
    for table in ("temperatures.csv", None):
        data = module(table=table, **quiet)
        data.setup()
        (note,) = (note for note in data.notes if "data.window" in note)
        outside = sum(row[3] < data.window[0] or row[1] > data.window[1] for row in rows)
        assert note.startswith(f"{outside} images have pixels outside of data.window")


def test_a_table_in_another_unit_is_noted(rows, module, tmp_path):
    write_table(tmp_path / "set", [[name, *(kelvin - 273.15 for kelvin in values)] for name, *values in rows])
    data = module(window=[200.0, 400.0])
    data.setup()
    (note,) = (note for note in data.notes if "data.window" in note)
    assert note.startswith(
        "30 images have temperatures outside of data.window though their pixels are inside"
    )


def test_the_pixels_are_measured_once_for_all_runs_and_processes(rows, module, monkeypatch, tmp_path):
    read = []

    def counted(path):
        read.append(path.name)
        return read_raw(path)

    monkeypatch.setattr(thermal, "read_raw", counted)
    first = module()
    first.setup()
    assert sorted(read) == sorted(row[0] for row in rows)
    again = module()
    again.setup()
    assert len(read) == COUNT
    np.testing.assert_array_equal(again.batch(range(COUNT))["pixels"], first.batch(range(COUNT))["pixels"])

    write_raw(tmp_path / "set" / "pics" / rows[3][0], np.full((20, 24), 1300, np.uint16))
    changed = module()
    changed.setup()
    assert read[COUNT:] == [rows[3][0]]
    assert changed.batch([3])["pixels"][0].tolist() == pytest.approx([303.15] * 3)
    other = module(offset=173.25, window=[281.0, 350.0])  # other temperatures of the same pixels
    other.setup()
    assert other.batch([3])["pixels"][0].tolist() == pytest.approx([303.25] * 3)


FALSIFY = {"gain": [0.8, 1.2], "offset": [-5.0, 5.0], "blur": [0.0, 1.0], "rotation": 5.0, "crop_padding": 2}


@pytest.mark.parametrize("name", FALSIFY)
def test_random_changes_that_falsify_temperatures_are_refused(rows, module, name):
    augment = Augment(**{name: FALSIFY[name]})
    with pytest.raises(InputError, match=rf"^data\.augment\.{name}=.*\n.* flips and roll"):
        module(augment=augment)
    module(augment=augment, render="auto_gain").setup()  # a grey value stands for no temperature


def test_random_changes_that_leave_the_temperatures_are_taken(rows, module):
    module(augment=Augment(horizontal_flip=0.5, vertical_flip=0.5, roll=0.5))
    module(augment=Augment(gain=[0.5, 1.5], light_probability=0.0, blur=[1.0, 2.0], blur_probability=0.0))
    with pytest.raises(InputError, match=r"data\.augment\.gain=\[0\.8, 1\.2\], data\.augment\.rotation=5"):
        module(augment=Augment(gain=[0.8, 1.2], rotation=5.0))


def test_the_passport_gets_the_window(rows, module):
    assert module().passport() == {"window": pytest.approx([280.0, 350.0], abs=0.051)}
    assert module(render="auto_gain").passport() == {"window": None}


def test_where_the_pixels_say_it_the_run_says_so(rows, module, tmp_path):
    data = module()
    data.setup()
    assert any(note.startswith("the pixels themselves say these temperatures to ") for note in data.notes)
    write_table(tmp_path / "set", [[row[0], row[1] + 9, row[2] + 9, row[3] + 9] for row in rows])
    other = module()
    other.setup()
    assert not any("pixels themselves" in note for note in other.notes)


def test_a_wrong_scale_is_noted(rows, module):
    data = module(scale=0.01, window=[180.0, 350.0])
    data.setup()
    table = np.array([row[1:] for row in rows])
    error = np.abs((table - 173.15) * 0.1 + 173.15 - table).mean()
    (note,) = (note for note in data.notes if "data.scale" in note)
    assert note.startswith(f"the pixels and temperatures.csv differ by {error:.3g} K on average: check")
    plain = module()
    plain.setup()
    assert not any("data.scale" in note for note in plain.notes)


def test_automatic_gain_keeps_no_scale_and_hides_a_part(rows, module):
    data = module(render="auto_gain", image_size=[20, 24])
    data.setup()
    batch = data.batch(range(COUNT))
    assert "pixels" not in batch  # nothing in the image tells
    assert data.window is None
    bare = module(render="auto_gain", image_size=[20, 24], occlusion=0.0)
    bare.setup()
    plain = bare.images(range(COUNT)).numpy()
    assert (plain.min((1, 2, 3)) == 0).all()
    assert (plain.max((1, 2, 3)) == 255).all()
    hidden = (batch["image"].numpy() != plain).mean((1, 2, 3))
    assert 0.03 < hidden.mean() < 0.2
    for row in range(5):
        left, top, right, bottom = data.hidden(row) or (0, 0, 0, 0)
        outside = np.ones((20, 24), bool)
        outside[top:bottom, left:right] = False
        np.testing.assert_array_equal(batch["image"][row, 0].numpy()[outside], plain[row, 0][outside])
    assert bare.hidden(0) is None
    np.testing.assert_array_equal(data.batch([3, 3])["image"][0], batch["image"][3])


def test_the_inspectors_geometry_hides_nothing(rows, module, tmp_path):
    data = module(render="auto_gain", image_size=[20, 24])
    data.setup()
    path = tmp_path / "set" / data.samples.files[0]
    bare = module(render="auto_gain", image_size=[20, 24], occlusion=0.0)
    bare.setup()
    np.testing.assert_array_equal(data.geometry.read(path), bare.images([0])[0])


def test_a_constant_image_is_one_too(rows, module, tmp_path):
    write_raw(tmp_path / "set" / "pics" / rows[0][0], np.full((20, 24), 1300, np.uint16))
    data = module(render="auto_gain", occlusion=0.0)
    data.setup()
    assert (data.images([0]).numpy() == 0).all()


def test_8_bit_pictures_are_said_for_a_radiometric_task_and_welcome_for_automatic_gain(
    rows, module, tmp_path
):
    for row in rows[:2]:
        picture = np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint8)
        (tmp_path / "set" / "pics" / row[0]).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    with pytest.raises(InputError, match=r"2 of 30 images cannot be used:\n.*ü_検_00.png: is an 8-bit grey"):
        module().setup()
    with pytest.raises(InputError, match="2 of 30 images cannot be used"):
        module(table=None).setup()
    data = module(render="auto_gain")
    data.setup()
    assert len(data.samples.files) == COUNT


def test_one_broken_file_is_named(rows, module, tmp_path):
    path = tmp_path / "set" / "pics" / rows[4][0]
    path.write_bytes(path.read_bytes()[:200])
    for settings in ({}, {"table": None}, {"render": "auto_gain"}):
        with pytest.raises(InputError, match=r"ü_検_04.png: is cut short or corrupt"):
            module(**settings).setup()


def test_a_row_without_an_image_and_an_image_without_a_row(rows, module, tmp_path):
    write_table(tmp_path / "set", [*rows[1:], ["gone.png", 1, 1, 1]])
    with pytest.raises(
        InputError, match=r"temperatures.csv, line 31: no image 'gone.png' in .*\nadd the images"
    ):
        module().setup()
    write_table(tmp_path / "set", rows[1:])
    data = module()
    data.setup()
    assert (
        "1 images stand in no row of temperatures.csv and are left out (for example 'ü_検_00.png')"
        in data.notes
    )


def test_a_number_that_is_none_and_a_column_that_is_not_there(rows, module, tmp_path):
    write_table(tmp_path / "set", [[rows[0][0], "nan", 1, 1], *rows[1:]])
    with pytest.raises(InputError, match="line 2, column 'max_k': 'nan'; expected a number"):
        module().setup()
    with pytest.raises(InputError, match=r"no column 'maximum_k' \(did you mean"):
        module(columns=["maximum_k", "mean_k", "min_k"]).setup()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"render": "colour"}, "data.render='colour': expected radiometric or auto_gain"),
        ({"columns": ["max_k"]}, "data.columns=.*one for each of data.classes"),
        ({"statistics": ["max", "mean"]}, "data.statistics=.*one for each of data.classes"),
        ({"statistics": ["max", "mean", "low"]}, "'low'; expected max, mean, min, or a percentile"),
        ({"occlusion": 1.0}, "data.occlusion=1.0"),
        ({"window": [300.0]}, r"data.window=\[300.0\]: expected \[low, high\]"),
        ({"window": [350.0, 280.0]}, "data.window=.*the first the smaller one"),
        ({"window": [100.0, 280.0]}, "data.window=.*between 173.15 and 6726.65"),
        ({"scale": 0.0}, "data.scale=0.0"),
        ({"pictures": "photos"}, "data.pictures=photos"),
        ({"table": "t.csv"}, "t.csv: does not exist"),
        ({"balance": "sampler"}, "data.balance=none"),
        ({"balance": "loss"}, "data.balance=none"),
    ],
)
def test_settings_that_cannot_be_name_their_key(rows, module, settings, message):
    with pytest.raises(InputError, match=message):
        module(**settings).setup()


def test_a_split_is_read_back(rows, module, tmp_path):
    from inspection.data.splits import write_splits

    data = module()
    data.setup()
    write_splits(tmp_path / "splits.csv", data.samples)
    again = module(splits=str(tmp_path / "splits.csv"), split_seed=5)
    again.setup()
    assert again.samples.parts.tolist() == data.samples.parts.tolist()


def test_folds_share_no_image(rows, module):
    tested = []
    for fold in range(5):
        data = module(fold=fold, folds=5)
        data.setup()
        tested += data.samples.rows("test").tolist()
    assert sorted(tested) == list(range(COUNT))
