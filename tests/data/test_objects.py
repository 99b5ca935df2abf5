"""Images with boxes: what is found, what is refused, and where boxes lie after geometry and augmentation."""

import copy
import dataclasses
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from inspection.data.augment import Augment
from inspection.data.coco import read_coco
from inspection.data.module import ImageDataModule
from inspection.data.object_labels import Objects
from inspection.data.objects import ObjectDataModule
from inspection.errors import InputError
from inspection.inspector.boxes import as_coco
from inspection.inspector.verdict import Box
from tests.conftest import PLAIN_DATA, write_image

NAMES = ["motor", "valve"]
HEIGHT, WIDTH = 48, 64


def annotations(images=10):
    """A motor in each even image, two valves in each third, nothing in image 1, 5, 7."""
    entries = []
    for key in range(images):
        if key % 2 == 0:
            entries.append((key, 20, [8, 10, 24, 16]))
        if key % 3 == 0:
            entries += [(key, 10, [40, 4, 12, 20]), (key, 10, [2, 30, 10, 18])]
    return {
        "images": [
            {"id": key, "file_name": f"board_{key // 2}_{key}.png", "width": WIDTH, "height": HEIGHT}
            for key in range(images)
        ],
        "annotations": [
            {"id": number, "image_id": key, "category_id": which, "bbox": box}
            for number, (key, which, box) in enumerate(entries)
        ],
        "categories": [{"id": 10, "name": "valve"}, {"id": 20, "name": "motor"}],
    }


@pytest.fixture
def root(tmp_path):
    """Pictures in which a motor is a bright place and a valve a brighter one."""
    content = annotations()
    for image in content["images"]:
        picture = np.zeros((HEIGHT, WIDTH), np.uint8)
        for entry in content["annotations"]:
            if entry["image_id"] == image["id"]:
                left, top, wide, high = entry["bbox"]
                picture[top : top + high, left : left + wide] = 250 if entry["category_id"] == 10 else 150
        write_image(tmp_path / "set" / "pics" / image["file_name"], picture)
    write(tmp_path / "set", content)
    return tmp_path / "set"


def write(root, content):
    root.mkdir(exist_ok=True)
    (root / "annotations.json").write_text(json.dumps(content))


def build(root, tmp_path, **settings):
    own = {
        "root": str(root),
        "classes": NAMES,
        "pictures": "pics",
        "annotations": "annotations.json",
        "least_visible": 0.25,
        "cache_dir": str(tmp_path / "cache"),
        "image_size": [HEIGHT, WIDTH],
    }
    return ObjectDataModule(**PLAIN_DATA | own | settings)


def bright(image, low, high):
    """The box around the pixels of an image [H, W] with values in a range."""
    rows, columns = np.nonzero((image >= low) & (image <= high))
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_batches_have_boxes_and_classes(root, tmp_path):
    data = build(root, tmp_path)
    data.setup()
    assert data.samples.files[6] == "pics/board_3_6.png"
    batch = data.batch([6, 1, 2])
    assert batch["boxes"].dtype == torch.float32
    assert batch["boxes"].shape == (3, 3, 4)  # as many as there are in any image
    assert batch["box_class"].tolist() == [[0, 1, 1], [-1, -1, -1], [0, -1, -1]]
    assert batch["boxes"][0].tolist() == [[8, 10, 32, 26], [40, 4, 52, 24], [2, 30, 12, 48]]
    assert not batch["boxes"][1].any()
    assert data.labels.kind == "object"
    assert batch["target"].tolist() == [[1, 1], [0, 0], [1, 0]]
    assert data.camera_shapes.tolist() == [[HEIGHT, WIDTH]] * 10
    assert data.notes == []


def test_boxes_lie_on_their_objects_after_crop_and_resize(root, tmp_path):
    data = build(root, tmp_path, crop=[4, 2, 60, 44], image_size=[84, 56])
    data.setup()
    batch = data.batch([2])
    found = bright(batch["image"][0, 0].numpy(), 140, 160)
    np.testing.assert_allclose(batch["boxes"][0, 0], found, atol=1)
    assert batch["boxes"][0, 0].tolist() == [4, 16, 28, 48]


def test_what_the_crop_leaves_too_little_of_is_left_out_and_said(root, tmp_path):
    content = annotations()
    content["annotations"].append({"id": 99, "image_id": 1, "category_id": 20, "bbox": [40, 10, 9, 9]})
    write(root, content)
    crop = {"crop": [30, 0, 64, 48], "image_size": [48, 34]}
    data = build(root, tmp_path, **crop)
    data.setup()
    # Of a motor (8 to 32) two of 24 columns stay; the second valve (2 to 12) is gone.
    assert data.batch([6])["box_class"].tolist() == [[1, -1, -1]]
    assert any(note.startswith("9 boxes lie outside of data.crop=[30, 0, 64, 48]") for note in data.notes)
    # What counts as being in an image, for the split and its notes, are the boxes that are left.
    assert data.samples.targets[:2].tolist() == [[False, True], [True, False]]
    assert data.samples.targets.sum(0).tolist() == [1, 4]
    lenient = build(root, tmp_path, **crop, least_visible=0.0)
    lenient.setup()
    assert lenient.batch([6])["box_class"].tolist() == [[0, 1, -1]]
    assert lenient.batch([6])["boxes"][0, 0].tolist() == [0, 10, 2, 26]


