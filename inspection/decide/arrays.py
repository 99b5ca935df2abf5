"""Verdicts are made of numpy arrays on the line, and of tensors, on their device, where a network learns."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", NDArray[Any], "Tensor")
"""The same kind in and out."""


def library_of(values: Any) -> Any:
    """The library whose functions take these values: `numpy` of an array, which loads nothing else, or `torch`.

    Example:
        >>> library_of(np.zeros(3)).__name__
        'numpy'
    """
    return np if isinstance(values, np.ndarray) else importlib.import_module("torch")


def beside(values: Any, numbers: Any) -> Any:
    """Numbers as an array or tensor of the type and device of others."""
    if isinstance(values, np.ndarray):
        return np.asarray(numbers, values.dtype)
    return values.new_tensor(numbers)
