"""What is to be explained, and how: a config checked against the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inspection.errors import InputError
from inspection.explain.cam import heatmaps_of
from inspection.explain.class_maps import find_head
from inspection.explain.heatmaps import METHOD_NAMES, Heatmaps, Method, known_method
from inspection.explain.layers import find_layer
from inspection.explain.occlusion import covered_places, occlusion
from inspection.inspector import Inspector
from inspection.inspector.evidence import PREDICTED, Subject
from inspection.pictures.colours import attribute_colours
from inspection.pictures.text import Colour


@dataclass(frozen=True)
class Plan:
    """What is going to be explained, and how.

    Attributes:
        subject: The scores.
        targets: Which of them.
        pointed_at: Those that masks of defects belong to.
        methods: The one that was asked for, then those that it is compared with.
        layer: Of the methods that have one.
        patch: Of occlusion.
        stride: Of occlusion.
        steps: Of deletion and insertion curves; 0: none are wanted.
        colours: Of the scores that have one.
        batch_size: Images a forward pass.
    """

    subject: Subject
    targets: list[int | None]
    pointed_at: frozenset[int]
    methods: list[Method]
    layer: str | None
    patch: int | tuple[int, int] | None
    stride: int | tuple[int, int] | None
    steps: int
    colours: dict[str, Colour]
    batch_size: int

    @classmethod
    def of(cls, inspector: Inspector, subject: Subject, config: dict[str, Any]) -> "Plan":
        """The plan of a config, see `conf/explain.yaml`.

        Raises:
            InputError: If layer, target, method, patch or colours do not fit the network.
        """
        passport, network = inspector.passport, subject.network
        asked = config["method"] if config["method"] != "auto" else passport.heatmap_method
        method = known_method(asked, "method")
        layer = config["layer"]
        if layer is not None:
            find_layer(network, layer)
            if method in ("cam", "occlusion"):
                raise InputError(
                    f"layer={layer}: method {method} has no layer to choose; leave it out, or give another "
                    "method, such as method=grad_cam"
                )
        methods = [method, *(each for each in _compared(network, config) if each != method)]
        if "cam" in methods and find_head(network) is None:
            raise InputError(
                f"method cam: {type(inspector.model.network).__name__} does not end in global average pooling and "
                "one linear layer; take grad_cam or hires_cam, or train a network such as model=resnet18_cam"
            )
        targets = subject.targets(config["target"])
        plan = cls(
            subject,
            targets,
            subject.pointed_at(config["target"]),
            methods,
            passport.heatmap_layer if layer is None else layer,
            _sides(config["patch"]),
            _sides(config["stride"]),
            config["steps"] if config["faithfulness"] else 0,
            _colours(subject, targets, passport.colours),
            config["batch_size"],
        )
        plan.try_out(
            torch.zeros(1, *inspector.geometry.shape, dtype=torch.uint8, device=inspector.trained.device)
        )
        return plan

    def try_out(self, image: Tensor) -> None:
        """Try the patch and the layer on one image: what is wrong with them is known before anything is written.

        Args:
            image: Of the size and kind of the others, [1, C, H, W]; any content.

        Raises:
            InputError: The patch does not fit the images, or the layer gives no map.
        """
        try:
            covered_places((image.shape[-2], image.shape[-1]), self.patch, self.stride)
        except ValueError as error:
            raise InputError(str(error)) from None
        with_layer = [method for method in self.methods if method not in ("cam", "occlusion")]
        if with_layer:  # all of them look at the same one
            self.heatmaps(with_layer[0], image)

    def passes(self, size: tuple[int, int]) -> dict[str, int]:
        """What takes many forward passes, and how many of each image.

        Args:
            size: Of the images, height and width.
        """
        found = {}
        if "occlusion" in self.methods:
            places = covered_places(size, self.patch, self.stride)
            found[METHOD_NAMES["occlusion"]] = 1 + len(places.rows) * len(places.columns)
        if self.steps:
            maps = (len(self.methods) + 1) * len(self.targets)  # and a random order
            found[f"curves of {maps} maps"] = 2 * (self.steps + 1) * maps
        return found

    def called(self, place: int) -> str:
        """Name of one of the targets."""
        target = self.targets[place]
        return PREDICTED if target is None else self.subject.names[target]

    def heatmaps(self, method: Method, images: Tensor) -> list[Heatmaps]:
        """Heatmaps of images by a method, one result a target."""
        network, targets = self.subject.network, self.targets
        if method == "occlusion":
            return occlusion(
                network,
                images,
                targets,
                patch=self.patch,
                stride=self.stride,
                batch_size=self.batch_size,
            )
        layer = None if method == "cam" else self.layer
        return heatmaps_of(network, images, targets, method=method, layer=layer)


def _compared(network: nn.Module, config: dict[str, Any]) -> list[Method]:
    """The further methods; of all, CAM where the network has the head for it."""
    if config["compare"] is False:
        return []
    if config["compare"] is True:
        possible = [name for name in METHOD_NAMES if name != "cam" or find_head(network) is not None]
        return [known_method(name, "compare") for name in possible]
    return [known_method(name, "compare") for name in dict.fromkeys(config["compare"])]


def _sides(given: int | list[int] | None) -> int | tuple[int, int] | None:
    return (given[0], given[1]) if isinstance(given, list) else given


def _colours(
    subject: Subject, targets: Sequence[int | None], given: list[list[str]] | None
) -> dict[str, Colour]:
    """Those of the config; where several are explained, every one has a colour."""
    try:
        chosen = attribute_colours(subject.names, dict(given or ()))
    except ValueError as error:
        raise InputError(f"the colours of the run: {error}") from None
    named = {name for name, _ in given or ()}
    return {name: colour for name, colour in chosen.items() if len(targets) > 1 or name in named}
