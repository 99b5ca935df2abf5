"""From probabilities to a verdict: the one place where a class is chosen."""

from collections.abc import Sequence

from inspection.decide.arrays import Array, beside, library_of


def verdicts(probabilities: Array, defect: int | None = None, threshold: float = 0.5) -> Array:
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
        >>> import numpy as np
        >>> verdicts(np.array([[0.8, 0.2], [0.5, 0.5]]), defect=1).tolist()
        [0, 1]
    """
    if defect is None:
        return probabilities.argmax(1)
    library = library_of(probabilities)
    is_defect = beside(probabilities, [place == defect for place in range(probabilities.shape[1])]) > 0
    others = library.where(is_defect, -1, probabilities)
    # Not `>=`: a probability that is NaN is no reason to call a part good.
    chosen: Array = library.where(~(probabilities[:, defect] < threshold), defect, others.argmax(1))
    return chosen


def label_verdicts(probabilities: Array, thresholds: Sequence[float]) -> Array:
    """Which attributes each image is judged to have.

    Args:
        probabilities: `[N, A]`, each of its own.
        thresholds: Smallest probability that counts as a yes (`>=`, see `verdicts`), one an attribute.

    Returns:
        Bool `[N, A]`.

    Example:
        >>> import numpy as np
        >>> label_verdicts(np.array([[0.5, 0.5], [0.4, 0.9]]), [0.5, 0.6]).tolist()
        [[True, False], [False, True]]
    """
    # In the precision of the probabilities: float32 of 0.3 is above 0.3, and would miss its own threshold.
    below: Array = probabilities < beside(probabilities, thresholds)
    return ~below
