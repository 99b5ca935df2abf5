"""Data and task module of a run, checked as far as that is possible before an epoch is spent."""

from pathlib import Path
from typing import Any

import lightning as L
import torch

from inspection.audit.quick import quick_findings
from inspection.config.instantiate import class_value, instantiate
from inspection.config.saved import read_config
from inspection.config.suggest import did_you_mean
from inspection.data.module import ImageDataModule
from inspection.decide.decisions import Decision
from inspection.decide.rule import Rule
from inspection.decide.rules import Fixed
from inspection.errors import InputError
from inspection.inspector.network import fit_weights, network_class
from inspection.inspector.passport import read_passport
from inspection.models.modes import evaluating
from inspection.runs import console
from inspection.runs.checkpoints import network_weights, read_checkpoint
from inspection.runs.folder import CONFIG, PASSPORT
from inspection.runs.results import hyperparameters
from inspection.tasks.module import InspectionTask

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


def prepare(config: dict[str, Any], resume: Path | None, run: Path) -> tuple[ImageDataModule, InspectionTask]:
    """Data and task module, checked as far as that is possible before an epoch is spent."""
    if not 0 <= config["seed"] < 2**32:
        raise InputError(f"seed={config['seed']}: expected 0 to {2**32 - 1}")
    if config["trainer"]["max_epochs"] == 0:
        raise InputError("trainer.max_epochs=0: expected 1 or more, or -1 for no limit")
    if config["trainer"]["limit_val_batches"] == 0:
        raise InputError(
            "trainer.limit_val_batches=0: expected more; the best epoch is chosen by validation, and when to stop"
        )
    read_rule(config["decide"])
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
        module = module | {"network": without_weights_file(module["network"])}
    task: InspectionTask = instantiate(module)
    data.progress = console.steps()
    data.prepare_data()
    data.setup()
    if resume is not None:
        data.split_by = first_split(run) or data.split_by
    data.notes += quick_findings(data)
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


def without_weights_file(network: dict[str, Any]) -> dict[str, Any]:
    """The same network for a training that is gone on with: the checkpoint brings all weights.

    The file that they once came from may be gone.
    """
    bare = getattr(network_class(network["_target_"]), "without_weights_file", None)
    try:
        return network if bare is None else bare(network)
    except ValueError as error:
        raise InputError(f"model: {error}") from None


def first_split(run: Path) -> str | None:
    """How a run's images were split when it began, in words; None where its folder does not say."""
    try:
        made = read_passport((run / PASSPORT).read_text(encoding="utf-8")).made
    except (OSError, InputError):
        return None
    said = (made.get("data") or {}).get("split_by")
    return None if said is None else str(said)


def read_rule(node: dict[str, Any]) -> Rule:
    """The rule that chooses the operating point: before any image is read, for `build_rule` to fit to the task.

    Raises:
        InputError: If one of its values is out of range.
    """
    try:
        rule: Rule = instantiate(node)
    except InputError as error:
        said = error.__cause__ if isinstance(error.__cause__, ValueError) else error
        raise InputError(f"decide: {said}") from None
    return rule


def build_rule(node: dict[str, Any], task: InspectionTask) -> Rule:
    """The rule that chooses the operating point of a task.

    Raises:
        InputError: If it asks for flips of what can't be flipped, or gives what is no threshold of the task.
    """
    rule = read_rule(node)
    if rule.flips and not task.flippable:
        raise InputError(
            f"decide.flips={list(rule.flips)}: what {type(task).__name__} finds lies at places, which flips move; "
            "use decide.flips=[]"
        )
    if isinstance(rule, Fixed):
        _check_names(rule, task.decision)
    try:
        rule.start(task.decision)
    except ValueError as error:
        raise InputError(f"decide.threshold: {error}") from None
    return rule


def _check_names(rule: Fixed, decision: Decision) -> None:
    """Raise when a threshold is given for what is not decided by one: it would be silently left out."""
    known = decision.movable()
    if rule.threshold is not None and not known:
        raise InputError(
            f"decide.threshold={rule.threshold}: nothing is decided by a threshold here (there is no defect "
            "class, or no alarm); use decide.threshold=null"
        )
    for name in rule.threshold if isinstance(rule.threshold, dict) else ():
        if name not in known:
            raise InputError(
                f"decide.threshold: {name!r} is none of {', '.join(known)}{did_you_mean(str(name), known)}"
            )


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
