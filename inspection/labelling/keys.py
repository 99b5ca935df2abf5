"""Keys of the labelling window."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from string import ascii_lowercase, digits

from inspection.errors import InputError


@dataclass(frozen=True)
class Toggle:
    """Turn an attribute of the frame on or off."""

    attribute: int


@dataclass(frozen=True)
class Step:
    """Go on by frames, back when negative."""

    frames: int


class Command(Enum):
    """What has no argument."""

    SAVE = "save"
    UNDO = "undo"
    DELETE = "delete"
    QUIT = "quit"


Action = Toggle | Step | Command

# The signs lie bare on American and most European keyboards; letters are wanted for the attributes.
COMMANDS: dict[str, Action] = {
    "n": Step(1),
    "p": Step(-1),
    ".": Step(10),
    ",": Step(-10),
    "+": Step(100),
    "=": Step(100),  # a plus without the shift key, on an American keyboard
    "-": Step(-100),
    "s": Command.SAVE,
    "u": Command.UNDO,
    "d": Command.DELETE,
    "q": Command.QUIT,
}
HELP = (
    ("n", "next"),
    ("p", "previous"),
    (". ,", "10 on, back"),
    ("+ -", "100 on, back"),
    ("s", "save"),
    ("u", "undo"),
    ("d", "delete label"),
    ("q", "quit"),
)


def assign_keys(attributes: Sequence[str], chosen: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """A key for each attribute: the chosen one, else its initial, else another letter of its name, else a digit.

    Initials are given first, so that of `[good, error, ego]` the first two keep g and e. Letters with marks
    count as those without (ä is a); a name in another script gets a digit.

    Args:
        attributes: Names.
        chosen: Keys that a person wants, by attribute.

    Returns:
        One lower-case letter or digit an attribute, none of them a command's.

    Raises:
        InputError: A chosen key is no letter or digit, a command's, or taken, or is for an unknown attribute; or
            there are more attributes than keys.

    >>> assign_keys(["good", "error", "break", "length"])
    ('g', 'e', 'b', 'l')
    >>> assign_keys(["spot", "stain", "dent", "déjà", "開"], {"dent": "x"})
    ('o', 't', 'x', 'e', '1')
    """
    keys: dict[str, str] = {}
    for name, wish in (chosen or {}).items():
        key = str(wish).lower()
        if name not in attributes:
            raise InputError(f"keys: {name!r} is not in attributes=[{', '.join(attributes)}]")
        if len(key) != 1 or key not in ascii_lowercase + digits:
            raise InputError(f"keys.{name}={key}: expected a letter a to z or a digit")
        if key in COMMANDS:
            raise InputError(f"keys.{name}={key}: that key is a command's; take another one")
        if key in keys.values():
            raise InputError(f"keys.{name}={key}: that key is another attribute's; take another one")
        keys[name] = key
    letters = {name: [c for c in _ascii(name) if c in ascii_lowercase] for name in attributes}
    stages = (
        {name: letters[name][:1] for name in attributes},
        {name: letters[name][1:] for name in attributes},
        {name: [*digits[1:], "0"] for name in attributes},
        {name: list(ascii_lowercase) for name in attributes},
    )
    for candidates in stages:
        for name in attributes:
            free = [key for key in candidates[name] if key not in COMMANDS and key not in keys.values()]
            if name not in keys and free:
                keys[name] = free[0]
    if len(keys) < len(attributes):
        raise InputError(f"attributes: {len(attributes)} are too many, there are {len(keys)} keys for them")
    return tuple(keys[name] for name in attributes)


def action_of(code: int, keys: Sequence[str]) -> Action | None:
    """What a key code of `cv2.waitKeyEx` asks for; None for -1 (no key) and for keys without a meaning.

    Capital letters count as small ones: caps lock does no harm.
    """
    code &= 0xFFFF  # above it are the shift keys of some systems; arrows and the like are beyond 0xFF
    letter = chr(code).lower() if 0 < code < 0x80 else ""
    if letter in keys:
        return Toggle(keys.index(letter))
    return COMMANDS.get(letter)


def _ascii(text: str) -> str:
    """Small letters, their marks apart."""
    return unicodedata.normalize("NFKD", text.lower())
