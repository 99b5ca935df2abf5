"""Charts of a run, by matplotlib's objects: pyplot would keep every figure and may open a window."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.pictures.figure import drawn, new_figure
from inspection.pictures.text import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by the colour-blind.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
_MARKERS = ("o", "s", "^", "D")  # the next one when all colours are in use, and another line
_LINES = (("-", "--"), ((0, (1, 1)), "-."))  # of val, train


def confusion_matrix(counts: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Draw counts and row percentages, readable for 2 to 20 classes.

    Args:
        counts: Int [K, K]: target in the row, verdict in the column.
        classes: K names in the order of the counts.

    Returns:
        RGB uint8. The shade is the share of the row, so that a rare class is as visible as a frequent one;
        what is wrong is orange, what is right is blue.

    Raises:
        ValueError: Counts and classes do not fit.
    """
    counts = np.asarray(counts)
    size = len(classes)
    if counts.shape != (size, size):
        raise ValueError(f"Expected counts [{size}, {size}] for {size} classes but got {list(counts.shape)}.")
    totals = counts.sum(axis=1)
    names = [_short(drawable(name)) for name in classes]

    longest = max((len(name) for name in names), default=0)
    cell = 1.0 if size <= 4 else 0.78 if size <= 10 else 0.6
    figure = new_figure(
        cell * size + 1.5 + 0.085 * longest, cell * size + 1.4 + (0.07 * longest if size > 3 else 0)
    )
    axes = figure.subplots()
    letters = 12 if size <= 4 else 9.5 if size <= 10 else 7.5
    _matrix(axes, counts, letters)
    slanted = size > 3 and longest > 4
    turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(range(size), names, **turned)
    axes.set_yticks(range(size), [f"{name}  (n={total})" for name, total in zip(names, totals, strict=True)])
    axes.tick_params(labelsize=max(letters - 1, 8))
    axes.set_xlabel("verdict")
    axes.set_ylabel("target")
    axes.set_title(_right_of(counts), fontsize=11, loc="left")
    return drawn(figure)


def label_matrices(counts: np.ndarray, attributes: Sequence[str]) -> np.ndarray:
    """Draw one 2x2 matrix an attribute on one sheet, for 1 to 20 attributes, in rows of up to five.

    Args:
        counts: Int [A, 2, 2]: target in the row, verdict in the column, no before yes.
        attributes: A names in the order of the counts.

    Returns:
        RGB uint8, shaded as in `confusion_matrix`.

    Raises:
        ValueError: Counts and attributes do not fit.
    """
    counts = np.asarray(counts)
    number = len(attributes)
    if counts.shape != (number, 2, 2) or not number:
        raise ValueError(
            f"Expected counts [{number}, 2, 2] for {number} attributes but got {list(counts.shape)}."
        )
    # Rows that are about equally full: six are 3 + 3, not 5 + 1.
    rows = math.ceil(number / 5)
    columns = math.ceil(number / rows)
    figure = new_figure(2.75 * columns + 0.3, 2.65 * rows + 0.3)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places[number:]:
        axes.set_visible(False)
    for index, (axes, matrix, name) in enumerate(zip(places, counts, attributes, strict=False)):
        _matrix(axes, matrix, 11)
        axes.set_xticks(range(2), ["no", "yes"])
        axes.set_yticks(
            range(2),
            [f"{answer}\nn={total}" for answer, total in zip(("no", "yes"), matrix.sum(1), strict=True)],
        )
        axes.tick_params(labelsize=9)
        axes.set_title(f"{_short(drawable(name), 28)}\n{_right_of(matrix)}", fontsize=10, loc="left")
        if index % columns == 0:
            axes.set_ylabel("target")
        if index + columns >= number:  # nothing below it
            axes.set_xlabel("verdict")
    return drawn(figure)


