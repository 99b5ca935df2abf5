"""A run folder, read back."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from inspection.config.saved import read_config
from inspection.data.geometry import Geometry
from inspection.errors import InputError
from inspection.inspector import Inspector, Passport
from inspection.runs.checkpoints import network_weights, read_checkpoint

CONFIG, CHECKPOINTS, INSPECTOR = "config.yaml", "checkpoints", "inspector.safetensors"
FIGURES = "metrics.json"


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


def passport_of(config: dict[str, Any], made: dict[str, Any]) -> Passport:
    """The passport that a run's config gives its inspector."""
    data, module = config["data"], config["task"]["module"]
    heatmaps = config.get("callbacks", {}).get("heatmaps") or {}
    geometry = Geometry(
        crop=None if data["crop"] is None else tuple(data["crop"]),
        image_size=tuple(data["image_size"]),
        channels=data["channels"],
        white_level=data["white_level"],
    )
    return Passport(
        task=config["task"]["name"],
        question=config["task"]["question"],
        network=config["model"],
        classes=tuple(module["classes"]),
        defect=module["defect"],
        mean=tuple(module["mean"]),
        std=tuple(module["std"]),
        geometry=geometry.to_dict(),
        heatmap_method=heatmaps.get("method", "auto"),
        heatmap_layer=heatmaps.get("layer"),
        made=made | {name: version(name) for name in ("inspection", "torch")},
    )


def inspector_of(run: Path) -> Inspector:
    """The inspector of a run: its best checkpoint with its config.

    Raises:
        InputError: If the run has no checkpoint, or one of another network.
    """
    checkpoint = best_checkpoint(run)
    config = read_config(run / CONFIG)
    passport = passport_of(config, {"run": run.as_posix(), "data": _data_of(run, config)})
    try:
        return Inspector(passport, network_weights(read_checkpoint(checkpoint)))
    except InputError as error:
        raise InputError(f"{checkpoint}: {error}") from None


def _data_of(run: Path, config: dict[str, Any]) -> dict[str, Any]:
    """What a run was trained on; of one that did not come to its end, as far as its config tells."""
    try:
        return dict(json.loads((run / FIGURES).read_text(encoding="utf-8"))["data"])
    except FileNotFoundError:
        root = config["data"]["root"]
        return {"root": root, "synthetic": root is None}
