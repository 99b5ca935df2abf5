"""What computes an inspector's answers: the network as it was trained, or as it was exported."""

import os
from collections.abc import Collection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

PROBABILITIES, BOXES, QUANTITIES = "probabilities", "boxes", "quantities"
"""Outputs that verdicts are made of: one of them, by the kind of decision."""
HEATMAPS, FEATURES = "heatmaps", "features"
"""Further outputs: what speaks for the verdict, and what the network makes of the whole image."""

Said = dict[str, NDArray[Any]]
"""What a backend gave for a batch, by the names of its outputs."""


def usable_cores() -> int:
    """Cores that this process may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Backend(Protocol):
    """From what the geometry gave to what verdicts are made of, by the names of outputs.

    * `probabilities`: of classes or attributes float `[N, K]`, of pixels float32 `[N, 1, H, W]`;
    * `boxes`: float32 `[N, D, 6]`, see `inspection.models.detector.Detector`;
    * `quantities`: float `[N, T]`, in their unit;
    * `heatmaps`: float32 `[N, T, H, W]` in 0..1 over the image, one for each output that is explained; all zero
      where nothing speaks for it;
    * `features`: float32 `[N, D]`, see `inspection.explain.penultimate`.

    Attributes:
        name: Of what computes, and of its precision, for a person: `torch float32 on cpu`.
    """

    name: str

    @property
    def outputs(self) -> frozenset[str]:
        """What `run` can give."""
        ...

    def run(self, images: NDArray[np.uint8], wanted: Collection[str]) -> Said:
        """Outputs for images.

        Args:
            images: uint8 `[N, C, H, W]`.
            wanted: Names of outputs; nothing else is computed.
        """
        ...