def _matrix(axes: "Axes", counts: np.ndarray, letters: float) -> None:
    """Draw counts and row percentages of any square matrix, without names."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    axes.imshow(_shades(shares), aspect="equal", interpolation="nearest")
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        # White on the dark shades; a zero is quiet, so that the eye finds the mistakes.
        colour = "white" if share > 0.4 else "#222222" if count else "#b4b8be"
        text = f"{int(count)}\n{_percent(share)}" if count else "0"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=letters)
    axes.set_xticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _right_of(counts: np.ndarray) -> str:
    right, total = int(np.trace(counts)), int(counts.sum())
    return f"{right} of {total} right ({_percent(right / total)})" if total else "no images"


def learning_curves(
    history: Sequence[Mapping[str, float]], monitor: str, best_epoch: int | None = None
) -> np.ndarray:
    """Draw the losses and the metrics of a run over its epochs.

    Args:
        history: One mapping an epoch: "epoch" (else the position counts) and figures such as "train/loss",
            "val/loss", "val/f1". Names that end in "loss" make the upper chart, the others the lower one
            ("lr" is left out); undefined (NaN) and missing values are gaps.
        monitor: Name of the figure that chose the best epoch: drawn thicker.
        best_epoch: Marked in both charts; None: not marked.

    Returns:
        RGB uint8.
    """
    epochs = [row.get("epoch", index) for index, row in enumerate(history)]
    names = sorted({name for row in history for name in row} - {"epoch", "step", "lr"})
    losses = [name for name in names if name.endswith("loss")]
    metrics = [name for name in names if name not in losses]
    figure = new_figure(8.2, 6.4 if metrics else 3.6)
    charts = figure.subplots(2 if metrics else 1, 1, sharex=True, squeeze=False)[:, 0]
    for axes, group, label in zip(charts, (losses, metrics), ("loss", "metric"), strict=False):
        for index, name in enumerate(group):
            _curve(
                axes,
                epochs,
                [row.get(name, math.nan) for row in history],
                name,
                monitored=name == monitor,
                index=index,
            )
        _finish(axes, label, best_epoch)
    if metrics:
        _limit(charts[1], [row.get(name, math.nan) for row in history for name in metrics])
    charts[-1].set_xlabel("epoch")
    charts[-1].xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if epochs:  # a run of one epoch has a width, too
        charts[-1].set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    charts[0].set_title(_heading(history, epochs, monitor, best_epoch), fontsize=11, loc="left")
    return drawn(figure)


def _curve(
    axes: "Axes", epochs: Sequence[float], values: Sequence[float], name: str, *, monitored: bool, index: int
) -> None:
    defined = np.isfinite(np.asarray(values, dtype=float))
    remarks = ["monitored"] * monitored + ["undefined"] * (not defined.any())
    # A line needs two defined neighbours; an epoch between two gaps would not be seen without a dot.
    axes.plot(
        epochs,
        np.where(defined, values, np.nan),
        color=_COLOURS[index % len(_COLOURS)],
        linestyle=_LINES[index // len(_COLOURS) % len(_LINES)][name.startswith("train")],
        linewidth=2.6 if monitored else 1.5,
        marker=_MARKERS[index // len(_COLOURS) % len(_MARKERS)],
        markersize=(4.5 if monitored else 3) if len(epochs) <= 60 else 0.8,
        label=drawable(name) + (f" ({', '.join(remarks)})" if remarks else ""),
    )


def _finish(axes: "Axes", label: str, best_epoch: int | None) -> None:
    if best_epoch is not None:
        axes.axvline(
            best_epoch, color="#555555", linewidth=1.2, linestyle=":", label=f"best epoch ({best_epoch})"
        )
    axes.set_ylabel(label)
    axes.grid(color="#e3e5e8", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        # Beside the chart: inside, it hides the curves of one run or another.
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9)


def _limit(axes: "Axes", values: Sequence[float]) -> None:
    """Show scores in 0..1 on the whole range, so that two runs can be compared by eye."""
    finite = [value for value in values if math.isfinite(value)]
    if finite and min(finite) >= 0 and max(finite) <= 1:
        axes.set_ylim(-0.02, 1.02)


def _heading(
    history: Sequence[Mapping[str, float]], epochs: Sequence[float], monitor: str, best_epoch: int | None
) -> str:
    for epoch, row in zip(epochs, history, strict=True):
        if epoch == best_epoch and math.isfinite(row.get(monitor, math.nan)):
            return f"best {drawable(monitor)} {row[monitor]:.3f} in epoch {best_epoch}"
    return f"{drawable(monitor)}: no best epoch"


def _shades(shares: np.ndarray) -> np.ndarray:
    """Return RGB in 0..1, white to blue on the diagonal and white to orange beside it."""
    right, wrong = np.array([0.03, 0.32, 0.55]), np.array([0.80, 0.30, 0.02])
    full = np.where(np.eye(len(shares), dtype=bool)[..., None], right, wrong)
    # By the root: a few mistakes in a hundred have to be seen, and to be told from one in a thousand.
    depth = np.sqrt(shares)[..., None]
    return 0.965 * (1 - depth) + full * depth


def _percent(share: float) -> str:
    """Round, but never up to 100 % nor down to 0 % what is not.

    >>> [_percent(share) for share in (0.9996, 1.0, 0.0004, 0.125)]
    ['>99.9%', '100%', '<0.1%', '12.5%']
    """
    if 0.9995 <= share < 1:
        return ">99.9%"
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.0%}" if share in (0.0, 1.0) else f"{share:.1%}"


def _short(name: str, longest: int = 18) -> str:
    return name if len(name) <= longest else name[: longest // 2] + "…" + name[-(longest // 2 - 1) :]
