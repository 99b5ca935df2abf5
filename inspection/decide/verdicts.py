"""From probabilities to a verdict: the one place where a class is chosen."""

from collections.abc import Sequence

import torch
from torch import Tensor


def verdicts(probabilities: Tensor, defect: int | None = None, threshold: float = 0.5) -> Tensor:
    """The class that each image is judged to be.

    With a defect class, an image whose defect probability reaches the threshold (`>=`, so that a threshold
    taken from an observed probability includes that very image) is a defect; any other image is the most
    probable of the remaining classes. Without one, the most probable class wins.

    Args:
        probabilities: `[N, K]`, rows that sum to 1.
        defect: Index of the defect class, or None.
        threshold: Smallest defect probability that counts as a defect, 0..1.

    Returns:
        Class indices, int64 `[N]`.

    Example:
        >>> verdicts(torch.tensor([[0.8, 0.2], [0.5, 0.5]]), defect=1).tolist()
        [0, 1]
    """
    if defect is None:
        return probabilities.argmax(1)
    others = probabilities.clone()
    others[:, defect] = -1
    chosen = others.argmax(1)
    # Not `>=`: a probability that is NaN is no reason to call a part good.
    chosen[~(probabilities[:, defect] < threshold)] = defect
    return chosen


def label_verdicts(probabilities: Tensor, thresholds: Sequence[float]) -> Tensor:
    """Which attributes each image is judged to have.

    Args:
        probabilities: `[N, A]`, each of its own.
        thresholds: Smallest probability that counts as a yes (`>=`, see `verdicts`), one an attribute.

    Returns:
        Bool `[N, A]`.

    Example:
        >>> label_verdicts(torch.tensor([[0.5, 0.5], [0.4, 0.9]]), [0.5, 0.6]).tolist()
        [[True, False], [False, True]]
    """
    # In the precision of the probabilities: float32 of 0.3 is above 0.3, and would miss its own threshold.
    return ~(probabilities < torch.tensor(thresholds, dtype=probabilities.dtype, device=probabilities.device))