def test_a_crop_without_any_of_a_class(root, tmp_path):
    """The crop is named, not the set: the class is annotated."""
    crop = {"crop": [30, 0, 64, 48], "image_size": [48, 34]}
    refused(root, tmp_path, r"data.crop=\[30, 0, 64, 48\] .* no 'motor' is left", **crop)


def test_boxes_outside_of_an_image_whose_size_the_json_does_not_say(root, tmp_path):
    content = annotations()
    for image in content["images"]:
        del image["width"], image["height"]
    write(root, content)
    data = build(root, tmp_path)
    data.setup()
    assert data.notes == []
    content["annotations"][0]["bbox"] = [60, 10, 24, 16]
    write(root, content)
    refused(root, tmp_path, r"annotations.json: image 0, 'board_0_0.png': bbox .* lies outside .* 64x48")


def test_training_images_are_augmented_with_their_boxes(root, tmp_path):
    data = build(root, tmp_path, augment=Augment(horizontal_flip=1.0, crop_padding=5))
    data.setup()
    data.trainer = SimpleNamespace(
        training=True,
        current_epoch=0,
        fit_loop=SimpleNamespace(batch_idx=0),
        global_rank=0,
        overfit_batches=0,
    )
    batch = data.on_after_batch_transfer(data.batch([2, 4, 8]), 0)
    for row in range(3):
        found = bright(batch["image"][row, 0].numpy(), 140, 160)
        assert batch["boxes"][row, 0].tolist() == found
    assert batch["boxes"][:, 0].unique(dim=0).shape[0] > 1  # each image by itself
    data.trainer.training = False
    still = data.on_after_batch_transfer(data.batch([2]), 0)
    assert still["boxes"][0, 0].tolist() == [8, 10, 32, 26]


def test_random_changes_drop_boxes_by_the_share_that_was_asked_for(root, tmp_path):
    """Two of 24 columns of the motor are left after a shift of 30 to the left; what knows boxes, moves them."""
    assert not hasattr(ImageDataModule, "least_visible")
    changes = Augment(crop_padding=31).draw(1, torch.Generator())
    changes = dataclasses.replace(changes, shift=torch.tensor([[0, -30]]))
    for least, expected in ((0.25, [-1, -1, -1]), (0.05, [0, -1, -1])):
        data = build(root, tmp_path, least_visible=least)
        data.setup()
        moved = data.moved(data.batch([2]), changes)
        assert moved["box_class"].tolist() == [expected]
        assert moved["image"].shape == (1, 1, HEIGHT, WIDTH)


def test_boards_stay_together(root, tmp_path):
    data = build(root, tmp_path, group="board_([0-9]+)_")
    data.setup()
    parts = dict(zip(data.samples.groups, data.samples.parts, strict=True))
    assert all(parts[g] == p for g, p in zip(data.samples.groups, data.samples.parts, strict=True))


def refused(root, tmp_path, says, **settings):
    with pytest.raises(InputError, match=says):
        build(root, tmp_path, **settings).setup()


def test_missing_pictures_are_listed(root, tmp_path):
    for key in (3, 7):
        (root / "pics" / f"board_{key // 2}_{key}.png").unlink()
    refused(root, tmp_path, r"image 3: there is no 'board_1_3.png' in .*pics\n.*image 7")
    refused(root, tmp_path, "data.pictures=photos", pictures="photos")


def test_pictures_without_an_entry_are_said(root, tmp_path):
    write_image(root / "pics" / "new.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    data = build(root, tmp_path)
    data.setup()
    assert any("1 images have no entry in annotations.json" in note for note in data.notes)


def test_a_picture_of_another_size_than_was_annotated(root, tmp_path):
    write_image(root / "pics" / "board_0_0.png", np.zeros((HEIGHT * 2, WIDTH * 2), np.uint8))
    refused(root, tmp_path, r"is 128x96 pixels .* says 64x48")


def test_crowds_are_said(root, tmp_path):
    content = annotations()
    content["annotations"][0]["iscrowd"] = 1
    write(root, content)
    data = build(root, tmp_path)
    data.setup()
    assert any(note.startswith("1 regions of many objects") for note in data.notes)


def test_a_class_that_no_training_image_has(root, tmp_path):
    content = annotations()
    content["annotations"] = [e for e in content["annotations"] if e["category_id"] == 20]
    write(root, content)
    refused(root, tmp_path, "no image with 'valve' was found")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"balance": "loss"}, "data.balance=loss.*use data.balance=none"),
        ({"balance": "sampler"}, "data.balance=sampler.*use data.balance=none"),
        ({"least_visible": 1.5}, "data.least_visible=1.5"),
        ({"annotations": "other.json"}, r"other.json: no such file"),
        ({"classes": ["motor"]}, r"not in data.classes=\['motor'\]: valve \(8\)"),
    ],
)
def test_settings_that_cannot_be(root, tmp_path, settings, says):
    refused(root, tmp_path, says, **settings)


