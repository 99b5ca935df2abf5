"""The trained thing that ships: camera image in, verdict with its evidence out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.data.geometry import Geometry
from inspection.decide.decisions import Decision
from inspection.decide.kinds import decision_from
from inspection.errors import InputError
from inspection.inspector.answers import Answers
from inspection.inspector.backends import Backend, Said
from inspection.inspector.kinds import answers_of
from inspection.inspector.passport import Passport
from inspection.inspector.verdict import Verdict

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inspection.inspector.backends.torch import TorchBackend
    from inspection.models.normalised import Normalised


class Inspector:
    """Geometry, network with its normalisation, classes and operating point in one.

    All but what computes is of this class, whatever computes: the network as it was trained, or as it was exported
    for ONNX Runtime or OpenVINO, which need no torch. Not for several threads at once.

    Args:
        passport: All that it is besides its network.
        backend: What computes.

    Attributes:
        decision: The operating point.
        own_decision: The one that was chosen and validated with it.
        geometry: From camera image to what the network sees, and back.
        answers: Verdicts of its kind of question, and how they are written and drawn.
    """

    def __init__(self, passport: Passport, backend: Backend) -> None:
        self.passport, self.backend = passport, backend
        self.decision: Decision = decision_from(passport.decision)
        self.own_decision = self.decision
        self.geometry = Geometry.from_dict(passport.geometry)
        self.answers = _answers_of(passport, self.decision, self.geometry)

    @classmethod
    def of(
        cls,
        passport: Passport,
        weights: Mapping[str, Tensor],
        device: str | torch.device = "cpu",
        threads: int | None = None,
    ) -> Inspector:
        """The inspector of a network as it was trained; inference runs in float32, as every evaluation of a run.

        Args:
            passport: Everything but the weights.
            weights: State dict of the network.
            device: Where it runs.
            threads: That torch computes with on the CPU, in all of the process; None: as many as it does already.

        Raises:
            InputError: If the weights do not fit the network.
        """
        from inspection.inspector.backends.torch import TorchBackend

        decision = decision_from(passport.decision)
        answers = _answers_of(passport, decision, Geometry.from_dict(passport.geometry))
        backend = TorchBackend(passport, weights, decision, answers.explained(), device, threads)
        return cls(passport, backend)

    @classmethod
    def load(
        cls, path: Path | str, device: str | torch.device = "cpu", threads: int | None = None
    ) -> Inspector:
        """Open an inspector. Nothing but its network is executed, see `inspection.inspector.files`.

        Args:
            path: A run folder, an inspector file of a run (`.safetensors`), or an exported one: `.onnx`, `.xml`,
                `.pt2` or `.ts`, see `inspection.inspector.files`.
            device: Where a network as it was trained runs; the exported ones run on the CPU.
            threads: Threads to compute with; None: one a core. Torch has them for the process as a whole, and
                keeps those that it has.

        Raises:
            InputError: If the file is missing, is no inspector, or asks for a network that is not ours, or the
                library is missing that runs it.
        """
        from inspection.inspector.files import load

        return load(Path(path), device, threads)

    def with_threshold(self, threshold: float | Mapping[str, float]) -> Inspector:
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
        return self.judging_by(decision)

    def judging_by(self, decision: Decision) -> Inspector:
        """The same inspector with a decision that differs in its operating point alone."""
        moved = copy.copy(self)  # the same network
        moved.decision, moved.passport = decision, replace(self.passport, decision=decision.to_dict())
        moved.answers = _answers_of(moved.passport, decision, self.geometry)
        return moved

    def inspect(
        self,
        images: NDArray[np.generic] | Sequence[NDArray[np.generic]],
        heatmaps: bool = False,
        colours: Literal["rgb", "bgr"] = "rgb",
    ) -> list[Verdict]:
        """Verdicts on camera images.

        Args:
            images: One image or several of any sizes, each `[H, W]` or `[H, W, 1]` grey or `[H, W, 3]` in colour,
                uint8 or uint16, as the camera gave it; or a batch `[N, H, W]`, `[N, H, W, 1]` or
                `[N, H, W, 3]`. An array with three axes whose last is 1 or 3 is one image.
            heatmaps: Whether to show the evidence where there is any: for the defect class, without one for the
                verdict; for every attribute that has a colour.
            colours: Order of the channels: `rgb`, or `bgr` as OpenCV's readers give it.

        Returns:
            One verdict an image.

        Raises:
            InputError: If one is no image, or smaller than the crop, or the network gives no number for it.
            ValueError: If `colours` is neither.
        """
        if colours not in ("rgb", "bgr"):
            raise ValueError(f"colours={colours!r}: expected 'rgb' or 'bgr'")
        taken = [_camera_image(image, colours) for image in _single_images(images)]
        pixels = [self.geometry.apply(image) for image in taken]
        return self.inspect_pixels(pixels, [image.shape[:2] for image in taken], heatmaps)

    def inspect_pixels(
        self, pixels: Sequence[np.ndarray], camera_shapes: Sequence[tuple[int, int]], heatmaps: bool = False
    ) -> list[Verdict]:
        """Verdicts on images that the geometry has been applied to.

        Args:
            pixels: uint8 `[C, H, W]` each, from `geometry.apply`.
            camera_shapes: Height and width of each camera image, for the heatmaps.
            heatmaps: As in `inspect`; an inspector that was exported without them shows none.

        Returns:
            One verdict an image.

        Raises:
            InputError: If the network gives no number for one of them.
        """
        return self.observe_pixels(pixels, camera_shapes, heatmaps)[0]

    def observe_pixels(
        self,
        pixels: Sequence[np.ndarray],
        camera_shapes: Sequence[tuple[int, int]],
        heatmaps: bool = False,
        further: Sequence[str] = (),
    ) -> tuple[list[Verdict], Said]:
        """As `inspect_pixels`, and all outputs of the network besides.

        Args:
            pixels: As there.
            camera_shapes: As there.
            heatmaps: As there.
            further: Outputs to compute beside those that verdicts are made of, see `Backend`.
        """
        if not len(pixels):
            return [], {}
        evidence = heatmaps and self.backend.outputs.issuperset(self.answers.wanted(True))
        images = np.stack(pixels)
        said = self.backend.run(images, [*self.answers.wanted(evidence), *further])
        _check_finite(said[self.answers.answer])
        verdicts = self.answers.verdicts(said, images, camera_shapes, evidence)
        point = self.decision.points()
        return [replace(verdict, operating_point=point) for verdict in verdicts], said

    @property
    def moved(self) -> bool:
        """Whether it judges by another operating point than its own."""
        return self.decision.to_dict() != self.own_decision.to_dict()

    @property
    def trained(self) -> TorchBackend:
        """What computes, of a network as it was trained.

        Raises:
            InputError: If the inspector was exported.
        """
        from inspection.inspector.backends.torch import TorchBackend

        if not isinstance(self.backend, TorchBackend):
            run = self.passport.made.get("run", "its run")
            raise InputError(f"an exported inspector has no network to look into; give the run: {run}")
        return self.backend

    @property
    def model(self) -> Normalised:
        """The network as it was trained, behind its normalisation.

        Raises:
            InputError: As `trained`.
        """
        return self.trained.model

    def save(self, path: Path) -> None:
        """Write one file of tensors and JSON (safetensors); the old file stays until the new one is whole.

        Raises:
            InputError: If the disk is full or the folder can't be written, or the inspector was exported.
        """
        from inspection.inspector.files import save

        save(self.trained, self.passport, path)


def _answers_of(passport: Passport, decision: Decision, geometry: Geometry) -> Answers:
    return answers_of(decision)(decision, passport, geometry)


def _single_images(
    images: NDArray[np.generic] | Sequence[NDArray[np.generic]],
) -> Sequence[NDArray[np.generic]]:
    """The images of a batch, or the one that was given.

    Raises:
        InputError: If there are none.
    """
    if not isinstance(images, np.ndarray):
        if isinstance(images, Iterable) and not isinstance(images, str):
            return list(images)
        raise _no_image(images)
    if images.ndim == 3 and images.shape[2] in (2, 4):  # as a batch, each image would be so wide
        raise InputError(
            f"image: an array of shape {list(images.shape)} has {images.shape[2]} channels; expected 1 (grey) "
            "or 3 (colour), without transparency"
        )
    one = images.ndim <= 2 or (images.ndim == 3 and images.shape[2] in (1, 3))
    return [images] if one else list(images)


def _camera_image(image: NDArray[Any], colours: str) -> NDArray[Any]:
    """An image as the geometry takes it, `[H, W]` or RGB."""
    if not isinstance(image, np.ndarray):
        raise _no_image(image)
    if image.ndim == 3 and image.shape[2] == 1:
        return image[..., 0]
    if colours == "bgr" and image.ndim == 3:
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # a view with its axis turned round is slow to resize
    return image


def _no_image(given: object) -> InputError:
    why = " (what cv2.imread gives for a file that it can't read)" if given is None else ""
    return InputError(f"image: expected a numpy array, or several, but got {type(given).__name__}{why}")


def _check_finite(answer: NDArray[np.floating]) -> None:
    """Raise rather than say anything of an image of which the network says nothing."""
    (wrong,) = (~np.isfinite(answer).reshape(len(answer), -1).all(1)).nonzero()
    if len(wrong):
        which = "this image" if len(answer) == 1 else f"{len(wrong)} of {len(answer)} images"
        raise InputError(
            f"the network gives no number for {which} (NaN or infinite): its training diverged; "
            "train again with a smaller optimizer.lr"
        )
