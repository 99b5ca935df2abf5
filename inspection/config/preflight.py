"""Checks a command line before anything heavy is imported.

It composes what Hydra is going to compose and checks it against the schema, so that a typo is answered in a
fraction of a second, with one line, and before the first job of a sweep has begun.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from inspection.config.checks import Origin, check
from inspection.config.composer import Composer, composer, dotted_keys
from inspection.config.folders import LAST, newest_run, runs_parent
from inspection.config.mistakes import brief, explain, unreadable
from inspection.config.schema import ROOTS, Root
from inspection.config.sources import Notes, Sources, resolved
from inspection.errors import InputError


@dataclass(frozen=True)
class Sweep:
    """What `-m` is going to run."""

    folder: Path
    keys: tuple[str, ...]
    """Keys that take several values, as on the command line."""
    jobs: int | None
    """Number of jobs; None where a sweeper other than Hydra's own decides."""


def preflight(
    config_name: str,
    overrides: Sequence[str],
    conf: Path,
    *,
    multirun: bool = False,
    show_only: bool = False,
    config_dir: str | None = None,
) -> Sweep | None:
    """Compose and check a command line, each value of a sweep included.

    Args:
        config_name: Root config; one that is not in `ROOTS` is composed, and not checked against a schema.
        overrides: Arguments without the flags: `task=coil`, `optimizer.lr=0.1,0.01`, `~callbacks.heatmaps`.
        conf: Folder of the config files.
        multirun: Whether `-m` was given.
        show_only: For `--cfg`: values that are still missing are no mistake.
        config_dir: A further folder of config files (`--config-dir`).

    Returns:
        The sweep, or None for a single run.

    Raises:
        InputError: At the first mistake.
    """
    search = [f"hydra.searchpath=[{quoted(f'file://{Path(config_dir).absolute()}')}]"] if config_dir else []
    root = ROOTS.get(config_name)
    with composer(config_name, conf) as made:
        given = _parse(made, [*search, *overrides])
        first = _compose(made, _first_values(given))
        if not multirun and first.hydra.mode != RunMode.MULTIRUN:
            _refuse_sweep(given)
            if root is not None:
                _check(made, root, first, given, show_only=show_only)
            return None
        if root is not None and not root.keeps_folder:
            raise InputError(f"-m: {config_name} runs once; give each run a command of its own")
        params = first.hydra.sweeper.get("params") or {}  # a sweep that is written in a config file
        given = [*_parse(made, [f"{key}={value}" for key, value in params.items()]), *given]
        for variant in _variants(given):
            cfg = _compose(made, variant)
            if root is not None:
                _check(made, root, cfg, _parse(made, variant), sweep=True)
        swept = {o.get_key_element(): o for o in given if o.is_sweep_override()}
        counted = all(o.is_discrete_sweep() for o in swept.values())
        jobs = math.prod(len(_values(o)) for o in swept.values()) if counted else None
        return Sweep(_sweep_folder(first), tuple(swept), jobs)


def quoted(text: str) -> str:
    """A text as Hydra's grammar reads it back."""
    return QuotedString(text, Quote.double).with_quotes()


def _sweep_folder(cfg: DictConfig) -> Path:
    """Reserves the folder of a sweep (`hydra.sweep.dir`)."""
    HydraConfig.instance().set_config(cfg)  # for ${hydra:...}
    try:
        return Path(str(cfg.hydra.sweep.dir))
    except OmegaConfBaseException as error:
        raise InputError(f"hydra.sweep.dir: {brief(error)}") from error
    finally:
        HydraConfig.instance().cfg = None


# ---------------------------------------------------------------- values of a sweep


def _values(override: Override) -> list[str]:
    """The values of a sweep, as text; the first of an interval, which only some sweepers know."""
    if override.is_discrete_sweep():
        return list(override.sweep_string_iterator())
    interval = override.value()
    return [str(interval.start)] if isinstance(interval, IntervalSweep) else [override.get_value_string()]


