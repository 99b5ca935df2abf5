"""Is a heatmap true to its network? Pixels go, or come, from the hottest on, and the score is watched.

Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
https://arxiv.org/abs/1806.07421. What is measured is the network's own behaviour: neither a mask nor a person's
idea of the defect comes in. A heatmap can be faithful to a network that looks at the wrong thing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from inspection.explain.occlusion import images_a_pass, neutral


@dataclass(frozen=True)
class Curves:
    """How the score of each image changes while its hottest pixels go, and while they come.

    Attributes:
        shares: Of the pixels that are gone or there, 0..1, float32 [S + 1].
        deletion: Scores, float32 [N, S + 1]: from the image to one without anything to see. A steep fall is good.
        insertion: Scores, float32 [N, S + 1]: from the blurred image to the image. A steep rise is good.
    """

    shares: Tensor
    deletion: Tensor
    insertion: Tensor

    @property
    def deletion_area(self) -> Tensor:
        """Mean height of each deletion curve, float32 [N]; the smaller, the more faithful."""
        return torch.trapezoid(self.deletion, self.shares)

    @property
    def insertion_area(self) -> Tensor:
        """Mean height of each insertion curve, float32 [N]; the larger, the more faithful."""
        return torch.trapezoid(self.insertion, self.shares)


def faithfulness(
    score: Callable[[Tensor], Tensor],
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    steps: int = 32,
    batch_size: int = 64,
) -> Curves:
    """Delete and insert the pixels of each image from the hottest on.

    What is deleted becomes the image's own mean colour; what is not yet inserted is blurred (a Gaussian of a
    twentieth of the shorter side), since a grey canvas would add the edges of what is inserted. Pixels that are
    equally hot, in most maps those without heat, go in an order drawn once, the same for all maps. So an empty map
    is a random one.

    Args:
        score: Images in, [N, K] out, e.g. probabilities.
        images: What it takes, [N, C, H, W].
        maps: Heat of the pixels, float [N, H, W].
        targets: Int64 [N], the score of each image that is watched.
        steps: Points of a curve behind its first; each takes two passes of each image.
        batch_size: Images a pass; large ones on a CPU are fewer, see `images_a_pass`.

    Raises:
        ValueError: Maps or targets do not fit the images, or there is no step.

    Example:
        >>> image = torch.tensor([[[[4.0, 0.0], [0.0, 0.0]]]])
        >>> heat = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
        >>> curves = faithfulness(lambda x: x.amax((1, 2, 3))[:, None], image, heat, torch.tensor([0]), steps=4)
        >>> curves.deletion.tolist()  # one pixel a step; 1 is the mean
        [[4.0, 1.0, 1.0, 1.0, 1.0]]
    """
    count, _, height, width = images.shape
    if maps.shape != (count, height, width):
        raise ValueError(f"Expected maps {[count, height, width]} but got {list(maps.shape)}.")
    if targets.shape != (count,):
        raise ValueError(f"Expected a target for each of {count} images but got {list(targets.shape)}.")
    if steps < 1 or batch_size < 1:
        raise ValueError(f"steps={steps}, batch_size={batch_size}: expected 1 or more")
    ranks = rank_pixels(maps.to(images.device))
    # Whole pixels: where there are fewer of them than steps, some steps change nothing.
    gone = (torch.arange(steps + 1) * height * width / steps).round().long().tolist()
    targets = targets.to(images.device)
    batch_size = images_a_pass(images, batch_size)
    empty, blurred = neutral(images), blur(images, min(height, width) / 20)
    curves = []
    for hot, rest in ((empty, images), (images, blurred)):
        scores = torch.empty(count, steps + 1)
        every = [(row, step) for row in range(count) for step in range(steps + 1)]
        for start in range(0, len(every), batch_size):
            rows, which = (
                torch.tensor(side) for side in zip(*every[start : start + batch_size], strict=True)
            )
            limits = torch.tensor([gone[step] for step in which.tolist()], device=images.device)
            taken = (ranks[rows] < limits[:, None, None])[:, None]
            with torch.no_grad():
                given = score(torch.where(taken, hot[rows], rest[rows]))
            scores[rows, which] = given.gather(1, targets[rows][:, None])[:, 0].float().cpu()
        curves.append(scores)
    return Curves(torch.tensor(gone) / max(height * width, 1), *curves)


def rank_pixels(maps: Tensor) -> Tensor:
    """The place of each pixel from the hottest on, int64 [N, H, W]; equals in a fixed random order."""
    flat = maps.flatten(1)
    shuffled = torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(0)).to(maps.device)
    order = shuffled[flat[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    ranks = torch.empty_like(order)
    ranks.scatter_(1, order, torch.arange(flat.shape[1], device=maps.device).expand_as(order).contiguous())
    return ranks.view(maps.shape)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Images [N, C, H, W] behind a Gaussian of `sigma` pixels, in their own dtype; edges are repeated."""
    radius = max(1, round(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=images.device) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    smooth = images.float()
    for shape, sides in ((kernel, (radius, radius, 0, 0)), (kernel.mT, (0, 0, radius, radius))):
        smooth = F.conv2d(F.pad(smooth, sides, mode="replicate"), shape, groups=images.shape[1])
    return (smooth if images.is_floating_point() else smooth.round()).to(images.dtype)
