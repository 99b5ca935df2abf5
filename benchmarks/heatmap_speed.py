"""Time our heatmaps against the `grad-cam` package (`pip install grad-cam`), side by side.

    python -m benchmarks.heatmap_speed --repeats 20

Both run in turns on the same images with the same layer, so that a noisy machine hits both alike; the ratio
is the median over the turns of package time / our time (above 1: ours is faster). The largest difference of
the maps is printed beside it: a fast wrong map is worth nothing.
"""

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision.models import resnet18

from benchmarks.timing import arguments_of, in_turns, milliseconds, ratio
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


def min_max(maps: Tensor) -> Tensor:
    maps = maps - maps.amin(dim=(1, 2), keepdim=True)
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)


def main() -> None:
    arguments = arguments_of(__doc__)
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

                turns = in_turns({"theirs": theirs, "ours": ours}, arguments)
                difference = (min_max(torch.from_numpy(theirs())) - min_max(ours())).abs().max().item()
            package_ms, our_ms = (milliseconds(turns, which) for which in ("theirs", "ours"))
            print(
                f"{name:<10}{layer or 'layer4.1.conv2':<16}{batch:>5}{package_ms:>12.2f}{our_ms:>10.2f}"
                f"{ratio(turns, 'theirs', 'ours'):>8.2f}{difference:>10.1e}"
            )


if __name__ == "__main__":
    main()
