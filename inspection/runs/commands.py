"""What commands have in common that need nothing but an inspector: no torch is imported here."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from inspection.inspector import Passport


def number(value: float | None) -> str:
    """A figure for people: four decimals, or `undefined`."""
    return "undefined" if value is None or math.isnan(value) else f"{value:.4f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def announce_inspector(passport: Passport) -> None:
    """The question, and in capitals what it was trained on when that was drawn."""
    print(f"\n{passport.task}: {passport.question}")
    if (passport.made.get("data") or {}).get("synthetic"):
        print("the inspector was trained on SYNTHETIC images")


def open_output(given: str | None, beside: Path, verb: str) -> Path:
    """The folder for what a command finds: the one that was given, else `<verb>/<now>` beside; it is made."""
    folder = Path(given or beside / verb / time.strftime("%Y-%m-%d_%H-%M-%S"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
