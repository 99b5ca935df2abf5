"""A trained run as a file for another runtime, compared with the run before anybody relies on it."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from inspection.data.module import ImageDataModule
from inspection.errors import InputError
from inspection.export.folder import FAILED, PARITY, writing, written_aside
from inspection.export.parity import (
    SAME,
    SHOWN,
    Allowed,
    Figure,
    Judged,
    Parity,
    changes,
    compare,
    complaints,
    exceeded,
    judge,
    only_measures,
    report,
)
from inspection.export.write import (
    FORMATS,
    FP32,
    INT8,
    check_format,
    check_packages,
    describe,
    metadata_of,
    program_of,
    write_program,
)
from inspection.inspector import Inspector
from inspection.inspector.files import BESIDE
from inspection.inspector.plain import write_json
from inspection.runs import console
from inspection.runs.commands import announce_inspector, number, table
from inspection.runs.evaluate import Rebuilt, outcome_with, rebuild
from inspection.tasks.outcomes import Outcome

if TYPE_CHECKING:
    from onnx import ModelProto

_ERRORS = frozenset({"mae", "rmse", "worst", "loss", "ece"})  # figures that get better downwards
_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf")


def export(config: Mapping[str, Any]) -> int:
    """Export a run's inspector, and compare it with the run from the raw file to the verdict.

    Args:
        config: Plain values, see `conf/export.yaml`.

    Returns:
        Exit status 0.

    Raises:
        InputError: If the run can't be used, there is no such format or precision, or the exported inspector does
            not say what the trained one says: of the export, `parity_failed.json` alone is left then.
    """
    run, form, precision = Path(config["run"]), config["format"], config["precision"]
    check_format(form, precision)
    _check_numbers(config)
    check_packages(form, precision)  # before a minute goes into images and graphs
    rebuilt = rebuild(run, {})
    rows = rebuilt.data.samples.rows("val")
    if not len(rows):
        raise InputError(
            f"run={run}: it has no validation images, and an export is compared with the run on them; "
            "train again with a part for validation"
        )
    job = _Export(rebuilt, dict(config), rows)
    announce_inspector(rebuilt.inspector.passport)
    print(rebuilt.inspector.answers.operating_point())
    for note in job.notes:
        print(f"note: {note}")
    network = console.network_name(rebuilt.inspector.model.network)
    print(f"\nexport     {network} as {FORMATS[form].name}, {precision}")
    output = Path(config["output"] or run / "export" / f"{form}_{precision}")
    with written_aside(output) as folder:
        wrong, parity = job.make(folder)
        sizes = [[path.name, _size(path)] for path in sorted(folder.iterdir())]
    if wrong:
        earlier = f"; {output} keeps the export that was there" if (output / PARITY).exists() else ""
        fault, remedy = job.failure(parity)
        raise InputError(
            f"the exported inspector {fault}:\n"
            + "\n".join(f"  {line}" for line in wrong)
            + f"\nof this one {output / FAILED} alone is left{earlier}; {remedy}"
        )
    print(f"\n{output}\n{table(sizes)}")
    print(f"on the line:  Inspector.load({file_of(form, output).as_posix()!r})", flush=True)
    return 0


@dataclass
class _Export:
    """One export of a run.

    Attributes:
        rebuilt: The run with its images.
        config: See `conf/export.yaml`.
        rows: Of the validation images.
    """

    rebuilt: Rebuilt
    config: dict[str, Any]
    rows: NDArray[np.int64]

    def __post_init__(self) -> None:
        self.form, self.precision = self.config["format"], self.config["precision"]
        self.notes = unfinished(self.rebuilt.inspector)
        self.allowed = None if self.precision == FP32 else self.bounds()
        count = self.config["images"]
        self.compared = self.rows if count is None else spread(self.rebuilt.data, self.rows, count)
        self.judged: list[Judged] | None = None  # the trained one's verdicts, once they were asked for
        self.outcome = outcome_with(self.rebuilt, self.rebuilt.inspector)
        self.metadata = metadata_of(self.rebuilt.inspector, self.precision)
        self.making: list[str] = []  # notes of how the graph was made

    def bounds(self) -> Allowed:
        """Of bf16 and int8."""
        most, changed = self.config["max_drop"], self.config["max_changed"]
        if changed is not None and only_measures(self.rebuilt.inspector.decision):
            self.notes.append("no alarm is set: there are no verdicts that max_changed could bound")
            changed = None
        return Allowed(float(most), None if changed is None else float(changed))

    def failure(self, parity: Parity) -> tuple[str, str]:
        """Of an export that does not hold: what is wrong with it, and what a person can do about that."""
        if not parity.compared:
            remedy = "train on until it finds some, or give images that show what it finds"
            return "could not be compared with the trained one", remedy
        return "does not say what the trained one says", self.remedy(parity)

    def remedy(self, parity: Parity) -> str:
        """What a person can do about an export that says something else."""
        if self.precision == FP32:
            if (
                parity.changed
                and not parity.unmatched
                and all(each.bounded <= SAME for each in parity.differences)
            ):
                return (
                    "the numbers are the same to a rounding, and the operating point lies within it: the network "
                    "hardly tells these images apart; train on, or choose another point with scripts/decide.py"
                )
            return f"that is a fault of the exporter, not yours: please report it with {FAILED}"
        other = (
            "precision=bf16 or fp32"
            if (self.form, self.precision) == ("openvino", INT8)
            else "precision=fp32"
        )
        return f"take {other}, or allow more with max_drop or max_changed"

    def make(self, folder: Path) -> tuple[list[str], Parity]:
        """Write the inspector and its comparison, as a failed one where it does not hold: why, if so; and it."""
        path, data = file_of(self.form, folder), self.rebuilt.data
        program = program_of(self.rebuilt.inspector, self.form, self.precision, self.config["heatmaps"])
        if self.precision == INT8:
            self.quantise(program, path)
        else:
            write_program(program, self.form, path, self.metadata)
        exported = Inspector.load(path)
        parity = compare(
            self.rebuilt.inspector,
            exported,
            data.camera_image,
            self.files,
            self.config["heatmaps"],
            data.batch_size,
            console.steps(),
        )
        figure = self.figure(exported)
        values = {
            "format": self.form,
            "precision": self.precision,
            "run": self.rebuilt.folder.as_posix(),
            "part": "val",
            "trained": self.rebuilt.inspector.backend.name,
            "exported": exported.backend.name,
            **report(parity, figure, self.allowed),
            "notes": [*self.notes, *self.making],
            "versions": _versions(),
        }
        wrong = complaints(parity, figure, self.allowed)
        files = {FAILED if wrong else PARITY: values}
        if not wrong:
            apart = {each.what: each.most for each in parity.differences}
            summary = {"held": True, "images": parity.images, "largest_differences": apart}
            described = describe(exported, self.form, self.metadata)
            files[BESIDE] = {**described, "parity": summary, "notes": values["notes"]}
        with writing(folder.parent):
            for name, content in files.items():
                write_json(folder / name, content)
        _say(parity, figure, self.making, values["warnings"])
        return wrong, parity

    def quantise(self, program: Any, path: Path) -> None:
        """Write a graph that computes with integers, except for layers that lose too much by it."""
        from inspection.export.formats.onnx import as_onnx
        from inspection.export.quantise import quantised, restored

        data = self.rebuilt.data
        chosen = spread(data, self.rows, self.config["calibration"])
        images = [image.numpy() for image in data.images(chosen)]
        answer = self.rebuilt.inspector.answers.answer
        made = quantised(as_onnx(program), answer, images, self.form)
        self.making.append(f"calibrated on {made.images} of {len(self.rows)} validation images")

        def wrong(model: "ModelProto", form: str = self.form) -> list[str]:
            with tempfile.TemporaryDirectory(dir=path.parent) as aside:
                place = file_of(form, Path(aside))
                write_quantised(model, form, place, self.metadata)
                return self.exceeded(Inspector.load(place))

        best = made
        if first := wrong(made.model):
            self.making.append(f"with {made.integer} layers in int8: {'; '.join(first)}")
            if self.form == "openvino" and not wrong(made.model, "onnx"):  # it computes some graphs otherwise
                self.making.append(
                    "with ONNX Runtime the same graph stays within these bounds: consider format=onnx"
                )
            found = restored(made, images, lambda model: not wrong(model))
            if found is None:
                self.making.append("no choice of layers that was tried stays within these bounds")
            else:  # otherwise what all layers in int8 cost is shown
                best = found
        every = len(best.structure.layers)
        kept = [layer.name for layer in best.structure.layers if layer.node in best.floats]
        stay = f"; in float32: {', '.join(kept[:6])}{', ...' if len(kept) > 6 else ''}" if kept else ""
        self.making.append(f"{best.integer} of {every} layers compute in int8{stay}")
        write_quantised(best.model, self.form, path, self.metadata)

    @property
    def files(self) -> list[str]:
        """That trained and exported inspector are compared on."""
        return [self.rebuilt.data.samples.files[row] for row in self.compared]

    def figure(self, exported: Inspector) -> Figure:
        """The run's main figure on all validation images, of both."""
        name, mode = main_figure(self.rebuilt.task.monitor, self.rebuilt.task.mode, self.outcome)
        other = outcome_with(self.rebuilt, exported)
        return Figure(name, mode, self.outcome.figures[name], other.figures[name], len(self.rows))

    def exceeded(self, exported: Inspector) -> list[str]:
        """Why a graph can't be used: what will be complained of once it is compared in full."""
        assert self.allowed is not None
        figure, changed = self.figure(exported), 0
        if self.allowed.max_changed is not None or not math.isfinite(figure.trained):
            data = self.rebuilt.data
            if self.judged is None:
                self.judged = judge(self.rebuilt.inspector, data.camera_image, self.files, data.batch_size)
            judged = judge(exported, data.camera_image, self.files, data.batch_size)
            changed = len(changes(self.files, self.judged, judged))
        return exceeded(changed, len(self.compared), figure, self.allowed)


