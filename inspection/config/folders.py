"""Resolvers of the config files, and the folder that a run gets."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from omegaconf import OmegaConf

LAST = "last"
STAMP = re.compile(r"(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(?:-(\d+))?")


def register_resolvers(reserve: bool = True) -> None:
    """Make `${count:...}`, `${either:...}` and `${run_folder:...}` known to OmegaConf; may be called again.

    Args:
        reserve: Whether `run_folder` creates the folder that it names; False where a config is only shown.
    """

    def folder(outputs: str, task: str | None, model: str | None, ckpt_path: str | None) -> str:
        return str(run_folder(outputs, task, model, ckpt_path, reserve=reserve))

    OmegaConf.register_new_resolver("count", count, replace=True)
    OmegaConf.register_new_resolver("either", either, replace=True)
    # The cache makes one config answer with one folder however often it is asked.
    OmegaConf.register_new_resolver("run_folder", folder, replace=True, use_cache=True)


def count(values: Sequence[object]) -> int:
    """`${count:${data.classes}}`: the length of a list."""
    if isinstance(values, str):
        raise TypeError(f"expected a list, found the text {values!r}")
    return len(values)


def either(key: object, given: object, null: object) -> object:
    """`${either:${data.root},<value>,<value>}`: the first value if the key is set, the second if it is null."""
    return null if key is None else given


def run_folder(
    outputs: str | Path,
    task: str | None,
    model: str | None,
    ckpt_path: str | None = None,
    reserve: bool = True,
) -> Path:
    """The folder of a run: a new one named by the time, or for a resumed run the one it began in.

    Args:
        outputs: Folder of all runs.
        task: Next level, left out when None.
        model: Level below, left out when None.
        ckpt_path: None for a new run; `last` resumes the newest run of the task and model, the path of a
            checkpoint the run that it lies in (a new run when it lies in none).
        reserve: Whether a new folder is created, so that no other job can get it.

    Raises:
        FileNotFoundError: If there is nothing to resume.
    """
    parent = runs_parent(outputs, task, model)
    if ckpt_path == LAST:
        newest = newest_run(parent)
        if newest is None:
            raise FileNotFoundError(f"no run to resume below {parent}")
        return newest
    if ckpt_path is not None and (run := run_of_checkpoint(Path(ckpt_path))) is not None:
        return run
    return _new_folder(parent, reserve)


def runs_parent(outputs: str | Path, task: str | None, model: str | None) -> Path:
    """`<outputs>/<task>/<model>`, without the levels that are None."""
    return Path(outputs).joinpath(*(level for level in (task, model) if level is not None))


def newest_run(parent: Path) -> Path | None:
    """The newest run folder below `parent` that holds `checkpoints/last.ckpt`, or None.

    Newest by the time in its name (and its `-2`, `-3`, ... for runs of one second); folders that were given
    another name count as older than these.
    """

    def age(folder: Path) -> tuple[bool, str, int]:
        stamp = STAMP.fullmatch(folder.name)
        return (True, stamp[1], int(stamp[2] or 1)) if stamp else (False, folder.name, 0)

    runs = [path.parents[1] for path in parent.glob("*/checkpoints/last.ckpt")]
    return max(runs, key=age, default=None)


def run_of_checkpoint(path: Path) -> Path | None:
    """The run folder that a checkpoint lies in (`<run>/checkpoints/x.ckpt`), or None."""
    run = path.parent.parent
    inside = path.parent.name == "checkpoints" and (run / ".hydra" / "config.yaml").is_file()
    return run if inside else None


def _new_folder(parent: Path, reserve: bool) -> Path:
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    if reserve:
        parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
        number += 1
        if not reserve:
            if not folder.exists():
                return folder
            continue
        try:
            folder.mkdir()  # exclusive: of two jobs that ask at once, one gets it
        except FileExistsError:
            continue
        return folder
