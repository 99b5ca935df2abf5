"""CIFAR-10: as its authors publish it, or as class folders."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.datasets import CIFAR10

from inspection.data.cifar10_files import Cifar10, read_cifar10
from inspection.data.folder import FolderDataModule
from inspection.data.geometry import Geometry
from inspection.data.images import CameraImage
from inspection.data.module import Found, Rows
from inspection.data.splits import Samples
from inspection.errors import InputError


class ArrayImages:
    """Images that are in memory already, as one array.

    Args:
        images: uint8 `[N, C, H, W]` as they came; what the geometry changes is done once, here.
        geometry: From image to what the network sees.
        progress: Called with (done, total) while images are changed.
    """

    def __init__(
        self, images: np.ndarray, geometry: Geometry, progress: Callable[[int, int], None] | None = None
    ) -> None:
        if geometry.crop is None and images.shape[1:] == geometry.shape:
            self.images = images
            return
        self.images = np.empty((len(images), *geometry.shape), np.uint8)
        for row, image in enumerate(images):
            self.images[row] = geometry.apply(np.moveaxis(image, 0, -1))
            if progress is not None and (row % 1000 == 999 or row + 1 == len(images)):
                progress(row + 1, len(images))

    def gather(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Copies of some rows."""
        return self.images[np.asarray(indices)]


class Cifar10DataModule(FolderDataModule):
    """CIFAR-10 out of the files of its authors, or any class folders below `train/` and `test/`.

    The published training images are shared out to training and validation, the published test images are the test
    part.

    Args:
        download: Whether to fetch the published files (170 MB) into the root when they are not there.
        **settings: As in `FolderDataModule`.
    """

    def __init__(self, download: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.download = download
        self._published: Cifar10 | None = None

    def _open_root(self) -> Path:
        if self.download and self.given_root is None:
            raise InputError("data.download=true: say where to, with data.root=<folder>")
        if self.download and self.given_root is not None:
            try:
                Path(self.given_root).expanduser().mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"data.root={self.given_root}: no folder to fetch into can be made here ({error.strerror})"
                ) from None
        return super()._open_root()

    def find_samples(self, root: Path) -> Found:
        """Rows of the published arrays (`train/00017`), or the files of class folders."""
        published = root.name == CIFAR10.base_folder or any(
            (root / name).exists() for name in (CIFAR10.base_folder, CIFAR10.filename)
        )
        if not (published or self.download):
            return super().find_samples(root)
        self._published = read_cifar10(root, self.download)
        if self.labels.names != self._published.classes:
            raise InputError(
                f"data.classes={list(self.labels.names)}: the classes of CIFAR-10 are "
                f"{list(self._published.classes)}, in this order"
            )
        parts = {"train": self._published.train, "test": self._published.test}
        return Found(
            [f"{part}/{row:05d}" for part, own in parts.items() for row in range(len(own.targets))],
            np.concatenate([own.targets for own in parts.values()]),
            np.concatenate([np.full(len(own.targets), part, dtype="<U5") for part, own in parts.items()]),
        )

    def camera_image(self, file: str) -> CameraImage:
        """A row of the published arrays, or a file."""
        if self._published is None:
            return super().camera_image(file)
        part, _, row = file.partition("/")
        image = (self._published.train if part == "train" else self._published.test).images[int(row)]
        return np.ascontiguousarray(np.moveaxis(image, 0, -1))

    def open_images(self, samples: Samples) -> Rows:
        """The published array, or the decoded files."""
        if self._published is None:
            return super().open_images(samples)
        images = np.concatenate([self._published.train.images, self._published.test.images])
        self._published = None
        return ArrayImages(images, self.geometry, self._report("changing images"))
