"""Labels that are numbers with a unit: temperatures, say."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from inspection.data.labels import Holds, Labels, check_names
from inspection.errors import InputError

_BINS = 5  # of as many images each: a split gives each part its share of all of them
_THIRDS = ("low", "middle", "high")


class Quantities(Labels):
    """Each image has several quantities; targets are float64 `[N, T]`.

    Args:
        names: Of the quantities.
        unit: Of all of them, e.g. `K`.

    Raises:
        InputError: If names repeat.

    Example:
        >>> Quantities(["maximum", "average"], "K").cells(np.array([351.25, 300.0]))
        ['351.25', '300']
    """

    defect = None
    kind = "quantity"

    def __init__(self, names: Sequence[str], unit: str) -> None:
        self.names, self.unit = check_names(names, 1), unit
        self.columns = self.names

    def indicators(self, targets: np.ndarray) -> np.ndarray:
        """Which fifth of these images the first quantity is in, bool `[N, 5]`: what a split is stratified by."""
        first = targets[:, 0]
        edges = np.quantile(first, np.linspace(0, 1, _BINS + 1)[1:-1]) if len(first) else np.zeros(_BINS - 1)
        return np.eye(_BINS, dtype=bool)[np.searchsorted(edges, first, side="right")]

    def counts(self, parts: Mapping[str, np.ndarray]) -> list[list[str]]:
        """Range and mean of each quantity."""
        return [
            [f"{name} ({self.unit})", *(_range(values[:, index]) for values in parts.values())]
            for index, name in enumerate(self.names)
        ]

    def examples(self, targets: np.ndarray) -> dict[str, np.ndarray]:
        """The thirds of the first quantity: `maximum_low`, `maximum_middle` and `maximum_high`."""
        order = np.argsort(targets[:, 0], kind="stable")
        thirds = zip(_THIRDS, np.array_split(order, len(_THIRDS)), strict=True)
        return {f"{self.names[0]}_{third}": places for third, places in thirds}

    def cells(self, target: np.ndarray) -> list[str]:
        """The numbers, to a thousandth."""
        return [f"{value:.3f}".rstrip("0").rstrip(".") for value in target.tolist()]

    def same(self, cell: str, written: str) -> bool:
        """As numbers: a spreadsheet may have written others of their digits."""
        try:
            return abs(float(cell) - float(written)) <= 1e-3
        except ValueError:
            return False

    def tensor(self, targets: np.ndarray) -> Tensor:
        """float32 `[N, T]`."""
        return torch.from_numpy(targets.astype(np.float32))

    def loss_weights(self, targets: np.ndarray) -> Tensor:
        """Refused: there is nothing to be weighted against another."""
        raise InputError("data.balance=loss: quantities have no classes to weight; use data.balance=none")

    def classes_to_draw(self, targets: np.ndarray) -> np.ndarray:
        """Refused: there are no classes."""
        raise InputError("data.balance=sampler: quantities have no classes to draw; use data.balance=none")

    def needed(self, part: str) -> list[tuple[str, Holds]]:
        """Nothing but an image."""
        return []

    def notes(self, part: str, targets: np.ndarray) -> list[str]:
        """Quantities that are the same on all images."""
        constant = [
            name
            for name, values in zip(self.names, targets.T, strict=True)
            if len(values) and not np.ptp(values)
        ]
        return [f"all {part} images have the same {self.of(constant)}: R2 is undefined"] if constant else []

    def of(self, names: Sequence[str]) -> str:
        """Quantities by name."""
        return " and ".join(names)


def _range(values: np.ndarray) -> str:
    return f"{values.min():.1f} to {values.max():.1f}, mean {values.mean():.1f}" if len(values) else "-"
