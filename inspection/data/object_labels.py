"""What is known of images in which objects are marked by boxes: which kinds of objects are in each."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from torch import Tensor

from inspection.data.labels import Attributes, Holds
from inspection.errors import InputError


class Objects(Attributes):
    """Any number of objects of several classes in an image; targets say which classes occur, bool `[N, K]`.

    The boxes themselves are truth beside the target, see `ImageDataModule.open_truth`.

    Args:
        names: Of the classes.

    Raises:
        InputError: If names repeat.

    Example:
        >>> Objects(["motor", "valve"]).cells(np.array([True, False]))
        ['True', 'False']
    """

    kind = "object"

    def loss_weights(self, targets: np.ndarray) -> Tensor:
        """Refused: objects are weighed by the loss itself."""
        raise InputError(
            "data.balance=loss: the loss of boxes weighs objects and background itself (conf/loss/yolo.yaml); use "
            "data.balance=none"
        )

    def classes_to_draw(self, targets: np.ndarray) -> np.ndarray:
        """Refused: an image has objects of several classes."""
        raise InputError(
            "data.balance=sampler: with several objects an image no single class can be drawn equally often; use "
            "data.balance=none"
        )

    def needed(self, part: str) -> list[tuple[str, Holds]]:
        """To learn from, each class must occur."""
        if part != "train":
            return []
        return [(f"image with {name!r}", partial(_holds, place)) for place, name in enumerate(self.names)]

    def counts(self, parts: Mapping[str, np.ndarray]) -> list[list[str]]:
        """Images with each class, and those without any; an image counts for each class that it shows."""
        rows = [[f"with {name}", *cells] for name, *cells in super().counts(parts)]
        return [*rows, ["without any", *(str(int((~targets).all(1).sum())) for targets in parts.values())]]

    def of(self, names: Sequence[str]) -> str:
        """With objects of some classes."""
        return f"with {' or '.join(map(repr, names))}"


def _holds(place: int, targets: np.ndarray) -> np.ndarray:
    return targets[:, place]
