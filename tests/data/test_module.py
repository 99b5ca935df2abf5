"""The data module: what it deals out, to whom, and what it says of data that can't be used."""

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from inspection.data.augment import Augment
from inspection.data.folder import FolderDataModule
from inspection.data.splits import write_splits
from inspection.errors import InputError
from tests.conftest import PLAIN_DATA


def write(path: Path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def fill(root: Path, good=30, defects=10):
    """Images whose every pixel tells which one it is."""
    for folder, count, first in (("1_io", good, 0), ("0_nio", defects, 100)):
        for number in range(count):
            write(root / folder / f"{number:02d}.png", np.full((8, 10), first + number, np.uint8))
    return root


def trainer(rank=0, world=1, **more):
    """What the data module asks Lightning's trainer."""
    settings = {"training": True, "overfit_batches": 0, "current_epoch": 0}
    fit_loop = SimpleNamespace(batch_idx=more.pop("batch_idx", -1))
    return SimpleNamespace(global_rank=rank, world_size=world, fit_loop=fit_loop, **settings | more)


@pytest.fixture
def ready(module, tmp_path):
    """A data module that is set up over 30 good images and 10 defects."""
    fill(tmp_path / "images")

    def build(**settings):
        data = module(**settings)
        data.setup()
        return data

    return build


def rows(loader, epoch=0):
    if hasattr(loader.sampler, "set_epoch"):
        loader.sampler.set_epoch(epoch)
    return [batch["index"].tolist() for batch in loader]


def flat(batches):
    return [row for batch in batches for row in batch]


# ------------------------------------------------------------------------------------------ batches


def test_batch_holds_bytes_and_tells_which_images_they_are(ready, tmp_path):
    data = ready()
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            assert set(batch) == {"image", "target", "index"}
            count = len(batch["index"])
            assert batch["image"].dtype == torch.uint8
            assert batch["image"].shape == (count, 1, 8, 10)
            assert batch["target"].dtype == batch["index"].dtype == torch.int64
            for image, target, index in zip(
                *(batch[key] for key in ("image", "target", "index")), strict=True
            ):
                file = data.samples.files[index]
                assert (image[0].numpy() == cv2.imread(str(tmp_path / "images" / file), -1)).all()
                assert data.labels.names[target] == ("defect" if file.startswith("0_nio") else "ok")


def test_parts_hold_their_shares_of_every_class(ready):
    data = ready()
    counts = [data.samples.counts(part).tolist() for part in ("train", "val", "test")]
    assert counts == [[15, 5], [9, 3], [6, 2]]
    for part, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        assert flat(rows(loader)) == data.samples.rows(part).tolist()
    assert sorted(flat(rows(data.train_dataloader()))) == data.samples.rows("train").tolist()


def test_training_order_depends_on_seed_and_epoch(ready):
    loader = ready().train_dataloader()
    assert rows(loader, 0) == rows(loader, 0) == rows(ready().train_dataloader(), 0)
    assert rows(loader, 0) != rows(loader, 1)
    assert rows(loader, 0) != rows(ready(seed=1).train_dataloader(), 0)


def test_loading_draws_no_random_numbers_from_the_network(ready):
    """Else dropout after a resumption would not be that of the uninterrupted run."""
    loader = ready().train_dataloader()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(loader)
    assert torch.equal(torch.rand(3), expected)


def test_setup_once(ready, tmp_path):
    data = ready()
    samples = data.samples
    (tmp_path / "images" / "1_io" / "00.png").unlink()
    data.setup("fit")
    data.setup("test")
    assert data.samples is samples
    assert data.images([0, 3]).shape == (2, 1, 8, 10)


def test_images_too_many_for_the_memory_budget_are_the_same_ones(ready, tmp_path):
    in_memory, on_disk = ready(), ready(memory_budget=0)
    assert list((tmp_path / "cache").glob("*.u8"))
    assert torch.equal(in_memory.images(range(40)), on_disk.images(range(40)))


def test_progress_is_reported(module, tmp_path):
    fill(tmp_path / "images", 8, 8)
    seen = []
    data = module()
    data.progress = lambda *step: seen.append(step)
    data.setup()
    assert seen[-1] == ("decoding images", 16, 16)


# ------------------------------------------------------------------------------------------ balance


def test_sampler_draws_both_classes_equally_often_in_every_batch(ready):
    data = ready(balance="sampler")
    loader = data.train_dataloader()
    for epoch in range(3):
        for batch in rows(loader, epoch):
            assert np.bincount(data.samples.targets[batch], minlength=2).tolist() == [2, 2]
    assert data.loss_weights is None


def test_loss_weights_and_no_resampling(ready):
    data = ready(balance="loss")
    assert data.loss_weights.tolist() == pytest.approx([20 / (2 * 15), 20 / (2 * 5)])
    assert sorted(flat(rows(data.train_dataloader()))) == data.samples.rows("train").tolist()


def test_no_balance(ready):
    data = ready(balance="none")
    assert data.loss_weights is None
    assert sorted(flat(rows(data.train_dataloader()))) == data.samples.rows("train").tolist()


# ------------------------------------------------------------------------------------------ processes


@pytest.mark.parametrize("balance", ["sampler", "none"])
def test_two_processes_see_the_batches_of_one(ready, balance):
    data = ready(balance=balance)
    data.trainer = trainer()
    alone = rows(data.train_dataloader(), 1)
    shares = []
    for rank in (0, 1):
        data.trainer = trainer(rank, 2)
        shares.append(rows(data.train_dataloader(), 1))
    assert [len(batch) for batch in shares[0]] == [2] * 5  # half of a batch of 4
    together = [[*first, *second] for first, second in zip(*shares, strict=True)]
    assert [sorted(batch) for batch in together] == [sorted(batch) for batch in alone]


def test_evaluated_images_are_shared_out_without_copies(ready):
    data = ready()
    shares = []
    for rank in range(3):
        data.trainer = trainer(rank, 3)
        data.batch_size = 6
        shares.append(flat(rows(data.val_dataloader())))
    assert sorted(flat(shares)) == data.samples.rows("val").tolist()
    assert [len(share) for share in shares] == [4, 4, 4]


def test_batch_that_the_processes_cannot_share(ready):
    data = ready(batch_size=10)
    data.trainer = trainer(0, 4)
    with pytest.raises(InputError, match=r"batch_size=10 can't be shared out evenly to 4 processes; .* 8"):
        data.train_dataloader()


def test_fewer_images_than_processes(ready):
    data = ready(batch_size=9)
    with pytest.raises(InputError, match="the test part has 8 images for 9 processes; each needs one"):
        data.check_processes(9)


def test_overfitting_takes_fixed_training_images_for_both_parts(ready):
    data = ready()
    data.trainer = trainer(overfit_batches=2)
    train, val = data.train_dataloader(), data.val_dataloader()
    assert rows(train, 0) == rows(train, 5) == rows(val)
    assert set(flat(rows(train))) == set(data.samples.rows("train").tolist())
    assert {0, 1} == set(data.samples.targets[flat(rows(train)[:2])].tolist())


# ------------------------------------------------------------------------------------------ augmentation


def test_training_images_alone_are_changed_and_each_draw_can_be_repeated(ready):
    data = ready(augment=Augment(offset=[-127, 127]))
    batch = next(iter(data.val_dataloader()))

    def changed(**at):
        data.trainer = trainer(**at)
        return data.on_after_batch_transfer(batch, 0)["image"]

    first = changed(current_epoch=3, batch_idx=7)
    assert first.dtype == torch.uint8
    assert not torch.equal(first, batch["image"])
    assert torch.equal(first, changed(current_epoch=3, batch_idx=7))
    for other in ({"current_epoch": 4, "batch_idx": 7}, {"current_epoch": 3, "batch_idx": 8}):
        assert not torch.equal(first, changed(**other))
    assert not torch.equal(first, changed(current_epoch=3, batch_idx=7, rank=1, world=2))
    assert changed(training=False) is batch["image"]


# ------------------------------------------------------------------------------------------ what it reads


def test_files_of_all_kinds_side_by_side(module, tmp_path):
    """The same grey, 8 and 16 bit, grey and colour, in four formats."""
    root, grey = tmp_path / "Prüfstand 3 – 検査", np.full((8, 10), 77, np.uint8)
    kinds = {
        "8.png": grey,
        "8.bmp": grey,
        "8.tif": grey,
        "8.jpg": grey,
        "16.png": grey.astype(np.uint16) * 257,
        "16.tif": grey.astype(np.uint16) * 257,
        "colour.png": np.repeat(grey[..., None], 3, axis=2),
        "colour.bmp": np.repeat(grey[..., None], 3, axis=2),
    }
    for folder in ("0_nio", "1_io"):
        for name, image in kinds.items():
            write(root / folder / name, image)
    data = module(root=str(root))
    data.setup()
    assert data.root == root
    assert data.images(range(16)).eq(77).all()
    coloured = module(root=str(root), channels=3)
    coloured.setup()
    assert coloured.mean == coloured.std == (0.5, 0.5, 0.5)  # one value stands for all channels
    assert coloured.images(range(16)).shape == (16, 3, 8, 10)
    assert coloured.images(range(16)).eq(77).all()


def test_groups_stay_together(module, tmp_path):
    for folder in ("0_nio", "1_io"):
        for board in range(8):
            for shot in range(3):
                name = f"board_{board}_{shot}.png"
                write(tmp_path / "images" / folder / name, np.zeros((8, 10), np.uint8))
    data = module(group=r"board_(\d+)_")
    data.setup()
    parts = {}
    for group, part in zip(data.samples.groups, data.samples.parts, strict=True):
        parts.setdefault(group, set()).add(part)
    assert len(parts) == 8
    assert all(len(found) == 1 for found in parts.values())


def write_table(path, data, moved=()):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "split", "class"])
        for file, target, part in zip(
            data.samples.files, data.samples.targets, data.samples.parts, strict=True
        ):
            writer.writerow([file, "train" if file in moved else part, data.labels.names[target]])
    return str(path)


