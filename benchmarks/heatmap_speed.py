"""Time our heatmaps against the `grad-cam` package (`pip install grad-cam`), side by side, method by method.

    python -m benchmarks.heatmap_speed --repeats 20

Both run in turns on the same images with the same layer, so that a noisy machine hits both alike; the ratio
is the median over the turns of package time / our time (above 1: ours is faster). The largest difference of
the maps is printed beside it: a fast wrong map is worth nothing. Of Grad-CAM++ it is not: the package adds 1e-6
to squared gradients, which decides for small ones; the tests compare the two where that does not count.

Below, every output of a network with several: all in one call of ours, a call each of ours, and of the package.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision.models import resnet18

from benchmarks.timing import arguments_of, in_turns, milliseconds, ratio
from inspection.explain.cam import heatmap, heatmaps_of
from inspection.models.lenet import LeNet
from inspection.models.seam_resnet import SeamResNet

PACKAGE = {
    "grad_cam": GradCAM,
    "grad_cam_plus_plus": GradCAMPlusPlus,
    "layer_cam": LayerCAM,
    "hires_cam": HiResCAM,
}
# Network, images, and the layer: what ours finds by itself, the package has to be told.
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int], str]] = {
    "lenet": (lambda: LeNet(1, (112, 112), 2), (1, 112, 112), "conv2"),
    "seam_resnet": (lambda: SeamResNet(3, (100, 100), 4), (3, 100, 100), "stages.5"),
    "resnet18": (lambda: resnet18(num_classes=2), (3, 224, 224), "layer4.1.conv2"),
}


def min_max(maps: Tensor) -> Tensor:
    maps = maps - maps.amin(dim=(1, 2), keepdim=True)
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)


def main() -> None:
    arguments = arguments_of(__doc__)
    print(
        f"{'network':<13}{'method':<20}{'batch':>5}{'package ms':>12}{'ours ms':>10}"
        f"{'ratio':>8}{'max diff':>10}"
    )
    for name, (build, shape, layer) in CASES.items():
        network = build().eval().to(arguments.device)
        for method, kind in PACKAGE.items():
            for batch in (1, 16):
                images = torch.rand(batch, *shape, device=arguments.device)
                targets = torch.arange(batch, device=arguments.device) % 2
                wanted = [ClassifierOutputTarget(int(target)) for target in targets]
                with kind(model=network, target_layers=[network.get_submodule(layer)]) as package:

                    def theirs() -> np.ndarray:
                        return package(images, wanted)  # noqa: B023 - called before the loop goes on

                    def ours() -> Tensor:
                        return heatmap(network, images, targets, method=method).maps.cpu()  # noqa: B023 - as above

                    turns = in_turns({"theirs": theirs, "ours": ours}, arguments)
                    alike = heatmap(network, images, targets, method=method, aligned=False).maps.cpu()
                    difference = (min_max(torch.from_numpy(theirs())) - min_max(alike)).abs().max().item()
                shown = "-" if method == "grad_cam_plus_plus" else f"{difference:.1e}"
                print(
                    f"{name:<13}{method:<20}{batch:>5}{milliseconds(turns, 'theirs'):>12.2f}"
                    f"{milliseconds(turns, 'ours'):>10.2f}{ratio(turns, 'theirs', 'ours'):>8.2f}{shown:>10}",
                    flush=True,
                )
    several(arguments)


def several(arguments: argparse.Namespace) -> None:
    """Every attribute of the seam's network."""
    build, shape, layer = CASES["seam_resnet"]
    network = build().eval()
    print(f"\n{'4 outputs of seam_resnet':<33}{'batch':>5}{'package ms':>12}{'each ms':>10}{'shared ms':>11}")
    for batch in (1, 16):
        images = torch.rand(batch, *shape)
        with HiResCAM(model=network, target_layers=[network.get_submodule(layer)]) as package:
            works = {
                "package": lambda: [
                    package(images, [ClassifierOutputTarget(output)] * batch)  # noqa: B023 - as above
                    for output in range(4)
                ],
                "each": lambda: [heatmap(network, images, output) for output in range(4)],  # noqa: B023
                "shared": lambda: heatmaps_of(network, images, range(4)),  # noqa: B023
            }
            turns = in_turns(works, arguments)
        print(
            f"{'hires_cam':<33}{batch:>5}{milliseconds(turns, 'package'):>12.2f}"
            f"{milliseconds(turns, 'each'):>10.2f}{milliseconds(turns, 'shared'):>11.2f}"
            f"   each / shared {ratio(turns, 'each', 'shared'):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
