import numpy as np
import pytest

from inspection.data.labels import Classes
from inspection.data.splits import (
    Samples,
    check_parts,
    find_groups,
    read_splits,
    shared_groups,
    split,
    write_splits,
)
from inspection.errors import InputError

CLASSES = Classes(("ok", "defect"), "defect")


def indicators(targets):
    return np.eye(2, dtype=bool)[targets]


def names(count):
    return [f"{index:04d}.png" for index in range(count)]


@pytest.mark.parametrize("count", [10, 11, 37, 626, 1001])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_every_class_is_dealt_out_by_its_share_within_one_image(count, share):
    targets = (np.arange(count) < max(4, round(count * share))).astype(int)
    parts = split(indicators(targets), names(count), (0.5, 0.3, 0.2), seed=3)
    for target in (0, 1):
        total = (targets == target).sum()
        for part, wanted in zip(("train", "val", "test"), (0.5, 0.3, 0.2), strict=True):
            assert abs(((parts == part) & (targets == target)).sum() - wanted * total) <= 1


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    targets = np.arange(100) % 5 == 0
    first, again, other = (
        split(indicators(targets.astype(int)), names(100), (5, 3, 2), seed) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_groups_stay_together_and_classes_stay_balanced():
    random = np.random.default_rng(0)
    groups = [f"board{index}" for index in random.integers(0, 60, 600)]
    targets = (random.random(600) < 0.25).astype(int)
    parts = split(indicators(targets), groups, (0.5, 0.3, 0.2), seed=0)
    samples = Samples(tuple(names(600)), targets, tuple(groups), parts, CLASSES)
    assert shared_groups(samples) == []
    for part, share in zip(("train", "val", "test"), (0.5, 0.3, 0.2), strict=True):
        assert abs((parts == part).mean() - share) < 0.03
        assert abs(targets[parts == part].mean() - targets.mean()) < 0.05


def test_a_part_without_share_stays_empty():
    parts = split(np.ones((10, 1), bool), names(10), (0.8, 0.2, 0.0), seed=0)
    assert "test" not in parts


def test_a_class_with_too_few_images_is_named():
    targets = np.asarray([0] * 20 + [1, 1])
    parts = split(indicators(targets), names(22), (0.5, 0.3, 0.2), seed=0)
    samples = Samples(tuple(names(22)), targets, tuple(names(22)), parts, CLASSES)
    with pytest.raises(InputError, match=r"no image of class 'defect' \(2 in the whole set\)"):
        check_parts(samples)


def test_groups_out_of_a_table(tmp_path):
    table = tmp_path / "groups.csv"
    table.write_text("file,split,group\na.png,train,1\nb.png,test,1\nc.png,val,2\n")
    assert find_groups(["c.png", "a.png"], str(table)) == ("2", "1")
    with pytest.raises(InputError, match=r"has no group for 1 files, for example 'd\.png'"):
        find_groups(["a.png", "d.png"], str(table))
    table.write_text("name,group\n")
    with pytest.raises(InputError, match="expected the columns file and group"):
        find_groups(["a.png"], str(table))
    with pytest.raises(InputError, match="no such file"):
        find_groups(["a.png"], str(tmp_path / "none.csv"))


def test_group_pattern():
    files = ["a/board_1_00.png", "a/board_1_01.png", "b/board_22_00.png"]
    assert find_groups(files, r"board_(\d+)_") == ("1", "1", "22")
    assert find_groups(files, None) == tuple(files)
    with pytest.raises(InputError, match="not a regular expression"):
        find_groups(files, "board_(")
    with pytest.raises(InputError, match="no group"):
        find_groups(files, "board")
    with pytest.raises(InputError, match=r"does not match the file 'a/board_1_00.png'"):
        find_groups(files, r"video(\d)")


def table(tmp_path, count=20):
    targets = (np.arange(count) % 4 == 0).astype(int)
    files = tuple(f"ordner_ä/{name}" for name in names(count))
    samples = Samples(files, targets, files, split(indicators(targets), files, (5, 3, 2), seed=0), CLASSES)
    path = tmp_path / "splits.csv"
    write_splits(path, samples)
    return path, samples


def test_a_written_split_is_read_back(tmp_path):
    path, samples = table(tmp_path)
    assert (read_splits(path, samples.files, samples.targets, CLASSES) == samples.parts).all()


def test_a_split_that_does_not_fit_the_data_says_where(tmp_path):
    path, samples = table(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_splits(tmp_path / "none.csv", samples.files, samples.targets, CLASSES)
    with pytest.raises(InputError, match=r"1 files gone, 0 new; for example 'ordner_ä/0000.png'"):
        read_splits(path, samples.files[1:], samples.targets[1:], CLASSES)
    with pytest.raises(InputError, match=r"0 files gone, 1 new; for example 'new.png'"):
        read_splits(path, (*samples.files, "new.png"), np.append(samples.targets, 0), CLASSES)
    with pytest.raises(InputError, match="has class 'defect' there, but 'ok' in the data"):
        read_splits(path, samples.files, np.zeros_like(samples.targets), CLASSES)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(",val,", ",valid,"), encoding="utf-8")
    with pytest.raises(InputError, match=r"split 'valid'; expected one of train, val, test"):
        read_splits(path, samples.files, samples.targets, CLASSES)
    path.write_text(text + text.splitlines()[1] + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="stands there twice"):
        read_splits(path, samples.files, samples.targets, CLASSES)
    path.write_text("name,part\n", encoding="utf-8")
    with pytest.raises(InputError, match="column 'file' is missing; expected file, split, class"):
        read_splits(path, samples.files, samples.targets, CLASSES)
