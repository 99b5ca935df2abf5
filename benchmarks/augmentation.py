"""Time our augmentation of a batch against torchvision's transforms, side by side.

    python -m benchmarks.augmentation --repeats 10

torchvision (`transforms.v2`, uint8 tensors) draws once a call. To draw for each image it is called image by
image, as a data set does it. Called once with the whole batch it changes all images alike: that is another
augmentation, printed to show what the drawing for each image costs. `torch.roll`, one copy of the batch, is
about the least that any moving of pixels can cost.

All run in turns on the same batch, so that a noisy machine hits them alike; a ratio is the median over the
turns of their time / our time (above 1: ours is faster).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.timing import arguments_of, in_turns, milliseconds, ratio
from inspection.data.augment import Augment


class Case(NamedTuple):
    """One augmentation, ours and torchvision's."""

    name: str
    shape: tuple[int, int, int, int]
    ours: Augment
    theirs: v2.Transform


CASES = (
    Case(
        "crop with padding, flip",
        (128, 3, 32, 32),
        Augment(crop_padding=4, horizontal_flip=0.5),
        v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()]),
    ),
    Case(
        "gain and offset on 70 %",
        (128, 3, 100, 100),
        Augment(gain=[0.8, 1.2], offset=[0, 15], light_probability=0.7),
        v2.RandomApply([v2.ColorJitter(brightness=0.2, contrast=0.2)], p=0.7),
    ),
    Case(
        "rotation, flip, jitter, blur",
        (32, 3, 224, 224),
        Augment(
            rotation=10.0,
            horizontal_flip=0.5,
            gain=[0.8, 1.2],
            offset=[-25, 25],
            saturation=0.2,
            hue=0.05,
            blur=[0.1, 1.0],
        ),
        v2.Compose(
            [
                v2.RandomRotation(10, interpolation=v2.InterpolationMode.BILINEAR),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05),
                v2.GaussianBlur(kernel_size=7, sigma=(0.1, 1.0)),  # as wide as ours
            ]
        ),
    ),
)


def rivals(case: Case, images: Tensor) -> dict[str, Callable[[], Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return {
        "ours": lambda: case.ours(images, generator),
        "image by image": lambda: torch.stack([case.theirs(image) for image in images]),
        "one draw a batch": lambda: case.theirs(images),
        "torch.roll": lambda: images.roll((2, 2), (2, 3)),
    }


def main() -> None:
    arguments = arguments_of(__doc__)
    print(f"{'':<32}{'ms a batch':>12}{'ratio to ours':>16}")
    for case in CASES:
        images = torch.randint(0, 256, case.shape, dtype=torch.uint8, device=arguments.device)
        works = rivals(case, images)
        turns = in_turns(works, arguments)
        print(f"{case.name} ({' x '.join(map(str, case.shape))})")
        for name in works:
            print(f"  {name:<30}{milliseconds(turns, name):>12.2f}{ratio(turns, name, 'ours'):>16.2f}")


if __name__ == "__main__":
    main()
