"""What a run says on the console."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.utilities import rank_zero_only
from torch import nn
from tqdm import tqdm

from inspection.data.module import ImageDataModule
from inspection.data.splits import PARTS, Samples
from inspection.runs.checkpoints import trainable_and_total
from inspection.runs.commands import number, table
from inspection.runs.hardware import Hardware
from inspection.tasks.operating import OperatingPoint, in_words
from inspection.tasks.outcomes import Cell, Outcome, Sure


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
    size = "x".join(map(str, data.geometry.shape))
    print(f"\n{task['name']}: {task['question']}")
    place, count = _from_here(data.root), len(data.samples.files)
    print(f"\ndata      {kind} in {place}: {count}, seen as {size}, balance: {data.balance}")
    announce_split(data, data.samples)


def announce_split(data: ImageDataModule, samples: Samples) -> None:
    """How the images were split, how many of what are where, and what a person should know of it."""
    print(f"split     {data.split_by}")
    print(table(split_rows(data, samples)))
    for note in data.notes:
        print(f"note: {note}")


def split_rows(data: ImageDataModule, samples: Samples) -> list[list[str]]:
    """How many of what are in which part, as the rows of a table with its names."""
    parts = {part: samples.targets[samples.rows(part)] for part in PARTS} | {"all": samples.targets}
    rows, counts = [["", *parts]], data.labels.counts(parts)
    if samples.kinds is None:
        rows += counts
    else:
        for row, holds in zip(counts, data.labels.indicators(samples.targets).T, strict=True):
            rows += [row, *_rows_of_kinds(samples, np.asarray(samples.kinds), holds)]
    sizes = [str(len(samples.rows(part))) for part in PARTS]
    rows.append(["images", *sizes, str(len(samples.files))])
    return rows


def _rows_of_kinds(samples: Samples, kinds: np.ndarray, holds: np.ndarray) -> list[list[str]]:
    """A row for each kind of a class's images, bool `[N]`; none where one kind is all of the class."""
    names = np.unique(kinds[holds])
    if len(names) < 2:
        return []
    rows = []
    for name in names:
        own = [int((holds & (kinds == name))[samples.rows(part)].sum()) for part in PARTS]
        rows.append([f"  {name}", *map(str, own), str(sum(own))])
    return rows


def network_name(network: nn.Module) -> str:
    """What a person calls a network: `resnet18`, or the name of its class."""
    return str(getattr(network, "name", type(network).__name__))


def announce_network(network: nn.Module, hardware: Hardware, run: Path) -> None:
    """Network, parameters, hardware and where the run lies."""
    trainable, total = trainable_and_total(network)
    share = "all trainable" if trainable == total else f"{trainable:,} trainable"
    layout = ", channels last" if hardware.channels_last else ""
    print(f"network   {network_name(network)}, {total:,} parameters, {share}")
    for note in getattr(network, "notes", ()):
        print(f"          {note}")
    print(f"hardware  {hardware.description}; {hardware.precision}{layout}; evaluation in float32")
    print(f"run       {run}\n", flush=True)


def print_figures(outcomes: Mapping[str, Outcome], weights: str, synthetic: bool) -> None:
    """The figures of some weights on all parts, and what there is to say of the last, the test part."""
    if not outcomes:
        return
    kind = ", SYNTHETIC images" if synthetic else ""
    part, last = list(outcomes.items())[-1]
    headline, *others = last.tables(outcomes)
    print(f"\n{weights} ({headline.title}{kind})")
    print(table([[_text(cell) for cell in row] for row in headline.rows]))
    for each in others:
        print(f"\n{part} images: {each.title}")
        print(table([[_text(cell) for cell in row] for row in each.rows]))


def _text(cell: Cell) -> str:
    if isinstance(cell, Sure):
        if cell.interval is None:
            return number(cell.value)
        low, high = cell.interval
        return f"{number(cell.value)} ({low:.3g} to {high:.3g})"
    return number(cell) if isinstance(cell, float) else str(cell)


def print_operating_point(operating: OperatingPoint, outcomes: Mapping[str, Outcome]) -> None:
    """When a part is called what, what that achieves on the images it was chosen on, and how sure it is."""
    (_, rule), *thresholds = in_words(operating.to_dict())
    print(f"\noperating point: {rule}")
    for what, line in thresholds:
        print(f"  {what} {line}")
    if operating.calibration:
        temperatures = operating.decision.to_dict()
        heats = temperatures.get("temperatures") or {"": temperatures["temperature"]}
        parts = {part: outcome.calibration() for part, outcome in outcomes.items()}
        for name, heat in heats.items():
            errors = ", ".join(
                f"{part} {each[name]['before']:.3f} -> {each[name]['after']:.3f}"
                for part, each in parts.items()
                if name in each
            )
            print(f"  {f'{name} ' if name else ''}temperature {heat:.3g}: calibration error {errors}")


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
