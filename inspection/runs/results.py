"""The files in which a run keeps what it found."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspection.data.splits import Samples
from inspection.tasks.outcomes import Outcome

PARTS_IN_WORDS = {"train": "training", "val": "validation", "test": "test", "new": "new"}
COMPONENTS = ("network", "loss", "optimizer", "scheduler")
"""Arguments of a task module that are config groups of their own."""


def write_predictions(path: Path, outcomes: Mapping[str, Outcome], samples: Samples) -> None:
    """Write `file, split`, targets, verdicts and probabilities, one row an image that was evaluated.

    Last comes `right`, where there is a verdict that can be right or wrong.
    """
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        for number, outcome in enumerate(outcomes.values()):
            right = outcome.right
            judged = [[]] * len(outcome.rows) if right is None else [[str(each)] for each in right.tolist()]
            if number == 0:
                last = [] if right is None else ["right"]
                writer.writerow(["file", "split", *outcome.columns(), *last])
            for row, cells, each in zip(outcome.rows.tolist(), outcome.cells(), judged, strict=True):
                writer.writerow([samples.files[row], samples.parts[row], *cells, *each])


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as flat `a/b: value` pairs for TensorBoard's table, what is varied most often first.

    A component is named by its class, and its key is the group's: `model: LeNet`. The task module's own settings
    (`task/module/backbone_lr`) come without the components that it is built of, which are groups themselves.
    """
    flat: dict[str, Any] = {}

    def walk(key: str, value: Any) -> None:
        if isinstance(value, Mapping):
            if "_target_" in value:
                flat[key] = str(value["_target_"]).rpartition(".")[2]
            for name, item in value.items():
                if not name.startswith("_"):
                    walk(f"{key}/{name}", item)
        else:
            flat[key] = value if isinstance(value, (bool, int, float, str)) else str(value)

    walk("task", config["task"]["name"])
    for group in ("model", "optimizer", "seed", "data", "loss", "scheduler"):
        walk(group, config.get(group))
    module = config["task"].get("module") or {}
    walk("task/module", {name: value for name, value in module.items() if name not in COMPONENTS})
    for group in ("decide", "trainer", "callbacks"):
        walk(group, config.get(group))
    return flat
