"""Labels that networks contradict which did not learn them: confident learning.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021. A network
may be confident in general for one class and shy of another one, so each class has its own threshold: the mean
probability that it gets in the images that are labelled with it. An image is counted in the confident joint as
the class that is above its threshold (the most probable of several). Where that is not its label, and is more
probable than its label, it is a candidate for a wrong one: of a class that networks are shy of the threshold is
low, and an image may be above it that they rightly say to be of another one. The probabilities must be of networks
that did not train on the image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Doubts:
    """Labels that are probably wrong, the most confidently contradicted first.

    Attributes:
        rows: Of the images, int64 `[M]`.
        suggested: Class of each instead of its label, int64 `[M]`.
        margins: Probability of that class less that of the label, `[M]`.
        thresholds: Of the classes, `[K]`; NaN for one that no image is labelled with.
        joint: Confident joint: images by their label (rows) and by what they are counted as, int64 `[K, K]`.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    margins: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    joint: NDArray[np.int64]


def doubt(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Doubts:
    """Find the labels that are contradicted.

    Args:
        probabilities: Of each class, by networks that did not train on the image, `[N, K]`.
        labels: Class that each image is said to be of, `[N]`.

    Example:
        >>> found = doubt(np.array([[0.9, 0.1], [0.8, 0.2], [0.85, 0.15], [0.1, 0.9]]), np.array([0, 0, 1, 1]))
        >>> found.rows.tolist(), found.joint.tolist()
        ([2], [[1, 0], [1, 1]])
    """
    number = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    thresholds = np.array([own[labels == c].mean() if (labels == c).any() else np.nan for c in range(number)])
    above = probabilities >= np.where(np.isnan(thresholds), np.inf, thresholds) - 1e-12
    counted_as = np.where(above, probabilities, -1).argmax(1)
    confident = above.any(1)
    joint = np.zeros((number, number), np.int64)
    np.add.at(joint, (labels[confident], counted_as[confident]), 1)
    rows = np.flatnonzero(confident & (counted_as != labels))
    margins = probabilities[rows, counted_as[rows]] - own[rows]
    rows, margins = rows[margins > 0], margins[margins > 0]
    order = np.argsort(-margins, kind="stable")
    rows = rows[order]
    return Doubts(rows, counted_as[rows], margins[order].astype(np.float64), thresholds, joint)