def test_damaged_picture_names_its_file(root, tmp_path):
    (root / "pics" / "board_0_1.png").write_bytes(b"nothing")
    refused(root, tmp_path, "board_0_1.png")


def test_splits_are_read_back(root, tmp_path):
    from inspection.data.splits import write_splits

    first = build(root, tmp_path)
    first.setup()
    write_splits(tmp_path / "splits.csv", first.samples)
    again = build(root, tmp_path, splits=str(tmp_path / "splits.csv"), split_seed=9)
    again.setup()
    assert again.samples.parts.tolist() == first.samples.parts.tolist()


def test_the_split_table_counts_images():
    """An image stands in each class that it shows, so the rows need not sum up to the images."""
    targets = np.array([[True, True], [True, False], [False, False]])
    counted = Objects(["motor", "valve"]).counts({"train": targets, "test": targets[:1]})
    assert counted == [["with motor", "2", "1"], ["with valve", "1", "1"], ["without any", "1", "0"]]


def test_labels_of_objects():
    labels = Objects(NAMES)
    assert [what for what, _ in labels.needed("train")] == ["image with 'motor'", "image with 'valve'"]
    assert labels.needed("test") == []
    (note,) = labels.notes("val", np.array([[True, False]]))
    assert note.startswith("no val image with 'valve': some figures will be undefined")


def test_what_predict_writes_can_be_trained_on(root, tmp_path):
    """Boxes of an inspector, as a COCO JSON, are read by the data module."""
    boxes = [
        (f"board_{key // 2}_{key}.png", (HEIGHT, WIDTH), [Box(8, 10, 32, 26, NAMES[key % 2], 0.9)])
        for key in range(10)
    ]
    content = as_coco(NAMES, boxes)
    write(root, copy.deepcopy(content))
    found = read_coco(root / "annotations.json", NAMES)
    assert found.images[3].boxes.tolist() == [[8, 10, 32, 26]]
    assert found.images[3].classes.tolist() == [1]
    build(root, tmp_path).setup()


@pytest.mark.parametrize("suffix", ["tiff", "jpg", "png"])
def test_boxes_lie_on_the_pixels_that_the_file_has_whatever_its_orientation(root, tmp_path, suffix):
    """A turned camera's flag: `read_image` ignores it, and so must what says how large the image is."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    picture[10:26, 8:32] = 150
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(picture).save(root / "pics" / f"turned.{suffix}", exif=exif)
    content = annotations()
    content["images"][0] = {"id": 0, "file_name": f"turned.{suffix}"}
    content["annotations"] = [e for e in content["annotations"] if e["image_id"] or e["category_id"] == 20]
    write(root, content)
    data = build(root, tmp_path, image_size=[HEIGHT * 2, WIDTH])
    data.setup()
    assert data.camera_shapes[0].tolist() == [HEIGHT, WIDTH]
    batch = data.batch([0])
    assert batch["boxes"][0, 0].tolist() == [8, 20, 32, 52]
    np.testing.assert_allclose(bright(batch["image"][0, 0].numpy(), 120, 180), [8, 20, 32, 52], atol=2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("limit", [HEIGHT * WIDTH - 1, HEIGHT * WIDTH // 3])
def test_large_images_are_no_attack(root, tmp_path, monkeypatch, limit):
    """Pillow warns from so many pixels on, and refuses from twice as many."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    data = build(root, tmp_path)
    data.setup()
    assert data.camera_shapes.tolist() == [[HEIGHT, WIDTH]] * 10


def test_pictures_are_read_with_their_own_depth(root, tmp_path):
    """16-bit files have a header, too."""
    wide = np.full((HEIGHT, WIDTH), 40000, np.uint16)
    done, encoded = cv2.imencode(".tiff", wide)
    assert done
    content = annotations()
    content["images"][0]["file_name"] = "board_0_0.tiff"
    (root / "pics" / "board_0_0.tiff").write_bytes(encoded.tobytes())
    write(root, content)
    data = build(root, tmp_path)
    data.setup()
    assert data.camera_shapes[0].tolist() == [HEIGHT, WIDTH]
