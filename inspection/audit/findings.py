"""What an audit finds, in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
SHOWN = 3
"""Cases of one finding that the text lists; `audit.json` has all of them."""


@dataclass(frozen=True)
class Case:
    """One of the things that a finding is about.

    Attributes:
        text: In words.
        files: The images that it concerns.
    """

    text: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that a person should know of a set of images.

    Attributes:
        check: Its name, which is that of its picture, too.
        severity: `error`: figures of this set would not be true; `warning`: they may not be; `note`: to know.
        title: What was found, with its number.
        cases: Each of them; none where the title says all.
        remedy: What to do about it; empty: it depends.
        pictured: Whether pictures of the cases tell more than their names.
    """

    check: str
    severity: Severity
    title: str
    cases: tuple[Case, ...] = ()
    remedy: str = ""
    pictured: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """The worst first; of one severity those with the most cases."""
    return sorted(findings, key=lambda found: (SEVERITIES.index(found.severity), -len(found.cases)))


def in_words(findings: Sequence[Finding]) -> str:
    """A line for each finding, the worst first, with a few of its cases and what to do.

    >>> print(in_words([Finding("unreadable", "error", "1 image can't be read", (Case("a.png: is empty"),))]))
    ERROR    1 image can't be read
               a.png: is empty
    """
    lines = []
    for found in ranked(findings):
        mark = found.severity.upper() if found.severity == "error" else found.severity
        lines.append(f"{mark:<7}  {found.title}")
        lines += [f"           {' '.join(case.text.split())}" for case in found.cases[:SHOWN]]
        if len(found.cases) > SHOWN:
            lines.append(f"           ... and {len(found.cases) - SHOWN} more")
        lines += [f"         > {line}" for line in found.remedy.splitlines()]
    return "\n".join(lines)


def counted(number: int, one: str, more: str) -> str:
    """A number and the word for so many.

    >>> counted(1, "image", "images"), counted(2, "image", "images")
    ('1 image', '2 images')
    """
    return f"{number} {one if number == 1 else more}"
