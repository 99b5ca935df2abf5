"""The images of a data set whose labels are in doubt, and the tables in which these are put right."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from inspection.data.attributes import read_attributes
from inspection.data.corrections import correct_attributes, read_corrections, write_corrections
from inspection.data.csv_rows import find_column, image_path, read_lines, refuse
from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.labelling.lock import lock
from inspection.labelling.store import Store, Values

PLACE = "relabel.json"
_COLUMNS = ("file", "attribute", "given", "suggested", "confidence")
_YES_NO = ("False", "True")
_AGAIN = "python scripts/audit.py task=... sweep=<folder>"


@dataclass(frozen=True)
class Doubted:
    """Images to look through, as `scripts/audit.py sweep=...` lists them.

    Attributes:
        root: Folder of the data set.
        pictures: Folder below it that names in its tables are relative to.
        names: Classes, or attributes.
        exclusive: Whether an image is of one of the classes.
        tables: That hold the labels: the corrections of class folders, or all tables of attributes.
        files: Paths below the root, each once, the most doubtful first.
        given: Class of each file when the list was made; empty for attributes.
        hints: What the networks said of each file.
    """

    root: Path
    pictures: str
    names: tuple[str, ...]
    exclusive: bool
    tables: tuple[Path, ...]
    files: tuple[str, ...]
    given: Mapping[str, str]
    hints: Mapping[str, str]


def read_doubted(path: Path) -> Doubted:
    """Read `relabel.csv` and what lies beside it.

    Raises:
        InputError: They are not there, or are something else; or no table can change these labels.
    """
    place = path.parent / PLACE
    if not path.is_file() or not place.is_file():
        missing = place if path.is_file() else path
        raise InputError(f"relabel={path}: {missing} is missing; {_AGAIN} writes it")
    about = _about(place)
    if not about["tables"]:
        raise InputError(
            f"{path}: the folders of {about['root']} say the labels, and no table can overrule them there; "
            "move the files that are in the wrong folder"
        )
    root, names = Path(about["root"]), tuple(about["names"])
    if not root.is_dir():
        raise InputError(f"{place}: root {root} does not exist; was it moved? Make the list anew: {_AGAIN}")
    exclusive = about["kind"] == "class"
    given: dict[str, str] = {}
    hints: dict[str, str] = {}
    for file, attribute, label, suggested, confidence in _rows(path, names, exclusive):
        if not attribute:
            given[file] = label
        said = f"{f'{attribute}: ' if attribute else ''}{suggested} ({confidence:.2f})"
        hints[file] = f"{hints[file]}, {said}" if file in hints else f"networks: {said}"
    if not hints:
        raise InputError(f"{path}: no label is in doubt, there is nothing to look through")
    tables = tuple(map(Path, about["tables"]))
    return Doubted(root, about["pictures"], names, exclusive, tables, tuple(hints), given, hints)


def _about(place: Path) -> dict[str, Any]:
    """What an audit wrote of the data set.

    Raises:
        InputError: It is something else.
    """
    try:
        about = json.loads(place.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:  # also what is not UTF-8
        raise InputError(f"{place}: can't be read ({error}); make the list anew: {_AGAIN}") from None
    kinds = {"root": str, "pictures": str, "kind": str, "names": list, "tables": list}
    for key, kind in kinds.items():
        value = about.get(key) if isinstance(about, dict) else None
        if not isinstance(value, kind) or (kind is list and not all(isinstance(one, str) for one in value)):
            raise InputError(f"{place}: {key} is {value!r}; expected what an audit writes: {_AGAIN}")
    return dict(about)


def _rows(path: Path, names: Sequence[str], exclusive: bool) -> list[tuple[str, str, str, str, float]]:
    """File, attribute, label, suggested label and confidence of each row.

    Raises:
        InputError: Rows that an audit does not write.
    """
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path}: is empty; expected the list of an audit")
    header = [column.strip() for column in lines[0][1]]
    places = [find_column(path, header, column) for column in _COLUMNS]
    labels = names if exclusive else _YES_NO
    found, faults = [], []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            faults.append(f"{path}, line {line}: {len(fields)} fields, the header has {len(header)}")
            continue
        file, attribute, given, suggested, confidence = (fields[at].strip() for at in places)
        wrong = [label for label in (given, suggested) if label not in labels]
        if image_path(file) is None:
            faults.append(f"{path}, line {line}: {file!r}; expected the path of an image below the root")
        elif attribute not in ([""] if exclusive else names):
            expected = "none" if exclusive else f"one of {', '.join(names)}"
            faults.append(f"{path}, line {line}: attribute {attribute!r}; expected {expected}")
        elif wrong:
            faults.append(f"{path}, line {line}: label {wrong[0]!r}; expected one of {', '.join(labels)}")
        elif (share := _share(confidence)) is None:
            faults.append(f"{path}, line {line}: confidence {confidence!r}; expected 0 to 1, with a point")
        else:
            found.append((file, attribute, given, suggested, share))
    refuse(faults, "rows that can't be used")
    return found


def _share(text: str) -> float | None:
    """A number from 0 to 1; None when it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def store_of(doubted: Doubted) -> Store:
    """Where the labels are put right."""
    return ClassLabels(doubted) if doubted.exclusive else AttributeLabels(doubted)


