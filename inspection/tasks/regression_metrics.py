"""Figures of predicted quantities: errors in their unit, what is explained of their spread, and of an alarm."""

from collections.abc import Sequence

import torch
from torch import Tensor

from inspection.tasks.metrics import UNDEFINED


def error_figures(predicted: Tensor, targets: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Errors of quantities.

    Args:
        predicted: `[N, T]`.
        targets: `[N, T]`, in the same unit.
        names: Of the quantities, T.

    Returns:
        In the unit `mae/<name>` (mean absolute error), `rmse/<name>` (root of the mean squared error) and
        `worst/<name>` (largest absolute error); `r2/<name>`, the share of the targets' variance that is
        explained: 1 is perfect, 0 no better than always their mean, and it may be negative. Without a name the
        mean over the quantities, of `worst` the largest. NaN without an image; R2 also of targets that are all
        the same.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> predicted, targets = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([[1.0], [3.0], [5.0]])
        >>> figures = error_figures(predicted, targets, ["heat"])
        >>> round(figures["mae/heat"], 3), figures["worst"], round(figures["r2"], 3)
        (0.667, 1.0, 0.75)
    """
    if predicted.shape != targets.shape or predicted.ndim != 2 or predicted.shape[1] != len(names):
        raise ValueError(
            f"Expected predicted and targets [N, {len(names)}] but got {list(predicted.shape)} and "
            f"{list(targets.shape)}."
        )
    predicted, targets = predicted.double(), targets.double()
    errors = (predicted - targets).abs()
    if not len(errors):
        nothing = torch.full((len(names),), UNDEFINED, dtype=torch.float64)
        by_name = dict.fromkeys(("mae", "rmse", "worst", "r2"), nothing)
    else:
        residual = errors.square().sum(0)
        spread = (targets - targets.mean(0)).square().sum(0)
        constant = (targets == targets[0]).all(0)  # their mean may be off by a rounding, and the spread not 0
        by_name = {
            "mae": errors.mean(0),
            "rmse": errors.square().mean(0).sqrt(),
            "worst": errors.amax(0),
            "r2": torch.where(constant, UNDEFINED, 1 - residual / spread),
        }
    figures: dict[str, float] = {}
    for figure, values in by_name.items():
        defined = values[~values.isnan()]
        over_all = defined.amax() if figure == "worst" and len(defined) else values.nanmean()
        figures[figure] = float(over_all)
        figures |= {f"{figure}/{name}": float(value) for name, value in zip(names, values, strict=True)}
    return figures


def alarm_figures(called: Tensor, true: Tensor) -> dict[str, float]:
    """How reliable an alarm is.

    Args:
        called: Bool `[N]`: the alarm was raised.
        true: Bool `[N]`: it should have been.

    Returns:
        `alarm_recall`: share of the true alarms that were raised, NaN without one. `alarm_precision`: share of the
        raised alarms that are true, NaN without one. `alarm_missed` and `alarm_false`: numbers of images.

    Example:
        >>> alarm_figures(torch.tensor([True, True, False]), torch.tensor([True, False, False]))
        {'alarm_recall': 1.0, 'alarm_precision': 0.5, 'alarm_missed': 0.0, 'alarm_false': 1.0}
    """
    hits, raised, there = (float(mask.sum()) for mask in (called & true, called, true))
    return {
        "alarm_recall": hits / there if there else UNDEFINED,
        "alarm_precision": hits / raised if raised else UNDEFINED,
        "alarm_missed": there - hits,
        "alarm_false": raised - hits,
    }
