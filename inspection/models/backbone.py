"""Any classification network of torchvision, with a head for our classes."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import AlexNet, VisionTransformer, get_model, get_model_builder, list_models

from inspection.models.frozen import batch_norms, keep_frozen, refuse_to_unfold
from inspection.models.pretrained import (
    IMAGENET,
    fit_pretrained,
    matching_normalisation,
    read_state_dict,
    weights_file,
)

LAST_MAPS = (
    "permute",  # Swin: its features are [N, h, w, C] until there
    "layer4",
    "trunk_output",
    "inception5b",
    "Mixed_7c",
    "conv5",
    "layers",
    "blocks.3",
    "features",
    "conv_proj",  # ViT: its only map, the embedded patches
)
"""Where the families of torchvision have the last map [N, C, h, w] before it is pooled; the first one holds."""


class TorchvisionNetwork(nn.Module):
    """A network of torchvision by name, with a new last layer, the head.

    Transfer learning keeps what a network has learned from ImageNet's photographs and teaches it the rest with
    few images: Yosinski et al., "How transferable are features in deep neural networks?", 2014,
    https://arxiv.org/abs/1411.1792.

    Frozen parameters get no gradient, and a batch norm whose parameters are frozen stays in eval mode, whatever
    mode the network is in: else its running mean and variance would drift to the new images under layers that
    can't follow.

    Args:
        name: As in `torchvision.models.list_models()`, for example `resnet18`.
        num_classes: Outputs, one logit a class.
        weights: `imagenet` (torchvision's default ones of this network), the path of a state dict or checkpoint
            of this network, or None for random ones. A head for another number of classes is left out.
        download: Whether `imagenet` may be fetched; without it, it has to be in torch hub's cache.
        trainable: Shell patterns of parameter or module names (`layer4`, `features.1[0-9].*`); `head` is the
            head under any name. `auto` is everything without weights; with weights the last block and the head,
            see `last_block`.
        freeze_batch_norm: Whether batch norms stay frozen in trained blocks, too: for batches of a few images,
            whose statistics say little, and for weights whose norms were folded into the convolutions.
        mean: Normalisation that the weights were trained with, three values for images in 0..1. None: that of
            torchvision's weights for this network.
        std: Likewise.

    Attributes:
        mean, std: Normalisation that the images need, three values each, or None where the weights are random and
            the data's own does. They are no part of the state dict.
        notes: What a person should know of the weights, a sentence each.

    Raises:
        ValueError: If there is no such network, a pattern matches nothing, or `trainable` leaves out a new head
            on pretrained weights.
        InputError: If the weights are not there, are damaged, another network's, or can't be trained like this.

    Example:
        >>> network = TorchvisionNetwork("efficientnet_b0", 3)
        >>> sum(p.numel() for p in network.parameters())
        4011391
        >>> network.head
        Linear(in_features=1280, out_features=3, bias=True)
    """

    def __init__(
        self,
        name: str,
        num_classes: int,
        weights: str | None = None,
        download: bool = False,
        trainable: Literal["auto"] | Sequence[str] = "auto",
        freeze_batch_norm: bool = False,
        mean: tuple[float, float, float] | None = None,
        std: tuple[float, float, float] | None = None,
    ) -> None:
        super().__init__()
        _check_name(name)
        if num_classes < 1:
            raise ValueError(f"num_classes={num_classes}: expected 1 or more")
        self.name = name
        self.mean: tuple[float, ...] | None = None
        self.std: tuple[float, ...] | None = None
        normalisation = matching_normalisation(name, weights, mean, std)
        if normalisation is not None:
            self.mean, self.std = normalisation
        self.net = _build(name, num_classes)
        self.head_name = find_head(self.net)
        self.notes: list[str] = []
        with_head = False
        if weights is not None:
            file = weights_file(name, weights, download)
            what = f"model.weights={weights}" + (f" ({file})" if weights == IMAGENET else "")
            taken, with_head = fit_pretrained(self.net, self.head_name, read_state_dict(file), what)
            head = "the head too" if with_head else f"the head ({self.head_name}) is new"
            self.notes.append(f"weights of {file}: {taken} tensors, {head}")
        self._freeze(trainable, freeze_batch_norm, pretrained=weights is not None)
        if weights is not None:
            if not with_head and not any(parameter.requires_grad for parameter in self.head_parameters()):
                raise ValueError(
                    f"trainable={list(trainable)}: the head ({self.head_name}) is new and would stay random; "
                    "add head"
                )
            refuse_to_unfold(self.net, weights)
        self._set_heatmap()
        self.train()

    @property
    def head(self) -> nn.Module:
        """The last layer, which gives the logits."""
        return self.net.get_submodule(self.head_name)

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the head, for a learning rate of its own."""
        return self.head.parameters()

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """All other parameters, the frozen ones too."""
        return (p for name, p in self.net.named_parameters() if not _below(name, self.head_name))

    @staticmethod
    def without_weights_file(arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of a `TorchvisionNetwork` that is frozen and normalised alike, but reads no file of weights.

        For a training that is gone on with: the checkpoint holds all weights, and the file that they once came
        from may be gone.

        Args:
            arguments: Arguments of `TorchvisionNetwork`, by name.

        Raises:
            ValueError: As `TorchvisionNetwork`.

        Example:
            >>> given = {"name": "resnet18", "num_classes": 2, "weights": "lost.pth"}
            >>> bare = TorchvisionNetwork.without_weights_file(given)
            >>> bare["weights"], bare["trainable"][0], bare["mean"]
            (None, 'layer4.0.conv1.weight', (0.485, 0.456, 0.406))
        """
        name, weights = arguments["name"], arguments.get("weights")
        if weights is None:
            return dict(arguments)
        _check_name(name)
        normalisation = matching_normalisation(name, weights, arguments.get("mean"), arguments.get("std"))
        assert normalisation is not None
        trainable = arguments.get("trainable", "auto")
        if trainable == "auto":
            with torch.device("meta"):  # names alone
                trainable = _from_last_block(_build(name, arguments["num_classes"]))
        mean, std = normalisation
        return {**arguments, "weights": None, "trainable": trainable, "mean": mean, "std": std}

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, num_classes]` of float images `[N, 3, H, W]`, or grey ones `[N, 1, H, W]`.

        Grey ones are shown to all three channels: pretrained first layers know grey as equal red, green and blue.
        """
        return self.net(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)

    def train(self, mode: bool = True) -> "TorchvisionNetwork":
        """Set the mode of everything but frozen batch norms, which stay in eval mode."""
        super().train(mode)
        keep_frozen(self, mode)
        return self

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """As of any module; a state dict without versions of its modules (safetensors) is taken for today's."""
        if not hasattr(state_dict, "_metadata"):  # MNASNet refuses its own weights without
            versioned = self.state_dict()
            versioned.clear()
            versioned.update(state_dict)
            state_dict = versioned
        return super().load_state_dict(state_dict, strict, assign)

    def _freeze(
        self, trainable: Literal["auto"] | Sequence[str], freeze_batch_norm: bool, pretrained: bool
    ) -> None:
        names = [name for name, _ in self.net.named_parameters()]
        if trainable != "auto":
            chosen = _matching(names, trainable, self.head_name)
        elif pretrained:
            chosen = set(_from_last_block(self.net))
            self.notes.append(
                f"trainable=auto: {last_block(self.net)} and what comes after it; the rest is frozen"
            )
        else:
            chosen = set(names)
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad_(name in chosen)
        if freeze_batch_norm:
            for norm in batch_norms(self):
                norm.requires_grad_(False)

    def _set_heatmap(self) -> None:
        """Say where class activation maps are to be taken, and how."""
        modules = dict(self.net.named_modules())
        maps = next((name for name in LAST_MAPS if name in modules), None)
        self.heatmap_layer = f"net.{maps}" if maps else None  # None: the convolution that runs last
        # Places are weighed one by one behind these maps: by linear layers, or by attention.
        flattened = isinstance(self.net, (AlexNet, torchvision.models.VGG, VisionTransformer))
        self.heatmap_method = "hires_cam" if flattened else "grad_cam"


def find_head(network: nn.Module) -> str:
    """Dotted name of the layer that gives the logits: the last linear layer or convolution of the network.

    Example:
        >>> find_head(get_model("squeezenet1_1"))
        'classifier.1'
    """
    layers = [name for name, module in network.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    return layers[-1]


def last_block(network: nn.Module) -> str:
    """Dotted name of the stage from which on a network is trained by default.

    The network is taken apart into a row of stages. The last block begins at the last stage that halves the
    image, as ResNet's `layer4`; where only the first layer does (ViT, Swin), it is the last stage. What
    follows belongs to it: a last convolution, and the hidden linear layers of VGG and AlexNet.

    Example:
        >>> [last_block(get_model(name)) for name in ("resnet18", "mobilenet_v2", "squeezenet1_1")]
        ['layer4', 'features.14', 'features.9']
    """
    row = _stages(network, find_head(network))
    weighty = [name for name, stage in row if any(p.ndim > 1 for p in stage.parameters())]
    for position in range(len(row) - 1, 0, -1):
        stage, behind = row[position][1], [name for name, _ in row[position:] if name in weighty]
        if behind and any(_halves(module) for module in stage.modules()):
            return behind[0]
    return weighty[-1]


def _build(name: str, num_classes: int) -> nn.Module:
    """A network with random weights, without the second heads that two have for training on ImageNet."""
    plain = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    return get_model(name, weights=None, num_classes=num_classes, **plain)


def _from_last_block(network: nn.Module) -> list[str]:
    """Names of the parameters that are trained by default, see `last_block`."""
    names, start = [name for name, _ in network.named_parameters()], last_block(network)
    return names[next(i for i, name in enumerate(names) if _below(name, start)) :]


def _stages(network: nn.Module, head: str) -> list[tuple[str, nn.Module]]:
    """What images run through up to the head's own part, in the order of registration, by dotted name."""
    row = [(name, child) for name, child in network.named_children() if not _below(head, name)]
    # A single container (`features`, `encoder.layers`) is no stage: the largest is opened until there are some.
    while sum(_size(stage) > 0 for _, stage in row) < 4:
        name, largest = max(row, key=lambda item: _size(item[1]))
        position = row.index((name, largest))
        row[position : position + 1] = [
            (f"{name}.{inner}", child) for inner, child in largest.named_children()
        ]
    return row


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _halves(module: nn.Module) -> bool:
    strided = isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d))
    return strided and module.stride not in (1, (1, 1))


def _below(name: str, module: str) -> bool:
    """Whether a dotted name is that of a module or of something in it."""
    return name == module or name.startswith(f"{module}.")


def _matching(names: Sequence[str], patterns: Sequence[str], head: str) -> set[str]:
    """The names that a pattern matches, themselves or with a module that they are in.

    Raises:
        ValueError: If a pattern matches nothing, or there is none.
    """
    if isinstance(patterns, str) or not patterns:
        raise ValueError(f"trainable={patterns}: expected auto, or a list of names such as [layer4, head]")
    parts = {name: [name.rsplit(".", up)[0] for up in range(name.count(".") + 1)] for name in names}
    known = dict.fromkeys(part for name in names for part in reversed(parts[name]))
    chosen: set[str] = set()
    for pattern in patterns:
        wanted = head if pattern == "head" else pattern
        found = {name for name in names if any(fnmatchcase(part, wanted) for part in parts[name])}
        if not found:
            meant = difflib.get_close_matches(pattern, known, n=3) or [k for k in known if "." not in k]
            raise ValueError(
                f"trainable: {pattern!r} matches nothing in this network; there is {', '.join(meant)}, head"
            )
        chosen |= found
    return chosen


def _check_name(name: str) -> None:
    """Raise unless torchvision has a classification network of this name."""
    known = list_models(module=torchvision.models)
    if name in known:
        return
    if name in list_models():
        kind = get_model_builder(name).__module__.split(".")[2]
        raise ValueError(
            f"name={name}: a network for {kind}; expected one of torchvision's classification networks"
        )
    close = difflib.get_close_matches(str(name).lower(), known, n=3)
    meant = f"did you mean {' or '.join(close)}?" if close else f"there is {', '.join(known)}"
    raise ValueError(f"name={name}: torchvision has no such classification network; {meant}")
