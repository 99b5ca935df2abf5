"""What is known of each image: one class of several, or any number of attributes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from inspection.data.sampling import balancing_weights
from inspection.errors import InputError

Holds = Callable[[np.ndarray], np.ndarray]


class Labels(ABC):
    """The kind of targets that a data set has.

    Attributes:
        names: Of the classes or attributes, in the order of the network's outputs.
        defect: The positive class, or None.
        columns: Of a table that holds the targets, see `cells`.
        kind: What a name is the name of: `class`, `attribute` or `quantity`.
    """

    names: tuple[str, ...]
    defect: str | None
    columns: tuple[str, ...]
    kind: str

    @abstractmethod
    def indicators(self, targets: np.ndarray) -> np.ndarray:
        """Which names hold for each target, bool `[N, K]`."""

    def counts(self, parts: Mapping[str, np.ndarray]) -> list[list[str]]:
        """What there is of what in each part: rows of a label and a cell a part.

        Args:
            parts: Targets by part.
        """
        held = [self.indicators(targets).sum(0) for targets in parts.values()]
        return [
            [f"{name} (defect class)" if name == self.defect and name != "defect" else name]
            + [str(int(number[index])) for number in held]
            for index, name in enumerate(self.names)
        ]

    def examples(self, targets: np.ndarray) -> dict[str, np.ndarray]:
        """Positions of the targets by what they are examples of: each name that holds."""
        columns = self.indicators(targets).T
        return {name: np.flatnonzero(column) for name, column in zip(self.names, columns, strict=True)}

    @abstractmethod
    def cells(self, target: np.ndarray) -> list[str]:
        """One target as text, a cell a column."""

    def same(self, cell: str, written: str) -> bool:
        """Whether a cell of somebody's table says what `cells` would write."""
        return cell == written

    @abstractmethod
    def tensor(self, targets: np.ndarray) -> Tensor:
        """Targets as the loss takes them."""

    @abstractmethod
    def loss_weights(self, targets: np.ndarray) -> Tensor:
        """Weights with which a loss makes up for what is rare in these targets, float32 `[K]`."""

    @abstractmethod
    def classes_to_draw(self, targets: np.ndarray) -> np.ndarray:
        """Of each row the class that a sampler draws equally often, int64 `[N]`."""

    @abstractmethod
    def needed(self, part: str) -> list[tuple[str, Holds]]:
        """What a part can't do without: in words, and which of its targets have it."""

    def notes(self, part: str, targets: np.ndarray) -> list[str]:
        """What a person should know of a part that will do: figures that will be undefined."""
        absent = [
            name
            for name, holds in zip(self.names, self.indicators(targets).T, strict=True)
            if not holds.any()
        ]
        if not absent or not len(targets):
            return []
        return [f"no {part} image {self.of(absent)}: some figures will be undefined; means leave them out"]

    @abstractmethod
    def of(self, names: Sequence[str]) -> str:
        """What an image is or has, in words."""


def check_names(names: Sequence[str], least: int) -> tuple[str, ...]:
    """The names, if they are different ones and enough.

    Raises:
        InputError: If they are not.
    """
    if len(names) < least or len(set(names)) != len(names):
        number = "two or more" if least > 1 else "one or more"
        raise InputError(f"data.classes={list(names)}: expected {number} different names")
    return tuple(names)


class Classes(Labels):
    """Each image is of one class; targets are class indices, int64 `[N]`.

    Args:
        names: Class names, two or more.
        defect: The positive class, or None.

    Raises:
        InputError: If names repeat, or the defect is none of them.

    Example:
        >>> Classes(["ok", "defect"], "defect").indicators(np.array([1, 0])).tolist()
        [[False, True], [True, False]]
    """

    columns = ("class",)
    kind = "class"

    def __init__(self, names: Sequence[str], defect: str | None) -> None:
        self.names, self.defect = check_names(names, 2), defect
        if defect is not None and defect not in self.names:
            raise InputError(
                f"data.defect={defect!r} is not one of data.classes={list(names)}; name one of them, or null"
            )

    def indicators(self, targets: np.ndarray) -> np.ndarray:
        """One-hot, bool `[N, K]`."""
        return np.eye(len(self.names), dtype=bool)[targets]

    def cells(self, target: np.ndarray) -> list[str]:
        """The class name."""
        return [self.names[int(target)]]

    def tensor(self, targets: np.ndarray) -> Tensor:
        """int64 `[N]`."""
        return torch.from_numpy(targets)

    def loss_weights(self, targets: np.ndarray) -> Tensor:
        """A weight a class: all count alike."""
        return balancing_weights(targets, len(self.names))

    def classes_to_draw(self, targets: np.ndarray) -> np.ndarray:
        """The classes."""
        return targets

    def needed(self, part: str) -> list[tuple[str, Holds]]:
        """Every part needs every class: without it, there is nothing to learn or to measure."""
        return [
            (f"image of class {name!r}", partial(np.equal, index)) for index, name in enumerate(self.names)
        ]

    def of(self, names: Sequence[str]) -> str:
        """Of classes."""
        return f"of class {' or '.join(map(repr, names))}"


class Attributes(Labels):
    """Any number of attributes holds for an image; targets are bool `[N, A]`.

    Args:
        names: Attribute names.

    Raises:
        InputError: If names repeat.

    Example:
        >>> Attributes(["error", "break"]).cells(np.array([True, False]))
        ['True', 'False']
    """

    defect = None
    kind = "attribute"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = check_names(names, 1)
        self.columns = self.names

    def indicators(self, targets: np.ndarray) -> np.ndarray:
        """The targets themselves."""
        return targets

    def cells(self, target: np.ndarray) -> list[str]:
        """True or False, an attribute."""
        return [str(bool(value)) for value in target]

    def same(self, cell: str, written: str) -> bool:
        """In any case, since spreadsheets write TRUE."""
        return cell.strip().lower() == written.lower()

    def tensor(self, targets: np.ndarray) -> Tensor:
        """float32 `[N, A]`, 0 or 1."""
        return torch.from_numpy(targets.astype(np.float32))

    def loss_weights(self, targets: np.ndarray) -> Tensor:
        """Weight of a true one of each attribute so that true and false count alike: `n_false / n_true`."""
        true = targets.sum(0)
        return torch.as_tensor((len(targets) - true) / np.maximum(true, 1), dtype=torch.float32)

    def classes_to_draw(self, targets: np.ndarray) -> np.ndarray:
        """Refused: an image counts for several attributes at once."""
        raise InputError(
            "data.balance=sampler: with several attributes an image no single class can be drawn equally often; "
            "use data.balance=loss (a weight for the true ones of each attribute) or none"
        )

    def needed(self, part: str) -> list[tuple[str, Holds]]:
        """To learn from, an attribute must be true and false."""
        if part != "train":
            return []
        return [
            (f"image where {name!r} is {value}", partial(_holds, index, value))
            for index, name in enumerate(self.names)
            for value in (True, False)
        ]

    def of(self, names: Sequence[str]) -> str:
        """Where attributes are true."""
        return f"where {' or '.join(names)} is true"


def _holds(index: int, value: bool, targets: np.ndarray) -> np.ndarray:
    return targets[:, index] == value
