"""One training run: data, network, training, test of the best checkpoint, and the files of all that."""

import errno
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from inspection.callbacks.charts import Charts
from inspection.callbacks.progress import EpochLines
from inspection.callbacks.reseed import ReseedEachEpoch
from inspection.callbacks.resume import ResumeExactly
from inspection.config.instantiate import instantiate
from inspection.config.saved import to_yaml
from inspection.data.module import ImageDataModule
from inspection.data.splits import write_splits
from inspection.errors import InputError
from inspection.inspector.passport import write_passport
from inspection.runs import console
from inspection.runs.checkpoints import AtomicCheckpointIO, to_go_on_from, way_on
from inspection.runs.drift import build_reference
from inspection.runs.evaluation import (
    be_quiet,
    evaluate_parts,
    origin,
    write_evaluation,
    write_inspector,
)
from inspection.runs.folder import (
    CHECKPOINTS,
    CONFIG,
    FIGURES,
    INSPECTOR,
    OPERATING,
    PASSPORT,
    REPORT,
    passport_of,
)
from inspection.runs.hardware import Hardware, give_back_memory, keep_freed_memory, pick_hardware
from inspection.runs.prepare import build_rule, prepare
from inspection.runs.report import write_report
from inspection.runs.results import hyperparameters
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome

PROFILE = "profile"
FILES = {
    REPORT: "all of it on one page: open it in a browser",
    CONFIG: "the composed config",
    INSPECTOR: "the trained inspector, one file",
    f"{CHECKPOINTS}/": "best.ckpt and last.ckpt",
    PASSPORT: "what the inspector is besides its weights",
    OPERATING: "when a part is called what, why, and what that achieves",
    FIGURES: "all figures, with their intervals",
    "history.csv": "figures of each epoch",
    "predictions.csv": "every evaluated image with its target and what was said of it",
    "splits.csv": "which image was in which part",
    "pictures/": "samples, what was said of single images, mistakes, curves, charts",
    f"{PROFILE}/": "where the time went",
}


def train(config: dict[str, Any], run: Path) -> dict[str, Any]:
    """Train, test and write a run.

    Args:
        config: The composed config as plain values, see `conf/train.yaml`.
        run: The run's folder; it exists.

    Returns:
        `metric`, `mode` and `value` of what was monitored, `best_epoch`, and the test figures as `test/<name>`.

    Raises:
        InputError: On a person's mistake in config or data, or a full disk.
        KeyboardInterrupt: When the person stopped it; what was reached is in the run folder.
    """
    keep_freed_memory()
    try:
        return _train(config, run)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(
            f"{error.filename or run}: could not be written ({error.strerror}). "
            f"Make room, then {way_on(run / CHECKPOINTS)}"
        ) from error
    finally:
        give_back_memory()


def _train(config: dict[str, Any], run: Path) -> dict[str, Any]:
    start = time.perf_counter()
    be_quiet()
    monitor, mode = config["task"]["monitor"], config["task"]["mode"]
    resume = _checkpoint_to_resume(config["ckpt_path"], run)
    data, task = prepare(config, resume, run)
    rule = build_rule(config["decide"], task)
    hardware = pick_hardware(config["trainer"])
    if hardware.channels_last:
        task.use_channels_last()
    trainer = _build_trainer(config, run, hardware.precision)
    data.check_processes(trainer.world_size)  # before there are so many, and each would say it
    if trainer.is_global_zero:
        console.announce_data(config["task"], data)
        console.announce_network(task.model.network, hardware, run)
        _write_before(run, config, task, data, _boards(trainer))

    _fit(trainer, task, data, resume)

    if not trainer.fast_dev_run:  # type: ignore[attr-defined]
        task.decide_by(rule)
    best = None if trainer.fast_dev_run else _best_checkpoint(run)  # type: ignore[attr-defined]
    outcomes = evaluate_parts(trainer, task, data, best, test=config["test"])
    result = _summary(trainer, outcomes, monitor, mode)
    if trainer.is_global_zero:
        weights = "last weights" if best is None else "best checkpoint"
        weights += " at its operating point" if task.operating is not None and task.operating.chosen else ""
        console.print_figures(outcomes, weights, data.is_synthetic)
        if task.operating is not None:
            console.print_operating_point(task.operating, outcomes)
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            print("\nfast_dev_run: one batch of everything ran; no checkpoint and no inspector were kept")
        else:
            task.reference = build_reference(config, task, data)
            minutes = (time.perf_counter() - start) / 60
            further = _write_after(run, config, task, data, hardware, outcomes, result, minutes, trainer)
            for logger in _boards(trainer):
                # Names of their own: a second `val/f1` would be one more point in the curve.
                finals = {
                    f"final/{part}/{name}": value
                    for part, outcome in outcomes.items()
                    for name, value in outcome.figures.items()
                }
                logger.log_hyperparams(hyperparameters(config), finals)
                logger.finalize("success")
            console.print_places(
                run, FILES | further, config["paths"]["outputs"] if _boards(trainer) else None
            )
    return result


def _checkpoint_to_resume(ckpt_path: str | None, run: Path) -> Path | None:
    if ckpt_path is None:
        return None
    return run / CHECKPOINTS / "last.ckpt" if ckpt_path == "last" else Path(ckpt_path)


