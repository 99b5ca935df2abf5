"""A trained run looked at again: its own images, or others, at its operating point or a new one."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch

from inspection.audit.quick import quick_findings
from inspection.callbacks.charts import Charts
from inspection.callbacks.panels import PanelLogger
from inspection.config.instantiate import class_value, instantiate
from inspection.config.saved import read_config, to_yaml
from inspection.data.module import ImageDataModule
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.inspector.files import BESIDE, INSPECTOR
from inspection.runs import console
from inspection.runs.commands import open_output
from inspection.runs.drift import build_reference, watch_set
from inspection.runs.evaluation import (
    be_quiet,
    evaluate_parts,
    figures_of_making,
    origin,
    write_evaluation,
    write_inspector,
)
from inspection.runs.folder import CONFIG, FIGURES, OPERATING, REPORT, inspector_of
from inspection.runs.hardware import keep_freed_memory, pick_hardware
from inspection.runs.leaks import refuse_learned
from inspection.runs.prepare import (
    build_rule,
    check_kind,
    check_needs,
    first_split,
    read_rule,
    without_weights_file,
)
from inspection.runs.report import write_report
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome

NEW = "new"
_SILENT: dict[str, Any] = {
    "devices": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "use_distributed_sampler": False,
}


@dataclass(frozen=True)
class Rebuilt:
    """A trained run with its images.

    Attributes:
        folder: Of the run.
        config: Of the run, with the data that are looked at.
        data: The images, set up.
        task: With the inspector's weights and its decision.
        inspector: Of the run.
        own: Whether the images are the run's own.
    """

    folder: Path
    config: dict[str, Any]
    data: ImageDataModule
    task: InspectionTask
    inspector: Inspector
    own: bool


def rebuild(run: Path, given: Mapping[str, Any]) -> Rebuilt:
    """Build data and task of a trained run again.

    Args:
        run: Its folder.
        given: Where else images lie than the run's own: keys of its `data` with values; None: that of the run.
            With any of them, all images are evaluated and none is taken for training.

    Raises:
        InputError: If the run or its images are gone or other ones, or a key is none of its data's.
    """
    inspector = inspector_of(run)
    config = read_config(run / CONFIG)
    changes = {name: value for name, value in given.items() if value is not None}
    strange = [name for name in changes if name not in config["data"]]
    if strange:
        kind = str(config["data"]["_target_"]).rpartition(".")[2]
        raise InputError(f"data.{strange[0]}: the run's data ({kind}) have no such key")
    if changes and changes.get("root") is None:
        raise InputError(f"data.{next(iter(changes))}: give data.root, too: the folder of the new images")
    own = not changes
    settings = config["data"] | changes | {"fold": None, "splits": None}
    if own:  # parts and groups as they were, whatever has become of where they came from
        settings |= dict.fromkeys(("splits", "group"), str(run / "splits.csv"))
    config = config | {"data": settings}
    L.seed_everything(config["seed"], workers=True, verbose=False)
    data: ImageDataModule = instantiate(settings)
    data.whole = None if own else "test"
    module = config["task"]["module"]
    check_kind(class_value(module, "kind"), data)
    module = module | {"network": without_weights_file(module["network"])}
    # What the run found out of its own training images comes from the inspector.
    task: InspectionTask = instantiate(module)
    data.progress = console.steps()
    data.prepare_data()
    try:
        data.setup()
    except InputError as error:
        if not own:
            raise
        raise InputError(
            f"run={run}: {error}\nto evaluate other images than the run's own, give data.root"
        ) from None
    if own:
        data.split_by = first_split(run) or data.split_by
    else:
        refuse_learned(run, Path(inspector.passport.made["data"]["root"]), data.root, data.samples.files)
    check_needs(task, data)
    task.take(data)
    task.model = inspector.model  # what is evaluated is what ships
    task.operated = inspector.passport.operating
    task.reference = inspector.passport.reference
    return Rebuilt(run, config, data, task, inspector, own)


def make_trainer(config: Mapping[str, Any], task: InspectionTask, folder: Path) -> L.Trainer:
    """A trainer that evaluates and draws what the run's own one draws, into the pictures of a folder."""
    hardware = pick_hardware(config["trainer"])
    if hardware.channels_last:
        task.use_channels_last()
    nodes = [node for node in (config["callbacks"] or {}).values() if node]
    callbacks = [each for each in map(instantiate, nodes) if isinstance(each, (PanelLogger, Charts))]
    for place in (
        "mistakes_test",
        *(f"{each.folder}/best" for each in callbacks if isinstance(each, PanelLogger)),
    ):
        shutil.rmtree(folder / "pictures" / place, ignore_errors=True)  # of an earlier operating point
    return L.Trainer(
        **_SILENT,
        accelerator=config["trainer"]["accelerator"],
        callbacks=callbacks,  # type: ignore[arg-type]  # they are callbacks, both
        default_root_dir=str(folder),
    )


