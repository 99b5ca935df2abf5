"""What a run remembers of its validation images, and whether later ones still look like them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.data.module import ImageDataModule
from inspection.drift.observed import Observed, first_of_each, joined
from inspection.drift.reference import Reference
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.inspector.watching import Watch, good_verdict
from inspection.runs.folder import passport_of
from inspection.runs.hardware import pick_hardware
from inspection.runs.lookout import Lookout
from inspection.tasks.module import InspectionTask

VALIDATION, USUAL = 2000, 500
"""Images at most that the reference and its ruler are made of: more would say little more, and take their time."""


def build_reference(
    config: dict[str, Any], task: InspectionTask, data: ImageDataModule
) -> dict[str, Any] | None:
    """What the validation images look like to the trained inspector, plain values; None where nothing can be said.

    A run that is to look at some batches only (`trainer.limit_val_batches`) has none.

    Args:
        config: Of the run.
        task: With its operating point.
        data: Set up.
    """
    if repr(config["trainer"]["limit_val_batches"]) != "1.0":  # 1 is one batch
        return None
    samples = data.samples
    rows = {part: samples.rows(part) for part in ("val", "train")}
    groups = [samples.groups[row] for row in rows["val"]]
    grouped = len(set(groups)) < len(groups)
    chosen = rows["val"][first_of_each(groups)]
    try:
        # Where it was trained: a trainer leaves the network on the CPU.
        device = pick_hardware(config["trainer"]).device
        inspector = Inspector.of(passport_of(config, task, data, {}), task.model.network.state_dict(), device)
        watch = Watch.of(inspector)
        validation = _observe(watch, data, _some(chosen, VALIDATION))
        usual = _observe(watch, data, _some(rows["train"], USUAL))
    except InputError:  # the network gives no number for an image
        return None
    reference = Reference.of(
        validation, usual, layer=inspector.trained.feature_layer, verdict=good_verdict(inspector.decision)
    )
    if grouped:
        reference = replace(reference, grouped=len(groups), group=_group(config["data"], task.reference))
    return reference.to_dict()


def _some(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many, evenly picked."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def _observe(watch: Watch, data: ImageDataModule, rows: NDArray[np.int64]) -> Observed:
    # Places in the camera image are of no interest here: any image that the crop fits into will do.
    crop = data.geometry.crop
    shape = data.geometry.image_size if crop is None else (crop[3], crop[2])
    seen = []
    for start in range(0, len(rows), data.batch_size):
        pixels = data.batch(rows[start : start + data.batch_size])["image"].numpy()
        seen.append(watch.inspect_pixels(list(pixels), [shape] * len(pixels))[1])
    return joined(seen)


def _group(settings: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
    """The expression that finds groups in file names; None: a table told them, which knows no new images.

    Args:
        settings: Of the data. A run that is rebuilt takes its groups from its own table.
        before: The reference that the run had so far.
    """
    pattern = settings.get("group")
    if pattern is None or str(pattern).lower().endswith(".csv"):
        return None if before is None else before.get("group")
    return str(pattern)


def watch_set(inspector: Inspector, data: ImageDataModule, folder: Path) -> list[str]:
    """Compare the images of a set with what the inspector was validated on; lines for the console, files beside.

    Args:
        inspector: At the operating point that is to be watched.
        data: Set up; of more images than a reference is made of, as many, evenly picked.
        folder: For `drift.json` and `drift.png`.
    """
    lookout = Lookout(inspector)
    rows = _some(np.arange(len(data.samples.files)), VALIDATION)
    for start in range(0, len(rows), data.batch_size):
        some = rows[start : start + data.batch_size]
        lookout.see([data.samples.files[row] for row in some], _observe(lookout.watch, data, some))
    return lookout.report(folder)
