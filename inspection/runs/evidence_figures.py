"""The figures of heatmaps: each image's in a table, and what they are on average."""

import csv
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inspection.explain.faithfulness import Curves
from inspection.explain.heatmaps import METHOD_NAMES, Heatmaps
from inspection.explain.metrics import heat_inside, hits
from inspection.pictures.faithfulness import MeanCurves, faithfulness_chart
from inspection.runs.commands import number

RANDOM = "random"
"""Stands for a heatmap that says nothing: its pixels go in a random order."""
MEASURED = ("deletion", "insertion", "heat_inside", "hit")
COLUMNS = ("file", "target", "method", "evidence", *MEASURED, "mask_share")


class EvidenceFigures:
    """A row for each image, target and method; and their curves.

    Targets are summed up each for itself: where one class rises another falls, and their mean says nothing.

    Args:
        names: Of the scores that are explained.
        pointed_at: Which of them masks belong to.
    """

    def __init__(self, names: Sequence[str], pointed_at: Collection[int]) -> None:
        self.names, self.pointed_at = names, pointed_at
        self.rows: list[dict[str, Any]] = []
        self._rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._curves: dict[tuple[str, str], list[Curves]] = {}

    def add(
        self,
        files: Sequence[str],
        target: str,
        method: str,
        heat: Heatmaps,
        curves: Curves | None,
        masks: Tensor | None,
    ) -> None:
        """Take in the heatmaps of a batch.

        Args:
            files: Of the images, N.
            target: What was asked for: a name, or `predicted`, which is another one on each image.
            method: Name of the method, or `RANDOM`.
            heat: What it gave.
            curves: Of these maps; None: not asked for.
            masks: [N, H, W], all 0 where nothing is known to be defective; None: not known.
        """
        if curves is not None:
            self._curves.setdefault((target, method), []).append(curves)
        maps = heat.maps.cpu()
        for row, file in enumerate(files):
            explained = int(heat.targets[row])
            figures: dict[str, Any] = {
                "file": file,
                "target": self.names[explained],
                "method": method,
                "evidence": None if method == RANDOM else bool(heat.evidence[row]),
            }
            if curves is not None:
                figures["deletion"] = float(curves.deletion_area[row])
                figures["insertion"] = float(curves.insertion_area[row])
            if masks is not None and explained in self.pointed_at and bool(masks[row].any()):
                figures |= _inside(maps[row : row + 1], masks[row : row + 1], method == RANDOM)
            self.rows.append(figures)
            self._rows.setdefault((target, method), []).append(figures)

    @property
    def targets(self) -> list[str]:
        """What was asked for."""
        return list(dict.fromkeys(target for target, _ in self._rows))

    @property
    def measured(self) -> list[str]:
        """Which figures there are."""
        return [key for key in MEASURED if any(key in row for row in self.rows)]

    @property
    def with_mask(self) -> int:
        """Number of images with a mask that marks something."""
        return len({row["file"] for row in self.rows if "mask_share" in row})

    def write(self, path: Path) -> None:
        """All rows; what is undefined or was not asked for stays empty."""
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            for row in self.rows:
                writer.writerow({key: _cell(row.get(key)) for key in COLUMNS})

    def means(self) -> list[list[str]]:
        """A row a target and method below the headings: maps without evidence, and means of what is defined."""
        lines = [
            [
                "target",
                "method",
                "maps",
                "without evidence",
                *(key.replace("_", " ") for key in self.measured),
            ]
        ]
        for (target, method), own in sorted(
            self._rows.items(), key=lambda item: self.targets.index(item[0][0])
        ):
            empty = "-" if method == RANDOM else str(sum(not row["evidence"] for row in own))
            figures = (_figure([row[key] for row in own if key in row]) for key in self.measured)
            lines.append([target, METHOD_NAMES.get(method, "random order"), str(len(own)), empty, *figures])
        return lines

    def chart(self, target: str, unit: str) -> np.ndarray:
        """The curves of one target, a method each: the mean over the images, RGB uint8.

        Args:
            target: One of `targets`.
            unit: Of what they are drawn of.
        """
        shown = {}
        own = {method: parts for (of, method), parts in self._curves.items() if of == target}
        for method, parts in own.items():
            deletion, insertion = (
                torch.cat([getattr(part, side) for part in parts]).mean(0).numpy()
                for side in ("deletion", "insertion")
            )
            name = METHOD_NAMES.get(method, method)
            shown[name] = MeanCurves(parts[0].shares.numpy(), deletion, insertion)
        images = len({row["file"] for row in self.rows})
        return faithfulness_chart(shown, f"{unit} of {target}", images, chance=RANDOM)


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


def _figure(values: Sequence[float]) -> str:
    """The mean of what is defined; nothing where nothing was asked for, as of the share of "ok" in a mask."""
    known = [value for value in values if not math.isnan(value)]
    return number(sum(known) / len(known) if known else None) if values else "-"
