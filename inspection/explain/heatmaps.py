"""What a heatmap is, and the names of the methods that make one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from inspection.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Method = Literal["grad_cam", "grad_cam_plus_plus", "layer_cam", "hires_cam", "cam", "occlusion"]

METHOD_NAMES: dict[str, str] = {
    "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "layer_cam": "Layer-CAM",
    "hires_cam": "HiResCAM",
    "cam": "CAM",
    "occlusion": "occlusion",
}
"""How a method is written in titles and reports."""


@dataclass(frozen=True)
class Heatmaps:
    """Heatmaps of a batch.

    Attributes:
        maps: Float32 [N, H, W] in 0..1. A map with evidence has its maximum at exactly 1.
        evidence: Bool [N]. False: nothing speaks for the class, and the map is all zero.
        method: The one that was used, see `METHOD_NAMES`.
        logits: Float32 [N, K] of the same forward pass, so that verdict and heatmap belong together.
        targets: Int64 [N], the class that each map explains.
    """

    maps: Tensor
    evidence: Tensor
    method: Method
    logits: Tensor
    targets: Tensor

    def of(self, row: int) -> np.ndarray | None:
        """The map of one image, float32 [H, W] on the CPU; None without evidence."""
        return self.maps[row].cpu().numpy() if bool(self.evidence[row]) else None


def known_method(method: str, where: str) -> Method:
    """A method by its name.

    Args:
        method: Of a config or of a network.
        where: What it was given as, for the message.

    Raises:
        InputError: There is no such method.
    """
    for known in get_args(Method):
        if method == known:
            return known
    raise InputError(
        f"{where}: unknown heatmap method {method!r}; expected {', '.join(METHOD_NAMES)} or auto."
    )
