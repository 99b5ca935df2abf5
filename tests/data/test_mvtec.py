import shutil
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest

from inspection.data.mvtec import MVTecDataModule, read_layout
from inspection.errors import InputError
from tests.conftest import PLAIN_DATA, write_image

COUNTS = {"train/good": 10, "test/good": 6, "test/dent": 8, "test/Kratzer ö": 8}


def draw(
    root, suffix=".png", shape=(12, 16), colour=False, dtype=np.uint8, mask_name="{}_mask.png", counts=COUNTS
):
    """A set in the layout; image i of a folder has its defect, if any, in row i."""
    for folder, count in counts.items():
        for number in range(count):
            rng = np.random.default_rng(number)
            high = np.iinfo(dtype).max
            image = rng.integers(0, high, (*shape, 3) if colour else shape).astype(dtype)
            write_image(root / folder / f"{number:03d}{suffix}", image)
            kind = folder.split("/")[1]
            if kind != "good":
                mask = np.zeros(shape, np.uint8)
                mask[number % shape[0]] = 255
                write_image(root / "ground_truth" / kind / mask_name.format(f"{number:03d}"), mask)
    return root


@pytest.fixture
def module(tmp_path):
    def build(**settings):
        own = {
            "root": str(tmp_path / "set"),
            "synthetic": SimpleNamespace(prepare=lambda progress: tmp_path),
            "category": None,
            "mode": "supervised",
            "classes": ["good", "defect"],
            "defect": "defect",
            "image_size": [12, 16],
            "cache_dir": str(tmp_path / "cache"),
            "split": [0.5, 0.25, 0.25],
        }
        return MVTecDataModule(**PLAIN_DATA | own | settings)

    return build


