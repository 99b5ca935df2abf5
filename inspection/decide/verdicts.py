"""From probabilities to a verdict: the one place where a class is chosen."""

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
        >>> import torch
        >>> verdicts(torch.tensor([[0.8, 0.2], [0.5, 0.5]]), defect=1).tolist()
        [0, 1]
    """
    if defect is None:
        return probabilities.argmax(1)
    others = probabilities.clone()
    others[:, defect] = -1
    chosen = others.argmax(1)
    chosen[probabilities[:, defect] >= threshold] = defect
    return chosen
