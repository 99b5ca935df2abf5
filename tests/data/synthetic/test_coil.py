import csv
import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.synthetic import sets
from inspection.data.synthetic.coil import GOOD, SCRAP, SyntheticCoils, draw_bends, draw_coil
from inspection.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return SyntheticCoils(str(tmp_path_factory.mktemp("data") / "coil"), count=10, seed=3).prepare()


# ------------------------------------------------------------------------------------------ the picture


def test_a_picture_is_the_camera_image_and_depends_on_the_generator_alone():
    first, again, other = (draw_coil(np.random.default_rng(seed), True).image for seed in (5, 5, 6))
    assert first.shape == (520, 800)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("bent", [False, True])
def test_polyline_deviates_by_the_stated_bend(bent):
    for seed in range(6):
        for pin in draw_coil(np.random.default_rng(seed), bent).pins:
            foot = np.subtract(pin.polyline[8], pin.polyline[0])
            tip = np.subtract(pin.polyline[-1], pin.polyline[-9])
            turned = np.degrees(np.arctan2(foot[0] * tip[1] - foot[1] * tip[0], foot @ tip))
            # What the camera sees of a bend in space: its sideways share over what stays upright.
            angle, azimuth = np.radians([pin.bend.angle, pin.bend.azimuth])
            seen = np.degrees(np.arctan2(np.sin(angle) * np.cos(azimuth), np.cos(angle)))
            assert turned == pytest.approx(seen, abs=1.5)  # the perspective adds a little


def test_the_pin_is_dark_metal_along_its_polyline_and_inside_its_box():
    picture = draw_coil(np.random.default_rng(1), True)
    for pin in picture.pins:
        above_the_wire = pin.polyline[45:-8]
        x, y = np.rint(above_the_wire).astype(int).T
        assert picture.image[y, x].mean() < 130
        assert picture.image[y, x - 20].mean() > 150  # the screen beside it
        left, top, right, bottom = pin.box
        assert (pin.polyline >= [left, top]).all()
        assert (pin.polyline <= [right, bottom]).all()
        assert picture.image[round(top) - 8, round(pin.polyline[-1, 0])] > 150


def test_bends_of_the_classes_overlap_but_only_scrap_is_bent_strongly():
    rng = np.random.default_rng(0)
    good, scrap = (
        np.array([max(b.angle for b in draw_bends(rng, bent)) for _ in range(2000)]) for bent in (False, True)
    )
    assert good.max() <= 4 < scrap.max() <= 25
    assert scrap.min() >= 3
    assert 0.002 < (good > 3).mean() < 0.03
    assert 0.005 < (scrap < 4).mean() < 0.05


def test_only_the_pins_tell_the_classes_apart():
    """The same generator state with and without a bent pin: dust, light, pose, housing and noise stay."""
    for seed in range(5):
        good, scrap = (draw_coil(np.random.default_rng(seed), bent) for bent in (False, True))
        elsewhere = np.ones(good.image.shape, bool)
        for left, top, right, bottom in [pin.box for picture in (good, scrap) for pin in picture.pins]:
            elsewhere[int(top) - 12 : int(bottom) + 12, int(left) - 12 : int(right) + 12] = False
        difference = good.image.astype(int) - scrap.image
        assert np.abs(difference[elsewhere]).max() <= 3  # stray light of the lens alone
        assert abs(difference[elsewhere].mean()) < 0.1
        assert abs(difference.mean()) < 0.5


# ---------------------------------------------------------------------------------------------- the set


def test_layout_counts_and_truth(drawn):
    assert len(list((drawn / SCRAP).glob("*.png"))) == 2
    assert len(list((drawn / GOOD).glob("*.png"))) == 8
    rows = list(csv.DictReader((drawn / "truth.csv").open()))
    assert len(rows) == 20
    assert all((drawn / row["file"]).is_file() for row in rows)
    image = cv2.imread(str(next((drawn / GOOD).glob("*.png"))), cv2.IMREAD_UNCHANGED)
    assert image.shape == (520, 800)
    assert sets.is_synthetic(drawn)
    assert not sets.is_synthetic(drawn.parent)
    assert [p.name for p in drawn.parent.iterdir()] == ["coil"]  # nothing left beside it


@pytest.mark.parametrize(("count", "share"), [(626, 0.2), (7, 0.5), (100, 0.03), (5, 0.0), (5, 1.0)])
def test_the_share_is_exact(count, share):
    bent = sum(sets.in_share(index, share) for index in range(count))
    assert bent == int(count * share + 0.5)


