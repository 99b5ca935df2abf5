"""The trained thing that ships: camera image in, verdict with its evidence out."""

import contextlib
import importlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from inspection.data.geometry import Geometry
from inspection.decide.verdicts import verdicts
from inspection.errors import InputError
from inspection.explain.cam import heatmap
from inspection.models.normalised import Normalised

FORMAT = "inspection.inspector.1"
NETWORKS = "inspection.models."


@dataclass(frozen=True)
class Verdict:
    """What the line acts on.

    Attributes:
        label: Name of the class that the image is judged to be.
        probability: Of that class, 0..1.
        probabilities: Of every class, by name.
        heatmap: float32 `[H, W]` in 0..1 over the camera image; zero outside the crop. None when not asked for
            or when there is no positive evidence.
        explains: The class whose evidence the heatmap shows.
        method: `grad_cam` or `hires_cam`; None when no heatmap was asked for.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    heatmap: np.ndarray | None = None
    explains: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Passport:
    """What an inspector is besides its weights: plain values, kept as JSON in its file.

    Attributes:
        task: Name of the task.
        question: What is asked of each image.
        network: `_target_` and arguments of the network.
        classes: Names in the order of the outputs.
        defect: The positive class, or None.
        mean: Normalisation, a value a channel.
        std: Normalisation, a value a channel.
        geometry: See `Geometry.to_dict`.
        threshold: Smallest defect probability that is judged a defect.
        heatmap_method: `auto`, `grad_cam` or `hires_cam`.
        heatmap_layer: Dotted name in the network, or None for the last convolution.
        made: Where it comes from: run, data, whether synthetic, versions.
    """

    task: str
    question: str
    network: dict[str, Any]
    classes: tuple[str, ...]
    defect: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    geometry: dict[str, Any]
    threshold: float = 0.5
    heatmap_method: Literal["auto", "grad_cam", "hires_cam"] = "auto"
    heatmap_layer: str | None = None
    made: dict[str, Any] = field(default_factory=dict)


class Inspector:
    """Geometry, normalisation, network, classes and operating point in one.

    Inference runs in float32, as every evaluation of a run does.

    Args:
        passport: Everything but the weights.
        weights: State dict of the network.
        device: Where it runs.

    Raises:
        InputError: If the weights do not fit the network.
    """

    def __init__(
        self, passport: Passport, weights: Mapping[str, Tensor], device: str | torch.device = "cpu"
    ) -> None:
        self.passport = passport
        self.geometry = Geometry.from_dict(passport.geometry)
        self.device = torch.device(device)
        network = _build_network(passport.network)
        fit_weights(network, weights, "the inspector")
        self.model = Normalised(network, passport.mean, passport.std).to(self.device).eval()

    @property
    def defect(self) -> int | None:
        """Index of the defect class."""
        name = self.passport.defect
        return None if name is None else self.passport.classes.index(name)

    def with_threshold(self, threshold: float) -> "Inspector":
        """The same inspector at another operating point.

        Raises:
            InputError: If there is no defect class, or the threshold is outside 0..1.
        """
        if self.passport.defect is None:
            raise InputError("threshold: this inspector has no defect class; leave threshold out")
        if not 0 <= threshold <= 1:
            raise InputError(f"threshold={threshold}: expected a probability, 0 to 1")
        return Inspector(
            replace(self.passport, threshold=threshold), self.model.network.state_dict(), self.device
        )

    def inspect(self, images: Sequence[np.ndarray], heatmaps: bool = False) -> list[Verdict]:
        """Verdicts on camera images.

        Args:
            images: Each `[H, W]` grey or `[H, W, 3]` RGB, uint8 or uint16, as the camera gave it.
            heatmaps: Whether to show the evidence: for the defect class, or without one for the verdict.

        Returns:
            One verdict an image.

        Raises:
            InputError: If an image is smaller than the crop.
        """
        pixels = [self.geometry.apply(image) for image in images]
        return self.inspect_pixels(pixels, [image.shape[:2] for image in images], heatmaps)

    def inspect_pixels(
        self, pixels: Sequence[np.ndarray], camera_shapes: Sequence[tuple[int, int]], heatmaps: bool = False
    ) -> list[Verdict]:
        """Verdicts on images that the geometry has been applied to.

        Args:
            pixels: uint8 `[C, H, W]` each, from `geometry.apply`.
            camera_shapes: Height and width of each camera image, for the heatmaps.
            heatmaps: As in `inspect`.

        Returns:
            One verdict an image.
        """
        if not pixels:
            return []
        batch = torch.from_numpy(np.stack(pixels)).to(self.device)
        maps = None
        if heatmaps:
            targets = None if self.defect is None else torch.full((len(batch),), self.defect).to(self.device)
            maps = heatmap(
                self.model,
                batch,
                targets,
                method=self.passport.heatmap_method,
                layer=self.passport.heatmap_layer,
            )
            logits = maps.logits
        else:
            with torch.inference_mode():
                logits = self.model(batch)
        probabilities = logits.double().softmax(1).cpu()
        judged = verdicts(probabilities, self.defect, self.passport.threshold)
        results = []
        for row, (shape, label) in enumerate(zip(camera_shapes, judged.tolist(), strict=True)):
            shown = None
            if maps is not None and bool(maps.evidence[row]):
                shown = self.geometry.heatmap_to_camera(maps.maps[row].cpu().numpy(), shape)
            results.append(
                Verdict(
                    label=self.passport.classes[label],
                    probability=float(probabilities[row, label]),
                    probabilities=dict(zip(self.passport.classes, probabilities[row].tolist(), strict=True)),
                    heatmap=shown,
                    explains=None if maps is None else self.passport.classes[int(maps.targets[row])],
                    method=None if maps is None else maps.method,
                )
            )
        return results

    def save(self, path: Path) -> None:
        """Write one file of tensors and JSON (safetensors); the old file stays until the new one is whole.

        Raises:
            InputError: If the disk is full or the folder can't be written.
        """
        weights = {name: tensor.contiguous() for name, tensor in self.model.network.state_dict().items()}
        partial = path.with_name(path.name + ".partial")
        passport = json.dumps(asdict(self.passport), ensure_ascii=False)
        try:
            save_file(weights, partial, metadata={"format": FORMAT, "passport": passport})
            os.replace(partial, path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: the inspector could not be written ({error})") from error
        finally:
            with contextlib.suppress(OSError):  # not there: renamed, or never made
                partial.unlink()

    @classmethod
    def load(cls, path: Path | str, device: str | torch.device = "cpu") -> "Inspector":
        """Open an inspector file. Nothing in it is executed: networks come from this package alone.

        Raises:
            InputError: If the file is missing, is no inspector, or asks for a network that is not ours.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such inspector file")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is no inspector file, or a damaged one ({error})") from None
        if metadata.get("format") != FORMAT:
            raise InputError(
                f"{path} is a safetensors file, but no inspector that this version knows ({FORMAT})"
            )
        try:
            return cls(_passport(metadata["passport"]), weights, device)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: its passport is damaged, or of another version ({error})") from None