def test_split_is_read_back(ready, tmp_path):
    first = ready(split_seed=5)
    again = ready(splits=write_table(tmp_path / "splits.csv", first))
    assert (again.samples.parts == first.samples.parts).all()
    assert (ready().samples.parts != first.samples.parts).any()


def test_split_that_tears_groups_apart_is_noted(ready, tmp_path):
    first = ready()
    path = write_table(tmp_path / "splits.csv", first)
    data = ready(splits=path, group=r"/(\d)\d\.png")
    assert data.notes == [
        f"3 groups lie in more than one part (for example '0'), split as {path} says: "
        "the figures will flatter the network"
    ]


def test_split_without_a_test_part(ready, tmp_path):
    first = ready()
    test = set(np.asarray(first.samples.files)[first.samples.rows("test")].tolist())
    data = ready(splits=write_table(tmp_path / "splits.csv", first, moved=test))
    assert len(data.samples.rows("test")) == 0
    assert len(data.samples.rows("train")) == 28


class Drawn:
    """A synthetic set that is drawn by hand."""

    def __init__(self, folder):
        self.folder = folder

    def prepare(self, progress=None):
        if not self.folder.exists():
            fill(self.folder)
            (self.folder / "synthetic.json").write_text(json.dumps({}))
            progress(40, 40)
        return self.folder


