"""Filters and feature maps as tiles with their numbers."""

from collections.abc import Sequence

import cv2
import numpy as np

from inspection.pictures.frame import CAPTION, EDGE, blank, finished
from inspection.pictures.overlay import colour_heat
from inspection.pictures.text import INK, draw_text, line_height, shorten

_FILTER = 48  # px: side of a filter's tile, about
_NEGATIVE, _POSITIVE = (
    np.array([0.0, 90, 181]),
    np.array([204.0, 80, 0]),
)  # blue and orange: for the colour-blind


def filter_sheet(
    kernels: np.ndarray, captions: Sequence[str], title_lines: Sequence[str], *, columns: int = 16
) -> np.ndarray:
    """Draw filters as tiles: blue is negative, white 0, orange positive. Each has its own scale, written above it.

    On one scale a few large filters would leave the others blank. Filters over colour images are shown in colour:
    grey is 0 there.

    Args:
        kernels: Float [M, h, w], or [M, 3, h, w] over RGB.
        captions: One a filter; its largest weight is added.
        title_lines: The first is bold; a line on the colours is added.
        columns: Tiles a row.

    Returns:
        RGB uint8.

    Raises:
        ValueError: Kernels and captions do not fit.
    """
    if kernels.ndim not in (3, 4) or len(kernels) != len(captions):
        raise ValueError(f"Expected kernels [{len(captions)}, h, w] but got {list(kernels.shape)}.")
    times = max(1, _FILTER // max(kernels.shape[-2:]))
    tiles, limits = [], []
    for kernel in kernels:
        largest = float(np.abs(kernel).max(initial=0))
        scaled = kernel / (largest or 1.0)
        if kernel.ndim == 3:
            tile = np.rint(127.5 * (1 + np.moveaxis(scaled, 0, -1))).astype(np.uint8)
        else:
            tile = signed_colours(scaled)
        tiles.append(tile.repeat(times, axis=0).repeat(times, axis=1))
        limits.append(f"±{largest:.2g}")
    scale = "dark is negative, grey 0, bright positive" if kernels.ndim == 4 else "blue -, white 0, orange +"
    words = f"{scale}; each up to its own largest weight (±)"
    return finished(_laid_out(tiles, [captions, limits], columns), [*title_lines, words], "", None)


def matrix_sheet(weights: np.ndarray, title_lines: Sequence[str]) -> np.ndarray:
    """Draw the weights of a 1x1 convolution as a matrix: a row a filter, a column a channel that it mixes.

    Args:
        weights: Float [O, I].
        title_lines: The first is bold; a line with the scale is added.

    Returns:
        RGB uint8; large matrices are averaged down to about 1000 pixels.
    """
    limit = float(np.abs(weights).max(initial=0)) or 1.0
    picture = signed_colours(weights / limit)
    times = max(1, 240 // max(weights.shape))
    picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    if (most := max(picture.shape[:2])) > 1000:
        size = (max(1, picture.shape[1] * 1000 // most), max(1, picture.shape[0] * 1000 // most))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    body = np.concatenate([picture, blank(picture.shape[0], max(0, 300 - picture.shape[1]))], axis=1)
    words = f"blue {-limit:.3g}, white 0, orange {limit:.3g}"
    return finished(body, [*title_lines, "a row a filter, a column a channel", words], "", None)


def feature_sheet(
    maps: np.ndarray,
    captions: Sequence[str],
    title_lines: Sequence[str],
    *,
    columns: int = 8,
    tile: int = 120,
) -> np.ndarray:
    """Draw feature maps as tiles, each from its own smallest value (black) to its largest (pale yellow).

    Args:
        maps: Float [M, h, w].
        captions: One a map; its range of values is added.
        title_lines: The first is bold.
        columns: Tiles a row.
        tile: Pixels of a tile's longer side.

    Returns:
        RGB uint8.

    Raises:
        ValueError: Maps and captions do not fit.
    """
    if maps.ndim != 3 or len(maps) != len(captions):
        raise ValueError(f"Expected maps [{len(captions)}, h, w] but got {list(maps.shape)}.")
    tiles, words = [], []
    for values, caption in zip(np.nan_to_num(maps.astype(np.float32)), captions, strict=True):
        low, high = float(values.min()), float(values.max())
        tiles.append(_fitted(colour_heat((values - low) / ((high - low) or 1.0)), tile))
        words.append(f"{caption} {_short(low)}…{_short(high)}")
    return finished(_laid_out(tiles, [words], columns), title_lines, "", None)


def _short(value: float) -> str:
    """Two digits, and no power of ten of what is hundreds.

    >>> [_short(value) for value in (-0.0831, 5.12, 173.4, 1e7)]
    ['-0.083', '5.1', '173', '1e+07']
    """
    return f"{value:.0f}" if 100 <= abs(value) < 1e5 else f"{value:.2g}"


def signed_colours(values: np.ndarray) -> np.ndarray:
    """Colour values from -1 (blue) over 0 (white) to 1 (orange).

    Args:
        values: Float [H, W]; what is outside is clipped.

    Returns:
        RGB uint8 [H, W, 3].
    """
    share = np.clip(np.nan_to_num(values), -1, 1)[..., None]
    full = np.where(share < 0, _NEGATIVE, _POSITIVE)
    return np.rint(255 + (full - 255) * np.abs(share)).astype(np.uint8)


def _fitted(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)


def _laid_out(tiles: Sequence[np.ndarray], captions: Sequence[Sequence[str]], columns: int) -> np.ndarray:
    """Tiles of one size in rows, above each its text of every line of captions."""
    if not tiles:
        return blank(1, 300)
    height, width = tiles[0].shape[:2]
    step, cell = line_height(CAPTION), max(width, 44)
    head = step * len(captions)
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = blank(rows * (head + height + EDGE) - EDGE, max(columns * (cell + EDGE) - EDGE, 300))
    for index, (tile, *lines) in enumerate(zip(tiles, *captions, strict=True)):
        y, x = (index // columns) * (head + height + EDGE), (index % columns) * (cell + EDGE)
        for line, text in enumerate(lines):
            draw_text(
                sheet, shorten(text, cell, CAPTION), (x, y + 1 + line * step), height=CAPTION, colour=INK
            )
        sheet[y + head : y + head + height, x : x + width] = tile
    return sheet
