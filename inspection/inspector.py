"""The trained thing that ships: camera image in, verdict with its evidence out."""

import contextlib
import copy
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
from inspection.decide.decisions import Decision, OneOf, decision_from
from inspection.errors import InputError
from inspection.explain.cam import heatmap
from inspection.models.normalised import Normalised

FORMAT = "inspection.inspector.2"
NETWORKS = "inspection.models."


@dataclass(frozen=True)
class Verdict:
    """What the line acts on.

    Attributes:
        label: The verdict in words: name of the class, or of the attributes that hold (`none` if none does).
        probability: Of that class, 0..1; None for attributes, each of which has its own.
        probabilities: Of every class or attribute, by name.
        called: Whether each class or attribute is said to hold, by name.
        heatmaps: Evidence by class or attribute: float32 `[H, W]` in 0..1 over the camera image, zero outside the
            crop; None where nothing speaks for it. Empty when not asked for.
        method: `grad_cam` or `hires_cam`; None when no heatmap was asked for.
    """

    label: str
    probability: float | None
    probabilities: dict[str, float]
    called: dict[str, bool]
    heatmaps: dict[str, np.ndarray | None] = field(default_factory=dict)
    method: str | None = None


@dataclass(frozen=True)
class Passport:
    """What an inspector is besides its weights: plain values, kept as JSON in its file.

    Attributes:
        task: Name of the task.
        question: What is asked of each image.
        network: `_target_` and arguments of the network.
        decision: Names of the outputs and operating point, see `Decision.to_dict`.
        mean: Normalisation, a value a channel.
        std: Normalisation, a value a channel.
        geometry: See `Geometry.to_dict`.
        heatmap_method: `auto`, `grad_cam` or `hires_cam`.
        heatmap_layer: Dotted name in the network, or None for the last convolution.
        colours: Pairs of attribute and colour, of those that are shown; None: all, in colours of our choice.
        made: Where it comes from: run, data, whether synthetic, versions.
    """

    task: str
    question: str
    network: dict[str, Any]
    decision: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    geometry: dict[str, Any]
    heatmap_method: Literal["auto", "grad_cam", "hires_cam"] = "auto"
    heatmap_layer: str | None = None
    colours: list[list[str]] | None = None
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
        self.decision: Decision = decision_from(passport.decision)
        self.geometry = Geometry.from_dict(passport.geometry)
        self.device = torch.device(device)
        network = _build_network(passport.network)
        fit_weights(network, weights, "the inspector")
        self.model = Normalised(network, passport.mean, passport.std).to(self.device).eval()

    def with_threshold(self, threshold: float | Mapping[str, float]) -> "Inspector":
        """The same inspector at another operating point.

        Args:
            threshold: Of the defect class; of attributes, one for all or some by name.

        Raises:
            InputError: If there is no defect class, or the threshold is outside 0..1.
        """
        try:
            decision = self.decision.at(threshold)
        except ValueError as error:
            raise InputError(str(error)) from None
        moved = copy.copy(self)  # the same network
        moved.decision, moved.passport = decision, replace(self.passport, decision=decision.to_dict())
        return moved

    def inspect(self, images: Sequence[np.ndarray], heatmaps: bool = False) -> list[Verdict]:
        """Verdicts on camera images.

        Args:
            images: Each `[H, W]` grey or `[H, W, 3]` RGB, uint8 or uint16, as the camera gave it.
            heatmaps: Whether to show the evidence: for the defect class, without one for the verdict; for every
                attribute that has a colour.

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
        maps = [
            heatmap(
                self.model,
                batch,
                None if output is None else torch.full((len(batch),), output, device=self.device),
                method=self.passport.heatmap_method,
                layer=self.passport.heatmap_layer,
            )
            for output in (self._to_explain() if heatmaps else ())
        ]
        if maps:
            logits = maps[0].logits  # of the same pass: verdict and evidence belong together
        else:
            with torch.inference_mode():
                logits = self.model(batch)
        probabilities = self.decision.probabilities(logits.cpu())
        called = self.decision.called(probabilities)
        names = self.decision.names
        results = []
        for row, shape in enumerate(camera_shapes):
            shown: dict[str, np.ndarray | None] = {}
            for each in maps:
                found = each.of(row)
                shown[names[int(each.targets[row])]] = (
                    None if found is None else self.geometry.heatmap_to_camera(found, shape)
                )
            values = dict(zip(names, probabilities[row].tolist(), strict=True))
            label = self.decision.words(called[row])
            results.append(
                Verdict(
                    label=label,
                    probability=values[label] if self.decision.exclusive else None,
                    probabilities=values,
                    called=dict(zip(names, called[row].tolist(), strict=True)),
                    heatmaps=shown,
                    method=maps[0].method if maps else None,
                )
            )
        return results

    def _to_explain(self) -> list[int | None]:
        """Outputs whose evidence is shown; None stands for the verdict's."""
        if isinstance(self.decision, OneOf):
            return [self.decision.defect]
        shown = [name for name, _ in self.passport.colours or ()] or self.decision.names
        return [self.decision.names.index(name) for name in shown]

    def save(self, path: Path) -> None:
        """Write one file of tensors and JSON (safetensors); the old file stays until the new one is whole.

        Raises:
            InputError: If the disk is full or the folder can't be written.
        """
        weights = {name: tensor.contiguous() for name, tensor in self.model.network.state_dict().items()}
        partial = path.with_name(path.name + ".partial")
        metadata = {"format": FORMAT, "passport": write_passport(self.passport)}
        try:
            save_file(weights, partial, metadata=metadata)
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
            return cls(read_passport(metadata["passport"]), weights, device)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: its passport is damaged, or of another version ({error})") from None


def write_passport(passport: Passport) -> str:
    """A passport as JSON."""
    return json.dumps(asdict(passport), ensure_ascii=False)


def read_passport(text: str) -> Passport:
    """A passport out of JSON.

    Raises:
        InputError: If it is none, or of another version.
    """
    try:
        values = json.loads(text)
        passport = Passport(**values | {name: tuple(values[name]) for name in ("mean", "std")})
        decision_from(passport.decision)
        Geometry.from_dict(passport.geometry)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"its passport is damaged, or of another version ({error})") from None
    return passport


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