def test_synthetic_set_is_drawn_where_no_root_is_given(module, tmp_path):
    steps = []
    data = module(root=None, synthetic=Drawn(tmp_path / "drawn"))
    data.progress = lambda *step: steps.append(step)
    data.prepare_data()
    data.setup()
    assert data.is_synthetic
    assert data.root == tmp_path / "drawn"
    assert steps[0] == ("drawing synthetic images", 40, 40)
    assert steps[1][0] == "decoding images"

    real = module(root=str(fill(tmp_path / "images")), synthetic=Drawn(tmp_path / "never"))
    real.prepare_data()
    real.setup()
    assert not real.is_synthetic
    assert not (tmp_path / "never").exists()


# ------------------------------------------------------------------------------------------ mistakes


def test_missing_root(module, tmp_path):
    with pytest.raises(InputError) as error:
        module().setup()
    assert str(error.value) == (
        f"data.root={tmp_path / 'images'} does not exist; give the folder of the images, or leave data.root "
        "out for the synthetic set"
    )


def test_root_that_is_a_file(module, tmp_path):
    (tmp_path / "images").write_text("")
    with pytest.raises(InputError, match="images is a file; give the folder"):
        module().prepare_data()


def test_truncated_image_is_named(module, tmp_path):
    root = fill(tmp_path / "images")
    path = root / "1_io" / "07.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError) as error:
        module().setup()
    assert str(error.value).startswith(f"{path}: ")
    assert "cut" in str(error.value)


