"""Images in the layout of MVTec AD: good and defective ones by folder, and a mask for each defective one.

Bergmann et al., "MVTec AD: A Comprehensive Real-World Dataset for Unsupervised Anomaly Detection", CVPR 2019:

    train/good/000.png
    test/good/000.png
    test/scratch/000.png          and its mask     ground_truth/scratch/000_mask.png
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from inspection.data.cache import ImageCache
from inspection.data.images import find_images, read_image
from inspection.data.labels import Classes, Holds
from inspection.data.masks import MaskReader, SparseRows, is_defective
from inspection.data.module import Found, ImageDataModule, Rows
from inspection.data.splits import Samples, find_groups, split
from inspection.errors import InputError

GOOD = "good"
IMAGES = ("train", "test")
MASKS = "ground_truth"
SHOWN = 3  # files named in a message
_AT_A_TIME = 256  # masks
_MUCH = 0.5  # of an image: a mask that covers more may be inverted


@dataclass(frozen=True)
class Layout:
    """What lies in a folder of this layout, sorted by path.

    Attributes:
        files: Paths of the images relative to the folder, with forward slashes.
        kinds: Of each image the folder that it lies in: `good`, or the type of defect.
        parts: `train` or `test`, of each image.
        masks: Path of each image's mask relative to the folder; None for good images, and for all images of a set
            without `ground_truth`.
        notes: What a person should know of it.
    """

    files: list[str]
    kinds: list[str]
    parts: list[str]
    masks: list[str | None]
    notes: list[str]


def _refuse(cases: Sequence[str], message: str) -> None:
    raise InputError(message)


def read_layout(root: Path, refuse: Callable[[Sequence[str], str], None] = _refuse) -> Layout:
    """Find images and match masks to them by name: `<name>_mask.<suffix>`, or `<name>.<suffix>`.

    Args:
        root: Folder with `train`, `test` and `ground_truth`; without the last there are no masks.
        refuse: Called with the cases and the message of what is wrong with masks; raises it, or collects it.

    Raises:
        InputError: The folder has no images in this layout, `ground_truth` has no mask of a defective image or
            several, two images have the same one, or that of a good image shows a defect.
    """
    files, kinds, parts = [], [], []
    for part in IMAGES:
        for path in find_images(root / part) if (root / part).is_dir() else []:
            place = path.relative_to(root)
            if len(place.parts) < 3:
                raise InputError(
                    f"{path}: lies in no folder of {root / part}; expected {part}/{GOOD}/ or {part}/<defect>/"
                )
            files.append(place.as_posix())
            kinds.append(place.parts[1])
            parts.append(part)
    if not files:
        raise InputError(
            f"{root} holds no images in {' or '.join(f'{part}/<kind>/' for part in IMAGES)} (bmp, png, jpg, tif)"
            f"{_found_instead(root)}"
        )
    if not (root / MASKS).is_dir():
        return Layout(files, kinds, parts, [None] * len(files), [])
    masks, notes = _match_masks(root, files, kinds, refuse)
    return Layout(files, kinds, parts, masks, notes)


def find_categories(root: Path) -> list[str]:
    """Names of the folders below a folder that have this layout."""
    if not root.is_dir():
        return []
    return sorted(
        place.name for place in root.iterdir() if any((place / part / GOOD).is_dir() for part in IMAGES)
    )


def _found_instead(root: Path) -> str:
    categories = find_categories(root)
    if categories:
        return f"; data.category is one of: {', '.join(categories)}"
    return f"; expected train/{GOOD}/, test/{GOOD}/, test/<defect>/ and {MASKS}/<defect>/"


def _match_masks(
    root: Path,
    files: Sequence[str],
    kinds: Sequence[str],
    refuse: Callable[[Sequence[str], str], None],
) -> tuple[list[str | None], list[str]]:
    """The mask of each file, and notes."""
    candidates: dict[tuple[str, str], list[str]] = {}
    for path in find_images(root / MASKS):
        place = path.relative_to(root)
        key = _same_letters("/".join(place.parts[1:-1])), _same_letters(place.stem)
        candidates.setdefault(key, []).append(place.as_posix())
    masks: list[str | None] = []
    missing: list[tuple[Path, Path]] = []
    owners: dict[str, str] = {}
    for file, kind in zip(files, kinds, strict=True):
        if kind == GOOD:
            masks.append(None)
            continue
        path = Path(file)
        folder, stem = _same_letters("/".join(path.parts[1:-1])), _same_letters(path.stem)
        found = candidates.get((folder, f"{stem}_mask"), []) + candidates.get((folder, stem), [])
        if len(found) > 1:
            case = f"{root / file}: has {len(found)} masks, {' and '.join(found)}; keep one of them."
            refuse([case], case)
        if not found:
            missing.append((root / file, root / MASKS / "/".join(path.parts[1:-1]) / f"{path.stem}_mask.png"))
        for mask in found:
            if mask in owners:
                case = (
                    f"{root / mask}: is the mask of two images, {owners[mask]} and {file}; "
                    "give each a name, and a mask, of its own"
                )
                refuse([case], case)
            owners[mask] = file
        masks.append(found[0] if found else None)
    if missing:
        cases = [f"{image}: expected {mask}" for image, mask in missing]
        listed = "\n".join(f"  {case}" for case in cases[:SHOWN])
        more = f"\n  and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        refuse(
            cases,
            f"{_counted(len(missing), 'image of a defect has', 'images of defects have')} no mask "
            f"(<name>_mask or <name>, with any image suffix):\n{listed}{more}",
        )
    unused = sorted(mask for found in candidates.values() for mask in found if mask not in owners)
    of_good = [mask for mask in unused if Path(mask).parts[1] == GOOD]
    _check_good(root, of_good, refuse)
    others = [mask for mask in unused if mask not in set(of_good)]
    notes = []
    if of_good:
        what = _counted(
            len(of_good),
            "mask is of a good image, empty as it should be, and is",
            "masks are of good images, empty as they should be, and are",
        )
        notes.append(f"{what} not needed")
    if others:
        what = _counted(len(others), "mask belongs to no image and is", "masks belong to no image and are")
        notes.append(f"{what} left out (for example {others[0]!r})")
    return masks, notes


def _check_good(root: Path, of_good: Sequence[str], refuse: Callable[[Sequence[str], str], None]) -> None:
    """Refuse masks of good images that show a defect."""
    for mask in of_good:
        try:
            marked = bool(is_defective(read_image(root / mask), root / mask).any())
        except InputError as error:
            refuse([str(error)], str(error))
            continue
        if marked:
            case = (
                f"{root / mask}: shows a defect in an image that lies in {GOOD}/; move both to the folder of that "
                "defect, or take the mask out"
            )
            refuse([case], case)


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _same_letters(name: str) -> str:
    """One spelling of letters with accents: file systems differ in whether an accent is a letter of its own."""
    return unicodedata.normalize("NFC", name)


class GoodOnly(Classes):
    """Classes of a set whose training images are all good."""

    kind = "good"

    def needed(self, part: str) -> list[tuple[str, Holds]]:
        """Good images to learn from, and both to choose a threshold by and to test."""
        needs = super().needed(part)
        if part != "train":
            return needs
        return [need for name, need in zip(self.names, needs, strict=True) if name != self.defect]


class MVTecDataModule(ImageDataModule):
    """Good and defective images with masks, in the layout of MVTec AD; see `read_layout`.

    * `supervised`: all images are pooled and split anew, by type of defect (or into `data.folds` folds).
    * `one_class`: the training part is `train/good`; the images of `test/` are shared out to validation and test
      by the last two shares of `data.split`, by type of defect: a threshold needs defects to be chosen by.

    A batch has the masks of its images too, as `mask`; not where the set has no folder `ground_truth`.

    Args:
        classes: Class names, two: for good images and for those with a defect.
        defect: Which of them is the latter.
        category: Folder below the root with the layout; None: the root itself has it.
        mode: See above.
        **settings: As in `ImageDataModule`.
    """

    def __init__(
        self,
        classes: Sequence[str],
        defect: str,
        category: str | None,
        mode: Literal["supervised", "one_class"],
        **settings: Any,
    ) -> None:
        if mode not in ("supervised", "one_class"):
            raise InputError(f"data.mode={mode!r}: expected supervised or one_class")
        if len(classes) != 2:
            raise InputError(f"data.classes={list(classes)}: expected two, for good images and for defects")
        labels = Classes if mode == "supervised" else GoodOnly
        super().__init__(labels=labels(classes, defect), **settings)
        if category is not None and settings["root"] is None:
            raise InputError(
                f"data.category={category}: the synthetic set has no categories; give data.root, the folder that "
                "the categories lie in"
            )
        self.category, self.mode = category, mode
        self.split_anew = "data.mode=supervised" if mode == "one_class" else None

    def _open_root(self) -> Path:
        root = super()._open_root()
        if self.category is None:
            return root
        if not (root / self.category).is_dir():
            known = find_categories(root)
            there = f"there is {', '.join(known)}" if known else "no folder in it has train/good or test/good"
            raise InputError(f"data.category={self.category}: {root} has no such folder; {there}")
        return root / self.category

    def find_samples(self, root: Path) -> Found:
        """Files, classes and types of defect; parts of one class."""
        layout = read_layout(root, self.refuse)
        self.notes += layout.notes
        self.mask_files = {
            file: mask for file, mask in zip(layout.files, layout.masks, strict=True) if mask is not None
        }
        kinds = np.asarray(layout.kinds)
        defect = self.labels.names.index(str(self.labels.defect))
        targets = np.where(kinds == GOOD, 1 - defect, defect).astype(np.int64)
        parts = None
        if self.mode == "one_class" and self.whole is None:
            parts = self._one_class_parts(layout, kinds)
            if self.splits is None:
                self.notes.append(
                    "data.mode=one_class: train/ is learned from; test/ is shared out to validation and test"
                )
        return Found(layout.files, targets, parts, layout.kinds)

    def _one_class_parts(self, layout: Layout, kinds: np.ndarray) -> np.ndarray:
        parts = np.asarray(layout.parts, dtype=object)
        if bool((kinds[parts == "train"] != GOOD).any()):
            raise InputError(
                "data.mode=one_class: train/ holds more than good images; use data.mode=supervised"
            )
        tested = np.flatnonzero(parts == "test")
        if not len(tested):
            raise InputError(
                f"data.mode=one_class: {self.root} has no test/ to take validation and test from"
            )
        names, kind_of = np.unique(kinds[tested], return_inverse=True)
        of_kind = np.eye(len(names), dtype=bool)[kind_of]
        files = [layout.files[row] for row in tested]
        shares = (self.shares[1], self.shares[2], 0.0)
        if min(shares[:2]) <= 0:
            raise InputError(
                f"data.split={list(self.shares)}: in data.mode=one_class its last two shares say how test/ is "
                "shared out to validation and test; expected both above 0"
            )
        dealt = split(of_kind, find_groups(files, self.group), shares, self.split_seed)
        parts[tested] = np.where(dealt == "train", "val", "test")
        return parts.astype(str)

    def open_truth(self, samples: Samples) -> dict[str, Rows]:
        """The masks, where there are some."""
        if not (self.root / MASKS).is_dir():
            self.unknown["mask"] = f"{self.root} has no {MASKS}/ (expected {MASKS}/<defect>/<name>_mask.png)"
            self.notes.append(f"no {MASKS}/: how good the places are is not measured")
            return {}
        masked = [row for row, file in enumerate(samples.files) if file in self.mask_files]
        paths = [self.root / self.mask_files[samples.files[row]] for row in masked]
        images = [self.root / samples.files[row] for row in masked]
        reader = MaskReader(self.geometry, dict(zip(paths, images, strict=True)))
        cache = ImageCache(paths, reader, self.memory_budget, self.cache_dir, self.root)
        cache.prepare(self._report("decoding masks"))
        self._note_strange(cache, images)
        return {"mask": SparseRows(cache, masked, len(samples.files))}

    def _note_strange(self, masks: ImageCache, images: Sequence[Path]) -> None:
        """Say which defects lie nowhere, and which nearly everywhere."""
        empty, large = [], []
        for start in range(0, len(images), _AT_A_TIME):
            rows = range(start, min(start + _AT_A_TIME, len(images)))
            covered = masks.gather(rows).mean(axis=(1, 2, 3))
            empty += [images[start + int(place)] for place in np.flatnonzero(covered == 0)]
            large += [images[start + int(place)] for place in np.flatnonzero(covered > _MUCH)]
        if large:
            example = large[0].relative_to(self.root).as_posix()
            self.notes.append(
                f"{_counted(len(large), 'mask calls', 'masks call')} more than half of an image defective "
                f"(for example that of {example!r}): is white the defect, and is it drawn in the colours? "
                "Alpha does not count"
            )
        if empty:
            count = _counted(len(empty), "image of a defect has", "images of defects have")
            example = empty[0].relative_to(self.root).as_posix()
            self.notes.append(
                f"{count} a mask without a defect, or none within data.crop (for example {example!r}): no figure "
                "of masks or places counts such images"
            )
