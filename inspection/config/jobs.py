"""What is wrapped around a job: its record, its errors and its place in a sweep."""

import gc
import json
import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict, read_write

from inspection.config.folders import register_resolvers
from inspection.config.unheard import is_unheard
from inspection.errors import InputError

RECORD, TRACEBACK, HYDRA = "job.json", "traceback.txt", ".hydra"
PACKAGES = dict.fromkeys(
    ("torch", "torchvision", "lightning", "torchmetrics", "tensorboard", "faster_coco_eval", "safetensors"),
    "train",
) | {
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "onnx": "export",
    "onnxscript": "export",
    "nncf": "export",
}
"""What not everybody installs, and the extra that it comes with."""
_UNHEARD = 141
"""Status of a command whose output nobody reads any more: that of SIGPIPE, as a shell has it."""
Result = Mapping[str, Any] | int | None
Function = Callable[[DictConfig, Path], Result]


@dataclass
class Job:
    """The task function that Hydra calls, in this process or in a worker of a launcher.

    Args:
        function: The work; gets the config and the run folder, returns numbers worth ranking:
            `{"metric": "val/f1", "mode": "max", "value": 0.93, "test/f1": 0.9}`.
        keeps_folder: Whether a job has a folder of its own; else it gets `Path(".")`, leaves no record and
            returns an exit status.
        swept: Keys that differ between the jobs of a sweep, named in the line before each job.
        jobs: Number of jobs in the sweep, None when unknown.
    """

    function: Function
    keeps_folder: bool = True
    swept: tuple[str, ...] = ()
    jobs: int | None = None

    @property
    def __wrapped__(self) -> Function:
        """For Hydra, which names a run after the file of the function."""
        return self.function

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In a worker process, which knows our resolvers only if told."""
        self.__dict__.update(state)
        register_resolvers()

    def __call__(self, cfg: DictConfig) -> float | None:
        """Run one job.

        Returns:
            The value of its metric, for sweepers that optimise.
        """
        if not self.keeps_folder:
            status = self._or_exit(cfg, Path("."))
            sys.exit(status if isinstance(status, int) else 0)
        hydra = HydraConfig.get()
        run = _from_here(Path(hydra.runtime.output_dir))
        _pin(run)
        if not _is_first_process():
            return _value(self._or_exit(cfg, run))
        record = _Record(run, list(hydra.overrides.task))
        if hydra.mode == RunMode.MULTIRUN:
            return self._in_sweep(cfg, record, int(hydra.job.num))
        with record:
            try:
                result = self._work(cfg, run)
            except InputError as error:
                record.drop_if_nothing_began()
                exit_with(error)
            record.finish(result)
        return _value(result)

    def _or_exit(self, cfg: DictConfig, run: Path) -> Result:
        try:
            return self._work(cfg, run)
        except InputError as error:
            exit_with(error)
        except BrokenPipeError:
            if is_unheard():
                sys.exit(_UNHEARD)
            raise

    def _work(self, cfg: DictConfig, run: Path) -> Result:
        try:
            return self.function(cfg, run)
        except ModuleNotFoundError as error:
            extra = PACKAGES.get(str(error.name).partition(".")[0])
            if extra is None:
                raise
            raise InputError(
                f'{error.name} is not installed, and this command needs it: pip install "inspection[{extra}]"'
            ) from error

    def _in_sweep(self, cfg: DictConfig, record: "_Record", number: int) -> float | None:
        """One job of a sweep: its failure is a row in the table, and the next job goes on."""
        shown = [o for o in record.overrides if o.partition("=")[0] in self.swept] or record.overrides
        head = f"job {number + 1}{f'/{self.jobs}' if self.jobs else ''}: {' '.join(shown)}"
        done = read_record(record.run)
        if done and done["status"] == "done" and done["overrides"] == record.overrides:
            print(f"{head} (done before)", flush=True)
            return done.get("value")
        print(head, flush=True)
        record.number = number
        (record.run / TRACEBACK).unlink(missing_ok=True)  # of a failed try that is made again
        result: Result = None
        try:
            with record, _own_process():
                result = self._work(cfg, record.run)
                record.finish(result)
        except Exception as error:
            print(f"job {number + 1} failed: {first_line(error)}", file=sys.stderr, flush=True)
            if not isinstance(error, InputError):
                path = record.run / TRACEBACK
                path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
                print(f"  {path}", file=sys.stderr, flush=True)
        gc.collect()  # a trainer, its loops and its callbacks refer to each other
        return _value(result)


def exit_with(error: InputError) -> NoReturn:
    """End the program over a person's mistake: one message and status 2."""
    if wants_traceback():
        traceback.print_exception(error)
    else:
        print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


