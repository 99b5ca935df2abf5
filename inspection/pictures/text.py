"""Text on pictures, in the letters of any language that a font at hand has.

OpenCV's `putText` knows ASCII only: 'ä' becomes '??'. Here Pillow draws with DejaVu Sans, which comes with
matplotlib and has Latin, Greek, Cyrillic, Arabic and more; other letters are taken from a font of the
operating system if there is one, and are '□' if there is none.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

INK: Colour = (30, 33, 38)
QUIET: Colour = (105, 112, 122)
PAPER: Colour = (255, 255, 255)

_MISSING = "□"
# Found by name in the system's font folders; Chinese, Japanese and Korean letters, on Linux, Windows, macOS.
_SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKjp-Regular.otf",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "YuGothR.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "msgothic.ttc",
    "Arial Unicode.ttf",
    "ヒラギノ角ゴシック W3.ttc",
)


def draw_text(
    picture: np.ndarray,
    text: str,
    place: tuple[float, float],
    *,
    height: int = 14,
    colour: Colour = INK,
    bold: bool = False,
    anchor: str = "la",
) -> None:
    """Draw one line of text into a picture, in place.

    Args:
        picture: RGB uint8 [H, W, 3].
        text: One line.
        place: (x, y) in pixels.
        height: Size of the letters in pixels.
        colour: RGB.
        bold: Heavier letters where the font has them.
        anchor: What of the text is at `place`: l, m, r for left, middle, right, then a, m, d for the top, the
            middle, the bottom of the line.
    """
    width = text_width(text, height, bold=bold)
    ascent, descent = _font(_dejavu(bold), height).getmetrics()
    x = place[0] - {"l": 0.0, "m": width / 2, "r": width}[anchor[0]]
    baseline = place[1] + {"a": ascent, "m": (ascent - descent) / 2, "d": -descent}[anchor[1]]
    # Pillow draws on a copy: of the text's surroundings, for letters that stand out, and not of the whole picture.
    # Shifted by whole pixels a letter keeps its shape.
    left, top = max(0, math.floor(x) - height), max(0, math.floor(baseline) - 2 * height)
    part = picture[top : max(0, math.ceil(baseline) + height), left : max(0, math.ceil(x + width) + height)]
    if not part.size:
        return
    image = Image.fromarray(part)
    draw = ImageDraw.Draw(image)
    for run, font in _runs(text, height, bold):
        draw.text((x - left, baseline - top), run, fill=colour, font=font, anchor="ls")
        x += font.getlength(run)
    part[...] = np.asarray(image)


def text_width(text: str, height: int = 14, *, bold: bool = False) -> float:
    """Return the width of a line of text in pixels."""
    return sum(font.getlength(run) for run, font in _runs(text, height, bold))


def line_height(height: int = 14) -> int:
    """Return the distance between two lines of text of this size, in pixels."""
    return round(height * 1.5)


def shorten(text: str, width: float, height: int = 14, *, bold: bool = False) -> str:
    """Cut out the middle of a text that is wider than `width` pixels; names differ at both ends.

    >>> short = shorten("line_3/2026-11-21/camera_left/part_000123_bent.png", 200)
    >>> short.startswith("line_3/"), "…" in short, short.endswith("_bent.png")
    (True, True, True)
    """
    if text_width(text, height, bold=bold) <= width:
        return text
    low, high = 0, len(text)  # letters kept: `low` fits (at worst the dots alone), `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        if text_width(_without_middle(text, middle), height, bold=bold) <= width:
            low = middle
        else:
            high = middle
    return _without_middle(text, low)


def title_bar(
    picture: np.ndarray, lines: Sequence[str], *, height: int = 14, colour: Colour = INK, left: int = 0
) -> np.ndarray:
    """Put lines of text above a picture, the first one bold; what is too wide loses its middle.

    Args:
        picture: RGB uint8 [H, W, 3].
        lines: From top to bottom; none gives the picture back.
        height: Size of the letters in pixels.
        colour: Of the first line, RGB; the others are grey.
        left: Pixels to the left of the letters.

    Returns:
        RGB uint8 [H + bar, W, 3].
    """
    if not lines:
        return picture
    step, edge = line_height(height), round(height * 0.5)
    bar = np.full((step * len(lines) + edge, picture.shape[1], 3), PAPER, np.uint8)
    for index, line in enumerate(lines):
        bold = index == 0
        text = shorten(line, bar.shape[1] - left, height, bold=bold)
        place = (left, edge / 2 + index * step)
        draw_text(bar, text, place, height=height, bold=bold, colour=colour if bold else QUIET)
    return np.concatenate([bar, picture])


def drawable(text: str) -> str:
    """Replace the letters that DejaVu Sans lacks, for charts whose text matplotlib draws, by '□'."""
    known = _letters(_dejavu(False))
    return "".join(letter if ord(letter) in known else _MISSING for letter in text)


def _without_middle(text: str, kept: int) -> str:
    tail = kept // 2
    return text[: kept - tail].rstrip() + "…" + text[len(text) - tail :].lstrip()


def _runs(text: str, height: int, bold: bool) -> Iterator[tuple[str, ImageFont.FreeTypeFont]]:
    """Split a text into pieces of one font each."""
    # Control characters (a tab, a newline in a file name) have no letter and would break the line.
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    for path, letters in groupby(clean, key=lambda letter: _font_for(letter, bold)):
        run = "".join(letters)
        if path is None:
            yield _MISSING * len(run), _font(_dejavu(bold), height)
        else:
            yield run, _font(path, height)


@lru_cache(maxsize=4096)
def _font_for(letter: str, bold: bool) -> str | None:
    for path in (_dejavu(bold), _dejavu(False)):
        if ord(letter) in _letters(path):
            return path
    return next((path for path in _system_fonts() if ord(letter) in _letters(path)), None)


@cache
def _dejavu(bold: bool) -> str:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name)


@cache
def _system_fonts() -> tuple[str, ...]:
    found = []
    for name in _SYSTEM_FONTS:
        try:
            found.append(str(ImageFont.truetype(name, 12).path))
        except OSError:  # not on this machine
            continue
    return tuple(found)


@cache
def _letters(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    charmap: dict[Any, Any] = FT2Font(path).get_charmap()
    return frozenset(int(code) for code in charmap)


@cache
def _font(path: str, height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, height)
