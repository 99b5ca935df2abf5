"""Heat in colour, alone and over the photograph."""

from collections.abc import Mapping
from functools import cache

import cv2
import numpy as np

from inspection.pictures.text import INK, PAPER, Colour, draw_text, text_width


def colour_heat(heatmap: np.ndarray) -> np.ndarray:
    """Colour a heatmap from black over violet and orange to pale yellow (inferno).

    Inferno gets steadily lighter with the heat, so it reads the same in a grey print and to the colour-blind.
    Jet, the usual choice, is brightest in the middle and shows edges that are not there.

    Args:
        heatmap: Float [H, W] in 0..1; what is outside is clipped, NaN is 0.

    Returns:
        RGB uint8 [H, W, 3].
    """
    return _inferno()[np.rint(_clipped(heatmap) * 255).astype(np.uint8)]


def overlay(image: np.ndarray, heatmap: np.ndarray, strength: float = 0.7) -> np.ndarray:
    """Lay heat over a photograph so that the photograph stays readable.

    Opacity grows with heat: without heat the pixels of the photograph are unchanged, and at full heat
    `strength` of the colour covers them.

    Args:
        image: Uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        heatmap: Float in 0..1; another size than the image's is resized to it.
        strength: Opacity at heat 1, in 0..1.

    Returns:
        RGB uint8 [H, W, 3].
    """
    photograph = as_rgb(image)
    heat = _fitted(heatmap, photograph)
    colour = colour_heat(heat)  # the same colours as the heatmap beside it: one scale explains both
    opacity = _opacity(heat, strength)[..., None]
    return np.rint(photograph * (1 - opacity) + colour * opacity).astype(np.uint8)


def evidence_overlay(
    image: np.ndarray,
    heatmaps: Mapping[str, np.ndarray | None],
    colours: Mapping[str, Colour],
    strength: float = 0.6,
) -> np.ndarray:
    """Lay several heatmaps over a photograph, each in a colour of its own.

    Opacity grows with heat, as in `overlay`. Where evidence overlaps, the colours mix by their heat; a line in its
    own colour around the hotter half of each heatmap (half its largest value) tells them apart even there.

    Args:
        image: Uint8 [H, W], [H, W, 1] or [H, W, 3] (RGB).
        heatmaps: Attribute to float in 0..1, of any size; None: no evidence.
        colours: RGB of each of these attributes.
        strength: Opacity at heat 1, in 0..1.

    Returns:
        RGB uint8 [H, W, 3].

    Raises:
        ValueError: An attribute with a heatmap has no colour.
    """
    photograph = as_rgb(image)
    heats = {name: _fitted(heat, photograph) for name, heat in heatmaps.items() if heat is not None}
    missing = [name for name in heats if name not in colours]
    if missing:
        raise ValueError(f"Expected a colour for each heatmap but {missing[0]!r} has none.")
    uncovered = np.ones(photograph.shape[:2], np.float32)
    mixed, total = np.zeros(photograph.shape, np.float32), np.zeros(photograph.shape[:2], np.float32)
    for name, heat in heats.items():
        opacity = _opacity(heat, strength)
        uncovered *= 1 - opacity
        mixed += opacity[..., None] * np.asarray(colours[name], np.float32)
        total += opacity
    mixed /= np.maximum(total, 1e-6)[..., None]
    shown = np.rint(photograph * uncovered[..., None] + mixed * (1 - uncovered[..., None])).astype(np.uint8)
    for name, heat in heats.items():
        if heat.max() > 0:
            _outline(shown, heat >= heat.max() / 2, colours[name])
    return shown


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return a picture as contiguous RGB uint8 [H, W, 3], from grey [H, W], [H, W, 1] or RGB.

    Raises:
        ValueError: Another shape or dtype; which bits of a uint16 picture to show is not decided here.
    """
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] not in (1, 3))
    ):
        found = f"{image.dtype} {list(image.shape)}"
        raise ValueError(f"Expected a uint8 picture [H, W], [H, W, 1] or [H, W, 3] but got {found}.")
    grey = image[..., None] if image.ndim == 2 else image
    return np.ascontiguousarray(np.broadcast_to(grey, (*image.shape[:2], 3)))


def colour_scale(height: int, *, text: int = 11) -> np.ndarray:
    """Return a scale that explains the colours of `colour_heat`: 1 ("most") on top, 0 ("none") below.

    Args:
        height: In pixels.
        text: Size of the letters in pixels.
    """
    bar, gap = 12, 5
    words = ("most", "none")
    width = bar + 2 * gap + int(max(text_width(word, text) for word in words)) + 1
    scale = np.full((height, width, 3), PAPER, np.uint8)
    ramp = colour_heat(np.linspace(1, 0, height, dtype=np.float32)[:, None])
    scale[:, gap : gap + bar] = ramp
    draw_text(scale, words[0], (2 * gap + bar, 0), height=text, colour=INK, anchor="la")
    draw_text(scale, words[1], (2 * gap + bar, height), height=text, colour=INK, anchor="ld")
    return scale


def _clipped(heatmap: np.ndarray) -> np.ndarray:
    if heatmap.ndim != 2:
        raise ValueError(f"Expected a heatmap [H, W] but got {list(heatmap.shape)}.")
    return np.clip(np.nan_to_num(heatmap.astype(np.float32)), 0, 1)


def _fitted(heatmap: np.ndarray, photograph: np.ndarray) -> np.ndarray:
    heat = _clipped(heatmap)
    if heat.shape == photograph.shape[:2]:
        return heat
    return cv2.resize(heat, photograph.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _opacity(heat: np.ndarray, strength: float) -> np.ndarray:
    if not 0 <= strength <= 1:
        raise ValueError(f"Expected argument `strength` in 0..1 but got {strength}.")
    # The square root brings out medium heat, which an opacity of heat * strength leaves invisible.
    return np.sqrt(heat) * strength


def _outline(picture: np.ndarray, region: np.ndarray, colour: Colour) -> None:
    """Draw a line around a region, in place."""
    found, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, found, -1, colour, thickness=2 if min(region.shape) >= 200 else 1)


@cache
def _inferno() -> np.ndarray:
    """Return the 256 colours as RGB uint8 [256, 3]."""
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(bgr[:, 0, ::-1])
