"""CIFAR-10 as a data set: the published arrays, or class folders."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from inspection.data import cifar10
from inspection.data.cifar10 import ArrayImages, Cifar10DataModule
from inspection.data.cifar10_files import Cifar10, LabelledImages
from inspection.data.geometry import Geometry
from inspection.errors import InputError
from tests.conftest import PLAIN_DATA, write_image

NAMES = ("airplane", "bird", "cat")


@pytest.fixture
def module(tmp_path):
    def build(**settings):
        own = {
            "root": str(tmp_path / "set"),
            "synthetic": SimpleNamespace(prepare=lambda progress: tmp_path),
            "download": False,
            "classes": NAMES,
            "defect": None,
            "folders": None,
            "part_folders": "auto",
            "image_size": [32, 32],
            "channels": 3,
            "split": [0.8, 0.2, 0.0],
            "cache_dir": str(tmp_path / "cache"),
        }
        return Cifar10DataModule(**PLAIN_DATA | own | settings)

    return build


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Thirty training and six test images in place of the published 60,000; whether to be fetched."""
    random = np.random.default_rng(0)
    parts = [
        LabelledImages(random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8), np.arange(count) % 3)
        for count in (30, 6)
    ]
    asked = []

    def read(root, download):
        asked.append(download)
        return Cifar10(*parts, NAMES)

    monkeypatch.setattr(cifar10, "read_cifar10", read)
    return SimpleNamespace(train=parts[0], test=parts[1], asked=asked)


def test_published_test_images_are_the_test_part(module, published, tmp_path):
    (tmp_path / "set" / "cifar-10-batches-py").mkdir(parents=True)
    data = module()
    data.setup()
    counts = {part: data.samples.counts(part).tolist() for part in ("train", "val", "test")}
    assert counts == {"train": [8, 8, 8], "val": [2, 2, 2], "test": [2, 2, 2]}
    for batch in data.test_dataloader():
        for image, target, row in zip(batch["image"], batch["target"], batch["index"], strict=True):
            number = int(data.samples.files[row].removeprefix("test/"))
            assert (image.numpy() == published.test.images[number]).all()
            assert target == published.test.targets[number]
    assert published.asked == [False]


def test_fetched_only_when_asked_for(module, published, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        module().setup()
    module(download=True).setup()
    assert published.asked == [True]
    with pytest.raises(InputError, match=r"say where to, with data\.root=<folder>"):
        module(download=True, root=None).setup()


def test_classes_in_another_order_are_refused(module, published, tmp_path):
    (tmp_path / "set" / "cifar-10-batches-py").mkdir(parents=True)
    with pytest.raises(InputError, match="the classes of CIFAR-10 are"):
        module(classes=["bird", "airplane", "cat"]).setup()


def test_class_folders(module, tmp_path):
    for part, count in (("train", 10), ("test", 2)):
        for value, name in enumerate(NAMES):
            for number in range(count):
                image = np.full((32, 32, 3), (value, number, 7), np.uint8)  # BGR
                write_image(tmp_path / "set" / part / name / f"{number}.png", image)
    data = module()
    data.setup()
    assert {part: data.samples.counts(part).tolist() for part in ("train", "val", "test")} == {
        "train": [8, 8, 8],
        "val": [2, 2, 2],
        "test": [2, 2, 2],
    }
    for batch in data.train_dataloader():
        assert (batch["image"][:, 2, 0, 0] == batch["target"]).all()


def test_arrays_go_through_the_geometry():
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    assert (
        ArrayImages(images, Geometry(image_size=(32, 32), channels=3)).gather([2, 0]) == images[[2, 0]]
    ).all()
    steps = []
    geometry = Geometry(image_size=(16, 20), crop=(4, 2, 24, 18), channels=1)
    grey = ArrayImages(images, geometry, lambda *step: steps.append(step)).gather(range(4))
    for own, image in zip(grey, images, strict=True):
        expected = cv2.cvtColor(np.moveaxis(image, 0, -1), cv2.COLOR_RGB2GRAY)[2:18, 4:24]
        assert own.shape == (1, 16, 20)
        assert np.abs(own[0].astype(int) - expected).max() <= 1
    assert steps == [(4, 4)]


def test_a_published_image_as_it_was_taken(module, published, tmp_path):
    (tmp_path / "set" / "cifar-10-batches-py").mkdir(parents=True)
    data = module()
    data.find()
    assert (data.camera_image("test/00004") == np.moveaxis(published.test.images[4], 0, -1)).all()
    assert (data.camera_image("train/00029") == np.moveaxis(published.train.images[29], 0, -1)).all()