def _passport(text: str) -> Passport:
    values = json.loads(text)
    return Passport(**values | {name: tuple(values[name]) for name in ("classes", "mean", "std")})


def _build_network(config: Mapping[str, Any]) -> nn.Module:
    """A network out of `_target_` and its arguments; only classes of `inspection.models` are built."""
    target = str(config.get("_target_"))
    module_name, _, name = target.rpartition(".")
    if not target.startswith(NETWORKS):
        raise InputError(
            f"an inspector's network must be one of {NETWORKS}*, but this one asks for {target!r}"
        )
    try:
        network = getattr(importlib.import_module(module_name), name, None)
    except ModuleNotFoundError:
        network = None
    # Its own module, too: what a file of ours merely imports is not one of ours.
    if not (
        isinstance(network, type) and issubclass(network, nn.Module) and network.__module__ == module_name
    ):
        raise InputError(f"this version has no network {target!r}")
    return network(**{key: value for key, value in config.items() if key != "_target_"})


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a network, or say in which way they are another network's.

    Raises:
        InputError: If names or shapes differ.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in weights]
    foreign = [name for name in weights if name not in own]
    shapes = [
        f"{name} is {list(weights[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in weights and own[name].shape != weights[name].shape
    ]
    if missing or foreign or shapes:
        differences = [
            *(f"{name} is missing" for name in missing[:2]),
            *(f"{name} is not in this network" for name in foreign[:2]),
            *shapes[:2],
        ]
        raise InputError(
            f"{source} holds the weights of another network than {type(network).__name__}: "
            f"{'; '.join(differences)}. Use the model, image size, channels and classes that it was trained with"
        )
    network.load_state_dict(weights)
