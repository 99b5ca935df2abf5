"""What all data modules of still images share: samples, split, cache, balance, loaders."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from inspection.data.augment import Augment, Changes
from inspection.data.cache import ImageCache
from inspection.data.geometry import Geometry
from inspection.data.images import CameraImage, read_image
from inspection.data.labels import Labels
from inspection.data.sampling import EpochSampler, ShareSampler, mixed_seed
from inspection.data.splits import (
    PARTS,
    Samples,
    check_given_parts,
    check_parts,
    find_groups,
    read_splits,
    shared_groups,
    split,
    split_folds,
)
from inspection.data.synthetic.sets import is_synthetic
from inspection.errors import InputError

Balance = Literal["sampler", "loss", "none"]
Progress = Callable[[str, int, int], None]


class SyntheticSet(Protocol):
    """A generator of a synthetic data set."""

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set if it is not there yet; its folder."""
        ...


class Rows(Protocol):
    """What is known of each image, row by row: the image itself after the geometry, its mask, its boxes."""

    def gather(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Copies of some rows, `[N, ...]`."""
        ...


@dataclass(frozen=True)
class InMemory:
    """Rows that are an array."""

    values: np.ndarray

    def gather(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Copies of some rows."""
        copies: np.ndarray = self.values[np.asarray(indices, np.int64)]
        return copies


@dataclass(frozen=True)
class Found:
    """What a data set holds.

    Attributes:
        files: Paths relative to the root, with forward slashes.
        targets: int64 `[N]` for classes, bool `[N, A]` for attributes, float64 `[N, T]` for quantities.
        parts: Part of each file where the set itself says it (`train`, `val`, `test`), or None.
        kinds: What each image is, more finely than its target says (the type of defect), or None. Each part gets
            its share of each kind.
    """

    files: list[str]
    targets: np.ndarray
    parts: np.ndarray | None = None
    kinds: Sequence[str] | None = None


class _Batches(Dataset[dict[str, Tensor]]):
    """Rows as batches: one gather a batch instead of one read an image and a collate."""

    def __init__(self, images: Rows, targets: Tensor, truth: Mapping[str, Rows]) -> None:
        self.images, self.targets, self.truth = images, targets, truth

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: values[0] for name, values in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """A whole batch (PyTorch's loader calls this with the indices of a batch)."""
        index = torch.as_tensor(indices)
        truth = {name: torch.from_numpy(rows.gather(indices)) for name, rows in self.truth.items()}
        return {
            "image": torch.from_numpy(self.images.gather(indices)),
            "target": self.targets[index],
            "index": index,
        } | truth


def _as_it_is(batch: Any) -> Any:
    return batch  # the dataset hands over whole batches


class ImageDataModule(L.LightningDataModule, ABC):
    """Finds labelled images, splits them, decodes them once and deals them out in batches.

    A batch is a dict of `image` uint8 `[B, C, H, W]`, `target` (int64 `[B]` for classes, float32 `[B, A]` for
    attributes, float32 `[B, T]` for quantities) and `index` int64 `[B]` (the row in `samples`), and what else is
    known of the images, see `open_truth`. Subclasses say how a folder becomes files and targets.

    Args:
        root: Folder of the real set, or None to draw the synthetic one.
        synthetic: Draws the synthetic set.
        labels: What the targets mean.
        crop: Pixels `[left, top, right, bottom]` of the camera image, or None for all of it.
        image_size: Pixels `[height, width]` after the crop and a resize.
        channels: 1 (grey) or 3 (RGB).
        white_level: Raw value of white, or None for the largest that the file's type can hold.
        split: Shares of training, validation and test. Where the set says itself what is training and test, the
            first two share out what is training.
        split_seed: Which images go where.
        group: What stays together: a regular expression on a file's path, whose first group is alike; or a CSV
            (`splits.csv` of an audit or a run) whose columns `file` and `group` say it.
        splits: A `splits.csv` to read back instead of splitting.
        fold: Cross-validation: which fold is the test part, from 0; the rest is shared out by the first two
            of `split`. None: one split by `split`.
        folds: Number of folds.
        balance: `sampler` draws the classes equally often (in every batch), `loss` weights them, `none` does
            neither.
        batch_size: Images an optimizer step, over all processes together.
        memory_budget: MiB of decoded images kept in memory, a process; beyond it they lie in a file.
        cache_dir: Folder of that file.
        seed: Of order, sampling and augmentation.
        augment: Random changes of training images, or None.
        mean: A value a channel, for the network's normalisation; the images stay uint8.
        std: As `mean`.

    Attributes:
        split_anew: What to set so that parts which the set itself states do not count; None: it states none.
        samples: After `setup`: the table of images.
        is_synthetic: Whether the images were drawn.
        notes: Sentences that a person should read before trusting a figure.
        split_by: How the parts came about, in words.
        whole: The part that all images belong to, where a trained inspector is only evaluated on them; None:
            they are split.
        mask_files: After the samples were found: of the images that have a mask, its path below the root.
        faults: A list, where what is wrong with single images is to be put there and gone on from, as an audit
            does; None: it is raised.
        unknown: After `setup`: of what `open_truth` might give and does not, by its name in a batch, why.
        loss_weights: For the loss when `balance="loss"`, float32 `[K]`, see `Labels.loss_weights`; else None.
        progress: Called with (what, done, total) while images are drawn and decoded.

    Raises:
        InputError: On a missing or empty folder, unreadable images, a class that is missing in a part, ...
    """

    samples: Samples
    split_anew: str | None = None

    def __init__(
        self,
        root: str | None,
        synthetic: SyntheticSet,
        labels: Labels,
        crop: Sequence[int] | None,
        image_size: Sequence[int],
        channels: int,
        white_level: int | None,
        split: Sequence[float],
        split_seed: int,
        group: str | None,
        splits: str | None,
        fold: int | None,
        folds: int,
        balance: Balance,
        batch_size: int,
        memory_budget: int,
        cache_dir: str,
        seed: int,
        augment: Augment | None,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        if balance not in ("sampler", "loss", "none"):
            raise InputError(f"data.balance={balance!r}: expected sampler, loss or none")
        if seed < 0 or split_seed < 0:
            raise InputError(f"data.seed={seed}, data.split_seed={split_seed}: expected 0 or more")
        if batch_size < 1:
            raise InputError(f"data.batch_size={batch_size}: expected 1 or more")
        if folds < 2:
            raise InputError(f"data.folds={folds}: expected 2 or more")
        if fold is not None and not 0 <= fold < folds:
            raise InputError(f"data.fold={fold}: expected 0 to {folds - 1} (data.folds={folds}), or null")
        if fold is not None and splits is not None:
            raise InputError(f"data.fold={fold} and data.splits={splits}: both say what is tested; keep one")
        mean, std = (list(values) * channels if len(values) == 1 else values for values in (mean, std))
        if not len(mean) == len(std) == channels:
            raise InputError(
                f"data.mean={list(mean)} and data.std={list(std)}: expected one value each, or {channels}, "
                f"one a channel (data.channels={channels})"
            )
        self.labels = labels
        self.geometry = Geometry(
            crop=None if crop is None else tuple(crop),  # type: ignore[arg-type]  # Geometry checks lengths
            image_size=tuple(image_size),  # type: ignore[arg-type]
            channels=channels,
            white_level=white_level,
        )
        if augment is not None:
            augment.check(channels, self.geometry.image_size)
        self.mean, self.std = tuple(mean), tuple(std)
        self.given_root, self.synthetic = root, synthetic
        self.shares, self.split_seed, self.group, self.splits = tuple(split), split_seed, group, splits
        self.fold, self.folds = fold, folds
        self.balance, self.batch_size, self.seed = balance, batch_size, seed
        self.memory_budget, self.cache_dir = memory_budget, Path(cache_dir)
        self.augment = augment
        self.progress: Progress | None = None
        self.whole: str | None = None
        self.notes: list[str] = []
        self.mask_files: dict[str, str] = {}
        self.faults: list[str] | None = None
        self.unknown: dict[str, str] = {}
        self.loss_weights: Tensor | None = None
        self.root = Path()
        self.split_by = ""
        self.is_synthetic = False

    @abstractmethod
    def find_samples(self, root: Path) -> Found:
        """The files below the root and what is known of them."""

    def read_given_split(self, place: Path, files: Sequence[str], targets: np.ndarray) -> np.ndarray:
        """Part names `[N]` out of `data.splits`."""
        return read_splits(place, files, targets, self.labels)

    def open_truth(self, samples: Samples) -> dict[str, Rows]:
        """What else is known of these samples, by its name in a batch.

        `mask`: uint8 `[N, 1, H, W]`, 1 where the defect is. `boxes`: float32 `[N, M, 4]`, left, top, right and
        bottom in pixels of the image after the geometry, and `box_class`: int64 `[N, M]`, -1 behind the last one.
        `pixels`: float64 `[N, T]`, what the camera's pixels say of quantities.
        """
        return {}

    def passport(self) -> dict[str, Any]:
        """Further fields of an inspector's passport, by name: what is to be known of images beside geometry."""
        return {}

    def camera_image(self, file: str) -> CameraImage:
        """An image as it was taken, by its path below the root, once the samples were found.

        Raises:
            InputError: It can't be read.
        """
        return read_image(self.root / file)

    def open_images(self, samples: Samples) -> Rows:
        """The images of these samples, decoded."""
        paths = [self.root / file for file in samples.files]
        cache = ImageCache(paths, self.geometry, self.memory_budget, self.cache_dir, self.root)
        cache.prepare(self._report("decoding images"))
        return cache

    def refuse(self, cases: Sequence[str], message: str) -> None:
        """Raise what is wrong with single images, or collect it, see `faults`.

        Args:
            cases: A line for each.
            message: All of it in a few lines, with what to do.
        """
        if self.faults is None:
            raise InputError(message)
        self.faults += cases

    def _report(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(what, done, total) if self.progress else None

    def _open_root(self) -> Path:
        if self.given_root is None:
            return self.synthetic.prepare(self._report("drawing synthetic images"))
        root = Path(self.given_root).expanduser()
        if not root.is_dir():
            kind = "is a file" if root.exists() else "does not exist"
            raise InputError(
                f"data.root={self.given_root} {kind}; give the folder of the images, or leave data.root "
                "out for the synthetic set"
            )
        return root

    def prepare_data(self) -> None:
        """Draw the synthetic set, once a machine."""
        self._open_root()

    def setup(self, stage: str | None = None) -> None:
        """Find, split and decode the images; does nothing the second time."""
        if hasattr(self, "samples"):
            return
        samples = self.deal_out()
        if self.whole is None:
            targets = samples.targets[samples.rows("train")]
            if self.balance == "sampler":
                self.labels.classes_to_draw(targets)  # or a refusal, before the images are decoded
            if self.balance == "loss":
                self.loss_weights = self.labels.loss_weights(targets)
        truth = self.open_truth(samples)  # first: what is wrong with it is said before images are decoded
        self._batches = _Batches(self.open_images(samples), self.labels.tensor(samples.targets), truth)
        self.samples = samples

    def find(self) -> Found:
        """Find the images and what is known of them; they are not split."""
        self.root = self._open_root()
        self.is_synthetic = is_synthetic(self.root)
        return self.find_samples(self.root)

    def deal_out(self) -> Samples:
        """Find and split the images, without a look into them."""
        found = self.find()
        if self.whole is not None:
            return self._take_whole(found, self.whole)
        files, targets = found.files, found.targets
        for what, holds in self.labels.needed("train"):
            if not holds(targets).any():
                raise InputError(
                    f"{self.root}: no {what} was found ({len(targets)} others); "
                    "training needs all of data.classes"
                )
        if self.splits is None and abs(sum(self.shares) - 1) > 1e-6:
            shares = ", ".join(f"{share / sum(self.shares):.1%}" for share in self.shares)
            self.notes.append(
                f"data.split={list(self.shares)} does not sum to 1; taken as shares of {shares}"
            )
        groups = find_groups(files, self.group)
        parts = self._share_out(found, groups)
        kinds = None if found.kinds is None else tuple(found.kinds)
        samples = Samples(tuple(files), targets, groups, parts, self.labels, kinds)
        if self.splits is not None or found.parts is not None:
            anew = [key for key in (self.split_anew, "data.splits=null") if key is not None]
            check_given_parts(
                samples, f"change the split that was given, or split all anew ({', '.join(anew)})"
            )
        elif self.fold is not None:
            check_parts(samples)
        else:
            check_parts(samples, self.shares)
            self._note_shares(samples)
        for part in PARTS:
            self.notes += self.labels.notes(part, targets[samples.rows(part)])
        leaks = shared_groups(samples)
        if leaks:
            self.notes.append(
                f"{len(leaks)} groups lie in more than one part (for example {leaks[0]!r}), split "
                f"{self.split_by}: the figures will flatter the network"
            )
        return samples

    def _take_whole(self, found: Found, part: str) -> Samples:
        """All images as one part: nothing is learned, and what is missing leaves figures undefined."""
        try:
            groups = find_groups(found.files, self.group)
        except InputError as error:
            self.notes.append(f"{error}: intervals take every image for one of its own")
            groups = find_groups(found.files, None)
        self.split_by = "none: all images are evaluated"
        self.notes += self.labels.notes(part, found.targets)
        parts = np.full(len(found.files), part, dtype="<U5")
        kinds = None if found.kinds is None else tuple(found.kinds)
        return Samples(tuple(found.files), found.targets, groups, parts, self.labels, kinds)

    def _share_out(self, found: Found, groups: Sequence[str]) -> np.ndarray:
        """Part names `[N]`, and `split_by` in words."""
        indicators, by = self.labels.indicators(found.targets), self.labels.kind
        if found.kinds is not None:
            names, kind_of = np.unique(np.asarray(found.kinds), return_inverse=True)
            indicators = np.concatenate([indicators, np.eye(len(names), dtype=bool)[kind_of]], axis=1)
            by = f"{by} and kind"
        grouped = "" if self.group is None else f", in {len(set(groups))} groups that stay together"
        by = f"shared out by {by}, seed {self.split_seed}{grouped}"
        if self.splits is not None:
            self.split_by = f"as {self.splits} says"
            return self.read_given_split(Path(self.splits), found.files, found.targets)
        if self.fold is not None:
            if found.parts is not None:
                anew = "" if self.split_anew is None else f", or have it split anew ({self.split_anew})"
                raise InputError(
                    f"data.fold={self.fold}: the set says itself what is its test part; use data.fold=null{anew}"
                )
            self.split_by = f"fold {self.fold} of {self.folds} is tested; {by}"
            parts = split_folds(indicators, groups, self.folds, self.fold, self.split_seed)
            return self._complete(parts, indicators, groups)
        if found.parts is not None:
            drawn = "" if "val" in found.parts else f"; validation shared out of training{grouped}"
            self.split_by = f"as the set has it{drawn}"
            return self._complete(found.parts, indicators, groups)
        self.split_by = by
        return split(indicators, groups, self.shares, self.split_seed)

    def _note_shares(self, samples: Samples) -> None:
        """Say where groups that can't be divided make a part much smaller or larger than was asked for."""
        for part, share in zip(PARTS, np.asarray(self.shares) / sum(self.shares), strict=True):
            number = len(samples.rows(part))
            wanted = share * len(samples.files)
            if self.group is not None and abs(number - wanted) > max(1, 0.2 * wanted):
                self.notes.append(
                    f"the {part} part has {number} images instead of {wanted:.0f} (data.split): "
                    "groups are not divided"
                )

    def _complete(self, parts: np.ndarray, indicators: np.ndarray, groups: Sequence[str]) -> np.ndarray:
        """Parts as the set has them; where it has no validation part, that is shared out of the training part."""
        if "val" in parts:
            return parts
        own = np.flatnonzero(parts == "train")
        shares = (*self.shares[:2], 0.0)
        dealt = split(indicators[own], [groups[int(row)] for row in own], shares, self.split_seed)
        completed = parts.copy()
        completed[own] = dealt
        return completed

    def images(self, rows: Sequence[int] | np.ndarray) -> Tensor:
        """Images of some rows after the geometry, uint8 `[N, C, H, W]`."""
        return torch.from_numpy(self._batches.images.gather(rows))

    def batch(self, rows: Sequence[int] | np.ndarray) -> dict[str, Tensor]:
        """Some rows as the loaders give them, not augmented."""
        return self._batches.__getitems__([int(row) for row in rows])

    def _process(self) -> tuple[int, int]:
        """This process's rank and the number of processes."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def check_processes(self, world: int) -> None:
        """Raise an `InputError` when batches or parts can't be shared out to so many processes."""
        if self.batch_size % world:
            raise InputError(
                f"data.batch_size={self.batch_size} can't be shared out evenly to {world} processes; "
                f"use for example {world * max(1, round(self.batch_size / world))}"
            )
        for part in PARTS:
            if 0 < len(self.samples.rows(part)) < world:  # one without a batch would leave the others waiting
                raise InputError(
                    f"the {part} part has {len(self.samples.rows(part))} images for {world} processes; each "
                    "needs one: use fewer (trainer.devices), or change data.split"
                )

    def _loader(
        self, sampler: EpochSampler | ShareSampler, world: int, fixed: bool = False, drop_lone: bool = False
    ) -> DataLoader[dict[str, Tensor]]:
        self.check_processes(world)
        each = self.batch_size // world
        # No worker processes: a batch is one copy out of the cache, faster than the trip between processes.
        return DataLoader(
            Subset(self._batches, list(sampler)) if fixed else self._batches,
            batch_size=each,
            drop_last=drop_lone and len(sampler) > each and len(sampler) % each == 1,
            sampler=None if fixed else sampler,
            collate_fn=_as_it_is,
            # A loader draws a number whenever it begins, which for a resumed run is at another time: not from
            # the generator that dropout draws from.
            generator=torch.Generator(),
            pin_memory=torch.cuda.is_available(),
        )

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Training batches in a new order each epoch."""
        rank, world = self._process()
        rows = self.samples.rows("train")
        if self._overfits():
            return self._overfit_loader(rank, world)
        targets = self.samples.targets[rows]
        classes = self.labels.classes_to_draw(targets) if self.balance == "sampler" else None
        # A batch norm can't learn from a last batch of one image; another image is left out each epoch.
        return self._loader(EpochSampler(rows, classes, self.seed, rank, world), world, drop_lone=True)

    def _overfits(self) -> bool:
        return self.trainer is not None and self.trainer.overfit_batches > 0  # type: ignore[attr-defined]

    def _overfit_loader(self, rank: int, world: int) -> DataLoader[dict[str, Tensor]]:
        """Training images in one order for good, for training and validation.

        With `overfit_batches`, Lightning puts a sequential sampler in the place of any other: over the whole
        table, where the first batches are of one class and of any part.
        """
        sampler = EpochSampler(self.samples.rows("train"), None, self.seed, rank, world)
        return self._loader(sampler, world, fixed=True)

    def _share_loader(self, part: str) -> DataLoader[dict[str, Tensor]]:
        rank, world = self._process()
        return self._loader(ShareSampler(self.samples.rows(part), rank, world), world)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Validation batches, in order."""
        return self._overfit_loader(*self._process()) if self._overfits() else self._share_loader("val")

    def test_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Test batches, in order."""
        return self._share_loader("test")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment training batches on their device, with draws that a resumed run repeats."""
        trainer = self.trainer
        if self.augment is None or not self.augment.enabled or trainer is None or not trainer.training:
            return batch
        draw = mixed_seed(
            "augmentation",
            self.seed,
            trainer.current_epoch,
            trainer.fit_loop.batch_idx + 1,
            trainer.global_rank,
        )
        generator = torch.Generator().manual_seed(draw)
        changes = self.augment.draw(len(batch["image"]), generator)
        return batch | self.moved(batch, changes)

    def moved(self, batch: Mapping[str, Tensor], changes: Changes) -> dict[str, Tensor]:
        """What random changes make of a batch's images and of what is known of their pixels.

        Subclasses move what they alone know of an image (`open_truth`).
        """
        moved = {"image": changes.of_images(batch["image"])}
        if "mask" in batch:
            moved["mask"] = changes.of_masks(batch["mask"])
        return moved


__all__ = ["PARTS", "Balance", "Found", "ImageDataModule", "Rows", "SyntheticSet"]
