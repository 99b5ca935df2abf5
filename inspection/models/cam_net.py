"""Networks whose classifier shows where it looks: convolutions, global average pooling, one linear layer."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import VGG, MobileNetV2, ResNet, get_model, list_models

from inspection.models.frozen import batch_norms, keep_frozen, refuse_to_unfold
from inspection.models.pretrained import (
    IMAGENET,
    fit_pretrained,
    matching_normalisation,
    read_state_dict,
    weights_file,
)


class CamNetwork(nn.Module):
    """The convolutions of a torchvision network and a head that weighs their last maps.

    The score of a class is linear in the last feature maps, so each place's share in it is known without a
    backward pass: its class activation map. Zhou et al., "Learning Deep Features for Discriminative
    Localization", CVPR 2016, https://arxiv.org/abs/1512.04150.

    Args:
        name: A VGG, ResNet (ResNeXt, Wide ResNet) or `mobilenet_v2` of torchvision. VGG ends with the ReLU of its
            last convolution, without the last max-pool: 14x14 maps of a 224x224 image instead of 7x7.
        num_classes: Outputs, one logit a class.
        frozen: How many convolutions, counted from the image, are not trained, with the batch norms behind them.
        output_stride: Pixels of the image from one place of the maps to the next. None: as the network has it, 32
            (VGG: 16). 16 or 8 for finer maps: the last convolutions that halve the maps no longer do, and those
            behind them are dilated instead, so that weights stay what they were trained for. Chen et al.,
            "DeepLab", 2017, https://arxiv.org/abs/1606.00915.
        weights: `imagenet` (torchvision's default ones of this network), the path of a state dict or checkpoint
            of this network, or None for random ones. Its fully connected layers are left out.
        download: Whether `imagenet` may be fetched; without it, it has to be in torch hub's cache.
        freeze_batch_norm: Whether batch norms stay frozen in trained layers, too: for small batches, and for
            weights whose norms were folded into the convolutions.
        mean: Normalisation that the weights were trained with, three values for images in 0..1. None: that of
            torchvision's weights for this network.
        std: Likewise.

    Attributes:
        mean, std: Normalisation that the images need, three values each, or None where the weights are random and
            the data's own does. They are no part of the state dict.
        notes: What a person should know of the weights, a sentence each.
        head: A `MapHead`.
        map_grid: Where the maps lie over the image: pixel that the first place is centred on, and pixels from one
            place to the next.

    Raises:
        ValueError: If the network is of no such family, or has fewer convolutions than `frozen`.
        InputError: If the weights are not there, are damaged, another network's, or can't be trained like this.

    Example:
        >>> network = CamNetwork("resnet18", 2, frozen=10)
        >>> network(torch.zeros(1, 3, 96, 64)).shape, network.features(torch.zeros(1, 3, 96, 64)).shape
        (torch.Size([1, 2]), torch.Size([1, 512, 3, 2]))
    """

    heatmap_method = "cam"

    def __init__(
        self,
        name: str,
        num_classes: int,
        frozen: int,
        output_stride: int | None = None,
        weights: str | None = None,
        download: bool = False,
        freeze_batch_norm: bool = False,
        mean: tuple[float, float, float] | None = None,
        std: tuple[float, float, float] | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes={num_classes}: expected 1 or more")
        layers, fully_connected, channels = _convolutional_part(name)  # before any file is looked for
        self.name = name
        self.mean: tuple[float, ...] | None = None
        self.std: tuple[float, ...] | None = None
        normalisation = matching_normalisation(name, weights, mean, std)
        if normalisation is not None:
            self.mean, self.std = normalisation
        self.backbone = nn.Sequential(layers)
        if output_stride is not None:
            _dilate(self.backbone, name, output_stride)
        self.map_grid = _grid(self.backbone)
        self.head = MapHead(channels, num_classes)
        self.notes: list[str] = []
        self._freeze(frozen, freeze_batch_norm)
        if weights is None:
            if frozen:
                self.notes.append(
                    f"the first {frozen} convolutions are frozen at random values (model.weights=null): "
                    "set model.weights, or model.frozen=0 to train them"
                )
        else:
            file = weights_file(name, weights, download)
            what = f"model.weights={weights}" + (f" ({file})" if weights == IMAGENET else "")
            taken, _ = fit_pretrained(self.backbone, fully_connected, read_state_dict(file), what)
            self.notes.append(
                f"weights of {file}: {taken} tensors, the head is new; "
                f"the first {frozen} convolutions are frozen"
            )
            refuse_to_unfold(self.backbone, weights)
        self.train()

    @staticmethod
    def without_weights_file(arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of a `CamNetwork` that is frozen and normalised alike, but reads no file of weights.

        For a training that is gone on with: the checkpoint holds all weights, and the file that they once came
        from may be gone.

        Example:
            >>> given = {"name": "vgg16", "num_classes": 2, "frozen": 10, "weights": "lost.pth"}
            >>> bare = CamNetwork.without_weights_file(given)
            >>> bare["weights"], bare["frozen"], bare["mean"]
            (None, 10, (0.485, 0.456, 0.406))
        """
        if arguments.get("weights") is None:
            return dict(arguments)
        normalisation = matching_normalisation(
            arguments["name"], arguments["weights"], arguments.get("mean"), arguments.get("std")
        )
        assert normalisation is not None
        mean, std = normalisation
        return {**arguments, "weights": None, "mean": mean, "std": std}

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, num_classes]` of float images `[N, 3, H, W]`, or grey ones `[N, 1, H, W]`."""
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """The last feature maps `[N, C, h, w]`; grey images are shown to all three channels."""
        return self.backbone(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the head, for a learning rate of its own."""
        return self.head.parameters()

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """All other parameters, the frozen ones too."""
        return self.backbone.parameters()

    def train(self, mode: bool = True) -> "CamNetwork":
        """Set the mode of everything but frozen batch norms, which stay in eval mode."""
        super().train(mode)
        keep_frozen(self, mode)
        return self

    def _freeze(self, count: int, freeze_batch_norm: bool) -> None:
        modules = list(self.backbone.modules())
        starts = [place for place, module in enumerate(modules) if isinstance(module, nn.Conv2d)]
        if not 0 <= count <= len(starts):
            raise ValueError(
                f"frozen={count}: expected 0 to {len(starts)}, the number of convolutions of {self.name}"
            )
        end = [*starts, len(modules)][count]
        for module in modules[:end]:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
        if freeze_batch_norm:
            for norm in batch_norms(self):
                norm.requires_grad_(False)


class MapHead(nn.Module):
    """Global average pooling and one linear layer.

    Args:
        channels: C of the feature maps.
        num_classes: K.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, num_classes)

    @property
    def class_weights(self) -> Tensor:
        """What each channel counts for each class, `[K, C]`."""
        return self.linear.weight

    def forward(self, features: Tensor) -> Tensor:
        """Logits `[N, K]` of feature maps `[N, C, h, w]`."""
        return self.linear(features.mean(dim=(2, 3)))


def _convolutional_part(name: str) -> tuple["OrderedDict[str, nn.Module]", str, int]:
    """The layers up to the last maps with torchvision's names and start values; its head's name; channels.

    Raises:
        ValueError: If the network is unknown or not of the families that are cut off here.
    """
    families = r"vgg16, resnet18, mobilenet_v2, ..."
    if name not in list_models():
        raise ValueError(f"name={name}: torchvision has no such network; expected {families}")
    with torch.device("meta"):  # VGG's fully connected layers alone are 0.5 GB
        network = get_model(name, weights=None)
    layers = OrderedDict[str, nn.Module]()
    if isinstance(network, VGG):
        layers["features"], head = network.features[:-1], "classifier"
    elif isinstance(network, MobileNetV2):
        layers["features"], head = network.features, "classifier"
    elif isinstance(network, ResNet):
        children = list(network.named_children())
        layers.update(children[: [child for child, _ in children].index("avgpool")])
        head = "fc"
    else:
        raise ValueError(
            f"name={name}: its last maps are not averaged into one linear layer here; expected a VGG, a ResNet or "
            f"mobilenet_v2 ({families})"
        )
    for layer in layers.values():
        _initialise(layer)
    convolutions = [m for layer in layers.values() for m in layer.modules() if isinstance(m, nn.Conv2d)]
    # ResNet registers a block's shortcut last, with as many channels as the block gives.
    return layers, head, convolutions[-1].out_channels


def _dilate(backbone: nn.Module, name: str, output_stride: int) -> None:
    """Keep maps from being halved beyond a stride; convolutions behind look as far as they did, see `CamNetwork`.

    Raises:
        ValueError: If the network can't have this stride.
    """
    stride, dilation = 1, 1
    for path, module in backbone.named_modules():
        if isinstance(module, nn.MaxPool2d):
            stride *= module.stride if isinstance(module.stride, int) else module.stride[0]
        if not isinstance(module, nn.Conv2d):
            continue
        shortcut = "downsample" in path  # beside a convolution that halves the maps, and counted with it
        if module.stride[0] > 1 and stride * module.stride[0] > output_stride and not shortcut:
            later, module.stride = dilation * module.stride[0], (1, 1)
        else:
            later = dilation
            stride *= 1 if shortcut else module.stride[0]
        if shortcut and dilation > 1:
            module.stride = (1, 1)
        module.padding = tuple(dilation * int(side) for side in module.padding)
        module.dilation = (dilation, dilation)
        dilation = later
    if stride != output_stride:
        raise ValueError(f"output_stride={output_stride}: {name} has {stride} then; expected 16, 8 or null")


def _grid(backbone: nn.Module) -> tuple[float, float]:
    """Centre of the first place of the last maps in pixels of the image, and pixels from one place to the next.

    Convolutions with padding begin at the first pixel itself, pooling without it between two: maps are not simply
    spread evenly over the image. Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """
    start, stride = 0.0, 1.0
    for path, module in backbone.named_modules():
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d)) and "downsample" not in path:
            kernel, padding, step, dilation = (
                value[0] if isinstance(value, tuple) else int(value)
                for value in (module.kernel_size, module.padding, module.stride, module.dilation)
            )
            assert isinstance(padding, int)  # no convolution of these says "same"
            start += (dilation * (kernel - 1) / 2 - padding) * stride
            stride *= step
    return start, stride


def _initialise(layer: nn.Module) -> None:
    """Start values as torchvision gives them to the three families: He's for convolutions, fan out."""
    layer.to_empty(device=torch.get_default_device())
    for module in layer.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()