def test_all_unreadable_images_are_named_at_once(module, tmp_path):
    root = fill(tmp_path / "images")
    for name in ("0_nio/03.png", "1_io/11.png"):
        (root / name).write_bytes(b"")
    with pytest.raises(InputError) as error:
        module().setup()
    head, *lines = str(error.value).splitlines()
    assert head == "2 of 40 images cannot be used:"
    assert [
        str(root / name) in line for name, line in zip(("0_nio/03.png", "1_io/11.png"), lines, strict=True)
    ]


def test_image_smaller_than_the_crop_is_named(module, tmp_path):
    root = fill(tmp_path / "images")
    write(root / "1_io" / "small.png", np.zeros((8, 9), np.uint8))
    with pytest.raises(InputError) as error:
        module(crop=[0, 0, 10, 8]).setup()
    message = str(error.value)
    assert message.startswith(f"{root / '1_io' / 'small.png'}: the image is 9 x 8 pixels")
    assert "smaller than data.crop=[0, 0, 10, 8]" in message


def test_part_that_lacks_a_class(module, tmp_path):
    fill(tmp_path / "images", good=10, defects=2)
    with pytest.raises(
        InputError, match=r"the \w+ part holds no image of class 'defect' \(2 in the whole set"
    ):
        module().setup()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["ok"]}, r"data\.classes=\['ok'\]: expected two or more different names"),
        ({"classes": ["ok", "ok"]}, "expected two or more different names"),
        ({"defect": "scrap"}, r"data\.defect='scrap' is not one of data\.classes=\['ok', 'defect'\]"),
        ({"balance": "both"}, "data.balance='both': expected sampler, loss or none"),
        ({"batch_size": 0}, "data.batch_size=0: expected 1 or more"),
        (
            {"channels": 3, "mean": [0.5, 0.5]},
            r"data\.mean=\[0\.5, 0\.5\] and data\.std=.*: expected one value",
        ),
        ({"seed": -1}, "data.seed=-1"),
        ({"split_seed": -1}, "data.split_seed=-1: expected 0 or more"),
        ({"crop": [0, 0, 10]}, r"data\.crop: expected \[left, top, right, bottom\]"),
        ({"image_size": [8]}, r"data\.image_size: expected \[height, width\]"),
        ({"augment": Augment(saturation=0.1)}, r"data\.augment\.saturation .* the images have 1 channel;"),
        ({"augment": Augment(crop_padding=8)}, r"data\.augment\.crop_padding: an image of 8x10 pixels"),
    ],
)
def test_settings_that_cannot_be(module, settings, message):
    with pytest.raises(InputError, match=message):
        module(**settings)


# --- folds, kinds, and what else is known of an image ---


class Known(FolderDataModule):
    """Class folders with a kind of each image, by its number, and a mask: a bar at the left."""

    def find_samples(self, root):
        found = super().find_samples(root)
        kinds = [f"kind {int(Path(file).stem) % 3}" for file in found.files]
        return replace(found, kinds=kinds)

    def open_truth(self, samples):
        masks = np.zeros((len(samples.files), 1, *self.geometry.image_size), np.uint8)
        masks[:, :, :, 0] = 1
        return {"mask": SimpleNamespace(gather=lambda rows: masks[np.asarray(rows)])}