def wants_traceback() -> bool:
    """Whether a person asks for tracebacks in full, as of Hydra: HYDRA_FULL_ERROR=1."""
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


def first_line(error: BaseException) -> str:
    """The kind of an error (not for a person's mistake) and the first line of its message."""
    lines = str(error).strip().splitlines()
    kind = [] if isinstance(error, InputError) else [type(error).__name__]
    return ": ".join(kind + lines[:1])


def read_record(run: Path) -> dict[str, Any] | None:
    """What `job.json` of a run folder says, None where there is none."""
    try:
        record = json.loads((run / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"status", "overrides"} <= set(record) else None


class _Record:
    """Writes `job.json` when the job ends, whichever way."""

    def __init__(self, run: Path, overrides: list[str]) -> None:
        self.run, self.overrides = run, overrides
        self.number = 0
        self.dropped = False
        self._result: Mapping[str, Any] = {}

    def finish(self, result: Result) -> None:
        self._result = result if isinstance(result, Mapping) else {}

    def drop_if_nothing_began(self) -> None:
        """Remove a run folder that holds nothing but the config that Hydra wrote: a mistake was found before."""
        if {entry.name for entry in self.run.iterdir()} == {HYDRA}:
            self.dropped = True
            shutil.rmtree(self.run / HYDRA, ignore_errors=True)
            with suppress(OSError):  # the working directory, or one that somebody else watches over
                self.run.rmdir()

    def __enter__(self) -> None:
        self._start = time.monotonic()

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if self.dropped:
            return
        result = self._result
        figures = {k: _number(v) for k, v in result.items() if isinstance(v, Real) or v is None}
        cause = error.__context__ if isinstance(error, SystemExit) and error.__context__ else error
        record = {
            "job": self.number,
            "overrides": self.overrides,
            "status": "done" if error is None else "failed",
            "error": None if cause is None else _message(cause),
            "metric": result.get("metric"),
            "mode": result.get("mode"),
            "value": figures.pop("value", None),
            "minutes": round((time.monotonic() - self._start) / 60, 3),
            **figures,
        }
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        try:
            (self.run / RECORD).write_text(text, encoding="utf-8")
        except OSError:
            if error is None:  # else a full disk has ended the job, and that is what is to be said
                raise


def _message(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "stopped"
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _number(value: Any) -> float | int | None:
    """Numbers that JSON knows: an undefined metric (NaN) is null."""
    if value is None or isinstance(value, bool | int):
        return value
    return float(value) if math.isfinite(value) else None


def _value(result: Result) -> float | None:
    value = result.get("value") if isinstance(result, Mapping) else None
    return None if value is None else float(value)


def _is_first_process() -> bool:
    """Whether this is the process that writes; the others of DistributedDataParallel have a rank above 0."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def _from_here(path: Path) -> Path:
    """Relative where it lies below the working directory: short in messages, and the tree can move."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _pin(run: Path) -> None:
    """Fix the folder: Lightning hands `hydra.run.dir` to the further processes of a distributed run."""
    cfg: Any = HydraConfig.instance().cfg
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.run.dir = str(run.absolute())


@contextmanager
def _own_process() -> Iterator[None]:
    """Arguments and environment as if this job of a sweep had a process of its own.

    Lightning starts the further processes of a distributed run with the arguments of the first (with `-m`
    each would start the whole sweep), and leaves ranks in the environment that would mislead the next job.
    """
    arguments, environment = sys.argv[1:], dict(os.environ)
    overrides = HydraConfig.get().overrides
    kept = [o for o in overrides.hydra if not o.startswith(("hydra.mode=", "hydra.sweep", "hydra/launcher"))]
    sys.argv[1:] = [*kept, *overrides.task]
    try:
        yield
    finally:
        sys.argv[1:] = arguments
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