def test_same_seed_same_bytes_and_a_larger_set_holds_the_smaller(drawn, tmp_path):
    again = SyntheticCoils(str(tmp_path / "a"), count=10, seed=3).prepare()
    assert contents(again) == contents(drawn)
    smaller = contents(SyntheticCoils(str(tmp_path / "b"), count=4, seed=3).prepare())
    whole = contents(drawn)
    assert all(whole[name] == data for name, data in smaller.items() if name.endswith(".png"))
    other = contents(SyntheticCoils(str(tmp_path / "c"), count=4, seed=4).prepare())
    assert all(other[name] != data for name, data in smaller.items() if name.endswith(".png"))


def test_progress_counts_to_the_end(tmp_path):
    seen: list[tuple[int, int]] = []
    SyntheticCoils(str(tmp_path / "coil"), count=3).prepare(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("wrong", [{"count": 0}, {"defect_share": 1.5}, {"seed": -1}])
def test_impossible_arguments_are_named(tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SyntheticCoils(str(tmp_path / "coil"), **wrong)


# -------------------------------------------------------------------------- drawn once, whole or not at all


def write(text):
    def draw(place: Path) -> None:
        (place / "image.txt").write_text(text)

    return draw


def fail(place: Path) -> None:
    (place / "image.txt").write_text("half")
    raise KeyboardInterrupt


def test_a_set_is_drawn_once_and_anew_when_its_recipe_changed(tmp_path):
    folder = tmp_path / "a" / "set"
    assert sets.prepare_set(folder, "dots", 1, {"seed": 0}, write("first")) == folder.resolve()
    sets.prepare_set(folder, "dots", 1, {"seed": 0}, fail)  # not called
    assert (folder / "image.txt").read_text() == "first"
    recipes = [("dots", 1, {"seed": 1}), ("dots", 2, {"seed": 1}), ("lines", 2, {"seed": 1})]
    for number, recipe in enumerate(recipes):
        sets.prepare_set(folder, *recipe, write(str(number)))
        assert (folder / "image.txt").read_text() == str(number)
        manifest = json.loads((folder / "synthetic.json").read_text())
        assert (manifest["generator"], manifest["version"], manifest["parameters"]) == recipe
    assert [p.name for p in folder.parent.iterdir()] == ["set"]


def test_an_interrupted_drawing_leaves_what_was_there(tmp_path):
    folder = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        sets.prepare_set(folder, "dots", 1, {}, fail)
    assert list(tmp_path.iterdir()) == []
    sets.prepare_set(folder, "dots", 1, {}, write("old"))
    with pytest.raises(KeyboardInterrupt):
        sets.prepare_set(folder, "dots", 2, {}, fail)
    assert (folder / "image.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_an_interrupted_coil_set_stops_drawing_and_leaves_nothing(tmp_path):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SyntheticCoils(str(tmp_path / "coil"), count=1000).prepare(interrupt)
    assert list(tmp_path.iterdir()) == []


def test_somebodys_folder_is_never_overwritten(tmp_path):
    theirs = tmp_path / "parts"
    theirs.mkdir()
    sets.prepare_set(theirs, "dots", 1, {}, write("drawn"))  # an empty folder is nobody's
    (theirs / "synthetic.json").unlink()
    with pytest.raises(InputError, match=r"parts.*without synthetic\.json"):
        sets.prepare_set(theirs, "dots", 1, {}, fail)
    (theirs / "synthetic.json").write_text("[]")
    with pytest.raises(InputError, match=r"parts.*expected the manifest"):
        sets.prepare_set(theirs, "dots", 1, {}, fail)
    (tmp_path / "file").write_text("theirs")
    with pytest.raises(InputError, match="found a file"):
        sets.prepare_set(tmp_path / "file", "dots", 1, {}, fail)
    assert (theirs / "image.txt").read_text() == "drawn"


@pytest.mark.parametrize("before", [None, "another recipe"])
def test_processes_that_draw_at_the_same_time_end_with_one_whole_set(tmp_path, before):
    """Threads stand for processes: they share nothing but the file system, and all finish at once."""
    folder = tmp_path / "set"
    if before is not None:
        sets.prepare_set(folder, "dots", 1, {"seed": before}, write("old"))
    barrier = threading.Barrier(6)
    errors: list[BaseException] = []

    def draw(place: Path) -> None:
        write("new")(place)
        barrier.wait(timeout=20)

    def prepare() -> None:
        try:
            sets.prepare_set(folder, "dots", 1, {"seed": 0}, draw)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert (folder / "image.txt").read_text() == "new"
    assert list(tmp_path.iterdir()) == [folder]


def test_remains_of_a_killed_process_go_after_a_day(tmp_path, monkeypatch):
    (tmp_path / "set.partial-123").mkdir()
    sets.prepare_set(tmp_path / "set", "dots", 1, {"seed": 0}, write("one"))
    assert (tmp_path / "set.partial-123").exists()  # may still be drawing
    monkeypatch.setattr(sets, "_STALE_AFTER", -1)
    sets.prepare_set(tmp_path / "set", "dots", 1, {"seed": 1}, write("two"))
    assert not (tmp_path / "set.partial-123").exists()