def answer_by(task: InspectionTask, inspector: Inspector) -> None:
    """Let a task evaluate what an inspector says, of whatever backend, at its operating point.

    Args:
        task: Of the run that the inspector comes from.
        inspector: As trained, or exported.

    Raises:
        InputError: If it is of another task or other classes.
    """
    own, other = task.decision, inspector.decision
    if type(own) is not type(other) or own.names != other.names:
        raise InputError(
            f"inspector: it answers for {', '.join(other.names)} ({other.kind}), the run for "
            f"{', '.join(own.names)} ({own.kind}); give one that was exported from this run"
        )
    backend, name = inspector.backend, inspector.answers.answer
    task.answers = lambda images: torch.from_numpy(backend.run(images.cpu().numpy(), [name])[name])
    task.decision, task.flips = other, ()  # flips are in its answers


def outcome_with(rebuilt: Rebuilt, inspector: Inspector, part: str = "val") -> Outcome:
    """What an inspector achieves on images of a run, with the figures of the run's task.

    Args:
        rebuilt: The run; each call evaluates it anew.
        inspector: As trained, or exported.
        part: `val` or `test`.

    Raises:
        InputError: If the part has no images, or the inspector is of another task.
    """
    task, data = rebuilt.task, rebuilt.data
    if not len(data.samples.rows(part)):
        raise InputError(f"run={rebuilt.folder}: it has no images of part {part!r} to compare on")
    before = task.decision, task.flips, task.answers
    answer_by(task, inspector)
    be_quiet()
    trainer = L.Trainer(**_SILENT, accelerator="cpu", default_root_dir=str(rebuilt.folder))
    look = trainer.validate if part == "val" else trainer.test
    try:
        look(task, datamodule=data, verbose=False)
    finally:
        task.decision, task.flips, task.answers = before
    assert task.outcome is not None
    return task.outcome


def evaluate(config: Mapping[str, Any]) -> int:
    """Evaluate a run on its own images again, or on others, at its operating point.

    Args:
        config: Plain values, see `conf/evaluate.yaml`.

    Returns:
        Exit status 0.

    Raises:
        InputError: If the run or the images can't be used.
    """
    run = Path(config["run"])
    rebuilt = rebuild(run, config["data"])
    if config["inspector"] is not None:
        rebuilt = replace(rebuilt, inspector=Inspector.load(config["inspector"]))
        answer_by(rebuilt.task, rebuilt.inspector)
        rebuilt.data.notes.append(
            f"verdicts and their figures are of {config['inspector']} ({rebuilt.inspector.backend.name}); "
            "heatmaps, figures of places and the loss of boxes are of the network as it was trained"
        )
    folder = run
    if not rebuilt.own or config["inspector"] is not None:
        folder = open_output(config["output"], run, "evaluate")
        (folder / CONFIG).write_text(to_yaml(rebuilt.config), encoding="utf-8")
    elif config["output"] is not None:
        raise InputError("output: a run's own images are evaluated in its own folder; leave output out")
    rebuilt.task.take_over(rebuilt.inspector.decision, chosen=True)
    if config["inspector"] is None:
        rebuilt.task.flips = tuple(rebuilt.inspector.passport.flips)
    rebuilt.task.operated = rebuilt.inspector.passport.operating
    # Intervals as those of the operating point, which may have been chosen anew since the training.
    asked = {
        name: rebuilt.task.operated[name] for name in ("confidence", "resamples") if rebuilt.task.operated
    }
    rule = build_rule(rebuilt.config["decide"] | asked, rebuilt.task)
    rebuilt.task.judge_by(rule)
    outcomes, trainer = _look_again(rebuilt, folder)
    _write(rebuilt, folder, outcomes, trainer, config["inspector"])
    if not rebuilt.own:
        print("\n".join(["", *watch_set(rebuilt.inspector, rebuilt.data, folder)]))
    print(f"\n{rebuilt.inspector.answers.operating_point()}\n{folder / REPORT}", flush=True)
    return 0