class ListedImages:
    """Listed images in the place of frames; nothing of them is copied.

    Args:
        doubted: The images.
    """

    announced = None
    note = ""

    def __init__(self, doubted: Doubted) -> None:
        self.path, self.name = doubted.root, doubted.root.name
        self._files, self._hints = doubted.files, doubted.hints

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self._files)

    def reach(self, number: int) -> int:
        """See `Frames`."""
        return min(max(number, 0), len(self._files) - 1)

    def picture(self, number: int) -> np.ndarray:
        """See `Frames`."""
        return read_image(self.path / self._files[number])

    def file_name(self, number: int) -> str:
        """Path below the root of the data set."""
        return self._files[number]

    def file_bytes(self, number: int) -> bytes:
        """See `Frames`."""
        return (self.path / self._files[number]).read_bytes()

    def number_of(self, file_name: str) -> int | None:
        """See `Frames`."""
        return self._files.index(file_name) if file_name in self._files else None

    def hint(self, number: int) -> str:
        """What the networks said."""
        return self._hints[self._files[number]]

    def release(self) -> None:
        """Nothing is held."""


class _DataSetLabels:
    """What both kinds of labels of a data set share: one tool at a time, and nothing is deleted."""

    def __init__(self, doubted: Doubted) -> None:
        self.doubted = doubted
        self.table, self.pictures = doubted.tables[0], doubted.root
        self._lock: IO[str] | None = None

    def hold(self) -> None:
        """Keep other labelling tools away."""
        if self._lock is None:
            self._lock = lock(self.table)

    def close(self) -> None:
        """Let others at it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self, name: str) -> tuple[Values, bytes]:
        """Refused: an image of a data set has a label."""
        raise InputError("labels of a data set are changed here, and not deleted")


class ClassLabels(_DataSetLabels):
    """Classes that the folders of a data set say, and its table of corrections overrules.

    Args:
        doubted: The images.
    """

    def __init__(self, doubted: Doubted) -> None:
        super().__init__(doubted)
        self._corrections: dict[str, str] = {}
        self.refresh()

    def __len__(self) -> int:
        return sum(file in self._corrections for file in self.doubted.files)

    @property
    def names(self) -> list[str]:
        """Of the listed images."""
        return list(self.doubted.files)

    def get(self, name: str) -> Values | None:
        """Which class it is: corrected, or as the list says."""
        own = self._corrections.get(name, self.doubted.given[name])
        return tuple(one == own for one in self.doubted.names)

    def put(self, name: str, values: Values, content: Callable[[], bytes]) -> None:
        """Write a correction."""
        self.hold()
        self.refresh()
        if sum(values) != 1:
            raise InputError("an image is of one class")
        chosen = self.doubted.names[values.index(True)]
        # Also where it is what the list says: another correction may have been there when the list was made.
        changed = {**self._corrections, name: chosen}
        write_corrections(self.table, changed)
        self._corrections = changed

    def refresh(self) -> None:
        """Read the corrections."""
        self._corrections = read_corrections(self.table, self.doubted.names)


class AttributeLabels(_DataSetLabels):
    """Attributes of images in the tables of a data set.

    Args:
        doubted: The images.
    """

    def __init__(self, doubted: Doubted) -> None:
        super().__init__(doubted)
        prefix = "" if doubted.pictures in ("", ".") else f"{Path(doubted.pictures).as_posix()}/"
        self._name_of = {file: file.removeprefix(prefix) for file in doubted.files}
        self._values: dict[str, Values] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self.doubted.files)

    @property
    def names(self) -> list[str]:
        """Of the listed images."""
        return list(self.doubted.files)

    def get(self, name: str) -> Values | None:
        """What the tables say."""
        return self._values.get(self._name_of[name])

    def put(self, name: str, values: Values, content: Callable[[], bytes]) -> None:
        """Change the rows of an image, in each table that has one."""
        self.hold()
        wanted = dict(zip(self.doubted.names, values, strict=True))
        found = [correct_attributes(table, self._name_of[name], wanted) for table in self.doubted.tables]
        if not any(found):
            raise InputError(f"{self.table.parent}: {self._name_of[name]!r} stands in no table any more")
        self.refresh()

    def refresh(self) -> None:
        """Read the tables."""
        table = read_attributes(self.doubted.tables, self.doubted.names)
        self._values = {
            name: tuple(row) for name, row in zip(table.names, table.values.tolist(), strict=True)
        }


def known_rules(rules: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[str]]:
    """The rules that speak of these names: those of the config are of the seam's attributes, mostly.

    >>> known_rules([["good", "error"], ["good", "hole"]], ["good", "hole"])
    [['good', 'hole']]
    """
    return [list(rule) for rule in rules if set(rule) <= set(names)]
