"""Time our augmentation of a batch against torchvision's transforms, side by side.

    python -m benchmarks.augmentation --repeats 10

torchvision (`transforms.v2`, uint8 tensors) draws once a call. To draw for each image it is called image by
image, as a data set does it. Called once with the whole batch it changes all images alike: that is another
augmentation, printed to show what the drawing for each image costs. `torch.roll`, one copy of the batch, is
about the least that any moving of pixels can cost.

All run in turns on the same batch, so that a noisy machine hits them alike; a ratio is the median over the
turns of their time / our time (above 1: ours is faster).
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import v2

from inspection.data.augment import Augment

Change = Callable[[Tensor], Tensor]


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


def seconds(work: Change, images: Tensor) -> float:
    start = time.perf_counter()
    work(images)
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def rivals(case: Case) -> dict[str, Change]:
    generator = torch.Generator().manual_seed(0)
    return {
        "ours": lambda images: case.ours(images, generator),
        "image by image": lambda images: torch.stack([case.theirs(image) for image in images]),
        "one draw a batch": case.theirs,
        "torch.roll": lambda images: images.roll((2, 2), (2, 3)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20, help="turns a case (default 20)")
    parser.add_argument("--warmup", type=int, default=3, help="turns that are not counted (default 3)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads of torch")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    print(f"torch {torch.__version__}, {arguments.device}, {arguments.threads} threads, ", end="")
    print(f"{arguments.repeats} interleaved repeats a case, medians\n")
    print(f"{'':<32}{'ms a batch':>12}{'ratio to ours':>16}")
    for case in CASES:
        images = torch.randint(0, 256, case.shape, dtype=torch.uint8, device=arguments.device)
        works = rivals(case)
        turns: list[dict[str, float]] = []
        for turn in range(arguments.warmup + arguments.repeats):
            names = list(works) if turn % 2 else list(works)[::-1]
            times = {name: seconds(works[name], images) for name in names}
            if turn >= arguments.warmup:
                turns.append(times)
        print(f"{case.name} ({' x '.join(map(str, case.shape))})")
        for name in works:
            milliseconds = statistics.median(times[name] for times in turns) * 1e3
            ratio = statistics.median(times[name] / times["ours"] for times in turns)
            print(f"  {name:<30}{milliseconds:>12.2f}{ratio:>16.2f}")


if __name__ == "__main__":
    main()
