"""Deletion and insertion curves of several heatmap methods."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from inspection.pictures.figure import drawn, new_figure
from inspection.pictures.text import drawable

# Okabe and Ito's colours, told apart by the colour-blind; a random order is grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_RANDOM = "#777777"


class MeanCurves(NamedTuple):
    """A method's curves, the mean over the images.

    Attributes:
        shares: Of the pixels, 0..1, [S].
        deletion: Scores, [S].
        insertion: Scores, [S].
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray


def faithfulness_chart(curves: Mapping[str, MeanCurves], score: str, images: int, chance: str) -> np.ndarray:
    """Draw the deletion curves beside the insertion curves, each with the area below it.

    Args:
        curves: By the method's name.
        score: What is watched, for the axis, e.g. `probability`.
        images: How many the means are of.
        chance: Which of the curves has the pixels in a random order: drawn dotted and grey.

    Returns:
        RGB uint8.
    """
    figure = new_figure(9.6, 3.9 + 0.1 * len(curves))
    charts = figure.subplots(1, 2, sharey=True)
    titles = (
        "deletion: the hottest pixels go first\nlower is better",
        "insertion: they come first\nhigher is better",
    )
    for index, (axes, title) in enumerate(zip(charts, titles, strict=True)):
        colours = iter(_COLOURS * 2)
        for name, each in curves.items():
            values = each[1 + index]
            area = float(np.trapezoid(values, each.shares))
            axes.plot(
                100 * each.shares,
                values,
                color=_RANDOM if name == chance else next(colours),
                linestyle=":" if name == chance else "-",
                linewidth=1.8,
                label=f"{drawable(name)}  {area:.3f}",
            )
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlabel("% of the pixels")
        axes.grid(color="#e3e5e8", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        # Below the chart: inside, it hides the curves of one network or another.
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(0, -0.16),
            ncols=2,
            fontsize=8,
            frameon=False,
            title="mean height",
        )
    charts[0].ticklabel_format(axis="y", useOffset=False)  # a shift of the scale is overlooked
    charts[0].set_ylabel(f"{score}, mean of {images} {'image' if images == 1 else 'images'}")
    return drawn(figure)
