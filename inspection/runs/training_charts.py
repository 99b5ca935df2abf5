"""Losses and figures of a training over its epochs, for the report."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from inspection.callbacks.charts import has_curve
from inspection.report.contents import LineChart, Series
from inspection.report.glossary import title_of
from inspection.runs.results import PARTS_IN_WORDS
from inspection.tasks.outcomes import Outcome


def read_history(path: Path) -> list[dict[str, float]]:
    """Rows of `history.csv`; empty cells are left out."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            {name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream)
        ]


def training_charts(
    history: Sequence[Mapping[str, float]], monitor: str | None, best_epoch: int | None, outcome: Outcome
) -> list[LineChart]:
    """Losses and figures over the epochs, those that `learning_curves.png` has."""
    epochs = [row["epoch"] for row in history]
    names = sorted({name for row in history for name in row} - {"epoch", "step", "lr"})
    names = [name for name in names if name == monitor or has_curve(name, outcome)]
    charts = []
    for title, own in (
        ("Loss", [name for name in names if name.endswith("loss")]),
        ("Figures", [name for name in names if not name.endswith("loss")]),
    ):
        series = [
            Series(
                curve_name(name) + " (chose the best epoch)" * (name == monitor),
                epochs,
                [row.get(name, math.nan) for row in history],
                strong=name == monitor,
                dashed=name.startswith("train/"),
            )
            for name in own
        ]
        values = [value for each in series for value in each.ys if math.isfinite(value)]
        mark = None if best_epoch is None else (float(best_epoch), f"best epoch, {best_epoch}")
        share = title == "Figures" and all(0 <= value <= 1 for value in values)
        if values:
            charts.append(LineChart(title, "epoch", title.lower(), series, mark, share))
    return charts


def curve_name(name: str) -> str:
    """What a figure of a part is called.

    Example:
        >>> curve_name("val/average_precision"), curve_name("train/loss")
        ('validation: average precision', 'training: loss')
    """
    part, _, figure = name.partition("/")
    return f"{PARTS_IN_WORDS[part]}: {title_of(figure)}" if part in PARTS_IN_WORDS else name
