"""Axes of a chart as SVG: where values lie, and round values beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inspection.report.markup import Html, element


@dataclass(frozen=True)
class Plot:
    """Where values lie on a drawing, in its units."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float
    width: float = 310
    height: float = 235
    left: float = 50
    top: float = 10
    right: float = 12
    bottom: float = 42

    def x(self, value: float) -> float:
        """Place of a value from the left."""
        span = (self.high_x - self.low_x) or 1.0
        return self.left + (value - self.low_x) / span * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Place of a value from the top."""
        span = (self.high_y - self.low_y) or 1.0
        return (
            self.height - self.bottom - (value - self.low_y) / span * (self.height - self.top - self.bottom)
        )

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        """A line through the points that are numbers; others are gaps."""
        parts, pen = [], "M"
        for x, y in zip(xs, ys, strict=True):
            if not (math.isfinite(x) and math.isfinite(y)):
                pen = "M"
                continue
            parts.append(f"{pen}{self.x(x):.1f} {self.y(y):.1f}")
            pen = "L"
        return "".join(parts)

    def draw(self, title: str, x_label: str, y_label: str, *inside: Html, kind: str | None = None) -> Html:
        """Axes, grid and what is inside.

        Args:
            title: For those who do not see it.
            x_label: Below.
            y_label: To the left.
            inside: Drawn in this order.
            kind: For the script that moves a mark on it.
        """
        base, edge = self.height - self.bottom, self.width - self.right
        grid, words = [], []
        for value in ticks(self.low_x, self.high_x):
            at = f"{self.x(value):.1f}"
            grid.append(element("line", x1=at, x2=at, y1=self.top, y2=base))
            words.append(element("text", tick_text(value), x=at, y=base + 16, text_anchor="middle"))
        for value in ticks(self.low_y, self.high_y):
            at = f"{self.y(value):.1f}"
            grid.append(element("line", x1=self.left, x2=edge, y1=at, y2=at))
            words.append(
                element(
                    "text", tick_text(value), x=self.left - 7, y=f"{self.y(value) + 4:.1f}", text_anchor="end"
                )
            )
        middle = (self.top + base) / 2
        labels = [
            element("text", x_label, x=(self.left + edge) / 2, y=self.height - 5, text_anchor="middle"),
            element(
                "text", y_label, x=13, y=middle, text_anchor="middle", transform=f"rotate(-90 13 {middle})"
            ),
        ]
        box = f"M{self.left} {self.top}V{base}H{edge}"
        return element(
            "svg",
            element("g", grid, class_="grid"),
            element("path", d=box, class_="axis"),
            element("g", words, class_="ticks"),
            element("g", labels, class_="labels"),
            inside,
            viewBox=f"0 0 {self.width:g} {self.height:g}",
            role="img",
            aria_label=title,
            data_kind=kind,
            data_plot=" ".join(
                f"{value:.6g}"
                for value in (self.low_x, self.high_x, self.low_y, self.high_y, self.left, edge)
            )
            + f" {base:g} {self.top:g}",
        )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values between two others.

    Example:
        >>> ticks(0, 1), ticks(1, 12)
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [2.0, 4.0, 6.0, 8.0, 10.0, 12.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.85)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def tick_text(value: float) -> str:
    """A short number.

    Example:
        >>> [tick_text(value) for value in (0.0, 0.2, 1.0, 1500.0, 0.00002)]
        ['0', '0.2', '1', '1500', '2e-05']
    """
    return f"{value:.6g}"
