from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.synthetic.sets import is_synthetic
from inspection.data.synthetic.textures import DEFECTS, SyntheticTextures, draw_texture
from inspection.errors import InputError

SMALL = {"good_train": 5, "good_test": 3, "defects": 2, "size": 96}


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.png")}


def pair(seed: int, folder: str, size: int = 128):
    """The same surface sound and damaged."""
    return [draw_texture(np.random.default_rng(seed), size, kind) for kind in ("good", folder)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return SyntheticTextures(str(tmp_path_factory.mktemp("data") / "textures"), **SMALL, seed=3).prepare()


def test_layout_of_mvtec_ad(drawn):
    assert is_synthetic(drawn)
    files = contents(drawn)
    assert len([name for name in files if name.startswith("train/good/")]) == 5
    assert len([name for name in files if name.startswith("test/good/")]) == 3
    for defect in DEFECTS:
        for number in ("000", "001"):
            image = cv2.imread(str(drawn / f"test/{defect}/{number}.png"), cv2.IMREAD_UNCHANGED)
            mask = cv2.imread(str(drawn / f"ground_truth/{defect}/{number}_mask.png"), cv2.IMREAD_UNCHANGED)
            assert image.shape == (96, 96, 3)
            assert mask.shape == (96, 96)
            assert set(np.unique(mask)) == {0, 255}
    assert len(files) == 5 + 3 + 2 * 4 * 2


def test_no_image_twice(drawn):
    images = [data for name, data in contents(drawn).items() if not name.startswith("ground_truth")]
    assert len(set(images)) == len(images)


def test_same_seed_same_bytes_and_a_larger_set_holds_the_smaller(drawn, tmp_path):
    again = SyntheticTextures(str(tmp_path / "a"), **SMALL, seed=3).prepare()
    assert contents(again) == contents(drawn)
    smaller = contents(SyntheticTextures(str(tmp_path / "b"), 2, 1, 1, size=96, seed=3).prepare())
    assert smaller.items() <= contents(drawn).items()
    other = contents(SyntheticTextures(str(tmp_path / "c"), 2, 1, 1, size=96, seed=4).prepare())
    assert not set(other.values()) & set(smaller.values())


@pytest.mark.parametrize("folder", DEFECTS)
def test_only_the_defect_tells_the_classes_apart(folder):
    for seed in range(10):
        sound, damaged = pair(seed, folder)
        assert not sound.mask.any()
        beside = ~cv2.dilate(damaged.mask.astype(np.uint8), np.ones((15, 15))).astype(bool)
        difference = np.abs(sound.image.astype(int) - damaged.image)
        assert difference[beside].max() <= 2  # where a stain's rim fades out


def test_masks_are_where_the_change_is_and_some_defects_are_hardly_visible():
    seen = []
    for seed in range(60):
        sound, damaged = pair(seed, DEFECTS[seed % 3])
        difference = np.abs(sound.image.astype(int) - damaged.image).mean(-1)
        assert damaged.mask.any()
        assert difference[damaged.mask].mean() > 10 * difference[~damaged.mask].mean()
        seen.append(difference[damaged.mask].mean() / sound.image.std())
    assert np.quantile(seen, 0.1) < 1  # weaker than the grain and the light
    assert np.quantile(seen, 0.8) > 1.5


def test_some_images_have_several_defects():
    counts = []
    for seed in range(40):
        mask = pair(seed, "spot")[1].mask.astype(np.uint8)
        counts.append(cv2.connectedComponents(mask)[0] - 1)
    assert 0.2 < np.mean(np.array(counts) > 1) < 0.5


def test_defects_grow_with_the_image():
    areas = [np.mean([pair(seed, "spot", size)[1].mask.mean() for seed in range(8)]) for size in (128, 384)]
    assert areas[0] == pytest.approx(areas[1], rel=0.2)


def test_progress_counts_to_the_end(tmp_path):
    seen: list[tuple[int, int]] = []
    SyntheticTextures(str(tmp_path / "s"), 1, 1, 1, size=64).prepare(lambda *now: seen.append(now))
    assert seen == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize(
    "wrong", [{"good_train": 0}, {"good_test": 0}, {"defects": 0}, {"size": 63}, {"seed": -1}]
)
def test_impossible_arguments_are_named(tmp_path, wrong):
    with pytest.raises(InputError, match=f"data.synthetic.{next(iter(wrong))}"):
        SyntheticTextures(str(tmp_path / "textures"), **wrong)
