"""What a network says of the parts of a set, and the files that keep it."""

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L

from inspection.data.module import ImageDataModule
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.inspector.files import INSPECTOR
from inspection.inspector.passport import write_passport
from inspection.inspector.plain import write_json
from inspection.runs.folder import FIGURES, OPERATING, PASSPORT, passport_of
from inspection.runs.results import write_predictions
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome

MADE = ("task", "question", "data", "seed", "precision", "monitor", "best_epoch", "trained", "minutes")
"""What `metrics.json` says of the making of a run, before any figure."""


def be_quiet() -> None:
    """No tips, and no warnings that a person can do nothing about."""
    for name in ("lightning.pytorch", "lightning.fabric", "torch.utils.tensorboard"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",  # batches come out of the cache, faster than from workers
        ".*Checkpoint directory .* exists and is not empty.*",  # a resumed run
        ".*It is recommended to use .*sync_dist.*",  # our figures are summed over processes before they are logged
        ".*The number of training batches .* is smaller than the logging interval.*",
        ".*LeafSpec.*",  # inside torch and Lightning
        ".*`isinstance.treespec.*",
        ".*module\\(s\\) in eval mode at the start of training.*",  # frozen batch norm, on purpose
        ".*Precision .* is not supported by the model summary.*",
        ".*overfit_batches.*",  # asked for
        ".*was configured so .* batch.*",  # asked for: limit_*_batches
        ".*could not find the monitored key.*",  # asked for: epochs before the first validation
        ".*No positive samples in targets.*",  # reported as undefined
        ".*No negative samples in targets.*",
    ):
        warnings.filterwarnings("ignore", message=message)


def evaluate_parts(
    trainer: L.Trainer, task: InspectionTask, data: ImageDataModule, best: Path | None, test: bool
) -> dict[str, Outcome]:
    """Validation and, once, test images through a checkpoint, which the task holds then.

    Validation comes first: where the task is to choose its operating point, the test images are judged at it.

    Args:
        trainer: Of the run.
        task: Without a checkpoint (fast_dev_run, `~callbacks.best`) it is evaluated with the weights that it has.
        data: The images.
        best: The checkpoint, or None.
        test: Whether to look at the test images.

    Returns:
        Outcomes of `val` and `test`, of those parts that have images.
    """
    outcomes: dict[str, Outcome] = {}
    passes = {}
    if len(data.samples.rows("val")):
        passes["val"] = trainer.validate
    if test and len(data.samples.rows("test")):
        passes["test"] = trainer.test
    for part, run_pass in passes.items():
        task.outcome = None
        run_pass(task, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
        if task.outcome is not None:  # else no batch was asked for (limit_*_batches=0)
            outcomes[part] = task.outcome
    return outcomes


def origin(data: ImageDataModule) -> dict[str, Any]:
    """What a run was trained on, or evaluated."""
    return {
        "root": str(data.root),
        "synthetic": data.is_synthetic,
        "images": len(data.samples.files),
        "split_by": data.split_by,
        "notes": data.notes,
    }


def figures_of_making(run: Path, config: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """What `metrics.json` of a run says of how it was made; of one that was stopped before, what is known.

    Args:
        run: Its folder.
        config: The composed config.
        made: Of its inspector's passport.

    Raises:
        InputError: If the file is damaged.
    """
    known = {
        "task": config["task"]["name"],
        "question": config["task"]["question"],
        "data": made["data"],
        "seed": config["seed"],
        "monitor": config["task"]["monitor"],
    }
    place = run / FIGURES
    if not place.is_file():
        return known
    try:
        values = json.loads(place.read_text(encoding="utf-8"))
        return known | {name: values[name] for name in MADE if name in values}
    except (ValueError, TypeError) as error:
        raise InputError(f"{place} is damaged ({error}); train again, or remove it") from None


def write_evaluation(
    folder: Path,
    made: Mapping[str, Any],
    task: InspectionTask,
    data: ImageDataModule,
    outcomes: Mapping[str, Outcome],
) -> dict[str, str]:
    """Write figures, operating point and predictions.

    Args:
        folder: Of the run, or of an evaluation.
        made: What `metrics.json` says first.
        task: That was evaluated.
        data: The images.
        outcomes: Of the parts.

    Returns:
        What the files hold that not every task has.
    """
    about = {"classes": list(data.labels.names), "defect": data.labels.defect}
    figures = {part: outcome.figures | outcome.details() for part, outcome in outcomes.items()}
    rule = task.rule
    intervals: dict[str, Any] = {part: outcome.intervals for part, outcome in outcomes.items()}
    if rule is not None:
        intervals |= {"confidence": rule.confidence, "resamples": rule.resamples}
    # One record: the point as it was chosen on validation images, whatever images are evaluated here.
    point = task.record_of_operating()
    write_json(
        folder / FIGURES, {**made, **about, **figures, "intervals": intervals, "operating_point": point}
    )
    if point:
        write_json(folder / OPERATING, point)
    write_predictions(folder / "predictions.csv", outcomes, data.samples)
    further: dict[str, str] = {}
    for outcome in list(outcomes.values())[:1]:
        further = outcome.write_files(folder, outcomes, data.samples)
    return further


def write_inspector(
    run: Path, config: dict[str, Any], task: InspectionTask, data: ImageDataModule, made: dict[str, Any]
) -> None:
    """Write the inspector of a run as the task has it now, and its passport."""
    passport = passport_of(config, task, data, made | {"run": run.as_posix()})
    (run / PASSPORT).write_text(write_passport(passport) + "\n", encoding="utf-8")
    Inspector.of(passport, task.model.network.state_dict()).save(run / INSPECTOR)