def _first_values(given: Sequence[Override]) -> list[str]:
    return [_line(o, _values(o)[0]) if o.is_sweep_override() else str(o.input_line) for o in given]


def _variants(given: Sequence[Override]) -> list[list[str]]:
    """Each value once, against the first values of the others."""
    first = _first_values(given)
    variants = [first]
    for index, override in enumerate(given):
        if override.is_sweep_override():
            for value in _values(override)[1:]:
                variants.append([*first[:index], _line(override, value), *first[index + 1 :]])
    return variants


def _line(override: Override, value: str) -> str:
    return f"{override.get_key_element()}={value}"


def _refuse_sweep(given: Sequence[Override]) -> None:
    for override in given:
        if override.is_sweep_override():
            listed = f"{override.get_key_element()}=[{override.get_value_string()}]"
            raise InputError(
                f"{override.input_line}: several values; add -m to run each of them, "
                f"or write '{listed}' for a list"
            )


# ---------------------------------------------------------------- one composition


def _parse(made: Composer, overrides: Sequence[str]) -> list[Override]:
    try:
        parsed = made.parse(overrides)
        empty = [o for o in parsed if o.is_sweep_override() and not _values(o)]
    except OverrideParseException as error:
        raise InputError(unreadable(error)) from error
    except HydraException as error:  # range(0,1,0)
        raise InputError(brief(error)) from error
    if empty:
        raise InputError(f"{empty[0].input_line}: no value to sweep over")
    return parsed


def _compose(made: Composer, overrides: Sequence[str]) -> DictConfig:
    try:
        return made.compose(overrides)
    except (HydraException, OmegaConfBaseException, OSError, ValueError) as error:
        raise InputError(explain(made, overrides, error)) from error


def _check(
    made: Composer,
    root: Root,
    cfg: DictConfig,
    given: Sequence[Override],
    *,
    sweep: bool = False,
    show_only: bool = False,
) -> None:
    """The composed config against the schema of its root."""
    sources = Sources(made, cfg, given)
    job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    notes = Notes(sources.name)
    config = resolved(job, "", notes)
    if notes.missing and not show_only:
        nested = [key for key in notes.missing if "." in key]
        usage = f"{nested[0]}=<value>" if nested else root.usage
        raise InputError(f"{notes.missing[0]} is missing: python scripts/{made.config_name}.py {usage}")
    origin = Origin(sources.name, sources.written, sources.group, dotted_keys(job))
    # First what is written at its own place, then what refers to it: a fault is named where it was made.
    check(resolved(job, "", Notes(sources.name), follow=False), root, origin)
    check(config, root, origin)
    if notes.unresolved:
        raise InputError(notes.unresolved[0])
    if "ckpt_path" in config:
        _check_resume(config, cfg.hydra.runtime.choices, sweep)
    if "paths" in config:
        _check_writable(Path(config["paths"]["outputs"]))


def _check_resume(config: Mapping[str, Any], choices: Mapping[str, str | None], sweep: bool) -> None:
    path = config["ckpt_path"]
    if path is None:
        return
    if sweep:
        raise InputError(f"ckpt_path={path}: one run is resumed in its own folder, a sweep starts new ones")
    if path == LAST:
        parent = runs_parent(config["paths"]["outputs"], config["task"]["name"], choices.get("model"))
        if newest_run(parent) is None:
            raise InputError(
                f"ckpt_path=last: nothing to resume, no run in {parent} holds checkpoints/last.ckpt\n"
                "give task and model of that run, or name the file: ckpt_path=<run>/checkpoints/last.ckpt"
            )
    elif Path(path).is_dir():
        raise InputError(f"ckpt_path={path}: a folder; expected a file such as {path}/checkpoints/last.ckpt")
    elif not Path(path).is_file():
        raise InputError(f"ckpt_path={path}: there is no such file; expected last or the path of a .ckpt")


def _check_writable(outputs: Path) -> None:
    place = next(p for p in (outputs.absolute(), *outputs.absolute().parents) if p.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"paths.outputs={outputs}: can't write to {place}; set paths.outputs=<folder>")
