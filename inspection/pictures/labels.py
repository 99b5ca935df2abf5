"""Temporary."""

from dataclasses import dataclass


@dataclass
class Called:
    probability: float
    called: bool
    target: bool | None = None


def label_colours(names, colours):
    return dict.fromkeys(colours or names, (0, 0, 255))


def label_panel(*a, **k):
    import numpy as np

    return np.zeros((20, 20, 3), np.uint8)


def label_matrices(*a):
    return label_panel()
