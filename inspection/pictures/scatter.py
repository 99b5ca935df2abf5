"""What was measured against what is true, a point an image."""

from collections.abc import Sequence

import numpy as np

from inspection.pictures.figure import drawn, new_figure
from inspection.pictures.text import drawable

_POINT, _LINE, _ALARM = "#0072B2", "#555555", "#D55E00"  # of Okabe and Ito


def true_against_predicted(
    targets: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[str],
    unit: str,
    usual: Sequence[float],
    alarms: Sequence[float | None] | None = None,
) -> np.ndarray:
    """Draw a chart a quantity: the true value to the right, the predicted one upwards, at one scale.

    Points on the diagonal are right. The dotted line is what somebody would say who knows the usual value
    alone; the title tells how far off both are on average. A legend names the lines.

    Args:
        targets: `[N, T]`.
        predicted: `[N, T]`, in the same unit.
        names: Of the quantities, T.
        unit: Of all of them.
        usual: Of each quantity the value of the dotted line: the mean in training.
        alarms: Of each quantity the value from which on there is an alarm, drawn as a cross of two lines (what
            lies in its lower right was missed, in its upper left raised for nothing); None: none.

    Returns:
        RGB uint8.

    Raises:
        ValueError: The shapes do not fit.
    """
    targets, predicted = np.asarray(targets, float), np.asarray(predicted, float)
    number = len(names)
    if targets.shape != predicted.shape or targets.ndim != 2 or targets.shape[1] != number or not number:
        raise ValueError(
            f"Expected targets and predicted [N, {number}] but got {list(targets.shape)} and "
            f"{list(predicted.shape)}."
        )
    figure = new_figure(4.1 * number + 0.3, 4.3)
    for index, (axes, name) in enumerate(
        zip(figure.subplots(1, number, squeeze=False)[0], names, strict=True)
    ):
        true, said = targets[:, index], predicted[:, index]
        values = np.concatenate([true, said, [usual[index]]])
        edge = max(0.05 * np.ptp(values), 0.5)
        limits = values.min() - edge, values.max() + edge
        axes.plot(limits, limits, color=_LINE, linewidth=1.2)
        axes.axhline(usual[index], color=_LINE, linewidth=1.2, linestyle=":", label="always the mean")
        limit = None if alarms is None else alarms[index]
        if limit is not None and limits[0] < limit < limits[1]:
            axes.axhline(limit, color=_ALARM, linewidth=1.0, label=f"alarm from {limit:g} {unit}")
            axes.axvline(limit, color=_ALARM, linewidth=1.0)
        axes.scatter(true, said, s=18, color=_POINT, alpha=0.55, edgecolors="none")
        axes.set_xlim(limits)
        axes.set_ylim(limits)
        axes.set_aspect("equal")
        axes.set_xlabel(f"true ({unit})")
        if index == 0:
            axes.set_ylabel(f"predicted ({unit})")
        axes.grid(color="#e3e5e8", linewidth=0.8)
        axes.set_axisbelow(True)
        # Not "best", which tries every point; nor in the lower right, where the missed alarms are.
        axes.legend(loc="upper left", fontsize=8, framealpha=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(
            f"{drawable(name)}\n{_errors(true, said, usual[index], unit)}", fontsize=10, loc="left"
        )
    return drawn(figure)


def _errors(true: np.ndarray, said: np.ndarray, usual: float, unit: str) -> str:
    """Mean absolute errors in words.

    >>> _errors(np.array([300.0, 310.0]), np.array([301.0, 310.0]), 305.0, "K")
    'MAE 0.50 K (always the mean: 5.00 K)'
    """
    if not len(true):
        return "no images"
    mean = np.abs(true - usual).mean()
    return f"MAE {np.abs(true - said).mean():.2f} {unit} (always the mean: {mean:.2f} {unit})"
