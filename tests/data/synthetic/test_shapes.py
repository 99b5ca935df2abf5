from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from inspection.data.synthetic.sets import is_synthetic
from inspection.data.synthetic.shapes import CLASSES, SHAPES, SyntheticShapes, draw_picture
from inspection.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.png")}


def grey(name: str, seed: int) -> np.ndarray:
    return draw_picture(np.random.default_rng([seed, CLASSES.index(name)]), name).mean(2)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return SyntheticShapes(
        str(tmp_path_factory.mktemp("data") / "shapes"), train=43, test=20, seed=3
    ).prepare()


def test_layout_and_counts(drawn):
    assert is_synthetic(drawn)
    assert [p.name for p in drawn.parent.iterdir()] == ["shapes"]  # nothing left beside it
    for part, count in (("train", 43), ("test", 20)):
        assert sorted(p.name for p in (drawn / part).iterdir()) == sorted(CLASSES)
        per_class = [len(list((drawn / part / name).glob("*.png"))) for name in CLASSES]
        assert sum(per_class) == count
        assert max(per_class) - min(per_class) <= 1
    image = cv2.imread(str(drawn / "train" / "ring" / "ring_00001.png"), cv2.IMREAD_UNCHANGED)
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8


def test_no_image_twice(drawn):
    images = contents(drawn)
    assert len(images) == 63
    assert len(set(images.values())) == 63  # the parts share none either


def test_same_seed_same_bytes_and_a_larger_set_holds_the_smaller(drawn, tmp_path):
    again = SyntheticShapes(str(tmp_path / "a"), train=43, test=20, seed=3).prepare()
    assert contents(again) == contents(drawn)
    smaller = contents(SyntheticShapes(str(tmp_path / "b"), train=12, test=10, seed=3).prepare())
    assert smaller.items() <= contents(drawn).items()
    other = contents(SyntheticShapes(str(tmp_path / "c"), train=12, test=10, seed=4).prepare())
    assert not set(other.values()) & set(smaller.values())


def test_progress_counts_to_the_end(tmp_path):
    seen: list[tuple[int, int]] = []
    SyntheticShapes(str(tmp_path / "s"), 90, 20).prepare(lambda done, total: seen.append((done, total)))
    assert seen == [(100, 110), (110, 110)]


def spectrum(image: np.ndarray) -> list[float]:
    """Amplitudes on rings of the spectrum: they depend on neither place nor angle."""
    amplitudes = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(image - image.mean()))))
    rows, columns = np.mgrid[-16:16, -16:16]
    radius = np.rint(np.hypot(rows, columns))
    rings = [amplitudes[radius == number] for number in range(1, 15)]
    return [float(value) for ring in rings for value in (ring.mean(), ring.std(), ring.max())]


def test_classes_are_visible_to_a_simple_measurement_but_not_without_mistakes():
    features = np.array([spectrum(grey(name, seed)) for seed in range(70) for name in CLASSES])
    targets = np.tile(np.arange(10), 70)
    found = LinearDiscriminantAnalysis().fit(features[:500], targets[:500]).predict(features[500:])
    assert 0.2 < (found == targets[500:]).mean() < 0.8  # chance is 0.1
    is_texture, looks_so = targets[500:] >= len(SHAPES), found >= len(SHAPES)
    assert (is_texture == looks_so).mean() > 0.75


@pytest.mark.parametrize("wrong", [{"train": 9}, {"test": 0}, {"seed": -1}])
def test_impossible_arguments_are_named(tmp_path, wrong):
    with pytest.raises(InputError, match=f"data.synthetic.{next(iter(wrong))}"):
        SyntheticShapes(str(tmp_path / "shapes"), **wrong)
