"""What a run says on the console."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from tqdm import tqdm

from inspection.data.module import ImageDataModule
from inspection.data.splits import PARTS
from inspection.runs.hardware import Hardware
from inspection.tasks.classification import Outcome

HEADLINES = ("f1", "precision", "recall", "accuracy", "balanced_accuracy", "auroc", "average_precision")


def number(value: float | None) -> str:
    """A figure for people: four decimals, or `undefined`."""
    return "undefined" if value is None or math.isnan(value) else f"{value:.4f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def steps() -> Callable[[str, int, int], None]:
    """A reporter of slow preparations: a bar on a terminal, else one line when something is done.

    Of several processes, which all prepare, the first reports.
    """
    bars: dict[str, Any] = {}

    def report(what: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            if what not in bars:
                bars[what] = tqdm(total=total, desc=what, unit="image", leave=False)
            bars[what].update(done - bars[what].n)
            if done >= total:
                bars.pop(what).close()
        elif done >= total:
            print(f"{what}: {total}", flush=True)

    return rank_zero_only(report)


def _from_here(path: Path) -> Path:
    """A path below the working directory as one would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def announce_data(task: Mapping[str, Any], data: ImageDataModule) -> None:
    """The question, the data in capitals when synthetic, and the split."""
    kind = "SYNTHETIC images" if data.is_synthetic else "images"
    size = "x".join(map(str, (data.geometry.channels, *data.geometry.image_size)))
    print(f"\n{task['name']}: {task['question']}")
    place, count = _from_here(data.root), len(data.samples.files)
    print(f"\ndata      {kind} in {place}: {count}, seen as {size}, balance: {data.balance}")
    counts = [data.samples.counts(part, len(data.classes)) for part in PARTS]
    rows = [["", *PARTS, "all"]]
    for index, name in enumerate(data.classes):
        label = f"{name} (defect class)" if name == data.defect and name != "defect" else name
        row = [int(count[index]) for count in counts]
        rows.append([label, *map(str, row), str(sum(row))])
    rows.append(["all", *(str(int(count.sum())) for count in counts), str(len(data.samples.files))])
    print(table(rows))
    for note in data.notes:
        print(f"note: {note}")


def announce_network(name: str, trainable: int, total: int, hardware: Hardware, run: Path) -> None:
    """Network, parameters, hardware and where the run lies."""
    share = "all trainable" if trainable == total else f"{trainable:,} trainable"
    layout = ", channels last" if hardware.channels_last else ""
    print(f"network   {name}, {total:,} parameters, {share}")
    print(f"hardware  {hardware.description}; {hardware.precision}{layout}; evaluation in float32")
    print(f"run       {run}\n", flush=True)


def print_figures(
    outcomes: Mapping[str, Outcome],
    weights: str,
    classes: Sequence[str],
    defect: str | None,
    synthetic: bool,
) -> None:
    """The table of figures of some weights, and the confusion matrix of the test part."""
    of = f"of {defect!r}" if defect is not None else "mean over classes"
    kind = ", SYNTHETIC images" if synthetic else ""
    print(f"\n{weights} (f1, precision, recall: {of}{kind})")
    rows = [["", *outcomes]]
    rows += [
        [name, *(number(outcome.figures[name]) for outcome in outcomes.values())]
        for name in (*HEADLINES, "loss")
    ]
    print(table(rows))
    if "test" in outcomes:
        print("\ntest images: target in rows, verdict in columns")
        lines = [["", *classes]]
        lines += [
            [name, *(str(int(count)) for count in row)]
            for name, row in zip(classes, outcomes["test"].confusion, strict=True)
        ]
        print(table(lines))


def print_places(run: Path, files: Mapping[str, str], board: str | None) -> None:
    """Where everything lies: those of the files that are there, and the folder that TensorBoard shows."""
    print(f"\n{run}")
    width = max(map(len, files))
    for file, what in files.items():
        if (run / file).exists():
            print(f"  {file.ljust(width)}  {what}")
    if board is not None:
        print(f"look at it:  tensorboard --logdir {board}")
    sys.stdout.flush()
