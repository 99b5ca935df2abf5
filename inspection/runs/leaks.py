"""Whether images that a run is to be evaluated on are among those that it learned from."""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from inspection.errors import InputError

LEARNED_FROM = ("train", "val")


def refuse_learned(run: Path, trained_on: Path, root: Path, files: Sequence[str]) -> None:
    """Raise when images are those, or byte by byte those, that a run was trained or chosen on.

    Files of another size than all of the run's are told apart without a look into them. Where the run's images are
    gone, there is nothing to compare with.

    Args:
        run: Its folder, with `splits.csv`.
        trained_on: Folder that the files there are relative to.
        root: Folder of the images to evaluate.
        files: Relative to it.

    Raises:
        InputError: If there are some.
    """
    with (run / "splits.csv").open(newline="", encoding="utf-8") as stream:
        own = [trained_on / row["file"] for row in csv.DictReader(stream) if row["split"] in LEARNED_FROM]
    places = {path.resolve() for path in own}
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in own:
        if path.is_file():
            by_size[path.stat().st_size].append(path)
    digests: dict[int, set[str]] = {}
    learned = []
    for file in files:
        path = root / file
        if path.resolve() in places:
            learned.append(file)
        elif path.is_file() and (size := path.stat().st_size) in by_size:
            if size not in digests:
                digests[size] = {_digest(each) for each in by_size[size]}
            if _digest(path) in digests[size]:
                learned.append(file)
    if learned:
        raise InputError(
            f"data.root={root}: {len(learned)} of {len(files)} images are training or validation images of the run"
            f", or copies of such (for example {learned[0]!r}): their figures would flatter it\n"
            "leave these out; or leave data.root out to evaluate the run's own validation and test images"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