def decide(config: Mapping[str, Any]) -> int:
    """Choose another operating point for a run, on its own validation images, and write all that follows of it.

    Args:
        config: Plain values, see `conf/decide.yaml`.

    Returns:
        Exit status 0.

    Raises:
        InputError: If the run or its images can't be used.
    """
    read_rule(config["decide"])  # before any image is read
    rebuilt = rebuild(Path(config["run"]), {})
    task, run = rebuilt.task, rebuilt.folder
    task.take_over(rebuilt.inspector.decision, chosen=False)
    task.decide_by(build_rule(config["decide"], task))
    outcomes, trainer = _look_again(rebuilt, run)
    if task.operating is None:
        raise InputError(
            f"run={run}: its network gives no number for some images; nothing can be decided on them"
        )
    task.reference = build_reference(rebuilt.config, task, rebuilt.data)  # its scores are of the new point
    # First what acts, then what is said of it.
    write_inspector(run, rebuilt.config, task, rebuilt.data, rebuilt.inspector.passport.made)
    _write(rebuilt, run, outcomes, trainer)
    console.print_operating_point(task.operating, outcomes)
    if "test" in outcomes:
        print(
            "\nthe point is chosen on validation images: whoever chooses by test figures has none left to trust"
        )
    files = f"{OPERATING}, {INSPECTOR}, {FIGURES}, predictions.csv and {REPORT}"
    print(f"\n{run}: {files} are at this point now", flush=True)
    if exported := sorted(path.parent.name for path in run.glob(f"export/*/{BESIDE}")):
        print(
            f"what was exported before ({', '.join(exported)}) still decides as it did: export again, or "
            f"write the threshold into its {BESIDE}",
            flush=True,
        )
    return 0


def _look_again(rebuilt: Rebuilt, folder: Path) -> tuple[dict[str, Outcome], L.Trainer]:
    """Evaluate a run; its pictures are drawn below a folder."""
    keep_freed_memory()
    be_quiet()
    config, data, task = rebuilt.config, rebuilt.data, rebuilt.task
    if rebuilt.own:
        data.notes += quick_findings(data)
    console.announce_data(config["task"], data)
    trainer = make_trainer(config, task, folder)
    return evaluate_parts(trainer, task, data, None, test=config["test"] or not rebuilt.own), trainer


def _write(
    rebuilt: Rebuilt, folder: Path, outcomes: dict[str, Outcome], trainer: L.Trainer, given: str | None = None
) -> None:
    """Write and print what was found, by an inspector that was given or by the run's own."""
    config, data, task = rebuilt.config, rebuilt.data, rebuilt.task
    made = figures_of_making(rebuilt.folder, config, rebuilt.inspector.passport.made)
    if not rebuilt.own:
        made = made | {"data": origin(data), "trained_on": made["data"], "run": rebuilt.folder.as_posix()}
    by = "the run's inspector"
    if given is not None:
        by = f"{given} ({rebuilt.inspector.backend.name})"
        made = made | {"inspector": given, "backend": rebuilt.inspector.backend.name}
    write_evaluation(folder, made, task, data, outcomes)
    shown = outcomes if rebuilt.own else {NEW: outcomes["test"]}
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    write_report(folder, rebuilt.folder, config, task, data, shown, made, callbacks)
    console.print_figures(shown, by, data.is_synthetic)
