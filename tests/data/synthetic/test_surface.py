import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.synthetic.sets import is_synthetic
from inspection.data.synthetic.surface import DEFECT, KINDS, OK, TRUTH, SyntheticSurfaces, draw_surface
from inspection.errors import InputError

SMALL = {"train": 9, "val": 4, "test": 5}


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.png")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return SyntheticSurfaces(str(tmp_path_factory.mktemp("data") / "surface"), **SMALL, seed=3).prepare()


@pytest.fixture(scope="module")
def pairs():
    """The same surfaces sound and damaged."""
    return [[draw_surface(np.random.default_rng(seed), bad) for bad in (False, True)] for seed in range(40)]


def mask_of(outlines) -> np.ndarray:
    mask = np.zeros((224, 224), np.uint8)
    cv2.fillPoly(mask, [np.asarray(outline, np.int32) for outline in outlines], 1)
    return mask.astype(bool)


def test_layout_counts_and_truth(drawn):
    assert is_synthetic(drawn)
    assert [p.name for p in drawn.parent.iterdir()] == ["surface"]  # nothing left beside it
    counts = {p: [len(list((drawn / p / folder).glob("*.png"))) for folder in (OK, DEFECT)] for p in SMALL}
    assert counts == {"train": [5, 4], "val": [2, 2], "test": [3, 2]}
    truth = json.loads((drawn / TRUTH).read_text())
    assert sorted(truth) == sorted(name for name in contents(drawn) if f"/{DEFECT}/" in name)
    for defect in truth.values():
        assert defect["kind"] in KINDS
        assert 0 <= defect["contrast"] <= 1
        rows, columns = np.nonzero(mask_of(defect["outlines"]))
        assert defect["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    image = cv2.imread(str(drawn / next(iter(truth))), cv2.IMREAD_UNCHANGED)
    assert image.shape == (224, 224, 3)


def test_no_image_twice(drawn):
    images = contents(drawn)
    assert len(set(images.values())) == len(images) == 18


def test_same_seed_same_bytes_and_a_larger_set_holds_the_smaller(drawn, tmp_path):
    again = SyntheticSurfaces(str(tmp_path / "a"), **SMALL, seed=3).prepare()
    assert contents(again) == contents(drawn)
    assert (again / TRUTH).read_bytes() == (drawn / TRUTH).read_bytes()
    smaller = contents(SyntheticSurfaces(str(tmp_path / "b"), 3, 1, 2, seed=3).prepare())
    assert smaller.items() <= contents(drawn).items()
    other = contents(SyntheticSurfaces(str(tmp_path / "c"), 3, 1, 2, seed=4).prepare())
    assert not set(other.values()) & set(smaller.values())


def test_only_the_defect_tells_the_classes_apart(pairs):
    for sound, damaged in pairs:
        assert sound.defect is None
        beside = ~cv2.dilate(mask_of(damaged.defect.outlines).astype(np.uint8), np.ones((21, 21))).astype(
            bool
        )
        difference = np.abs(sound.image.astype(int) - damaged.image)
        assert difference[beside].max() <= 2  # where a dent fades out


def test_defects_are_where_the_truth_says_and_follow_their_contrast(pairs):
    seen, contrast = [], []
    for sound, damaged in pairs:
        inside = mask_of(damaged.defect.outlines)
        seen.append(np.abs(sound.image.astype(int) - damaged.image)[inside].mean() / sound.image.mean())
        contrast.append(damaged.defect.contrast)
    assert np.corrcoef(seen, contrast)[0, 1] > 0.5
    assert min(seen) > 0.01  # something is there
    assert np.mean(seen) > 0.08


def test_every_kind_of_defect_occurs(pairs):
    assert {damaged.defect.kind for _, damaged in pairs} == set(KINDS)


def test_progress_counts_to_the_end(tmp_path):
    seen: list[tuple[int, int]] = []
    SyntheticSurfaces(str(tmp_path / "s"), 1, 1, 1).prepare(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "wrong", [{"train": 0}, {"val": 0}, {"test": -1}, {"defect_share": 1.5}, {"seed": -1}]
)
def test_impossible_arguments_are_named(tmp_path, wrong):
    with pytest.raises(InputError, match=f"data.synthetic.{next(iter(wrong))}"):
        SyntheticSurfaces(str(tmp_path / "surface"), **wrong)
