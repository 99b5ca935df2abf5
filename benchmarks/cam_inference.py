"""Time class and heatmap out of one forward pass against computing them apart, side by side.

    python -m benchmarks.cam_inference --repeats 20

All take turns on the same images:

    raw         a bare loop: logits alone, `with torch.inference_mode(): network(images)`
    one pass    logits, class activation maps, heatmaps as large as the images (what the inspector does)
    two passes  logits by a first forward pass, then Grad-CAM by a forward and a backward pass

The ratios are medians over the turns: what the heatmap costs beside the class (one pass / raw), and what it saves
(two passes / one pass). The largest difference of the two kinds of maps is printed beside them.
"""

import torch
from torch import Tensor

from benchmarks.timing import arguments_of, in_turns, milliseconds, ratio
from inspection.explain.cam import heatmap
from inspection.explain.class_maps import class_maps, find_grid, to_heat
from inspection.models.cam_net import CamNetwork

SIZE = (224, 224)


def main() -> None:
    arguments = arguments_of(__doc__)
    print(
        f"{'network':<15}{'batch':>5}{'raw ms':>9}{'one pass ms':>13}{'two passes ms':>15}"
        f"{'one / raw':>11}{'two / one':>11}{'max diff':>10}"
    )
    for name, layer in (
        ("vgg16", "backbone.features"),
        ("resnet18", "backbone.layer4"),
        ("mobilenet_v2", "backbone.features"),
    ):
        network = CamNetwork(name, 2, frozen=0).eval().to(arguments.device)
        for batch in (1, 8):
            images = torch.rand(batch, 3, *SIZE, device=arguments.device)
            defect = torch.ones(batch, dtype=torch.int64, device=arguments.device)

            def raw() -> Tensor:
                with torch.inference_mode():
                    return network(images).cpu()  # noqa: B023 - called before the loop goes on

            def one_pass() -> Tensor:
                with torch.inference_mode():
                    seen = class_maps(network, images, 1)  # noqa: B023 - as above
                    heat = to_heat(seen.maps, SIZE, find_grid(network))  # noqa: B023 - as above
                seen.logits.cpu()
                return heat.cpu()

            def two_passes() -> Tensor:
                raw()
                return heatmap(network, images, defect, method="grad_cam", layer=layer).maps.cpu()  # noqa: B023

            turns = in_turns({"raw": raw, "one": one_pass, "two": two_passes}, arguments)
            with torch.inference_mode():  # both spread alike: Grad-CAM knows nothing of where places lie
                alike = to_heat(class_maps(network, images, 1).maps, SIZE).cpu()
            difference = (alike - two_passes()).abs().max().item()
            print(
                f"{name:<15}{batch:>5}{milliseconds(turns, 'raw'):>9.1f}{milliseconds(turns, 'one'):>13.1f}"
                f"{milliseconds(turns, 'two'):>15.1f}{ratio(turns, 'one', 'raw'):>11.2f}"
                f"{ratio(turns, 'two', 'one'):>11.2f}{difference:>10.1e}"
            )


if __name__ == "__main__":
    main()
