"""Pretrained weights of torchvision's networks: where they lie, how they are read, what images they expect."""

import pickle
import re
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import get_model_weights

from inspection.errors import InputError
from inspection.models.reading import load_tensors, reason

IMAGENET = "imagenet"
NOT_BUILT = ("aux1.", "aux2.", "AuxLogits.")
"""Second heads of GoogLeNet and Inception, which only help to train them from scratch on ImageNet."""

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


def matching_normalisation(
    name: str,
    weights: str | None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Normalisation | None:
    """Mean and std that a network's images have to be normalised by; reads no file.

    Pretrained features are features of images normalised in one way. Fed with any other, the first layers see
    contrasts and colours that they never learned from, and frozen ones can't get used to them.

    Args:
        name: Of torchvision's network.
        weights: As in `TorchvisionNetwork`.
        mean: Three values that replace the known ones, of images scaled to 0..1.
        std: Three values.

    Returns:
        `(mean, std)`, or None without weights: the network learns from whatever it gets, so the data's own do.

    Raises:
        ValueError: If only one of mean and std is given, or they are not three values each.
    """
    if mean is not None and std is not None:
        if len(mean) != 3 or len(std) != 3:
            raise ValueError(
                f"mean={list(mean)}, std={list(std)}: expected three values each, red, green, blue"
            )
        return tuple(mean), tuple(std)
    if mean is not None or std is not None:
        raise ValueError(f"mean={mean}, std={std}: set both, or none of them")
    if weights is None:
        return None
    if name in ("googlenet", "inception_v3"):
        # Trained on -1..1. torchvision's builders convert from ImageNet's mean and std within the network
        # (`transform_input`), which a network that is rebuilt without its weights would not know of.
        return (0.5,) * 3, (0.5,) * 3
    expects = get_model_weights(name).DEFAULT.transforms()
    return tuple(expects.mean), tuple(expects.std)


def weights_file(name: str, weights: str, download: bool, torchvision: str = IMAGENET) -> Path:
    """The file that holds a network's weights.

    Args:
        name: Of torchvision's network.
        weights: The word `torchvision` for its default ones, else a path.
        download: Whether default weights that are not in torch hub's cache are fetched into it.
        torchvision: The word for torchvision's default weights, after what they were trained on.

    Raises:
        InputError: If the file is not there and may not, or can't, be downloaded.
    """
    if weights != torchvision:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise InputError(
                f"model.weights={weights}: no such file; expected {torchvision}, null, or the path of a state "
                "dict (.pth, .pt, .ckpt, .safetensors)"
            )
        return path
    chosen = get_model_weights(name).DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(chosen.url).path).name
    if path.is_file():
        return path
    if not download:
        size = f" ({chosen.meta['_file_size']:.0f} MB)" if "_file_size" in chosen.meta else ""
        raise InputError(
            f"model.weights={torchvision}: {path.name}{size} is not in {path.parent}; nothing is downloaded "
            "unasked\n"
            f"set model.download=true, put the file there yourself ({chosen.url}),\n"
            "or set model.weights=<path of a state dict>"
        )
    try:
        chosen.get_state_dict(progress=True, check_hash=True, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError) as error:  # no network; a hash that differs
        raise InputError(
            f"model.download=true: {chosen.url} could not be fetched into {path.parent} ({error})\n"
            "put the file there by hand, or set model.weights=<path of a state dict>"
        ) from error
    return path


def read_state_dict(path: Path) -> Mapping[str, Tensor]:
    """Tensors by name out of a state dict, or out of a checkpoint with one below `state_dict` or `model`.

    Only tensors and plain values are read; code in the file is never run. Files saved with torch's checksums
    switched off are taken for damaged, see `load_tensors`.

    Raises:
        InputError: If the file is damaged, holds anything else, or has no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = load_tensors(path)
    except Exception as error:
        if isinstance(error, pickle.UnpicklingError) and (code := re.search(r"GLOBAL (\S+)", str(error))):
            raise InputError(
                f"model.weights: {path} holds more than tensors ({code[1]}), which could run code: not opened\n"
                "save the weights alone: torch.save(network.state_dict(), path)"
            ) from None
        raise InputError(
            f"model.weights: {path} is damaged, or no file of weights ({reason(error)})"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise InputError(
            f"model.weights: {path} has no state dict; expected tensors by name, or a mapping with state_dict"
        )
    return content


def fit_pretrained(
    network: nn.Module, head: str, weights: Mapping[str, Any], source: str
) -> tuple[int, bool]:
    """Load weights into a network of another number of classes: all but a head that does not fit.

    Names may have something before them (`module.`, `model.network.`): what fits most of them is taken off.

    Args:
        network: torchvision's network.
        head: Dotted name of its last layer.
        weights: Tensors by name.
        source: What holds them, for messages.

    Returns:
        Number of tensors taken, and whether the head is among them.

    Raises:
        InputError: If anything else than the head is missing, strange or of another shape: the weights are
            another network's.
    """
    own = network.state_dict()
    given, versions = _by_own_names(weights, own)
    of_head = {name for name in given if name.startswith(f"{head}.")}
    fits_head = of_head == {name for name in own if name.startswith(f"{head}.")} and all(
        given[name].shape == own[name].shape for name in of_head
    )
    for name in list(given):
        if name.startswith(NOT_BUILT) or (name in of_head and not fits_head):
            del given[name]
    wrong = [
        f"{name} is {list(tensor.shape)} instead of {list(own[name].shape)}"
        for name, tensor in given.items()
        if name in own and own[name].shape != tensor.shape
    ]
    fitting = sum(name in own and own[name].shape == tensor.shape for name, tensor in given.items())
    if not wrong:
        given._metadata = versions  # type: ignore[attr-defined]
        missing, strange = network.load_state_dict(given, strict=False)  # translates older names as well
        wrong = [
            f"{name} is missing"
            for name in missing
            if not name.startswith(f"{head}.") and not name.endswith("num_batches_tracked")
        ]
        wrong += [f"{name} is not in this network" for name in strange]
    if wrong:
        raise InputError(
            f"{source} does not hold the weights of this {type(network).__name__} (model.name): "
            f"{fitting} of its {len(own)} tensors fit\n"
            f"{'; '.join(wrong[:3])}{f'; and {len(wrong) - 3} more' if len(wrong) > 3 else ''}"
        )
    return len(given), fits_head


def _by_own_names(
    weights: Mapping[str, Any], own: Mapping[str, Tensor]
) -> tuple["OrderedDict[str, Tensor]", dict[str, Any]]:
    """The tensors without what stands before the network's own names, and the versions of its modules."""
    # torchvision's files of DenseNet are older than the rule that a module's name has no dot.
    dotted = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
    tensors = {
        dotted.sub(r"\1\2", name): value
        for name, value in weights.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    before = Counter(
        name[:start]
        for name in tensors
        for start in (0, *(dot.end() for dot in re.finditer(r"\.", name)))
        if name[start:] in own
    )
    prefix = before.most_common(1)[0][0] if before else ""
    found = OrderedDict(
        (name.removeprefix(prefix), value) for name, value in tensors.items() if name.startswith(prefix)
    )
    # Modules that changed over time look up with which version they were saved. A file without versions
    # (safetensors) is taken for one of today.
    saved = getattr(weights, "_metadata", None)
    if saved is None:
        return found, getattr(own, "_metadata", {})
    return found, {
        f"{name}.".removeprefix(prefix).removesuffix("."): version
        for name, version in saved.items()
        if f"{name}.".startswith(prefix)
    }
