"""Tables of attributes as a data set: what is read, how it is split, what is said of tables that do not fit."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from inspection.data.table import TableDataModule, write_split_tables
from inspection.errors import InputError
from tests.conftest import PLAIN_DATA, write_image

NAMES = ["good", "error", "break"]


@pytest.fixture
def root(tmp_path):
    """Five videos of eight frames; each pixel tells which frame it is."""
    root = tmp_path / "seams"
    for video in range(5):
        rows = []
        for frame in range(8):
            number = video * 8 + frame
            name = f"naht_ä{video}_{frame:06d}.png"
            write_image(root / "pics" / name, np.full((8, 10, 3), number, np.uint8))
            rows.append([frame, name, frame < 4, frame >= 4, frame in (5, 7)])
        write_table(root / f"video{video}_data.csv", rows)
    return root


def write_table(path, rows, header=("", "name", *NAMES)):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


@pytest.fixture
def module(root, tmp_path):
    def build(**settings):
        own = {
            "root": str(root),
            "classes": NAMES,
            "pictures": "pics",
            "tables": "*_data.csv",
            "channels": 3,
            "split": [0.6, 0.2, 0.2],
            "group": r"/(.*)_\d+\.png$",
            "cache_dir": str(tmp_path / "cache"),
        }
        return TableDataModule(**PLAIN_DATA | own | settings)

    return build


def test_batches_hold_the_attributes_of_their_images(module):
    data = module()
    data.setup()
    assert len(data.samples.files) == 40
    seen = 0
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            assert batch["target"].dtype == torch.float32
            frame = batch["image"][:, 0, 0, 0].long() % 8
            expected = torch.stack([frame < 4, frame >= 4, (frame == 5) | (frame == 7)], 1).float()
            assert torch.equal(batch["target"], expected)
            seen += len(frame)
    assert seen == 40


def test_frames_of_one_video_stay_together(module):
    data = module()
    data.setup()
    parts = dict.fromkeys(data.samples.groups)
    for group, part in zip(data.samples.groups, data.samples.parts, strict=True):
        assert parts[group] in (None, part)
        parts[group] = part
    assert sorted(parts.values()) == ["test", "train", "train", "train", "val"]
    assert data.notes == []


def test_weights_of_the_rarer_side(module):
    data = module(balance="loss", group=None)
    data.setup()
    targets = data.samples.targets[data.samples.rows("train")]
    assert data.loss_weights.tolist() == pytest.approx(((~targets).sum(0) / targets.sum(0)).tolist())
    with pytest.raises(InputError, match=r"data\.balance=sampler: .* use data\.balance=loss"):
        module(balance="sampler").setup()


def test_a_written_split_is_read_back(module, root, tmp_path):
    samples = module().deal_out()
    folder = tmp_path / "split"
    assert [path.name for path in write_split_tables(folder, samples, "pics")] == [
        "train.csv",
        "valid.csv",
        "test.csv",
    ]
    again = module(splits=str(folder), split=[0.2, 0.4, 0.4], split_seed=9).deal_out()
    assert (again.parts == samples.parts).all()
    assert (folder / "valid.csv").read_text(encoding="utf-8").splitlines()[0] == "name,good,error,break"

    samples = module(split=[0.8, 0.2, 0.0]).deal_out()
    write_split_tables(folder, samples, "pics")
    assert not (folder / "test.csv").exists()  # that of the earlier split would leak
    assert "test" not in module(splits=str(folder)).deal_out().parts


def test_a_given_split_that_leaks_is_said(module, tmp_path):
    folder = tmp_path / "split"
    write_split_tables(folder, module(group=None).deal_out(), "pics")
    data = module(splits=str(folder))
    data.deal_out()
    (note,) = data.notes
    assert "5 groups lie in more than one part (for example 'naht_ä0')" in note
    assert "will flatter the network" in note


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_split_that_does_not_fit(module, root, tmp_path):
    folder = tmp_path / "split"
    write_split_tables(folder, module().deal_out(), "pics")
    train = folder / "train.csv"
    whole = train.read_text(encoding="utf-8")
    line = whole.splitlines()[1]
    name = line.partition(",")[0]

    train.write_text(whole.replace(line, line.replace("True", "False")), encoding="utf-8")
    with pytest.raises(InputError, match=rf"train\.csv, line 2: '{name}' has other attributes there"):
        module(splits=str(folder)).deal_out()
    train.write_text(whole.replace(line + "\n", ""), encoding="utf-8")
    with pytest.raises(InputError, match=r"does not fit the data: 0 files gone, 1 new"):
        module(splits=str(folder)).deal_out()
    train.write_text(whole, encoding="utf-8")
    with (folder / "valid.csv").open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    with pytest.raises(InputError, match=rf"valid\.csv, line \d+: '{name}' stands in train\.csv, too"):
        module(splits=str(folder)).deal_out()
    (folder / "valid.csv").unlink()
    with pytest.raises(InputError, match=r"valid\.csv is missing; python scripts/split\.py writes it"):
        module(splits=str(folder)).deal_out()


def test_rows_without_an_image_are_named(module, root):
    (root / "pics" / "naht_ä1_000003.png").unlink()
    with pytest.raises(
        InputError, match=r"video1_data\.csv, line 5: no image 'naht_ä1_000003\.png' in .*pics"
    ):
        module().deal_out()
    with pytest.raises(InputError, match=r"no such folder; data\.pictures=images"):
        module(pictures="images").deal_out()


def test_images_without_a_row_are_left_out_and_said(module, root):
    write_image(root / "pics" / "new.png", np.zeros((8, 10, 3), np.uint8))
    data = module()
    assert len(data.deal_out().files) == 40
    assert data.notes == ["1 images stand in no table and are left out (for example 'new.png')"]


def test_one_name_with_two_answers(module, root):
    write_table(root / "zweite_data.csv", [[0, "naht_ä0_000000.png", False, True, False]])
    with pytest.raises(
        InputError, match=r"video0_data\.csv, line 2 and .*zweite_data\.csv, line 2.*good, error"
    ):
        module().deal_out()


def test_a_value_that_is_neither(module, root):
    edit(root / "video0_data.csv", "True", "maybe")
    with pytest.raises(InputError, match=r"video0_data\.csv, line 2.*maybe"):
        module().deal_out()


def test_an_attribute_that_never_changes(module, root):
    for table in root.glob("*_data.csv"):
        table.write_text(table.read_text(encoding="utf-8").replace("True", "False"), encoding="utf-8")
    with pytest.raises(InputError, match=r"no image where 'good' is True was found \(40 others\)"):
        module().deal_out()


def test_pictures_beside_the_table(module, root, tmp_path):
    flat = tmp_path / "flat"
    rows = []
    for number in range(20):
        write_image(flat / f"board_{number:02d}.png", np.full((8, 10), number, np.uint8))
        rows.append([f"board_{number:02d}.png", number % 2 == 0, number % 3 == 0, number % 5 == 0])
    write_table(flat / "data.csv", rows, ("name", *NAMES))
    data = module(root=str(flat), pictures=".", tables="data.csv", group=None, channels=1)
    data.setup()
    assert data.samples.files[0] == "board_00.png"
    assert data.images([7])[0, 0, 0, 0] == 7
    write_split_tables(tmp_path / "split", data.samples, ".")
    assert (
        module(root=str(flat), pictures=".", tables="data.csv", group=None, splits=str(tmp_path / "split"))
        .deal_out()
        .parts
        == data.samples.parts
    ).all()
