"""Time our heatmaps against the `grad-cam` package (`pip install grad-cam`), side by side.

    python -m benchmarks.heatmap_speed --repeats 20

Both run in turns on the same images with the same layer, so that a noisy machine hits both alike; the ratio
is the median over the turns of package time / our time (above 1: ours is faster). The largest difference of
the maps is printed beside it: a fast wrong map is worth nothing.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision.models import resnet18

from inspection.explain.cam import heatmap


def lenet() -> nn.Module:
    """A LeNet-like network for grey images [1, 112, 112]."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.LazyLinear(120),
        nn.ReLU(),
        nn.Linear(120, 2),
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def min_max(maps: Tensor) -> Tensor:
    maps = maps - maps.amin(dim=(1, 2), keepdim=True)
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)


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
    print(f"{arguments.repeats} interleaved repeats a row, Grad-CAM, medians\n")
    print(
        f"{'network':<10}{'layer':<16}{'batch':>5}{'package ms':>12}{'ours ms':>10}"
        f"{'ratio':>8}{'max diff':>10}"
    )
    cases = [
        ("lenet", lenet(), (1, 112, 112), "3"),
        ("resnet18", resnet18(num_classes=2), (3, 224, 224), None),
    ]
    for name, network, shape, layer in cases:
        for batch in (1, 16):
            network.eval()
            network(torch.rand(1, *shape))  # fills in the lazy layer
            network.to(arguments.device)
            images = torch.rand(batch, *shape, device=arguments.device)
            targets = torch.arange(batch, device=arguments.device) % 2
            # The name is what ours finds by itself; the package has to be told.
            target_layer = network.get_submodule(layer or "layer4.1.conv2")
            wanted = [ClassifierOutputTarget(int(target)) for target in targets]
            with GradCAM(model=network, target_layers=[target_layer]) as package:

                def theirs() -> np.ndarray:
                    return package(images, wanted)  # noqa: B023 - called before the loop goes on

                def ours() -> Tensor:
                    found = heatmap(network, images, targets, method="grad_cam")  # noqa: B023 - as above
                    return found.maps.cpu()

                turns = []
                for turn in range(arguments.warmup + arguments.repeats):
                    first, second = (theirs, ours) if turn % 2 else (ours, theirs)
                    times = {first: seconds(first), second: seconds(second)}
                    if turn >= arguments.warmup:
                        turns.append((times[theirs], times[ours]))
                difference = (min_max(torch.from_numpy(theirs())) - min_max(ours())).abs().max().item()
            package_ms, our_ms = (statistics.median(column) * 1e3 for column in zip(*turns, strict=True))
            ratio = statistics.median(a / b for a, b in turns)
            print(
                f"{name:<10}{layer or 'layer4.1.conv2':<16}{batch:>5}{package_ms:>12.2f}{our_ms:>10.2f}"
                f"{ratio:>8.2f}{difference:>10.1e}"
            )


if __name__ == "__main__":
    main()
