import hashlib
import pickle
import tarfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from inspection.data.cifar10_files import read_cifar10
from inspection.errors import InputError

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


class Trap:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def write_batches(folder: Path, extra: object = None) -> dict[str, np.ndarray]:
    """Files like CIFAR-10's with three pictures each, in the published layout: rows of 3 x 32 x 32 values."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    pixels = {name: random.integers(0, 256, (3, 3072), dtype=np.uint8) for name in BATCHES}
    for name, data in pixels.items():
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": [2, 0, 1], "extra": extra}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["airplane", "bird", "cat"]}))
    return pixels


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise URLError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A tiny set whose sums torchvision believes to be the published ones; its pixels."""
    folder = tmp_path / "cifar-10-batches-py"
    pixels = write_batches(folder)
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(folder / name)] for name in BATCHES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(folder / "test_batch")]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(folder / "batches.meta")})
    return pixels


@pytest.fixture
def archive(tmp_path, published, monkeypatch):
    """The same set as an archive alone."""
    folder, path = tmp_path / "cifar-10-batches-py", tmp_path / "packed" / "cifar-10-python.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, folder.name)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(path))
    return path


@pytest.mark.parametrize("given", [".", "cifar-10-batches-py"])
def test_pixels_labels_and_names(tmp_path, published, given):
    train, test, classes = read_cifar10(tmp_path / given)
    assert classes == ("airplane", "bird", "cat")
    assert train.images.shape == (15, 3, 32, 32)
    assert (train.images.dtype, train.targets.dtype) == (np.uint8, np.int64)
    assert train.targets.tolist() == [2, 0, 1] * 5
    assert np.array_equal(test.images.reshape(3, -1), published["test_batch"])
    assert np.array_equal(train.images[3:6].reshape(3, -1), published["data_batch_2"])
    assert train.images.flags.c_contiguous


def test_archive_is_unpacked(archive, published):
    train, _, _ = read_cifar10(archive.parent)
    assert len(train.images) == 15
    archive.unlink()
    assert len(read_cifar10(archive.parent).test.images) == 3


def test_a_foreign_pickle_is_never_opened(tmp_path):
    trap = tmp_path / "sprung"
    write_batches(tmp_path / "cifar-10-batches-py", Trap(trap))
    with pytest.raises(InputError, match=r"data_batch_1 is not the published file.*\nDelete .*download=true"):
        read_cifar10(tmp_path)
    assert not trap.exists()
    pickle.loads((tmp_path / "cifar-10-batches-py" / "test_batch").read_bytes())  # it would have sprung
    assert trap.exists()


@pytest.mark.parametrize("name", ["data_batch_4", "test_batch", "batches.meta"])
def test_one_foreign_file_is_enough(tmp_path, published, name):
    trap = tmp_path / "sprung"
    (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(InputError, match=f"{name} is not the published file"):
        read_cifar10(tmp_path)
    assert not trap.exists()


def test_a_missing_file_is_named(tmp_path, published):
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(InputError, match="data_batch_3 is missing"):
        read_cifar10(tmp_path)


def test_a_damaged_archive_is_not_unpacked(archive):
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz is not the published file"):
        read_cifar10(archive.parent, download=True)
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


@pytest.mark.parametrize(("name", "found"), [(".", "holds neither"), ("nowhere", "does not exist")])
def test_without_files_it_says_how_to_get_them(tmp_path, name, found):
    with pytest.raises(InputError, match=rf"{found}.*\n.*data\.download=true"):
        read_cifar10(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_it_says_what_to_do_by_hand(tmp_path):
    with pytest.raises(InputError, match=r"no network in tests.*\nPut cifar-10-python\.tar\.gz into"):
        read_cifar10(tmp_path, download=True)


def test_what_was_fetched_is_read(tmp_path, archive, monkeypatch):
    def fetch(url, path):
        Path(path).write_bytes(archive.read_bytes())

    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", fetch)
    root = tmp_path / "new" / "place"
    assert len(read_cifar10(root, download=True).train.images) == 15
