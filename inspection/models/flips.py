"""What a network says of an image and of its mirror images, averaged: test-time augmentation."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from torch import Tensor, nn

AXES = {"horizontal": -1, "vertical": -2}
"""The axis that a flip reverses."""


class Flipped(nn.Module):
    """A network that looks at each image also mirrored, and says the mean of what it saw.

    Logits are averaged, not probabilities: the result is what one network could have given, so a loss, a
    temperature and a threshold apply to it as to any (the mean of logits is the geometric mean of the odds). Maps
    are mirrored back first. Each flip is a pass of its own: as much memory as without, as many times slower.

    Args:
        model: Images `[N, C, H, W]` to logits `[N, K]`, or to maps `[N, K, h, w]` over the image.
        flips: Any of `horizontal` (left and right change places) and `vertical`; with both, also the image that is
            turned by 180 degrees: four passes. None of them: the model as it is.

    Raises:
        ValueError: If a flip is none, or is given twice. In a pass: if the model gives anything else than one such
            tensor; where boxes of mirror images belong together, a mean does not know.

    Example:
        >>> import torch
        >>> model = Flipped(nn.Identity(), ["horizontal"])
        >>> model(torch.tensor([[[[1.0, 2.0]]]])).tolist()
        [[[[1.0, 2.0]]]]
    """

    def __init__(self, model: nn.Module, flips: Sequence[str]) -> None:
        super().__init__()
        if set(flips) - set(AXES) or len(set(flips)) != len(flips):
            raise ValueError(f"flips={list(flips)}: expected {' and '.join(AXES)}, both or none, each once")
        self.model = model
        self.flips = tuple(flips)

    def forward(self, images: Tensor) -> Tensor:
        """The mean over the image and its mirror images."""
        return self.with_first(self.model(images), images)

    def with_first(self, seen: Tensor, images: Tensor) -> Tensor:
        """The same mean, where the pass over the image as it stands is done: `seen`."""
        total = _checked(seen)
        for axes in self._views():
            seen = _checked(self.model(images.flip(axes)))
            total = total + (seen.flip(axes) if seen.ndim == 4 else seen)
        return total / 2 ** len(self.flips)

    def _views(self) -> Iterator[list[int]]:
        """The axes of each mirror image."""
        axes = [AXES[flip] for flip in self.flips]
        for number in range(1, len(axes) + 1):
            for chosen in combinations(axes, number):
                yield list(chosen)


def _checked(seen: Any) -> Tensor:
    if not isinstance(seen, Tensor) or seen.ndim not in (2, 4):
        got = f"{list(seen.shape)}" if isinstance(seen, Tensor) else type(seen).__name__
        raise ValueError(
            "flips are for networks that give one tensor: classes, attributes, quantities [N, K] or masks "
            f"[N, K, H, W], but this one gave {got}; take flips=[]"
        )
    return seen
