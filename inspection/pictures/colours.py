"""Colours by name: which attribute is drawn in which."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

from inspection.pictures.text import Colour

# Light enough for a dark photograph and strong enough for a bright one. Red and green differ in lightness, too.
NAMES: dict[str, Colour] = {
    "red": (232, 36, 48),
    "green": (0, 190, 110),
    "blue": (30, 110, 255),
    "orange": (230, 159, 0),
    "sky_blue": (86, 180, 233),
    "yellow": (240, 228, 66),
    "purple": (204, 121, 167),
    "cyan": (0, 200, 210),
    "magenta": (225, 50, 200),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}

# Okabe and Ito's colours, told apart by the colour-blind, in their order; without black, which is no light.
OKABE_ITO: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_ALIKE = 100  # distance in RGB below which two colours are hard to tell apart


def resolve_colour(colour: str) -> Colour:
    """RGB of a name or of `#rrggbb`.

    Raises:
        ValueError: Neither.

    Example:
        >>> resolve_colour("#0072B2"), resolve_colour("Red")
        ((0, 114, 178), (232, 36, 48))
    """
    text = str(colour).strip().lower()
    if text in NAMES:
        return NAMES[text]
    if re.fullmatch("#[0-9a-f]{6}", text):
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
    raise ValueError(f"Expected a colour #rrggbb or one of {', '.join(NAMES)} but got {colour!r}.")


def attribute_colours(attributes: Sequence[str], given: Mapping[str, str]) -> dict[str, Colour]:
    """A colour for each attribute: the given one, else the next of Okabe and Ito's that is not like a given one.

    Args:
        attributes: Names; any number. After seven the colours come again, lighter and then darker.
        given: Attribute to colour, see `resolve_colour`; may name some attributes only.

    Raises:
        ValueError: A colour is unknown, or given to an unknown attribute.

    Example:
        >>> attribute_colours(["error", "break"], {"error": "blue"})
        {'error': (30, 110, 255), 'break': (230, 159, 0)}
    """
    for name in given:
        if name not in attributes:
            raise ValueError(f"Expected colours for {', '.join(attributes)} but got one for {name!r}.")
    chosen = {name: resolve_colour(colour) for name, colour in given.items()}
    # A given blue and Okabe and Ito's would be hard to tell apart: the more alike, the later such a colour comes.
    spare = cycle(sorted(_shades(), key=lambda shade: -min(_ALIKE, _distance(shade, chosen.values()))))
    return {name: chosen[name] if name in chosen else next(spare) for name in attributes}


def _shades() -> list[Colour]:
    lighter = [(r // 2 + 128, g // 2 + 128, b // 2 + 128) for r, g, b in OKABE_ITO]
    darker = [(r * 3 // 5, g * 3 // 5, b * 3 // 5) for r, g, b in OKABE_ITO]
    return [*OKABE_ITO, *lighter, *darker]


def _distance(colour: Colour, others: Iterable[Colour]) -> float:
    return min((math.dist(colour, other) for other in others), default=math.inf)


def shown_colours(attributes: Sequence[str], given: Sequence[Sequence[str]] | None) -> dict[str, Colour]:
    """Colours of the attributes that are to be shown.

    Args:
        attributes: Names.
        given: Pairs of attribute and colour, of those that are to be shown; None: all, in colours of our choice.

    Raises:
        ValueError: What is given is no pair, or of an unknown attribute or colour.

    Example:
        >>> shown_colours(["good", "error"], [["error", "blue"]])
        {'error': (30, 110, 255)}
    """
    chosen: dict[str, str] = {}
    for pair in given or ():
        if len(pair) != 2:
            raise ValueError(f"Expected pairs of attribute and colour but got {list(pair)}.")
        chosen[pair[0]] = pair[1]
    colours = attribute_colours(attributes, chosen)
    return {name: colours[name] for name in (chosen or attributes)}
