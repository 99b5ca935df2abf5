"""One training run: data, network, training, test of the best checkpoint, and the files of all that."""

import errno
import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from inspection.callbacks.charts import Charts
from inspection.callbacks.progress import EpochLines
from inspection.callbacks.reseed import ReseedEachEpoch
from inspection.callbacks.resume import ResumeExactly
from inspection.config.instantiate import class_value, instantiate
from inspection.config.saved import read_config, to_yaml
from inspection.config.suggest import did_you_mean
from inspection.data.module import ImageDataModule
from inspection.data.splits import write_splits
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.inspector.passport import fit_weights, network_class, write_passport
from inspection.models.modes import evaluating
from inspection.runs import console
from inspection.runs.checkpoints import (
    AtomicCheckpointIO,
    network_weights,
    read_checkpoint,
    to_go_on_from,
    way_on,
)
from inspection.runs.folder import CHECKPOINTS, CONFIG, FIGURES, INSPECTOR, PASSPORT, passport_of
from inspection.runs.hardware import Hardware, give_back_memory, keep_freed_memory, pick_hardware
from inspection.runs.results import hyperparameters, write_json, write_predictions
from inspection.tasks.module import InspectionTask
from inspection.tasks.outcomes import Outcome

PROFILE = "profile"
LEARNED = {
    "class": "one class an image",
    "good": "good images alone (data.mode=one_class)",
    "attribute": "any of several attributes an image",
    "object": "boxes of objects",
    "quantity": "quantities",
}
"""What labels are, in words, by their kind."""
_TOGETHER = "choose data= and task= that belong together"
LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches")
STATES = (
    "epoch",
    "global_step",
    "pytorch-lightning_version",
    "loops",
    "callbacks",
    "optimizer_states",
    "lr_schedulers",
)
"""What a checkpoint holds beside the weights, for a training to go on from."""
FILES = {
    CONFIG: "the composed config",
    INSPECTOR: "the trained inspector, one file",
    f"{CHECKPOINTS}/": "best.ckpt and last.ckpt",
    PASSPORT: "what the inspector is besides its weights",
    FIGURES: "all figures",
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


def _prepare(
    config: dict[str, Any], resume: Path | None, run: Path
) -> tuple[ImageDataModule, InspectionTask]:
    """Data and task module, checked as far as that is possible before an epoch is spent."""
    if not 0 <= config["seed"] < 2**32:
        raise InputError(f"seed={config['seed']}: expected 0 to {2**32 - 1}")
    if config["trainer"]["max_epochs"] == 0:
        raise InputError("trainer.max_epochs=0: expected 1 or more, or -1 for no limit")
    if config["trainer"]["limit_val_batches"] == 0:
        raise InputError(
            "trainer.limit_val_batches=0: expected more; the best epoch is chosen by validation, and when to stop"
        )
    L.seed_everything(config["seed"], workers=True, verbose=False)
    settings = dict(config["data"])
    if resume is not None:
        check_same_run(config, run)
    if resume is not None and (run / "splits.csv").is_file():
        # The very images that it was trained on, or an error; a fold is written down there like any split.
        settings |= {"splits": str(run / "splits.csv"), "fold": None}
    data: ImageDataModule = instantiate(settings)
    # Before the images: a misspelt network is said at once. Before the task: it may ask for a name of other data.
    module = config["task"]["module"]
    check_kind(class_value(module, "kind"), data)
    if resume is not None:
        module = module | {"network": _without_weights_file(module["network"])}
    task: InspectionTask = instantiate(module)
    data.progress = console.steps()
    data.prepare_data()
    data.setup()
    if config["trainer"]["overfit_batches"]:
        data.notes.append(
            "overfit_batches: the validation figures are of the very images that are trained on"
        )
    limited = [name for name in LIMITS if repr(config["trainer"][name]) != "1.0"]  # 1 is one batch
    if limited:
        keys = ", ".join(f"trainer.{name}={config['trainer'][name]}" for name in limited)
        data.notes.append(f"{keys}: the figures are of a part of the images")
    monitor = config["task"]["monitor"]
    if monitor not in task.logged():
        raise InputError(
            f"task.monitor={monitor}: no such figure{did_you_mean(monitor, task.logged())}\n"
            f"there is: {', '.join(task.logged())}"
        )
    check_needs(task, data)
    fit_together(task, data)
    if resume is not None:
        check_goes_on(task, resume)
    return data, task


def _without_weights_file(network: dict[str, Any]) -> dict[str, Any]:
    """The same network for a training that is gone on with: the checkpoint brings all weights.

    The file that they once came from may be gone.
    """
    bare = getattr(network_class(network["_target_"]), "without_weights_file", None)
    try:
        return network if bare is None else bare(network)
    except ValueError as error:
        raise InputError(f"model: {error}") from None


def _train(config: dict[str, Any], run: Path) -> dict[str, Any]:
    start = time.perf_counter()
    _be_quiet()
    monitor, mode = config["task"]["monitor"], config["task"]["mode"]
    resume = _checkpoint_to_resume(config["ckpt_path"], run)
    data, task = _prepare(config, resume, run)
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

    best = None if trainer.fast_dev_run else _best_checkpoint(run)  # type: ignore[attr-defined]
    outcomes = _evaluate(trainer, task, data, best, test=config["test"])
    result = _summary(trainer, outcomes, monitor, mode)
    if trainer.is_global_zero:
        weights = "last weights" if best is None else "best checkpoint"
        console.print_figures(outcomes, weights, data.is_synthetic)
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            print("\nfast_dev_run: one batch of everything ran; no checkpoint and no inspector were kept")
        else:
            minutes = (time.perf_counter() - start) / 60
            further = _write_after(run, config, task, data, hardware, outcomes, result, minutes)
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


def _be_quiet() -> None:
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


def check_same_run(config: dict[str, Any], run: Path) -> None:
    """Raise when a command that goes on with a run asks for another task, network, schedule, ... than its.

    The weights come from the one and the record would tell of the other.
    """
    if not (run / CONFIG).is_file():
        return
    saved = read_config(run / CONFIG)
    then, now = hyperparameters(saved), hyperparameters(config)
    groups = ("task", "data", "model", "loss", "optimizer", "scheduler", "seed")
    places = {"data/root", "data/cache_dir", "data/memory_budget", "data/synthetic/folder", "data/splits"}
    changed = [
        key
        for key in sorted(then.keys() | now.keys())
        if key.partition("/")[0] in groups
        and key not in places
        and then.get(key, "None") != now.get(key, "None")  # null, and nothing below it, are the same
    ]
    other = [f"{key.replace('/', '.')}={now.get(key)} (the run has {then.get(key)})" for key in changed]
    if (saved["data"]["root"] is None) != (config["data"]["root"] is None):
        other.insert(0, f"data.root={config['data']['root']} (the run has {saved['data']['root']})")
    if not other:
        return
    remedy = "give the overrides that the run was started with, or train anew"
    epochs = (then["trainer/max_epochs"], now["trainer/max_epochs"])
    follow = [k for k in changed if k.startswith("scheduler/") and (then.get(k), now.get(k)) == epochs]
    if follow and len(follow) == len(other):
        remedy = (
            f"{follow[0].replace('/', '.')} follows trainer.max_epochs: this schedule is laid out over the whole "
            f"run, which can't get another length\ngive trainer.max_epochs={epochs[0]}, or train anew"
        )
    raise InputError(
        f"ckpt_path: {run} can't go on with other settings: {'; '.join(other[:4])}"
        f"{' ...' if len(other) > 4 else ''}\n{remedy}"
    )


def check_goes_on(task: InspectionTask, path: Path) -> None:
    """Raise when training can't go on from a checkpoint: before anything in the run's folder is touched.

    It is damaged, of another network, without the state of a training, or of other trainable parameters.
    """
    try:
        checkpoint = read_checkpoint(path)
        fit_weights(task.model.network, network_weights(checkpoint), "it")
    except InputError as error:
        raise InputError(f"ckpt_path={path}: {error}") from None
    missing = [name for name in STATES if name not in checkpoint]
    if missing:
        raise InputError(
            f"ckpt_path={path}: it holds weights, but not the state of a training ({', '.join(missing)})\n"
            "give a checkpoint of a run, such as <run>/checkpoints/last.ckpt"
        )
    made = task.configure_optimizers()
    optimizer = made["optimizer"] if isinstance(made, dict) else made
    try:
        optimizer.load_state_dict(checkpoint["optimizer_states"][0])
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(
            f"ckpt_path={path}: it was trained with another optimizer, or other parameters of the network "
            f"({error})\ngive the overrides that its run was started with, of optimizer, model.trainable and "
            "task.module.backbone_lr"
        ) from None


def check_kind(learned: str | None, data: ImageDataModule) -> None:
    """Raise when a task learns another kind of labels than the data have; None: not known."""
    if learned is not None and learned != data.labels.kind:
        raise InputError(
            f"the task learns {LEARNED[learned]}, but the data have {LEARNED[data.labels.kind]}; {_TOGETHER}"
        )


def check_needs(task: InspectionTask, data: ImageDataModule) -> None:
    """Raise when the data do not say what the task learns from."""
    missing = [name for name in task.needs if name not in data.batch([0])]
    if missing:
        why = f": {data.unknown[missing[0]]}" if missing[0] in data.unknown else f"; {_TOGETHER}"
        raise InputError(f"the task learns from the {missing[0]} of each image, and the data have none{why}")


def fit_together(task: InspectionTask, data: ImageDataModule) -> None:
    """Tell the task what the data are like, and try everything on one image: better now than after an epoch.

    Raises:
        InputError: If the network can't take the images or gives something else than the task learns from, the
            loss can't take the targets or the optimizer its settings.
    """
    size = data.geometry.shape
    try:
        with torch.no_grad(), evaluating(task.model):
            outputs = task(torch.zeros(1, *size, dtype=torch.uint8))
    except (RuntimeError, AssertionError) as error:  # torchvision's transformers assert their size
        name, reason = console.network_name(task.model.network), str(error).splitlines()[0]
        raise InputError(
            f"{name} can't take images of {'x'.join(map(str, size))} (data.channels, data.image_size): {reason}"
        ) from error
    expected = task.expected()
    if expected is not None and outputs.shape[1:] != expected:
        shapes = ["x".join(map(str, shape)) for shape in (outputs.shape[1:], expected)]
        raise InputError(
            f"{console.network_name(task.model.network)} gives {shapes[0]} numbers an image, and the task learns "
            f"{LEARNED[task.kind]} from {shapes[1]}; choose model= and task= that belong together"
        )
    batch = data.batch(data.samples.rows("train")[:1])
    try:
        task.take(data)
        with torch.no_grad(), evaluating(task.model):
            task.loss_of(task.outputs_of(batch), batch)
    except InputError:
        raise
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"loss: not one for this kind of question ({str(error).splitlines()[0]}); use loss={task.losses}"
        ) from error
    try:
        task.configure_optimizers()
    except (ValueError, TypeError) as error:
        raise InputError(f"optimizer or scheduler: {error}") from error


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
    made = {"run": run.as_posix(), "data": _origin(data)}
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
) -> dict[str, str]:
    """The files of a finished run: figures, predictions, inspector. What those hold that not every run has."""
    made = {
        "task": config["task"]["name"],
        "question": config["task"]["question"],
        "data": _origin(data),
        "seed": config["seed"],
        "precision": hardware.precision,
        "monitor": result["metric"],
        "best_epoch": result["best_epoch"],
    }
    figures = {part: outcome.figures | outcome.details() for part, outcome in outcomes.items()}
    about = {
        "classes": list(data.labels.names),
        "defect": data.labels.defect,
        "minutes": round(minutes, 2),
    }
    write_json(run / FIGURES, made | about | figures)
    write_predictions(run / "predictions.csv", outcomes, data.samples)
    further: dict[str, str] = {}
    for outcome in list(outcomes.values())[:1]:
        further = outcome.write_files(run, outcomes, data.samples)
    passport = passport_of(config, task, data, made | {"run": run.as_posix()})
    Inspector(passport, task.model.network.state_dict()).save(run / INSPECTOR)
    return further


def _origin(data: ImageDataModule) -> dict[str, Any]:
    """What a run was trained on."""
    return {
        "root": str(data.root),
        "synthetic": data.is_synthetic,
        "images": len(data.samples.files),
        "notes": data.notes,
    }


def _best_checkpoint(run: Path) -> Path | None:
    path = run / CHECKPOINTS / "best.ckpt"
    return path if path.is_file() else None


def _evaluate(
    trainer: L.Trainer, task: InspectionTask, data: ImageDataModule, best: Path | None, test: bool
) -> dict[str, Outcome]:
    """Validation and, once, test images through the best checkpoint, which the task holds then.

    Without one (fast_dev_run, `~callbacks.best`) through the weights that the task has.
    """
    outcomes: dict[str, Outcome] = {}
    passes = {"val": trainer.validate}
    if test and len(data.samples.rows("test")):
        passes["test"] = trainer.test
    for part, run_pass in passes.items():
        task.outcome = None
        run_pass(task, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
        if task.outcome is not None:  # else no batch was asked for (limit_*_batches=0)
            outcomes[part] = task.outcome
    return outcomes