def file_of(form: str, folder: Path) -> Path:
    """The graph's file in the folder of an export."""
    return folder / f"inspector{FORMATS[form].suffix}"


def write_quantised(model: "ModelProto", form: str, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a quantised graph for one of the runtimes."""
    if form == "onnx":
        from inspection.export.formats.onnx import save_onnx

        save_onnx(model, path, metadata)
    else:
        from inspection.export.formats.openvino import from_onnx, save_openvino
        from inspection.export.structure import with_added_biases

        save_openvino(from_onnx(with_added_biases(model)), path, metadata)


def main_figure(monitor: str, mode: str, outcome: Outcome) -> tuple[str, Literal["max", "min"]]:
    """What a run is judged by: the figure that its training followed, else the first of its main figures."""
    name = monitor.partition("/")[2]
    if name in outcome.figures:
        return name, "max" if mode == "max" else "min"
    name = next(iter(outcome.main_figures()))
    return name, "min" if name in _ERRORS else "max"


def unfinished(inspector: Inspector) -> list[str]:
    """A note where an inspector has the operating point that its training began with."""
    if inspector.passport.operating:
        return []
    points = set(inspector.decision.points().values())
    at = (
        f"it decides at {points.pop():g}" if len(points) == 1 else "it decides as it did while it was trained"
    )
    return [f"no operating point was chosen: the run did not come to its end; {at}"]


def spread(data: ImageDataModule, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most so many rows, evenly picked of what is there by label: each has its share, each time the same.

    Args:
        data: Set up.
        rows: Sorted.
        count: How many.
    """
    if count >= len(rows):
        return rows
    targets = data.samples.targets[rows].reshape(len(rows), -1)
    order = np.lexsort((rows, *targets.T[::-1]))
    picked: NDArray[np.int64] = np.sort(
        rows[order[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]]
    )
    return picked


def _check_numbers(config: Mapping[str, Any]) -> None:
    for name in ("images", "calibration"):
        if config[name] is not None and config[name] < 1:
            raise InputError(f"{name}={config[name]}: expected 1 or more")
    if not config["max_drop"] >= 0:
        raise InputError(f"max_drop={config['max_drop']}: expected 0 or more")
    if config["max_changed"] is not None and not 0 <= config["max_changed"] <= 1:
        raise InputError(f"max_changed={config['max_changed']}: expected a share, 0 to 1, or null")


def _say(parity: Parity, figure: Figure, notes: Sequence[str], warned: Sequence[str]) -> None:
    """What was compared, for a person."""
    for note in notes:
        print(f"           {note}")
    print(f"\ntrained and exported, on {parity.images} validation images from the file to the verdict")
    values = [figure.trained, figure.exported, figure.lost]
    own = figure.images in (None, parity.images)
    name = figure.name if own else f"{figure.name}, on all {figure.images} validation images"
    rows = [["", "trained", "exported", "lost"], [name, *map(number, values)]]
    print(table(rows))
    gaps = [[each.what, f"{each.mean:.1e}", f"{each.most:.1e}", each.of] for each in parity.differences]
    print(table([["difference", "mean", "largest", "of"], *gaps]))
    if parity.boxes is not None:
        print(f"  boxes of the trained one: {parity.boxes}; of one of the two alone: {parity.changed_boxes}")
    print(f"  changed verdicts: {len(parity.changed)} of {parity.images}")
    if parity.changed:
        changes = [[each.file, each.trained, each.exported] for each in parity.changed[:SHOWN]]
        print(table([["  file", "trained", "exported"], *([f"  {row[0]}", *row[1:]] for row in changes)]))
        if len(parity.changed) > SHOWN:
            print(f"    ... {len(parity.changed) - SHOWN} more")
    for each in warned:
        print(f"  warning: {each}")


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def _versions() -> dict[str, str]:
    """Of what exports and runs, so far as it is installed."""
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
