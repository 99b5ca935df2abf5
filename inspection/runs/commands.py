"""What commands have in common that need nothing but an inspector: no torch is imported here."""

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from inspection.errors import InputError
from inspection.inspector import Inspector, Passport
from inspection.inspector.files import INSPECTOR


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


def open_inspector(
    key: str,
    given: Path,
    threshold: float | Mapping[str, float] | None,
    device: str = "cpu",
    threads: int | None = None,
) -> Inspector:
    """The inspector of a run, while it is trained of its best epoch so far, or in a file.

    Args:
        key: What it was given as, for messages.
        given: A run folder, or an inspector file, exported or not.
        threshold: The operating point that is asked for; None: its own.
        device: See `Inspector.load`.
        threads: See `Inspector.load`.

    Raises:
        InputError: If there is none, or it can't be used.
    """
    if given.suffix == ".ckpt":
        raise InputError(f"{key}={given}: that is a checkpoint; give its run folder {given.parent.parent}")
    if not given.exists():
        raise InputError(
            f"{key}={given}: no such file or folder; give a run folder such as outputs/coil/lenet/<time>, or an "
            "inspector file"
        )
    try:
        inspector = _opened(given, device, threads)
    except (AssertionError, RuntimeError) as error:  # what torch raises of a device that is not there
        if device == "cpu":
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"device={device}: torch can't use it here ({reason})") from None
    return inspector if threshold is None else inspector.with_threshold(threshold)


def _opened(given: Path, device: str, threads: int | None) -> Inspector:
    if not (given / "config.yaml").is_file() or (given / INSPECTOR).is_file():
        return Inspector.load(given, device, threads)
    from inspection.runs.folder import inspector_of  # with torch: its network is still learning

    return inspector_of(given, device, threads)


def announce_inspector(passport: Passport) -> None:
    """The question, and in capitals what it was trained on when that was drawn."""
    print(f"\n{passport.task}: {passport.question}")
    if (passport.made.get("data") or {}).get("synthetic"):
        print("the inspector was trained on SYNTHETIC images")


def open_output(given: str | None, beside: Path, verb: str) -> Path:
    """The folder for what a command finds: the one that was given, else `<verb>/<now>` beside; it is made.

    Commands that start within a second have folders of their own: `<now>`, `<now>_2`.

    Raises:
        InputError: If it can't be made.
    """
    now = time.strftime("%Y-%m-%d_%H-%M-%S")
    folder = Path(given or beside / verb / now)
    for number in itertools.count(2):
        try:
            folder.mkdir(parents=True, exist_ok=given is not None)
            break
        except FileExistsError as error:
            if given or not folder.is_dir():
                raise InputError(f"output={folder}: the folder can't be made ({error.strerror})") from None
            folder = folder.with_name(f"{now}_{number}")
        except OSError as error:
            remedy = "" if given else "; give output=<folder>"
            raise InputError(
                f"output={folder}: the folder can't be made ({error.strerror}){remedy}"
            ) from None
    return folder
