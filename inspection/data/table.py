"""Tables that say which attributes hold for each image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inspection.data.attributes import find_tables, read_attributes, write_attributes
from inspection.data.images import find_images
from inspection.data.labels import Attributes
from inspection.data.module import Found, ImageDataModule
from inspection.data.splits import Samples, check_same_files
from inspection.errors import InputError

SPLIT_FILES = {"train": "train.csv", "val": "valid.csv", "test": "test.csv"}
_LISTED = 5  # rows named in a message


class TableDataModule(ImageDataModule):
    """Images with any number of attributes each, from tables with a column `name` and one an attribute.

    Args:
        classes: Attribute names: columns of the tables, in the order of the network's outputs.
        pictures: Folder below the root that the names in the tables are relative to; `.` for the root itself.
        tables: Shell pattern of the tables, which lie in the root.
        **settings: As in `ImageDataModule`. `splits` may also be a folder with `train.csv`, `valid.csv` and
            `test.csv`, as `scripts/split.py` writes them.
    """

    def __init__(self, classes: Sequence[str], pictures: str, tables: str, **settings: Any) -> None:
        super().__init__(labels=Attributes(classes), **settings)
        self.pictures, self.tables = pictures, tables

    def find_samples(self, root: Path) -> Found:
        """The rows of all tables, each with its picture."""
        try:
            table = read_attributes(find_tables(root, self.tables), self.labels.names)
        except InputError as error:
            names = ",".join(self.labels.names)
            check = f"python scripts/label.py check={root} 'attributes=[{names}]' 'rules=[]'"
            raise InputError(f"{error}\nall that is wrong with the tables: {check}") from None
        folder = root / self.pictures
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; data.pictures={self.pictures} is to name the folder of the images"
            )
        there = {image.relative_to(folder).as_posix() for image in find_images(folder)}
        gone = [row for row, name in enumerate(table.names) if name not in there]
        if gone:
            cases = [
                f"{table.where[row][0]}, line {table.where[row][1]}: no image {table.names[row]!r} in {folder}"
                for row in gone
            ]
            rows = "\n".join(cases[:_LISTED])
            more = f"\n... and {len(gone) - _LISTED} rows more" if len(gone) > _LISTED else ""
            self.refuse(
                cases,
                f"{rows}{more}\nadd the images, remove the rows, or name the images' folder (data.pictures)",
            )
        if table.repeated:
            self.notes.append(f"{table.repeated} rows say again what an earlier row says of the same image")
        kept = [row for row, name in enumerate(table.names) if name in there]
        unnamed = len(there) - len(kept)
        if unnamed:
            first = min(there - set(table.names))
            self.notes.append(f"{unnamed} images stand in no table and are left out (for example {first!r})")
        prefix = "" if self.pictures in ("", ".") else f"{Path(self.pictures).as_posix()}/"
        return Found([prefix + table.names[row] for row in kept], table.values[kept])

    def read_given_split(self, place: Path, files: Sequence[str], targets: np.ndarray) -> np.ndarray:
        """Part names `[N]` out of a `splits.csv`, or a folder with a table for each part."""
        if not place.is_dir():
            return super().read_given_split(place, files, targets)
        tables = {part: place / name for part, name in SPLIT_FILES.items() if (place / name).is_file()}
        for part in ("train", "val"):
            if part not in tables:
                raise InputError(
                    f"data.splits={place}: {SPLIT_FILES[part]} is missing; python scripts/split.py writes it"
                )
        row_of = {Path(file).relative_to(self.pictures).as_posix(): row for row, file in enumerate(files)}
        part_of: dict[str, str] = {}
        for part, path in tables.items():
            table = read_attributes([path], self.labels.names)
            for name, values, (_, line) in zip(table.names, table.values, table.where, strict=True):
                if name in part_of:
                    raise InputError(
                        f"{path}, line {line}: {name!r} stands in {SPLIT_FILES[part_of[name]]}, too; an image is "
                        "of one part"
                    )
                part_of[name] = part
                row = row_of.get(name)
                if row is not None and (targets[row] != values).any():
                    raise InputError(
                        f"{path}, line {line}: {name!r} has other attributes there than in the data; "
                        "split anew (scripts/split.py)"
                    )
        check_same_files(place, part_of.keys(), list(row_of))
        return np.asarray([part_of[name] for name in row_of])


def write_split_tables(folder: Path, samples: Samples, pictures: str) -> list[Path]:
    """Write `train.csv`, `valid.csv` and `test.csv`: names and attributes of each part.

    Args:
        folder: Where they go.
        samples: A table's samples, dealt out.
        pictures: As in `TableDataModule`.

    Returns:
        What was written; a part without an image has no table, and one of an earlier split is removed.
    """
    written = []
    for part, name in SPLIT_FILES.items():
        rows, path = samples.rows(part), folder / name
        if not len(rows):
            path.unlink(missing_ok=True)
            continue
        names = [Path(samples.files[row]).relative_to(pictures).as_posix() for row in rows]
        write_attributes(path, names, samples.targets[rows], samples.labels.names)
        written.append(path)
    return written
