"""A camera image with what was said of it, for a screen: no larger than need be, and drawn in some milliseconds.

`Answers.overlay` draws more beside it, for a person who looks into a single image.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.data.images import CameraImage
from inspection.inspector.verdict import Box, Verdict
from inspection.pictures.box_panel import DrawnBox, draw_boxes
from inspection.pictures.colours import shown_colours
from inspection.pictures.mask_panel import fit_mask, mask_overlay
from inspection.pictures.overlay import colour_heat, evidence_overlay, overlay
from inspection.pictures.panel import fit_heat

if TYPE_CHECKING:
    from inspection.inspector import Inspector

Picture = NDArray[np.uint8]

_HEAT = 320  # px: longer side of a heatmap, whose peaks are kept


def shown(inspector: "Inspector", image: CameraImage, most: int) -> Picture:
    """A camera image as the network sees its greys, at most so many pixels high and wide; RGB uint8."""
    return _fitted(inspector.geometry.picture(image), most)


def explained(
    inspector: "Inspector",
    image: CameraImage,
    verdict: Verdict,
    most: int,
    least: int = 1,
    words: bool = True,
) -> Picture:
    """The same with the evidence: heat, mask, boxes, or the false colours of temperatures.

    Where nothing speaks for the verdict, or its heatmap was not asked for, it is the image alone.

    Args:
        inspector: Which gave the verdict.
        image: From the camera.
        verdict: On it.
        most: Pixels of the longer side at most.
        least: Pixels of the longer side from which on boxes and their words are drawn: smaller images grow.
        words: Whether words stand at the boxes.
    """
    height, width = image.shape[:2]
    picture = shown(inspector, image, most)
    if verdict.boxes:
        picture = _grown(picture, least)
    size = picture.shape[1], picture.shape[0]
    # Of a fine map single pixels are hot: kept as they are seen on a small picture, they are seen on a large one.
    scale = min(1.0, _HEAT / max(size))
    small = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
    heats = {
        name: fit_heat(heat.astype(np.float32, copy=False), *small)
        for name, heat in verdict.heatmaps.items()
        if heat is not None
    }
    if inspector.passport.window is not None:
        picture = colour_heat(picture[..., 0].astype(np.float32) / 255)
    elif verdict.mask is not None:
        picture = mask_overlay(picture, fit_mask(verdict.mask, *size))
    elif verdict.probability is None and heats:  # attributes: of those that hold
        colours = shown_colours(inspector.decision.names, inspector.passport.colours)
        called = {name: heat for name, heat in heats.items() if verdict.called[name]}
        picture = evidence_overlay(picture, called, colours)
    elif heats:
        picture = overlay(picture, next(iter(heats.values())))
    if verdict.boxes and verdict.mask is None:
        x, y = size[0] / width, size[1] / height
        boxes = [
            DrawnBox(
                (box.left * x, box.top * y, box.right * x, box.bottom * y),
                _word(inspector, box) if words else "",
                "found",
            )
            for box in verdict.boxes
        ]
        picture = draw_boxes(picture, boxes, size[0])
    return picture


def has_evidence(verdict: Verdict) -> bool:
    """Whether there is anything to draw over the image."""
    heat = any(heat is not None for heat in verdict.heatmaps.values())
    return heat or bool(verdict.boxes) or (verdict.mask is not None and bool(verdict.mask.any()))


def jpeg(picture: Picture, quality: int = 85) -> bytes:
    """Of an RGB picture."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert done  # of uint8 with three channels
    return data.tobytes()


def _word(inspector: "Inspector", box: Box) -> str:
    """What stands at a box: what is there and how sure that is; of a hot spot, how hot."""
    window = inspector.passport.window
    if inspector.decision.kind != "quantities":
        return f"{box.label} {box.score:.2f}"
    return "" if window is None else f"{window[0] + box.score * (window[1] - window[0]):.0f}"


def _grown(picture: Picture, least: int) -> Picture:
    scale = least / max(picture.shape[:2])
    if scale <= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _fitted(picture: Picture, most: int) -> Picture:
    scale = most / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
