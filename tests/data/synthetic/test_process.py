import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.synthetic.process import STATES, SyntheticProcess, draw_burst, state_of
from inspection.data.synthetic.sets import is_synthetic
from inspection.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.png")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("data") / "process")
    return SyntheticProcess(folder, bursts=7, frames=3, seed=3).prepare()


@pytest.fixture(scope="module")
def bursts():
    """Twenty bursts of three frames whose severity grows from 0 to 1, [20, 3, 224, 224, 3]."""
    return np.stack([draw_burst(np.random.default_rng(k), k / 19, 3) for k in range(20)]).astype(float)


def raggedness(image: np.ndarray) -> float:
    """How much of the light's change from pixel to pixel is left when a wide blur is taken off, by light."""
    inside = cv2.GaussianBlur(image.mean(2)[40:184, 40:184], (0, 0), 1.5)
    return float(np.abs(inside - cv2.GaussianBlur(inside, (0, 0), 12)).mean() / inside.mean())


def test_layout_counts_and_truth(drawn):
    assert is_synthetic(drawn)
    assert [p.name for p in drawn.parent.iterdir()] == ["process"]  # nothing left beside it
    assert [len(list((drawn / state).glob("*.png"))) for state in STATES] == [9, 6, 6]
    rows = list(csv.DictReader((drawn / "truth.csv").open()))
    assert sorted(row["file"] for row in rows) == sorted(contents(drawn))
    for row in rows:
        state, name = row["file"].split("/")
        assert name.startswith(f"burst_{int(row['burst']):03d}_")
        assert state_of(float(row["severity"])) == state
    image = cv2.imread(str(drawn / "severe" / "burst_002_00.png"), cv2.IMREAD_UNCHANGED)
    assert image.shape == (224, 224, 3)


def test_no_image_twice(drawn):
    images = contents(drawn)
    assert len(set(images.values())) == len(images) == 21


def test_same_seed_same_bytes_and_more_bursts_hold_the_fewer(drawn, tmp_path):
    again = SyntheticProcess(str(tmp_path / "a"), bursts=7, frames=3, seed=3).prepare()
    assert contents(again) == contents(drawn)
    assert (again / "truth.csv").read_bytes() == (drawn / "truth.csv").read_bytes()
    fewer = contents(SyntheticProcess(str(tmp_path / "b"), bursts=3, frames=3, seed=3).prepare())
    assert fewer.items() <= contents(drawn).items()
    other = contents(SyntheticProcess(str(tmp_path / "c"), bursts=3, frames=3, seed=4).prepare())
    assert not set(other.values()) & set(fewer.values())


def test_frames_of_a_burst_are_near_copies(bursts):
    within = np.abs(bursts[:, 0] - bursts[:, 1]).mean((1, 2, 3))
    across = np.abs(bursts[:, None, 0] - bursts[None, :, 0]).mean((2, 3, 4))
    for burst, row in enumerate(across):
        assert within[burst] < np.delete(row, burst).min()


def test_severity_is_visible_to_a_simple_measurement(bursts):
    ragged = np.array([raggedness(frames[0]) for frames in bursts])
    ranks = np.argsort(np.argsort(ragged))
    assert np.corrcoef(ranks, np.arange(20))[0, 1] > 0.8
    assert (np.diff(ranks) < 0).any()  # but neighbours overlap


def test_only_the_flame_tells_the_states_apart():
    """The same generator state, calm and out of order: flange, bolts, camera and noise stay."""
    y, x = np.mgrid[-111.5:112, -111.5:112]
    outside = np.hypot(x, y) > 102
    for seed in range(4):
        calm, wild = (draw_burst(np.random.default_rng(seed), s, 1)[0][outside].mean(1) for s in (0.05, 0.95))
        assert np.corrcoef(calm, wild)[0, 1] > 0.9  # the flame lights the flange, more or less


def test_progress_counts_to_the_end(tmp_path):
    seen: list[tuple[int, int]] = []
    SyntheticProcess(str(tmp_path / "p"), 3, 1).prepare(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("wrong", [{"bursts": 2}, {"frames": 0}, {"seed": -1}])
def test_impossible_arguments_are_named(tmp_path, wrong):
    with pytest.raises(InputError, match=f"data.synthetic.{next(iter(wrong))}"):
        SyntheticProcess(str(tmp_path / "process"), **wrong)
