"""What a network measured on each image of a part, beside what would have been said without one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inspection.data.quantity_labels import Quantities as QuantityLabels
from inspection.decide.quantities import Quantities
from inspection.decide.scores import Scored
from inspection.pictures.scatter import true_against_predicted
from inspection.tasks import resampled
from inspection.tasks.outcomes import Axis, Cell, Confusion, Outcome, Table, Told, shares_of_calls
from inspection.tasks.regression_metrics import alarm_figures, error_figures

FIGURES = ("mae", "rmse", "worst", "r2")
BASELINES = {"mean": "training mean", "pixels": "pixel statistic"}
"""What a network must be compared with, and in words."""


@dataclass(frozen=True)
class QuantityOutcome(Outcome):
    """Several quantities an image.

    Attributes:
        values: What was measured, float64 `[N, T]`, in the unit of the decision.
        targets: What is true, `[N, T]`.
        usual: Mean of the targets in training, `[T]`.
        pixels: What the pixels of images with an absolute scale say, float64 `[N, T]`, or None.
    """

    decision: Quantities
    values: Tensor
    targets: Tensor
    usual: Tensor
    pixels: Tensor | None

    headlines = (
        *FIGURES,
        "alarm_recall",
        "alarm_precision",
        "mae_of_mean",
        "mae_of_pixels",
        "loss",
    )

    curves = ("mae", "rmse", "mae_of_mean")  # in the unit, and of about one size

    @property
    def unit(self) -> str:
        """Of the errors."""
        return self.decision.unit

    @classmethod
    def of(
        cls,
        decision: Quantities,
        rows: Tensor,
        values: Tensor,
        targets: Tensor,
        usual: Tensor,
        pixels: Tensor | None = None,
    ) -> "QuantityOutcome":
        """The outcome with all its figures but the loss; arguments as the attributes."""
        figures = error_figures(values, targets, decision.names)
        baselines = {"mean": usual.double().expand(len(targets), -1), "pixels": pixels}
        for name, said in baselines.items():
            if said is not None:
                errors = error_figures(said, targets, decision.names)
                figures |= {
                    figure.replace("mae", f"mae_of_{name}"): value
                    for figure, value in errors.items()
                    if figure.partition("/")[0] == "mae"
                }
        if decision.alarm is not None:
            figures |= alarm_figures(decision.alarms(values), decision.deserved(targets))
        return cls(decision, rows, figures, values, targets, usual, pixels)

    @property
    def right(self) -> Tensor | None:
        """Whether the alarm is right, bool `[N]`; None without one."""
        if self.decision.alarm is None:
            return None
        return self.decision.alarms(self.values) == self.decision.deserved(self.targets)

    def scored(self) -> list[Scored]:
        """What the network says of the quantity that the alarm watches; nothing without an alarm."""
        if self.decision.alarm is None:
            return []
        name = self.decision.watched[0]
        said = self.values[:, self.decision.names.index(name)].double()
        return [
            Scored(
                name,
                said.numpy(),
                self.decision.deserved(self.targets).numpy(),
                np.arange(len(self.rows)),
                physical=True,
            )
        ]

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Means over the quantities, what would have been said without a network, and the alarm."""
        figures = resampled.of_quantities(weights, self.values, self.targets)
        usual = self.usual.double().expand(len(self.targets), -1)
        for name, said in (("mean", usual), ("pixels", self.pixels)):
            if said is not None:
                errors = resampled.of_quantities(weights, said, self.targets)
                figures[f"mae_of_{name}"] = errors["mae"]
        if self.decision.alarm is not None:
            called, true = self.decision.alarms(self.values), self.decision.deserved(self.targets)
            figures |= resampled.of_alarms(weights, called.numpy(), true.numpy())
        return figures

    def shares(self) -> dict[str, np.ndarray]:
        """Of the alarm, if there is one."""
        if self.decision.alarm is None:
            return {}
        calls = shares_of_calls(self.decision.alarms(self.values), self.decision.deserved(self.targets))
        return {f"alarm_{name}": calls[name] for name in ("recall", "precision")}

    @staticmethod
    def names_of_figures(decision: Quantities) -> list[str]:
        """Names of the figures that every outcome of a decision has."""
        each = [f"{figure}/{name}" for figure in FIGURES for name in decision.names]
        alarms = ["alarm_recall", "alarm_precision", "alarm_missed", "alarm_false"]
        return [*FIGURES, *each, "mae_of_mean", *(alarms if decision.alarm is not None else [])]

    def tables(self, outcomes: Mapping[str, Outcome]) -> list[Table]:
        """Figures, those of each quantity beside what would be said without a network, and the alarms."""
        names, unit = self.decision.names, self.decision.unit
        against = [name for name in BASELINES if f"mae_of_{name}" in self.figures]
        header: list[Cell] = ["", *FIGURES, *(f"mae of {BASELINES[name]}" for name in against)]
        rows: list[Sequence[Cell]] = [header]
        for name in names:
            columns = [*FIGURES, *(f"mae_of_{baseline}" for baseline in against)]
            rows.append([name, *(self.figures[f"{column}/{name}"] for column in columns)])
        tables = [
            self.headline(outcomes, f"in {unit}: mean over {', '.join(names)}; worst: the largest of all"),
            Table(f"each quantity in {unit}, and what is said without a network", rows),
        ]
        if self.decision.alarm is not None:
            name, limit, called_from = self.decision.watched
            true = int(self.decision.deserved(self.targets).sum())
            missed, false = (int(self.figures[f"alarm_{what}"]) for what in ("missed", "false"))
            cells: list[Cell] = ["alarm", self.figures["alarm_recall"], self.figures["alarm_precision"]]
            alarm: list[Sequence[Cell]] = [
                ["", "recall", "precision", "true", "missed", "false alarms"],
                [*cells, true, missed, false],
            ]
            raised = "" if called_from == limit else f", raised from {called_from:g} {unit} on"
            tables.append(Table(f"alarm at a {name} of {limit:g} {unit}{raised}", alarm))
        return tables

    def details(self) -> dict[str, Any]:
        """How quantities came out of what the network gives, and the alarm."""
        return {"quantities": self.decision.to_dict(), "training_mean": self.usual.tolist()}

    def columns(self) -> list[str]:
        """Target and prediction of each quantity, and the alarm if there is one."""
        names = self.decision.names
        numbers = [f"{what}_{name}" for what in ("target", "predicted") for name in names]
        return numbers if self.decision.alarm is None else [*numbers, "target_alarm", "alarm"]

    def cells(self) -> list[list[str]]:
        """To a thousandth of the unit, enough to compute the figures again."""
        rows = [
            [f"{value:.3f}" for value in values]
            for values in torch.cat([self.targets, self.values], 1).tolist()
        ]
        if self.decision.alarm is None:
            return rows
        alarms = zip(self.decision.deserved(self.targets), self.decision.alarms(self.values), strict=True)
        return [
            [*row, str(bool(true)), str(bool(called))]
            for row, (true, called) in zip(rows, alarms, strict=True)
        ]

    def confusions(self) -> dict[str, Confusion]:
        """Of the alarm, if there is one."""
        if self.decision.alarm is None:
            return {}
        due, raised = self.decision.deserved(self.targets), self.decision.alarms(self.values)
        counts = [[int(((due == true) & (raised == said)).sum()) for said in (0, 1)] for true in (0, 1)]
        return {"": Confusion(("no alarm", "alarm"), np.array(counts))}

    def axis(self, name: str) -> Axis:
        """What the network says."""
        return Axis(f"measured {name}, {self.decision.unit}", "alarm")

    def told(self, position: int) -> Told:
        """What is true, what was measured, and the errors."""
        true, said = self.targets[position].double(), self.values[position]
        errors = zip(self.decision.names, (said - true).tolist(), strict=True)
        facts = [(f"error of {name}", f"{error:+.1f} {self.decision.unit}") for name, error in errors]
        due, raised = self.decision.deserved(true[None]), self.decision.alarms(said[None])
        target, verdict = (
            self.decision.measures(values) + ": alarm" * bool(alarm)
            for values, alarm in ((true, due), (said, raised))
        )
        return Told(target, verdict, facts)

    def charts(self) -> dict[str, np.ndarray]:
        """True against predicted values."""
        limits = [(self.decision.alarm or {}).get(name) for name in self.decision.names]
        picture = true_against_predicted(
            self.targets.numpy(),
            self.values.numpy(),
            self.decision.names,
            self.decision.unit,
            self.usual.tolist(),
            limits,
        )
        return {"true_against_predicted": picture}

    def wrongness(self) -> np.ndarray:
        """The error, by the scale of the worst quantity."""
        errors = (self.decision.standardised(self.values) - self.decision.standardised(self.targets)).abs()
        return errors.amax(1).double().numpy()

    def examples(self) -> dict[str, np.ndarray]:
        """Thirds of the images, from low to high values of the first quantity."""
        return QuantityLabels(self.decision.names, self.decision.unit).examples(self.targets.numpy())