def kinds_of(data, part):
    rows = data.samples.rows(part)
    names, counts = np.unique(np.asarray(data.samples.kinds)[rows], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def test_all_images_are_pooled_and_split_by_type_of_defect(module, tmp_path):
    draw(tmp_path / "set")
    data = module()
    data.setup()
    assert kinds_of(data, "train") == {"good": 8, "dent": 4, "Kratzer ö": 4}
    assert kinds_of(data, "val") == {"good": 4, "dent": 2, "Kratzer ö": 2}
    assert kinds_of(data, "test") == {"good": 4, "dent": 2, "Kratzer ö": 2}
    good = np.asarray(data.samples.files)[data.samples.targets == 0].tolist()
    assert len(good) == 16
    assert all("/good/" in file for file in good)


def test_folds_test_every_image_once(module, tmp_path):
    draw(tmp_path / "set")
    tested = []
    for fold in range(4):
        data = module(fold=fold, folds=4)
        data.setup()
        assert kinds_of(data, "test") == {"good": 4, "dent": 2, "Kratzer ö": 2}
        tested += [data.samples.files[row] for row in data.samples.rows("test")]
    assert sorted(tested) == sorted(data.samples.files)


def test_a_batch_brings_the_masks_of_its_images(module, tmp_path):
    draw(tmp_path / "set")
    data = module()
    data.setup()
    for row, file in enumerate(data.samples.files):
        batch = data.batch([row])
        mask = batch["mask"][0, 0].numpy()
        assert mask.shape == (12, 16)
        if "/good/" in file:
            assert not mask.any()
            assert batch["target"].item() == 0
        else:
            number = int(file[-7:-4])
            assert mask.any(1).nonzero()[0].tolist() == [number]
            assert batch["target"].item() == 1


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff"])
@pytest.mark.parametrize("mask_name", ["{}_mask.png", "{}.png", "{}_mask.bmp", "{}_mask.tif"])
def test_masks_are_matched_by_name_whatever_the_suffixes(tmp_path, suffix, mask_name):
    layout = read_layout(draw(tmp_path, suffix, mask_name=mask_name))
    assert layout.notes == []
    for file, kind, mask in zip(layout.files, layout.kinds, layout.masks, strict=True):
        if kind == "good":
            assert mask is None
        else:
            number = file.rpartition("/")[2].partition(".")[0]
            assert mask == f"ground_truth/{kind}/{mask_name.format(number)}"


@pytest.mark.parametrize(("colour", "dtype"), [(True, np.uint8), (False, np.uint16), (False, np.uint8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_colour_and_16_bit(module, tmp_path, colour, dtype, channels):
    draw(tmp_path / "set", colour=colour, dtype=dtype, shape=(20, 14))
    data = module(channels=channels, mean=[0.5], std=[0.5])
    data.setup()
    batch = data.batch(range(4))
    assert batch["image"].shape == (4, channels, 12, 16)
    assert batch["image"].float().std() > 20


def test_names_with_accents_match_however_they_are_spelt(tmp_path):
    name = "größe é"
    image = unicodedata.normalize("NFD", name)
    for kind in ("good", "dent"):
        write_image(tmp_path / "test" / kind / f"{image}.png", np.zeros((4, 4), np.uint8))
    mask = unicodedata.normalize("NFC", name) + "_mask.png"
    write_image(tmp_path / "ground_truth" / "dent" / mask, np.zeros((4, 4), np.uint8))
    assert [mask is not None for mask in read_layout(tmp_path).masks] == [True, False]


def test_a_missing_mask_names_image_and_mask(module, tmp_path):
    draw(tmp_path / "set")
    for number in range(5):
        (tmp_path / "set" / "ground_truth" / "dent" / f"{number:03d}_mask.png").unlink()
    with pytest.raises(InputError) as error:
        module().setup()
    text = str(error.value)
    assert text.startswith("5 images of defects have no mask")
    assert str(tmp_path / "set" / "test" / "dent" / "000.png") in text
    assert str(tmp_path / "set" / "ground_truth" / "dent" / "000_mask.png") in text
    assert "and 2 more" in text


def test_one_missing_mask_is_one(tmp_path):
    draw(tmp_path)
    (tmp_path / "ground_truth" / "dent" / "000_mask.png").unlink()
    with pytest.raises(InputError, match=r"^1 image of a defect has no mask"):
        read_layout(tmp_path)


@pytest.mark.parametrize("mode", ["supervised", "one_class"])
def test_a_set_without_the_folder_of_masks_has_none_and_says_so(module, tmp_path, mode):
    root = draw(tmp_path / "set")
    shutil.rmtree(root / "ground_truth")
    data = module(mode=mode)
    data.setup()
    assert len(data.samples.files) == 32
    assert set(data.batch(range(32))) == {"image", "target", "index"}
    assert "no ground_truth/: how good the places are is not measured" in data.notes
    assert str(root) in data.unknown["mask"]


def test_an_empty_folder_of_masks_lacks_them(module, tmp_path):
    root = draw(tmp_path / "set")
    shutil.rmtree(root / "ground_truth")
    (root / "ground_truth").mkdir()
    with pytest.raises(InputError, match=r"^16 images of defects have no mask"):
        module().setup()


def test_two_masks_for_one_image_are_refused(tmp_path):
    draw(tmp_path)
    write_image(tmp_path / "ground_truth" / "dent" / "003.png", np.zeros((12, 16), np.uint8))
    with pytest.raises(InputError, match=r"003.png: has 2 masks, .*003_mask.png and .*003.png"):
        read_layout(tmp_path)


def test_a_mask_of_another_size_names_both(module, tmp_path):
    draw(tmp_path / "set")
    wrong = tmp_path / "set" / "ground_truth" / "dent" / "002_mask.png"
    write_image(wrong, np.zeros((16, 12), np.uint8))
    with pytest.raises(InputError) as error:
        module().setup()
    assert str(wrong) in str(error.value)
    assert str(tmp_path / "set" / "test" / "dent" / "002.png") in str(error.value)
    assert "12 x 16" in str(error.value)


def test_empty_masks_of_defective_images_are_said(module, tmp_path):
    draw(tmp_path / "set")
    write_image(tmp_path / "set" / "ground_truth" / "dent" / "001_mask.png", np.zeros((12, 16), np.uint8))
    data = module()
    data.setup()
    assert any(
        note.startswith("1 image of a defect has a mask without") and "001.png" in note for note in data.notes
    )


def test_a_mask_that_two_images_claim_names_both(module, tmp_path):
    root = draw(tmp_path / "set")
    write_image(root / "train" / "dent" / "001.png", np.zeros((12, 16), np.uint8))
    with pytest.raises(
        InputError, match=r"001_mask\.png: is the mask of two images, train/dent/001.* test/dent/001"
    ):
        module().setup()


def test_a_mask_of_a_good_image_is_empty_or_contradicts_its_folder(module, tmp_path):
    root = draw(tmp_path / "set")
    mask = np.zeros((12, 16), np.uint8)
    write_image(root / "ground_truth" / "good" / "000.png", mask)
    data = module()
    data.setup()
    assert any("1 mask is of a good image" in note for note in data.notes)
    assert not any("no image" in note for note in data.notes)
    mask[3] = 1
    write_image(root / "ground_truth" / "good" / "000.png", mask)
    with pytest.raises(InputError, match=r"good.000\.png: shows a defect in an image that lies in good/"):
        module().setup()


def test_masks_that_cover_most_of_their_image_are_said(module, tmp_path):
    root = draw(tmp_path / "set")
    write_image(root / "ground_truth" / "dent" / "002_mask.png", np.full((12, 16), 255, np.uint8))
    data = module()
    data.setup()
    (note,) = [note for note in data.notes if "more than half" in note]
    assert note.startswith("1 mask calls")
    assert "test/dent/002.png" in note


def test_one_class_says_what_of_its_own_keys_is_wrong(module, tmp_path):
    draw(tmp_path / "set")
    with pytest.raises(
        InputError, match=r"data\.split=\[0\.8, 0\.2, 0.*\]: in data\.mode=one_class its last two"
    ):
        module(mode="one_class", split=[0.8, 0.2, 0]).setup()
    with pytest.raises(InputError, match=r"data\.fold=1: .*have it split anew \(data\.mode=supervised\)"):
        module(mode="one_class", fold=1).setup()


def test_masks_of_no_image_are_said(module, tmp_path):
    draw(tmp_path / "set")
    write_image(tmp_path / "set" / "ground_truth" / "dent" / "999_mask.png", np.zeros((12, 16), np.uint8))
    data = module()
    data.setup()
    assert any("1 mask belongs to no image" in note and "999_mask.png" in note for note in data.notes)


def test_category_is_a_folder_below_the_root(module, tmp_path):
    draw(tmp_path / "set" / "bottle")
    draw(tmp_path / "set" / "cable")
    data = module(category="bottle")
    data.setup()
    assert data.root == tmp_path / "set" / "bottle"
    with pytest.raises(InputError, match=r"data.category=botle: .* no such folder; there is bottle, cable"):
        module(category="botle").setup()
    with pytest.raises(InputError, match=r"data\.category is one of: bottle, cable"):
        module().setup()


def test_an_empty_category_says_what_was_expected(module, tmp_path):
    (tmp_path / "set" / "empty" / "train" / "good").mkdir(parents=True)
    with pytest.raises(
        InputError, match=r"empty holds no images in train/<kind>/ or test/<kind>/.*ground_truth"
    ):
        module(category="empty").setup()


def test_an_image_beside_the_folders_is_refused(tmp_path):
    draw(tmp_path)
    write_image(tmp_path / "test" / "000.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"000.png: lies in no folder of .*test; expected test/good/"):
        read_layout(tmp_path)


def test_a_category_of_the_synthetic_set_is_refused(module):
    with pytest.raises(InputError, match=r"data.category=bottle: the synthetic set has no categories"):
        module(category="bottle", root=None)


def test_one_class_learns_from_good_images_and_shares_out_the_test_part(module, tmp_path):
    draw(tmp_path / "set")
    data = module(mode="one_class")
    data.setup()
    assert kinds_of(data, "train") == {"good": 10}
    assert kinds_of(data, "val") == {"good": 3, "dent": 4, "Kratzer ö": 4}
    assert kinds_of(data, "test") == {"good": 3, "dent": 4, "Kratzer ö": 4}
    assert any("one_class" in note for note in data.notes)
    assert data.labels.kind == "good"  # no classifier is trained on it


def test_one_class_wants_good_training_images_alone(module, tmp_path):
    root = draw(tmp_path / "set")
    write_image(root / "train" / "dent" / "900.png", np.zeros((12, 16), np.uint8))
    write_image(root / "ground_truth" / "dent" / "900.png", np.eye(12, 16, dtype=np.uint8))
    module().setup()
    with pytest.raises(InputError, match="holds more than good images"):
        module(mode="one_class").setup()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"mode": "both"}, "data.mode='both'"), ({"classes": ["a", "b", "c"], "defect": "b"}, "expected two")],
)
def test_mistakes_are_named(module, settings, message):
    with pytest.raises(InputError, match=message):
        module(**settings)
