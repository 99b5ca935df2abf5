import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.coco import read_coco
from inspection.data.synthetic.equipment import CLASSES, HEIGHT, WIDTH, SyntheticEquipment, draw_equipment
from inspection.data.synthetic.machines import MACHINES, OTHERS, Sprite, box
from inspection.data.synthetic.sets import is_synthetic
from inspection.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "images").glob("*.png")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("data") / "equipment")
    return SyntheticEquipment(folder, count=14, seed=3).prepare()


@pytest.fixture(scope="module")
def pictures():
    return [draw_equipment(np.random.default_rng([1, index])) for index in range(24)]


def test_layout_is_cocos(drawn):
    assert is_synthetic(drawn)
    found = read_coco(drawn / "annotations.json", CLASSES)  # which checks every box
    assert sorted(image.file for image in found.images) == sorted(contents(drawn))
    assert all(image.size == (HEIGHT, WIDTH) for image in found.images)
    assert len(found.images) == 14
    assert sum(len(image.boxes) == 0 for image in found.images) >= 1  # some show nothing
    picture = cv2.imread(str(drawn / "images" / "equipment_0000.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (HEIGHT, WIDTH, 3)


def test_same_seed_same_bytes_and_more_pictures_hold_the_fewer(drawn, tmp_path):
    again = SyntheticEquipment(str(tmp_path / "a"), count=5, seed=3).prepare()
    assert contents(again).items() <= contents(drawn).items()
    other = SyntheticEquipment(str(tmp_path / "b"), count=5, seed=4).prepare()
    assert not set(contents(other).values()) & set(contents(again).values())
    entries = json.loads((again / "annotations.json").read_text())["annotations"]
    assert entries == json.loads((drawn / "annotations.json").read_text())["annotations"][: len(entries)]


def test_all_classes_in_many_sizes(pictures):
    classes = np.concatenate([picture.classes for picture in pictures])
    counts = np.bincount(classes, minlength=len(CLASSES))
    assert (counts >= 3).all()
    boxes = np.concatenate([picture.boxes for picture in pictures])
    size = (boxes[:, 2:] - boxes[:, :2]).max(1)
    assert np.percentile(size, 10) < 55
    assert np.percentile(size, 90) > 100
    assert max(len(picture.boxes) for picture in pictures) >= 4


def test_boxes_lie_in_the_picture_and_some_at_its_border(pictures):
    boxes = np.concatenate([picture.boxes for picture in pictures])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [WIDTH, HEIGHT]).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) > 10).all()
    at_border = (boxes[:, :2] == 0).any(1) | (boxes[:, 2:] == [WIDTH, HEIGHT]).any(1)
    assert 0.02 < at_border.mean() < 0.4


def test_a_box_is_where_its_machine_changes_the_picture():
    """The difference to the same scene without machines lies in the boxes, but for shadows."""
    for seed in range(4):
        with_machines = draw_equipment(np.random.default_rng(seed))
        without = draw_equipment(np.random.default_rng(seed), empty=True)
        change = np.abs(with_machines.image.astype(int) - without.image).max(2) > 25
        inside = np.zeros((HEIGHT, WIDTH), bool)
        for left, top, right, bottom in with_machines.boxes:
            inside[top:bottom, left:right] = True
        assert change[inside].mean() > 5 * change[~inside].mean()


@pytest.mark.parametrize("draw", [*MACHINES.values(), *OTHERS])
def test_each_thing_is_opaque_varied_and_inside_its_ground(draw):
    sprites = [draw(np.random.default_rng(seed)) for seed in range(3)]
    for sprite in sprites:
        assert sprite.cover.max() == 1
        assert sprite.cover.min() >= 0
        assert (sprite.cover > 0.99).mean() > 0.8 * (sprite.cover > 0.01).mean()
        assert np.isfinite(sprite.colour).all()
    assert not np.array_equal(sprites[0].colour, sprites[1].colour)


def test_parts_lie_over_one_another():
    sprite = Sprite.empty()
    sprite.add(box(10, 10, 50, 50), (1, 0, 0))
    sprite.add(box(30, 30, 70, 70), (0, 1, 0))
    assert sprite.colour[20, 20].tolist() == [1, 0, 0]
    assert sprite.colour[40, 40].tolist() == [0, 1, 0]
    assert sprite.cover[[20, 40, 60, 100], [20, 40, 60, 100]].tolist() == [1, 1, 1, 0]


def test_progress_counts_to_the_end(tmp_path):
    seen: list[tuple[int, int]] = []
    SyntheticEquipment(str(tmp_path / "p"), 2).prepare(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("wrong", [{"count": 0}, {"seed": -1}])
def test_impossible_arguments_are_named(tmp_path, wrong):
    with pytest.raises(InputError, match=f"data.synthetic.{next(iter(wrong))}"):
        SyntheticEquipment(str(tmp_path / "p"), **wrong)
