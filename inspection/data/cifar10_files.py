"""Reading CIFAR-10 as its authors publish it.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009,
https://www.cs.toronto.edu/~kriz/cifar.html: 60,000 colour pictures of 32x32 pixels in ten classes.

Its files are pickles, which can run any code when they are opened. So nothing is opened before its MD5 sum was
found to be the published one.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity, extract_archive

from inspection.errors import InputError


class LabelledImages(NamedTuple):
    """A part of a data set.

    Attributes:
        images: uint8 [N, 3, 32, 32], RGB.
        targets: int64 [N], indices of the classes.
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]


class Cifar10(NamedTuple):
    """CIFAR-10 in memory.

    Attributes:
        train: 50,000 images.
        test: 10,000 images.
        classes: names in the order of the targets: airplane, automobile, bird, ...
    """

    train: LabelledImages
    test: LabelledImages
    classes: tuple[str, ...]


def read_cifar10(root: Path, download: bool = False) -> Cifar10:
    """Read CIFAR-10 from the files that its authors publish.

    Args:
        root: folder that holds `cifar-10-batches-py`, or `cifar-10-python.tar.gz`, which is then unpacked there;
            `cifar-10-batches-py` itself will do, too.
        download: fetch the archive (170 MB) into `root` when it is not there. Without it nothing is fetched, ever.

    Raises:
        InputError: the files are missing, are not those that were published, or can't be fetched.
    """
    root = Path(root).expanduser()
    if root.name == CIFAR10.base_folder:
        root = root.parent
    if _first_wrong(root) is not None:
        if (root / CIFAR10.filename).is_file():
            _unpack(root / CIFAR10.filename)
        elif download:
            _fetch(root)
        elif not (root / CIFAR10.base_folder).is_dir():
            found = "holds neither" if root.is_dir() else "does not exist"
            raise InputError(
                f"{root} {found}: expected a folder with {CIFAR10.base_folder} or {CIFAR10.filename}.\n"
                "Fetch it with data.download=true (170 MB), or leave data.root out for the synthetic set."
            )
    wrong = _first_wrong(root)
    if wrong is not None:
        raise InputError(_damaged(wrong, wrong.parent))
    # torchvision compares the sums once more before it opens a file.
    parts = [CIFAR10(str(root), train=train, download=False) for train in (True, False)]
    return Cifar10(_arrays(parts[0]), _arrays(parts[1]), tuple(parts[0].classes))


def _arrays(part: Any) -> LabelledImages:
    images = np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))
    return LabelledImages(images, np.asarray(part.targets, dtype=np.int64))


def _first_wrong(root: Path) -> Path | None:
    """The first file that is missing or is not the published one; None when all are right."""
    folder = root / CIFAR10.base_folder
    sums = [*CIFAR10.train_list, *CIFAR10.test_list, [CIFAR10.meta["filename"], CIFAR10.meta["md5"]]]
    return next((folder / name for name, md5 in sums if not check_integrity(folder / name, md5)), None)


def _unpack(archive: Path) -> None:
    """Unpack the archive beside itself if it is the published one."""
    if not check_integrity(archive, CIFAR10.tgz_md5):
        raise InputError(_damaged(archive, archive))
    extract_archive(archive, archive.parent)


def _fetch(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        CIFAR10(str(root), download=True)  # checks the sum of what it has fetched before it unpacks it
    except (OSError, RuntimeError) as error:  # torchvision's own errors are RuntimeErrors
        raise InputError(
            f"CIFAR-10 could not be fetched from {CIFAR10.url} ({error}).\n"
            f"Put {CIFAR10.filename} into {root} by hand, or leave data.root out for the synthetic set."
        ) from error


def _damaged(path: Path, whole: Path) -> str:
    found = "is not the published file (its MD5 sum is another)" if path.exists() else "is missing"
    return (
        f"{path} {found}; nothing was opened, since a pickle can run any code.\n"
        f"Delete {whole} and fetch the set anew with data.download=true."
    )
