"""The figures of heatmaps: each image's in a table, and what they are on average."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inspection.explain.faithfulness import Curves
from inspection.explain.heatmaps import METHOD_NAMES, Heatmaps
from inspection.explain.metrics import heat_inside, hits
from inspection.pictures.faithfulness import MeanCurves, faithfulness_chart
from inspection.runs.console import number

RANDOM = "random"
"""Stands for a heatmap that says nothing: its pixels go in a random order."""
MEASURED = ("deletion", "insertion", "heat_inside", "hit")
COLUMNS = ("file", "target", "method", "evidence", *MEASURED, "mask_share")


class EvidenceFigures:
    """A row for each image, target and method; and their curves.

    Args:
        names: Of the scores that are explained.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.rows: list[dict[str, Any]] = []
        self.curves: dict[str, list[Curves]] = {}

    def add(
        self, files: Sequence[str], method: str, heat: Heatmaps, curves: Curves | None, masks: Tensor | None
    ) -> None:
        """Take in the heatmaps of a batch.

        Args:
            files: Of the images, N.
            method: Name of the method, or `RANDOM`.
            heat: What it gave.
            curves: Of these maps; None: not asked for.
            masks: [N, H, W], all 0 where nothing is known to be defective; None: not known.
        """
        if curves is not None:
            self.curves.setdefault(method, []).append(curves)
        maps = heat.maps.cpu()
        for row, file in enumerate(files):
            figures: dict[str, Any] = {
                "file": file,
                "target": self.names[int(heat.targets[row])],
                "method": method,
                "evidence": None if method == RANDOM else bool(heat.evidence[row]),
            }
            if curves is not None:
                figures["deletion"] = float(curves.deletion_area[row])
                figures["insertion"] = float(curves.insertion_area[row])
            if masks is not None and bool(masks[row].any()):
                figures |= _inside(maps[row : row + 1], masks[row : row + 1], method == RANDOM)
            self.rows.append(figures)

    @property
    def measured(self) -> list[str]:
        """Which figures there are."""
        return [key for key in MEASURED if any(key in row for row in self.rows)]

    def write(self, path: Path) -> None:
        """All rows; what is undefined or was not asked for stays empty."""
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            for row in self.rows:
                writer.writerow({key: _cell(row.get(key)) for key in COLUMNS})

    def means(self) -> list[list[str]]:
        """A row a method below the headings: how many maps are without evidence, and means of what is defined."""
        lines = [["method", "maps", "without evidence", *(key.replace("_", " ") for key in self.measured)]]
        for method in dict.fromkeys(row["method"] for row in self.rows):
            own = [row for row in self.rows if row["method"] == method]
            empty = "-" if method == RANDOM else str(sum(not row["evidence"] for row in own))
            figures = (number(_mean([row.get(key) for row in own])) for key in self.measured)
            lines.append([METHOD_NAMES.get(method, "random order"), str(len(own)), empty, *figures])
        return lines

    def chart(self, unit: str) -> np.ndarray:
        """The curves, the mean over all images and targets, RGB uint8.

        Args:
            unit: Of what they are drawn of.
        """
        shown = {}
        for method, parts in self.curves.items():
            deletion, insertion = (
                torch.cat([getattr(part, side) for part in parts]).mean(0).numpy()
                for side in ("deletion", "insertion")
            )
            name = METHOD_NAMES.get(method, method)
            shown[name] = MeanCurves(parts[0].shares.numpy(), deletion, insertion)
        images = len({row["file"] for row in self.rows})
        return faithfulness_chart(shown, unit, images, chance=RANDOM)


def _inside(maps: Tensor, masks: Tensor, spread: bool) -> dict[str, float]:
    """Of one map and mask; heat that is spread without a thought lies in the mask by its share of the image."""
    share = float((masks != 0).float().mean())
    inside, hit = (
        (share, share) if spread else (float(heat_inside(maps, masks)[0]), float(hits(maps, masks)[0]))
    )
    return {"heat_inside": inside, "hit": hit, "mask_share": share}


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return sum(known) / len(known) if known else None
