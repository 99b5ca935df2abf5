"""One folder a class, at any depth."""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from inspection.data.corrections import CORRECTIONS, read_corrections
from inspection.data.images import find_images
from inspection.data.labels import Classes
from inspection.data.module import Found, ImageDataModule
from inspection.errors import InputError


def match_folder(folder: str, pattern: str) -> bool:
    """Whether the last parts of a folder's path match a shell pattern of as many parts.

    Example:
        >>> match_folder("01_train_val_test/1_io", "1_io"), match_folder("test/good", "train/*")
        (True, False)
    """
    parts, wanted = PurePosixPath(folder).parts, PurePosixPath(pattern).parts
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts[-len(wanted) :], wanted))


PART_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Usual names of the folders of a set that is already split."""


def parts_of_layout(files: Sequence[str]) -> np.ndarray:
    """Parts `[N]` by the topmost folder; empty where its name is none of a part.

    Example:
        >>> parts_of_layout(["train/ok/1.png", "validation/ok/2.png", "new/3.png"]).tolist()
        ['train', 'val', '']
    """
    return np.asarray([PART_FOLDERS.get(file.partition("/")[0].lower(), "") for file in files])


class FolderDataModule(ImageDataModule):
    """Images whose class is said by the folder that they lie in.

    A table `corrections.csv` in the root (columns `name` and `class`), as `scripts/label.py relabel=...` writes
    it, overrules the folders of the images that it names.

    Args:
        classes: Class names in the order of the network's outputs.
        defect: Name of the positive class, or None.
        folders: Rules `[folder, class]`: a shell pattern for the last part (or parts: `test/*`) of a folder's
            path, and a class name, or None to leave the folder and all below it out, whatever other rules say.
            Else the rule of the nearest folder holds (its own, its parent's, ...), and of several for one folder
            the first. None: each class has a folder of its name.
        part_folders: Whether the topmost folders (`train`, `val`, `test`) say which part an image is of; `auto`:
            if they have such names.
        **settings: As in `ImageDataModule`.
    """

    split_anew = "data.part_folders=false"

    def __init__(
        self,
        classes: Sequence[str],
        defect: str | None,
        folders: Sequence[Sequence[str | None]] | None,
        part_folders: Literal["auto"] | bool,
        **settings: Any,
    ) -> None:
        super().__init__(labels=Classes(classes, defect), **settings)
        if folders is None:
            folders = [(name, name) for name in classes]
        for rule in folders:
            if len(rule) != 2 or rule[0] is None:
                raise InputError(f"data.folders: {list(rule)} is no rule; expected [folder, class]")
            if rule[1] is not None and rule[1] not in self.labels.names:
                raise InputError(
                    f"data.folders: {list(rule)} names class {rule[1]!r}, "
                    f"which is not in data.classes={list(self.labels.names)}"
                )
        self.folders = [(str(pattern), name) for pattern, name in folders]
        self.part_folders = part_folders

    def _class_of(self, folder: PurePosixPath) -> tuple[str, str | None] | None:
        """The rule for a folder: one that leaves it out, else of the nearest folder that any rule matches."""
        places = [place.as_posix() for place in (folder, *folder.parents)]
        for pattern, name in self.folders:
            if name is None and any(match_folder(place, pattern) for place in places):
                return pattern, name
        for place in places:
            for pattern, name in self.folders:
                if match_folder(place, pattern):
                    return pattern, name
        return None

    def find_samples(self, root: Path) -> Found:
        """Files, class indices and, where the folders say them, parts."""
        images = [path.relative_to(root) for path in find_images(root)]
        if not images:
            raise InputError(f"{root} holds no images (bmp, png, jpg, tif); is data.root the right folder?")
        rules: dict[PurePosixPath, tuple[str, str | None] | None] = {}
        files, targets, used, outside = [], [], set(), Counter[str]()
        for path in images:
            file = PurePosixPath(path.as_posix())
            if file.parent not in rules:
                rules[file.parent] = self._class_of(file.parent)
            rule = rules[file.parent]
            if rule is None:
                outside[file.parent.as_posix()] += 1
                continue
            used.add(rule[0])
            if rule[1] is not None:
                files.append(file.as_posix())
                targets.append(self.labels.names.index(rule[1]))
        self._check_rules(root, used, outside)
        self._correct(root, files, targets)
        parts = self._parts(root, files) if self.whole is None else None
        return Found(files, np.asarray(targets, dtype=np.int64), parts)

    def _correct(self, root: Path, files: Sequence[str], targets: list[int]) -> None:
        """Put right in place what the folders say wrongly."""
        corrections = read_corrections(root / CORRECTIONS, self.labels.names)
        changed = 0
        for row, file in enumerate(files):
            corrected = self.labels.names.index(corrections.pop(file, self.labels.names[targets[row]]))
            changed += corrected != targets[row]
            targets[row] = corrected
        if changed:
            are = "image is" if changed == 1 else "images are"
            self.notes.append(f"{changed} {are} of another class than the folder says ({CORRECTIONS})")
        if corrections:
            self.notes.append(
                f"{CORRECTIONS} names {len(corrections)} images that are not there (for example "
                f"{min(corrections)!r})"
            )

    def _parts(self, root: Path, files: Sequence[str]) -> np.ndarray | None:
        """Parts that the folders say, or None where they say none, or are not asked."""
        parts = parts_of_layout(files)
        if self.part_folders is False or (self.part_folders == "auto" and "train" not in parts):
            deeper = {name for file in files for name in file.lower().split("/")[1:-1]} & set(PART_FOLDERS)
            if self.part_folders == "auto" and "train" in deeper:
                self.notes.append(
                    f"folders of the name train lie below others in {root}: they say nothing of the split there; "
                    "name the folder above them as data.root if they should"
                )
            if self.part_folders is False and {"train", "test"} <= set(parts.tolist()):
                self.notes.append(
                    f"train/ and test/ of {root} are mixed and split anew (data.part_folders=false); "
                    "with data.part_folders=auto they are the parts"
                )
            return None
        outside = [file for file, part in zip(files, parts, strict=True) if not part]
        if outside or "train" not in parts:
            found = (
                f"{len(outside)} images lie outside, for example {outside[0]!r}" if outside else "no train/"
            )
            raise InputError(
                f"data.part_folders={str(self.part_folders).lower()}: expected all images of {root} below train/, "
                f"val/ (if any) and test/, but {found}; move them, leave them out "
                "(data.folders=[[<folder>,null],...]), or take data.part_folders=false to split all anew"
            )
        if "test" not in parts:
            self.notes.append("the set has no test part: nothing is tested")
        return parts

    def _check_rules(self, root: Path, used: set[str], outside: Counter[str]) -> None:
        found = (
            ", ".join("the root itself" if folder == "." else folder for folder in sorted(outside)) or "none"
        )
        for pattern, name in self.folders:
            if name is not None and pattern not in used and (self.whole is None or not used):
                raise InputError(
                    f"data.folders: no image lies in a folder {pattern!r} of {root} (class {name!r}); "
                    f"folders with images that no rule matches: {found}; "
                    f"say which folder is which class: 'data.folders=[[<folder>,{name}],...]'"
                )
        unused = [pattern for pattern, name in self.folders if name is None and pattern not in used]
        if unused:
            self.notes.append(
                f"data.folders: {', '.join(unused)} leaves nothing out: no such folder has images"
            )
        if outside:
            self.notes.append(
                f"{outside.total()} images lie in folders that no rule of data.folders matches and are left out: "
                f"{found}"
            )
