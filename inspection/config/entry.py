"""The command line of every script: help, checks, then Hydra."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection import __version__
from inspection.config.help import help_text
from inspection.config.suggest import did_you_mean
from inspection.errors import InputError

if TYPE_CHECKING:  # help and version are printed before Hydra is imported
    from argparse import Namespace

    from omegaconf import DictConfig

    from inspection.config.preflight import Sweep


def _find_conf() -> Path:
    """`conf/`: beside the package, or of an installed package that of the scripts' checkout."""
    beside = [Path(__file__).resolve().parents[2], Path(sys.argv[0]).resolve().parent.parent]
    return next((folder / "conf" for folder in beside if (folder / "conf").is_dir()), beside[0] / "conf")


CONF = _find_conf()


def main(
    config_name: str,
    job: "Callable[[DictConfig, Path], Mapping[str, Any] | int | None]",
    description: str | None,
) -> None:
    """Answer a command line: print help or version, or check it and let Hydra run the job.

    All of Hydra's command line works: overrides, `-m`, `--cfg job`, launchers, tab completion. Exit status 2
    and one message on stderr for a person's mistake; 1 when a job fails.

    Args:
        config_name: Root config in `conf/`, without `.yaml`.
        job: The work. Gets the composed config and the run folder; returns None or what it has measured:
            `{"metric": "val/f1", "mode": "max", "value": 0.93, "test/f1": 0.9}`. One without a run folder
            (predict) gets `Path(".")` and may return its exit status.
        description: First lines of the help text.
    """
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(help_text(config_name, description or "", CONF, _script()))
        return
    if "--version" in arguments:
        print(f"inspection {__version__}")
        return

    flags = _flags(arguments)
    # Flags first, as Hydra's parser wants them; people write them anywhere.
    sys.argv[1:] = [*_without(arguments, flags.overrides), *flags.overrides]
    _run(config_name, job, flags)


def _flags(arguments: list[str]) -> "Namespace":
    """Hydra's flags, and the overrides between them."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    flags, strange = parser.parse_known_intermixed_args(arguments)
    if strange:
        known = [option for action in parser._actions for option in action.option_strings]
        print(f"error: {strange[0]}: no such flag{did_you_mean(strange[0], known)}", file=sys.stderr)
        sys.exit(2)
    return flags


def _run(config_name: str, job: Any, flags: "Namespace") -> None:
    import hydra

    from inspection.config.folders import register_resolvers
    from inspection.config.jobs import Job, exit_with
    from inspection.config.preflight import quoted
    from inspection.config.schema import ROOTS

    register_resolvers(reserve=not flags.cfg)
    try:
        sweep = _check(flags.config_name or config_name, flags)
    except InputError as error:
        exit_with(error)
    root = ROOTS.get(flags.config_name or config_name)
    wrapped = Job(job, keeps_folder=root is None or root.keeps_folder)
    if sweep is not None:
        wrapped.swept, wrapped.jobs = sweep.keys, sweep.jobs
        sys.argv.append(f"hydra.sweep.dir={quoted(str(sweep.folder))}")
    run = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(wrapped)
    if sweep is None:
        _or_stopped(run)
    else:
        _run_sweep(run, sweep)


def _check(config_name: str, flags: "Namespace") -> "Sweep | None":
    """Preflight, where a job or its config is asked for; Hydra's other flags answer for themselves."""
    from inspection.config.preflight import preflight

    others = (
        flags.hydra_help,
        flags.shell_completion,
        flags.info,
        flags.experimental_rerun,
        flags.config_path,
    )
    if any(others):
        return None
    return preflight(
        config_name,
        flags.overrides,
        CONF,
        multirun=flags.multirun,
        show_only=bool(flags.cfg),
        config_dir=flags.config_dir,
    )


def _run_sweep(run: Callable[[], None], sweep: "Sweep") -> None:
    from inspection.config.sweep import report

    print(f"sweep of {sweep.jobs or 'several'} jobs in {sweep.folder}", flush=True)
    status: Any = 0
    try:
        _or_stopped(run)
    except SystemExit as stop:
        status = stop.code
    complete = report(sweep.folder, sweep.keys, sweep.jobs)
    sys.exit(status or (0 if complete else 1))


def _or_stopped(run: Callable[[], None]) -> None:
    try:
        run()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


def _without(arguments: list[str], overrides: list[str]) -> list[str]:
    """The flags alone. Overrides keep their order in what argparse returns, so each is dropped once."""
    rest = list(arguments)
    for override in overrides:
        rest.remove(override)
    return rest


def _script() -> str:
    """The script as one would type it from here."""
    path = Path(sys.argv[0])
    try:
        return os.path.relpath(path) if path.is_absolute() else str(path)
    except ValueError:  # another drive
        return str(path)