def _build_trainer(config: dict[str, Any], run: Path, precision: str) -> L.Trainer:
    """Lightning's trainer with our callbacks, loggers and checkpoint writer."""
    settings = {name: value for name, value in config["trainer"].items() if name != "channels_last"}
    make = instantiate(settings | {"precision": precision, "_partial_": True})
    monitor, mode = config["task"]["monitor"], config["task"]["mode"]
    callbacks = [instantiate(node) for node in (config["callbacks"] or {}).values() if node]
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            callback.dirpath = str((run / CHECKPOINTS).resolve())  # whatever the logger's folder is
    # What sets an epoch up comes before what reports of it.
    callbacks = [
        ReseedEachEpoch(config["seed"]),
        ResumeExactly(monitor),
        *callbacks,
        EpochLines(monitor, mode),
    ]
    logger: Logger | bool = instantiate(config["logger"], save_dir=str(run)) if config["logger"] else False
    try:
        trainer: L.Trainer = make(
            callbacks=callbacks,
            logger=logger,
            default_root_dir=str(run),
            plugins=[AtomicCheckpointIO()],
            enable_progress_bar=False,  # EpochLines
            enable_model_summary=False,  # the console says it
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # the data module shares the images out, weighted ones too
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise InputError(f"trainer: {error}") from error
    if config["trainer"]["profiler"]:  # into files; Lightning's own way is the log, which is silent
        trainer.profiler.dirpath, trainer.profiler.filename = run / PROFILE, "time"  # type: ignore[attr-defined]
    return trainer


def _boards(trainer: L.Trainer) -> list[TensorBoardLogger]:
    if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
        return []
    return [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]


def _fit(trainer: L.Trainer, task: InspectionTask, data: ImageDataModule, resume: Path | None) -> None:
    """Train; Ctrl-C ends it with a word on how to go on."""
    try:
        trainer.fit(task, datamodule=data, ckpt_path=resume, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        if not trainer.interrupted:
            raise
    except ValueError as error:
        if "Expected more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            f"data.batch_size={data.batch_size}: {console.network_name(task.model.network)} has a batch norm over "
            "one value of each image, which needs two images or more in a batch of each process"
        ) from error
    if trainer.interrupted:
        stopped = f"\nstopped in epoch {trainer.current_epoch + 1}"
        newest = to_go_on_from(Path(trainer.default_root_dir) / CHECKPOINTS)
        if newest is not None:
            print(f"{stopped}; go on with the same command and ckpt_path={newest}")
        else:
            print(f"{stopped}, before the first checkpoint")
        raise KeyboardInterrupt


def _summary(trainer: L.Trainer, outcomes: Mapping[str, Outcome], monitor: str, mode: str) -> dict[str, Any]:
    """What a sweep ranks by, and every figure by name."""
    figures = {
        f"{part}/{name}": value
        for part, outcome in outcomes.items()
        for name, value in outcome.figures.items()
    }
    charts = [c for c in trainer.callbacks if isinstance(c, Charts)]  # type: ignore[attr-defined]
    best_epoch = charts[0].best_epoch() if charts else None
    return {
        "metric": monitor,
        "mode": mode,
        "value": figures.get(monitor),
        "best_epoch": best_epoch,
    } | figures


def _write_before(
    run: Path,
    config: dict[str, Any],
    task: InspectionTask,
    data: ImageDataModule,
    boards: Sequence[TensorBoardLogger],
) -> None:
    """What is known of a run before it trains: config, split and what the inspector will be."""
    # As the whole run could be made again in one go, also where this command only goes on with it.
    text = to_yaml(config | {"ckpt_path": None})
    (run / CONFIG).write_text(text, encoding="utf-8")
    write_splits(run / "splits.csv", data.samples)
    made = {"run": run.as_posix(), "data": origin(data)}
    passport = write_passport(passport_of(config, task, data, made))
    (run / PASSPORT).write_text(passport + "\n", encoding="utf-8")
    (run / INSPECTOR).unlink(
        missing_ok=True
    )  # of a run that is gone on with: its best checkpoint may be newer
    for logger in boards:
        logger.experiment.add_text("config", f"```yaml\n{text}```")
        logger.hparams.update(hyperparameters(config))  # Lightning would write an empty hparams.yaml


def _write_after(
    run: Path,
    config: dict[str, Any],
    task: InspectionTask,
    data: ImageDataModule,
    hardware: Hardware,
    outcomes: Mapping[str, Outcome],
    result: Mapping[str, Any],
    minutes: float,
    trainer: L.Trainer,
) -> dict[str, str]:
    """The files of a finished run. What those hold that not every run has."""
    made = {
        "task": config["task"]["name"],
        "question": config["task"]["question"],
        "data": origin(data),
        "seed": config["seed"],
        "precision": hardware.precision,
        "monitor": result["metric"],
        "best_epoch": result["best_epoch"],
    }
    spent = {"trained": time.strftime("%Y-%m-%d %H:%M"), "minutes": round(minutes, 2)}
    further = write_evaluation(run, made | spent, task, data, outcomes)
    write_inspector(run, config, task, data, made)
    write_report(run, run, config, task, data, outcomes, made | spent, trainer.callbacks)  # type: ignore[attr-defined]
    return further


def _best_checkpoint(run: Path) -> Path | None:
    path = run / CHECKPOINTS / "best.ckpt"
    return path if path.is_file() else None
