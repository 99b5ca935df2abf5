"""Whether a network said anything at all: a diverged one gives NaN, which no comparison calls a defect."""

from typing import Any

import torch
from torch import Tensor


def are_finite(outputs: Any) -> Tensor:
    """Whether all that a network gave for an image are numbers.

    Args:
        outputs: `[N, ...]`, or a tuple of such tensors and of other things, which do not count.

    Returns:
        Bool `[N]` on the CPU.

    Example:
        >>> are_finite(torch.tensor([[0.0, 1.0], [torch.nan, 1.0], [torch.inf, 1.0]])).tolist()
        [True, False, False]
    """
    tensors = (
        [outputs] if isinstance(outputs, Tensor) else [each for each in outputs if isinstance(each, Tensor)]
    )
    each = [tensor.detach().flatten(1).isfinite().all(1) for tensor in tensors]
    return torch.stack(each).all(0).cpu()
