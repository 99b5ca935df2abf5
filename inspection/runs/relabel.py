"""Which labels do the networks of a cross-validation contradict? A list to look through in the labelling tool."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inspection.audit.confident import doubt
from inspection.audit.findings import Case, Finding, counted
from inspection.audit.folds import OutOfSample, read_folds
from inspection.audit.sheets import draw_finding
from inspection.data.attributes import find_tables
from inspection.data.corrections import CORRECTIONS
from inspection.data.folder import FolderDataModule
from inspection.data.module import ImageDataModule
from inspection.data.table import TableDataModule
from inspection.inspector.plain import write_json
from inspection.pictures.files import write_png
from inspection.runs import console

LIST, PLACE, PICTURE = "relabel.csv", "relabel.json", "relabel.png"
_SHOWN = 10
_YES_NO = ("False", "True")


@dataclass(frozen=True)
class Doubt:
    """A label that is probably wrong.

    Attributes:
        file: Of the image.
        attribute: That is in doubt; empty where an image is of one class.
        given: The label.
        suggested: What the networks say.
        confidence: Probability of that, 0..1.
        margin: It, less the probability of the label.
    """

    file: str
    attribute: str
    given: str
    suggested: str
    confidence: float
    margin: float

    @property
    def text(self) -> str:
        """In words."""
        of = f"{self.attribute} " if self.attribute else ""
        return f"{of}{self.given}, the networks say {self.suggested} ({self.confidence:.2f})"


def relabel(data: ImageDataModule, sweep: Path, output: Path) -> int:
    """List the labels that are contradicted most confidently, with pictures of the first.

    Args:
        data: Of the sweep.
        sweep: Folder of a sweep over folds.
        output: Folder for `relabel.csv`, what the labelling tool needs to know, and pictures.

    Returns:
        Exit status 0.

    Raises:
        InputError: The data have no labels of this kind, or the sweep does not fit them; see `read_folds`.
    """
    found = data.find()
    said = read_folds(sweep, found.files, found.targets, data.labels)
    row_of = {file: row for row, file in enumerate(found.files)}
    doubts = find_doubts(data, said, found.targets[[row_of[file] for file in said.files]])
    output.mkdir(parents=True, exist_ok=True)
    _write(output, data, doubts)
    _say(data, said, doubts, sweep, output)
    return 0


def find_doubts(data: ImageDataModule, said: OutOfSample, targets: np.ndarray) -> list[Doubt]:
    """The labels that are contradicted, the most confidently first.

    Args:
        data: Of the images.
        said: What networks said of them.
        targets: Their labels, `[N]` or bool `[N, A]`.
    """
    names = data.labels.names
    doubts = []
    if data.labels.columns == ("class",):
        found = doubt(said.probabilities, targets)
        for row, suggested, margin in zip(found.rows, found.suggested, found.margins, strict=True):
            confidence = float(said.probabilities[row, suggested])
            given = names[int(targets[row])]
            doubts.append(Doubt(said.files[row], "", given, names[suggested], confidence, float(margin)))
        return doubts
    for place, name in enumerate(names):
        true = said.probabilities[:, place]
        answers = targets[:, place].astype(np.int64)
        found = doubt(np.stack([1 - true, true], axis=1), answers)
        for row, suggested, margin in zip(found.rows, found.suggested, found.margins, strict=True):
            confidence = float(true[row] if suggested else 1 - true[row])
            given, other = _YES_NO[answers[row]], _YES_NO[suggested]
            doubts.append(Doubt(said.files[row], name, given, other, confidence, float(margin)))
    return sorted(doubts, key=lambda one: -one.margin)


def _write(output: Path, data: ImageDataModule, doubts: list[Doubt]) -> None:
    with (output / LIST).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "attribute", "given", "suggested", "confidence", "margin"])
        for one in doubts:
            numbers = [f"{one.confidence:.4f}", f"{one.margin:.4f}"]
            writer.writerow([one.file, one.attribute, one.given, one.suggested, *numbers])
    write_json(output / PLACE, _place(data))
    if doubts:
        cases = tuple(Case(f"): {one.text}", (one.file,)) for one in doubts)
        finding = Finding("relabel", "warning", "", cases)
        sheet = draw_finding(finding, lambda file: data.geometry.picture(data.camera_image(file)), {})
        write_png(output / PICTURE, sheet)


def _place(data: ImageDataModule) -> dict[str, object]:
    """Where the labelling tool finds the images and writes their labels; no tables: it can't."""
    tables: list[Path] = []
    pictures = "."
    if isinstance(data, TableDataModule):
        tables, pictures = find_tables(data.root, data.tables), data.pictures
    elif isinstance(data, FolderDataModule):
        tables = [data.root / CORRECTIONS]
    return {
        "root": str(data.root.resolve()),
        "pictures": pictures,
        "kind": data.labels.kind,
        "names": list(data.labels.names),
        "tables": [str(table.resolve()) for table in tables],
    }


def _say(data: ImageDataModule, said: OutOfSample, doubts: list[Doubt], sweep: Path, output: Path) -> None:
    kind = "SYNTHETIC images" if data.is_synthetic else "images"
    total = len(said.files) + len(said.untested)
    runs = counted(len(said.runs), "run", "runs")
    print(f"\n{len(said.files)} of {total} {kind} in {data.root} were tested by {runs} of {sweep}")
    if said.without:
        print(
            f"note: {counted(len(said.without), 'run', 'runs')} without predictions: {said.without[0]}, ..."
        )
    if said.untested:
        print(
            f"note: {len(said.untested)} images were tested by no run (for example {said.untested[0]!r}): nothing "
            "is said of them; a sweep over all folds tests each image once (data.fold=0,1,2,3,4)"
        )
    images = len({one.file for one in doubts})
    print(
        f"\nlabels that the networks contradict: {counted(len(doubts), 'label', 'labels')} of {images} images"
    )
    rows = [["file", "attribute", "given", "suggested", "confidence", "margin"]]
    for one in doubts[:_SHOWN]:
        figures = [f"{one.confidence:.3f}", f"{one.margin:.3f}"]
        rows.append([one.file, one.attribute or "-", one.given, one.suggested, *figures])
    if doubts:
        print(console.table(rows))
        if len(doubts) > _SHOWN:
            print(f"  ... {len(doubts) - _SHOWN} more")
    print(f"\n{output / LIST}")
    if doubts and _place(data)["tables"]:
        print(f"look through them: python scripts/label.py relabel={output / LIST}", flush=True)
