"""What all synthetic sets share: drawn once, whole or not at all, and never over somebody's data."""

import json
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inspection.errors import InputError

MANIFEST = "synthetic.json"
_STALE_AFTER = 24 * 3600  # seconds; no drawing takes a day, so what is older was left by a killed process


def is_synthetic(root: Path | str) -> bool:
    """Whether the image set in folder `root` was drawn by a generator of this package."""
    return (Path(root) / MANIFEST).is_file()


def in_share(index: int, share: float) -> bool:
    """Whether image `index` is of a share of all images: spread evenly, so that it is right in sets of any size.

    >>> [in_share(index, 0.25) for index in range(8)]
    [False, True, False, False, False, True, False, False]
    """
    return int((index + 1) * share + 0.5) > int(index * share + 0.5)


def prepare_set(
    folder: Path | str,
    generator: str,
    version: int,
    parameters: Mapping[str, Any],
    draw: Callable[[Path], None],
) -> Path:
    """Draw a synthetic set into `folder` unless exactly this set lies there already.

    The set is drawn beside its place (`<folder>.partial-<unique>`) and renamed when it is complete, so that
    an interrupted drawing leaves nothing half. Processes that draw the same set at the same time each draw
    their own; the first to finish wins and the others discard theirs. A set drawn with other parameters, or
    by another version of the generator, is replaced: runs that want different sets at the same time need
    different folders.

    Args:
        folder: where the set shall lie.
        generator: name of the generator, kept in the manifest.
        version: version of the generator; to be raised whenever its pictures change.
        parameters: everything else that the set depends on, as plain JSON values.
        draw: draws the whole set into the empty folder that it is given.

    Returns:
        The absolute path of the folder.

    Raises:
        InputError: `folder` holds files but no manifest of ours, or is no folder.
    """
    place = Path(folder).resolve()
    # Through JSON and back, since that is what it will be compared with.
    identity = json.loads(
        json.dumps({"generator": generator, "version": version, "parameters": dict(parameters)})
    )
    if _holds(place, identity):
        return place

    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(place)
    partial = place.with_name(f"{place.name}.partial-{uuid.uuid4().hex}")
    partial.mkdir()
    try:
        draw(partial)
        manifest = {**identity, "drawn_with": {"numpy": np.__version__, "opencv": cv2.__version__}}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        _put(partial, place, identity)
    finally:  # also after Ctrl-C, and when another process was first
        shutil.rmtree(partial, ignore_errors=True)
    return place


def _holds(place: Path, identity: Mapping[str, Any]) -> bool:
    """Whether the set `identity` lies at `place`; raises InputError when what lies there is not ours."""
    remedy = "Name another folder for the synthetic set, or move this one away."
    try:
        text = (place / MANIFEST).read_text()
    except (FileNotFoundError, NotADirectoryError):
        if _is_free(place):
            return False
        if is_synthetic(place):  # another process has put its set there since
            return _holds(place, identity)
        kind = f"a folder without {MANIFEST}" if place.is_dir() else "a file"
        raise InputError(
            f"{place}: expected a synthetic set or nothing, found {kind}; it is not overwritten.\n{remedy}"
        ) from None
    try:
        manifest = json.loads(text)
        found = {key: manifest[key] for key in identity}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{place / MANIFEST}: expected the manifest of a synthetic set, found something else.\n{remedy}"
        ) from error
    return found == identity


def _is_free(place: Path) -> bool:
    try:
        return not any(place.iterdir())
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False


def _put(partial: Path, place: Path, identity: Mapping[str, Any]) -> None:
    """Move a complete set to its place; leave `partial` where it is when another process was first."""
    old = place.with_name(f"{place.name}.old-{uuid.uuid4().hex}")
    for _ in range(20):  # a turn is lost only to a process that moved a set in between
        if _holds(place, identity):
            return
        try:
            if is_synthetic(place):
                place.rename(old)
            elif place.exists():
                place.rmdir()  # empty, or `_holds` had raised; some systems do not rename onto a folder
            partial.rename(place)
            return
        except OSError as error:
            reason = error
            time.sleep(0.05)
        finally:
            shutil.rmtree(old, ignore_errors=True)
    raise InputError(
        f"{place}: the synthetic set could not be put here ({reason}).\n"
        "Check the folder's permissions, and that no other run draws a different set into it."
    )


def _remove_stale(place: Path) -> None:
    leftovers = [*place.parent.glob(f"{place.name}.partial-*"), *place.parent.glob(f"{place.name}.old-*")]
    for leftover in leftovers:
        try:
            if time.time() - leftover.stat().st_mtime > _STALE_AFTER:
                shutil.rmtree(leftover, ignore_errors=True)
        except FileNotFoundError:  # its own process has just removed it
            continue
