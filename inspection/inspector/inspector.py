"""The trained thing that ships: camera image in, verdict with its evidence out."""

import contextlib
import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from inspection.data.geometry import Geometry
from inspection.decide.decisions import Decision
from inspection.decide.finite import are_finite
from inspection.decide.kinds import decision_from
from inspection.errors import InputError
from inspection.explain.hooks import hooked
from inspection.inspector.kinds import answers_of
from inspection.inspector.passport import Passport, build_network, fit_weights, read_passport, write_passport
from inspection.inspector.verdict import Verdict
from inspection.models.flips import Flipped
from inspection.models.normalised import Normalised

FORMAT = "inspection.inspector.4"


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
        self.answers = answers_of(self.decision)(self.decision, passport, self.geometry)
        network = build_network(passport.network)
        fit_weights(network, weights, "the inspector")
        self.model = Normalised(network, passport.mean, passport.std).to(self.device).eval()
        self.judge = Flipped(self.model, passport.flips) if passport.flips else self.model

    def with_threshold(self, threshold: float | Mapping[str, float]) -> "Inspector":
        """The same inspector at another operating point.

        Args:
            threshold: Of the defect class; of attributes, one for all or some by name; see the decision's `at`.

        Raises:
            InputError: If there is nothing that is decided by a threshold, or it can't be one.
        """
        try:
            decision = self.decision.at(threshold)
        except ValueError as error:
            raise InputError(str(error)) from None
        moved = copy.copy(self)  # the same network
        moved.decision, moved.passport = decision, replace(self.passport, decision=decision.to_dict())
        moved.answers = answers_of(decision)(decision, moved.passport, self.geometry)
        return moved

    def inspect(self, images: Sequence[np.ndarray], heatmaps: bool = False) -> list[Verdict]:
        """Verdicts on camera images.

        Args:
            images: Each `[H, W]` grey or `[H, W, 3]` RGB, uint8 or uint16, as the camera gave it.
            heatmaps: Whether to show the evidence where there is any: for the defect class, without one for the
                verdict; for every attribute that has a colour.

        Returns:
            One verdict an image.

        Raises:
            InputError: If an image is smaller than the crop, or the network gives no number for it.
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

        Raises:
            InputError: If the network gives no number for one of them.
        """
        if not pixels:
            return []
        images = torch.from_numpy(np.stack(pixels)).to(self.device)
        with hooked([self.model], _check_finite):
            return self.answers.verdicts(self.judge, images, camera_shapes, heatmaps)

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


def _check_finite(_: nn.Module, inputs: tuple[Tensor], outputs: Tensor) -> None:
    """Raise rather than say anything of an image of which the network says nothing."""
    (wrong,) = (~are_finite(outputs)).nonzero(as_tuple=True)
    if len(wrong):
        which = "this image" if len(outputs) == 1 else f"{len(wrong)} of {len(outputs)} images"
        raise InputError(
            f"the network gives no number for {which} (NaN or infinite): its training diverged; "
            "train again with a smaller optimizer.lr"
        )