@pytest.fixture
def known(tmp_path):
    fill(tmp_path / "images", good=45, defects=30)
    own = {
        "folders": [["0_nio", "defect"], ["1_io", "ok"]],
        "part_folders": False,
        "root": str(tmp_path / "images"),
        "classes": ["ok", "defect"],
        "defect": "defect",
        "cache_dir": str(tmp_path / "cache"),
    }

    def build(**settings):
        data = Known(**PLAIN_DATA | own | settings)
        data.setup()
        return data

    return build


def test_folds_share_the_set_out_and_each_has_its_share_of_each_kind(known):
    tested = []
    for fold in range(5):
        data = known(fold=fold)
        samples = data.samples
        own = samples.rows("test")
        tested += own.tolist()
        assert samples.counts("test").tolist() == [9, 6]
        assert sorted(Counter(samples.kinds[row] for row in own).values()) == [5, 5, 5]
        # The rest is shared out by the first two shares, 5 : 3.
        assert len(samples.rows("train")) == pytest.approx(60 * 5 / 8, abs=1)
        assert f"fold {fold} of 5 is tested" in data.split_by
    assert sorted(tested) == list(range(75))


def test_folds_keep_groups_together(known):
    # The first digit of the number: fifteen groups of ten images and of five.
    data = known(fold=1, group="([01]_n?io/[0-9])")
    groups, parts = np.asarray(data.samples.groups), data.samples.parts
    for group in set(groups):
        assert len(set(parts[groups == group])) == 1


def test_kinds_are_written_down(known, tmp_path):
    data = known()
    write_splits(tmp_path / "splits.csv", data.samples)
    with (tmp_path / "splits.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [row["kind"] for row in table] == list(data.samples.kinds)
    again = known(splits=str(tmp_path / "splits.csv"))
    assert again.samples.parts.tolist() == data.samples.parts.tolist()


def test_masks_come_with_their_images_and_move_with_them(known):
    data = known(augment=Augment(horizontal_flip=1.0))
    data.trainer = trainer()
    batch = data.batch([3, 1])
    assert batch["mask"].shape == (2, 1, 8, 10)
    moved = data.on_after_batch_transfer(batch, 0)
    assert torch.equal(moved["mask"], batch["mask"].flip(-1))
    assert torch.equal(moved["image"], batch["image"].flip(-1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fold": 5}, "data.fold=5: expected 0 to 4"),
        ({"fold": 0, "folds": 1}, "data.folds=1: expected 2 or more"),
        ({"fold": 0, "splits": "splits.csv"}, "both say what is tested"),
        ({"fold": 0, "folds": 5, "group": "(io)"}, "1 groups can't fill 5 parts"),
    ],
)
def test_folds_that_cannot_be(known, settings, message):
    with pytest.raises(InputError, match=re.escape(message)):
        known(**settings)


def test_set_with_a_test_part_of_its_own_has_no_folds(module, tmp_path):
    for part in ("train", "test"):
        fill(tmp_path / "images" / part)
    data = module(part_folders="auto", fold=0)
    with pytest.raises(InputError, match=r"data.fold=0: the set says itself what is its test part"):
        data.setup()


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(4, [4] * 5), (7, [7, 7, 7]), (20, [20]), (21, [21]), (50, [21])]
)
def test_no_last_training_batch_of_one_image(ready, batch_size, sizes):
    """Of 21 images, in batches of 4 and of 20, one would be left over: nothing a batch norm can learn from."""
    data = ready(batch_size=batch_size, split=[0.525, 0.275, 0.2])
    assert len(data.samples.rows("train")) == 21
    assert [len(batch) for batch in rows(data.train_dataloader())] == sizes
    other = {row for epoch in range(20) for row in flat(rows(data.train_dataloader(), epoch))}
    assert len(other) == 21  # each epoch leaves another one out
