"""Which folder is which class, and what is said about folders that are wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.folder import match_folder
from inspection.errors import InputError


def write(path: Path, value=100, size=(8, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full(size, value, np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def found(module, root):
    found = module.find_samples(Path(root))
    files, targets = found.files, found.targets
    assert targets.dtype == np.int64
    return dict(zip(files, targets.tolist(), strict=True))


@pytest.mark.parametrize(
    ("folder", "pattern", "matches"),
    [
        ("0_nio", "0_nio", True),
        ("01_train_val_test/0_nio", "0_nio", True),
        ("0_nio/bent", "0_nio", False),  # the rule covers it, but by the folder above
        ("test/good", "test/*", True),
        ("train/good", "test/*", False),
        ("good", "test/good", False),
        ("a/test/good", "test/good", True),
        ("MT_Break", "MT_*", True),
        ("mt_break", "MT_*", False),
        (".", "*", False),
        ("Prüfling/gut", "Prüfling/g?t", True),
    ],
)
def test_pattern_is_for_the_last_parts_of_a_path(folder, pattern, matches):
    assert match_folder(folder, pattern) is matches


def test_class_folders_at_any_depth(module, tmp_path):
    root = tmp_path / "images"
    write(root / "0_nio" / "a.png")
    write(root / "line 1" / "0_nio" / "bent" / "left" / "b.bmp")
    write(root / "line 2" / "1_io" / "c.jpg")
    write(root / "line 2" / "1_io" / "d.TIFF".lower())
    (root / "line 2" / "notes.txt").write_text("no image")
    assert found(module(), root) == {
        "0_nio/a.png": 1,
        "line 1/0_nio/bent/left/b.bmp": 1,
        "line 2/1_io/c.jpg": 0,
        "line 2/1_io/d.tiff": 0,
    }


def test_nearest_folder_with_a_rule_wins(module, tmp_path):
    root = tmp_path / "images"
    write(root / "good" / "a.png")
    write(root / "good" / "rejected" / "b.png")
    write(root / "good" / "rejected" / "late" / "c.png")
    assert found(module(folders=[["good", "ok"], ["rejected", "defect"]]), root) == {
        "good/a.png": 0,
        "good/rejected/b.png": 1,
        "good/rejected/late/c.png": 1,
    }


def test_first_of_two_rules_for_one_folder_wins(module, tmp_path):
    root = tmp_path / "images"
    write(root / "bad_1" / "a.png")
    write(root / "bad_2" / "b.png")
    assert found(module(folders=[["bad_1", "ok"], ["bad_*", "defect"]]), root) == {
        "bad_1/a.png": 0,
        "bad_2/b.png": 1,
    }


def test_null_leaves_a_folder_out_with_all_below_it(module, tmp_path):
    """Masks beside the photographs, as in MVTec AD, in folders that are named like the classes."""
    root = tmp_path / "images"
    write(root / "test" / "good" / "0.png")
    write(root / "test" / "crack" / "0.png")
    write(root / "ground_truth" / "crack" / "0_mask.png")
    write(root / "ground_truth" / "good" / "0_mask.png")
    rules = [["good", "ok"], ["crack", "defect"], ["ground_truth", None]]
    data = module(folders=rules)
    assert found(data, root) == {"test/good/0.png": 0, "test/crack/0.png": 1}
    assert data.notes == []


def test_null_that_leaves_nothing_out_is_noted(module, tmp_path):
    root = tmp_path / "images"
    write(root / "0_nio" / "a.png")
    write(root / "1_io" / "b.png")
    data = module(folders=[["mask", None], ["0_nio", "defect"], ["1_io", "ok"]])
    assert len(found(data, root)) == 2
    assert data.notes == ["data.folders: mask leaves nothing out: no such folder has images"]


def test_folders_that_no_rule_matches_are_noted(module, tmp_path):
    root = tmp_path / "images"
    for name in ("0_nio/a.png", "1_io/b.png", "2_unclear/c.png", "2_unclear/d.png", "e.png"):
        write(root / name)
    data = module()
    assert len(found(data, root)) == 2
    assert data.notes == [
        "3 images lie in folders that no rule of data.folders matches and are left out: the root itself, 2_unclear"
    ]


# ------------------------------------------------------------------------------------------ mistakes


def test_empty_folder(module, tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"images holds no images \(bmp, png, jpg, tif\); is data.root"):
        module().setup()


def test_empty_class_folder(module, tmp_path):
    root = tmp_path / "images"
    write(root / "1_io" / "a.png")
    write(root / "2_other" / "a.png")
    (root / "0_nio").mkdir()
    with pytest.raises(InputError) as error:
        module().setup()
    assert str(error.value) == (
        f"data.folders: no image lies in a folder '0_nio' of {root} (class 'defect'); "
        "folders with images that no rule matches: 2_other; "
        "say which folder is which class: 'data.folders=[[<folder>,defect],...]'"
    )


def test_only_one_class(module, tmp_path):
    root = tmp_path / "images"
    for number in range(5):
        write(root / "1_io" / f"{number}.png")
    with pytest.raises(InputError, match="no image of class 'defect' was found \\(5 others\\)"):
        module(folders=[["1_io", "ok"]]).setup()


def test_misspelt_folder_name(module, tmp_path):
    root = tmp_path / "images"
    write(root / "O_nio" / "a.png")
    write(root / "1_io" / "a.png")
    with pytest.raises(InputError, match=r"in a folder '0_nio' .* no rule matches: O_nio"):
        module().setup()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([["0_nio", "deffect"], ["1_io", "ok"]], "names class 'deffect', which is not in data.classes"),
        ([["0_nio"]], r"\['0_nio'\] is no rule; expected \[folder, class\]"),
        ([[None, "ok"]], "is no rule"),
        ([["0_nio", "defect", "ok"]], "is no rule"),
    ],
)
def test_rules_that_are_none(module, rules, message):
    with pytest.raises(InputError, match=message):
        module(folders=rules)


# ------------------------------------------------------------------------------------------ parts as folders


def fill_parts(root, parts):
    for part, (good, defects) in parts.items():
        for name, count in (("ok", good), ("defect", defects)):
            for number in range(count):
                write(root / part / name / f"{number}.png", 10 * number)
    return root


def parts_of(data):
    samples = data.deal_out()
    return {part: samples.counts(part).tolist() for part in ("train", "val", "test")}


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "testing")])
@pytest.mark.parametrize("part_folders", ["auto", True])
def test_folders_say_the_parts(module, tmp_path, names, part_folders):
    fill_parts(tmp_path / "images", dict(zip(names, [(6, 4), (2, 1), (3, 2)], strict=True)))
    data = module(folders=None, part_folders=part_folders, split=[0.1, 0.1, 0.8])
    assert parts_of(data) == {"train": [6, 4], "val": [2, 1], "test": [3, 2]}
    assert data.split_by == "as the set has it"


def test_validation_is_shared_out_of_training_where_there_is_none(module, tmp_path):
    fill_parts(tmp_path / "images", {"train": (20, 10), "test": (3, 2)})
    data = module(folders=None, part_folders="auto", split=[0.9, 0.1, 0.0])
    assert parts_of(data) == {"train": [18, 9], "val": [2, 1], "test": [3, 2]}
    assert data.split_by == "as the set has it; validation shared out of training"
    files = data.deal_out()
    assert all(
        file.startswith("test/") == (part == "test")
        for file, part in zip(files.files, files.parts, strict=True)
    )


def test_one_tree_is_split(module, tmp_path):
    fill_parts(tmp_path / "images", {"a": (10, 10), "b": (10, 10)})
    assert parts_of(module(folders=None, part_folders="auto")) == {
        "train": [10, 10],
        "val": [6, 6],
        "test": [4, 4],
    }
    with pytest.raises(
        InputError, match=r"data\.part_folders=true: expected all images .* 40 images lie outside"
    ):
        module(folders=None, part_folders=True).deal_out()


def test_images_beside_the_parts_are_not_mixed_with_them(module, tmp_path):
    """Else a split that somebody made would be thrown away, and its test images trained on."""
    fill_parts(tmp_path / "images", {"train": (10, 10), "test": (4, 4), "holdout": (2, 0)})
    with pytest.raises(InputError, match=r"2 images lie outside, for example 'holdout/ok/0\.png'; .*null"):
        module(folders=None, part_folders="auto").deal_out()
    rules = [["holdout", None], ["ok", "ok"], ["defect", "defect"]]
    assert parts_of(module(folders=rules, part_folders="auto"))["test"] == [4, 4]


def test_parts_one_level_deeper_are_noticed(module, tmp_path):
    fill_parts(tmp_path / "images" / "set", {"train": (10, 10), "test": (4, 4)})
    data = module(folders=None, part_folders="auto")
    data.deal_out()
    assert any("folders of the name train lie below others" in note for note in data.notes)


def test_a_set_without_a_test_part(module, tmp_path):
    fill_parts(tmp_path / "images", {"train": (10, 10)})
    data = module(folders=None, part_folders="auto")
    assert parts_of(data)["test"] == [0, 0]
    assert "the set has no test part: nothing is tested" in data.notes


def test_a_part_as_it_was_given_may_lack_a_class(module, tmp_path):
    fill_parts(tmp_path / "images", {"train": (10, 10), "val": (3, 3), "test": (4, 0)})
    data = module(folders=None, part_folders="auto")
    assert parts_of(data)["test"] == [4, 0]
    assert (
        "no test image of class 'defect': some figures will be undefined; means leave them out" in data.notes
    )


def test_part_folders_can_be_left_unheard(module, tmp_path):
    fill_parts(tmp_path / "images", {"train": (10, 0), "test": (10, 20)})  # as in a set for anomaly detection
    with pytest.raises(InputError, match=r"the train part .* no image of class 'defect' \(20 in the whole"):
        module(folders=None, part_folders="auto").deal_out()
    assert parts_of(module(folders=None, part_folders=False)) == {
        "train": [10, 10],
        "val": [6, 6],
        "test": [4, 4],
    }


def test_order_of_the_folders_does_not_matter(module, tmp_path):
    """`defect` is the first folder in the alphabet, and the second class."""
    fill_parts(tmp_path / "images", {"train": (4, 2), "val": (2, 2)})
    for classes in (["ok", "defect"], ["defect", "ok"]):
        data = module(classes=classes, folders=None, part_folders="auto")
        samples = data.deal_out()
        for file, target in zip(samples.files, samples.targets, strict=True):
            assert file.split("/")[1] == classes[target]
