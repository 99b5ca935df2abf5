"""What an inspector is besides its weights."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from inspection.data.geometry import Geometry
from inspection.decide.kinds import decision_from
from inspection.errors import InputError
from inspection.explain.heatmaps import Method
from inspection.inspector.plain import as_json


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
        heatmap_method: One of `inspection.explain.heatmaps.METHOD_NAMES`.
        heatmap_layer: Dotted name in the network, or None for the last convolution.
        colours: Pairs of attribute and colour, of those that are shown; None: all, in colours of our choice.
        window: What black and white of the images stand for, in the unit of what is measured, or None where
            they have no absolute scale.
        flips: Of test-time augmentation: what the network gives is averaged over the image and these flips of it.
        operating: How the decision was chosen and what it achieves, see `OperatingPoint.to_dict`; empty while the
            network is trained.
        reference: What validation images look like, for telling when the camera's no longer do; None: not known.
        made: Where it comes from: run, data, whether synthetic, versions.
    """

    task: str
    question: str
    network: dict[str, Any]
    decision: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    geometry: dict[str, Any]
    heatmap_method: Method = "grad_cam"
    heatmap_layer: str | None = None
    colours: list[list[str]] | None = None
    window: list[float] | None = None
    flips: list[str] = field(default_factory=list)
    operating: dict[str, Any] = field(default_factory=dict)
    reference: dict[str, Any] | None = None
    made: dict[str, Any] = field(default_factory=dict)


def write_passport(passport: Passport) -> str:
    """A passport as JSON."""
    return json.dumps(as_json(asdict(passport)), ensure_ascii=False, allow_nan=False)


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
