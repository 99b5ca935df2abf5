"""A run folder, read back."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from inspection.data.module import ImageDataModule
from inspection.errors import InputError
from inspection.explain.cam import heatmap_method
from inspection.explain.heatmaps import known_method
from inspection.inspector import Inspector, Passport
from inspection.inspector.files import INSPECTOR, check_threads
from inspection.inspector.passport import read_passport
from inspection.runs.checkpoints import network_weights, read_checkpoint
from inspection.tasks.module import InspectionTask

CONFIG, CHECKPOINTS = "config.yaml", "checkpoints"
FIGURES, PASSPORT, OPERATING = "metrics.json", "passport.json", "operating_point.json"
REPORT = "report.html"


def best_checkpoint(run: Path) -> Path:
    """`checkpoints/best.ckpt` of a run.

    Raises:
        InputError: If the folder is missing, is no run, or its training ended before the first checkpoint.
    """
    if not run.is_dir():
        raise InputError(f"run={run}: no such folder; give a run folder such as outputs/coil/lenet/<time>")
    if not (run / CONFIG).is_file():
        raise InputError(f"run={run}: not a run folder, {CONFIG} is missing")
    path = run / CHECKPOINTS / "best.ckpt"
    if not path.is_file():
        raise InputError(
            f"run={run}: it has no {CHECKPOINTS}/best.ckpt; its training did not get to the end of an epoch, "
            "or ran with debug=fast_dev_run. Train again"
        )
    return path


def passport_of(
    config: dict[str, Any],
    task: InspectionTask,
    data: ImageDataModule,
    made: dict[str, Any],
) -> Passport:
    """The passport that a run gives its inspector.

    Args:
        config: The composed config.
        task: The task module that is trained.
        data: What it is trained on: the geometry from camera image to what the network sees, and what else the
            data module says.
        made: Where it comes from.
    """
    heatmaps = (config.get("callbacks") or {}).get("heatmaps") or {}
    asked = heatmaps.get("method", "auto")
    method = (
        heatmap_method(task.model) if asked == "auto" else known_method(asked, "callbacks.heatmaps.method")
    )
    # The weights that training begins with are not looked for again: the inspector brings its own.
    network = config["model"] | ({"weights": None} if "weights" in config["model"] else {})
    return Passport(
        task=config["task"]["name"],
        question=config["task"]["question"],
        network=network,
        decision=task.decision.to_dict(),
        mean=task.mean,
        std=task.std,
        geometry=data.geometry.to_dict(),
        heatmap_method=method,
        heatmap_layer=heatmaps.get("layer"),
        colours=heatmaps.get("colours"),
        flips=list(task.flips),
        operating=task.record_of_operating(),
        reference=task.reference,
        made=made | {name: version(name) for name in ("inspection", "torch")},
        **data.passport(),
    )


def inspector_of(run: Path, device: str = "cpu", threads: int | None = None) -> Inspector:
    """The inspector of a run: its file, or while it is trained its best checkpoint so far.

    Args:
        run: Its folder.
        device: See `Inspector.load`.
        threads: See `Inspector.load`.

    Raises:
        InputError: If the run has no checkpoint, or one of another network.
    """
    if (run / INSPECTOR).is_file():
        return Inspector.load(run / INSPECTOR, device, threads)
    check_threads(threads)
    checkpoint = best_checkpoint(run)
    place = run / PASSPORT
    try:
        passport = read_passport(place.read_text(encoding="utf-8"))
        return Inspector.of(passport, network_weights(read_checkpoint(checkpoint)), device, threads)
    except FileNotFoundError:
        raise InputError(
            f"run={run}: {PASSPORT} is missing; it was removed, or another version wrote the run"
        ) from None
    except InputError as error:
        raise InputError(f"{checkpoint}: {error}") from None
