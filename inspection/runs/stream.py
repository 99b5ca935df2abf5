"""An inspector at a camera, until somebody stops it. Torch is needed only for a network as it was trained."""

import itertools
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from tqdm import tqdm

from inspection.config.instantiate import instantiate
from inspection.config.unheard import is_unheard
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.inspector.plain import write_json
from inspection.runs.commands import announce_inspector, open_inspector, open_output
from inspection.stream.drift import StreamWatch
from inspection.stream.frames import Live
from inspection.stream.judge import Judge
from inspection.stream.pipeline import Policy, Stream
from inspection.stream.replay import Paced, Repeated
from inspection.stream.sink import Sink
from inspection.stream.sources import Source, find_source

SUMMARY = "summary.json"
"""A second stream into the same folder writes `summary_2.json`, as `frames_2.csv`."""
_REDRAWN, _LOGGED = 0.5, 60.0
"""Seconds between two states of the line on a terminal, and between two lines where there is none."""
_RECORDED = 60.0
"""Seconds between two accounts that are written while the stream runs."""
_RESERVED = 1 << 17
"""Bytes that are kept free for the last one: sinks may fill the disk."""


def stream(config: dict[str, Any]) -> int:
    """Inspect frames as they come; write `summary.json` and what the sinks write.

    Args:
        config: Plain values, see `conf/stream.yaml`.

    Returns:
        Exit status: 0 when the source came to its end or somebody stopped the stream, whatever single frames did;
        1 when the source was lost for good, a video has fewer frames than it announces, something of ours broke,
        a sink that is not lossy failed, or files are not wholly in what was to be written; 128 and the number of
        the signal where a second one came.

    Raises:
        InputError: If something that was given is not there, or can't be.
    """
    policy = Policy(
        overflow=config["overflow"],
        queue=config["queue"],
        batch=config["batch"],
        within=config["deadline"] / 1000,
        frames=config["frames"],
        reconnect=config["reconnect"],
        stop_within=config["stop_within"],
    )
    source = _open_source(config)
    given = Path(config["inspector"])
    inspector = open_inspector("inspector", given, config["threshold"], config["device"], config["threads"])
    watch = _watch(inspector, source, config)
    sinks: list[Sink] = list((instantiate(config["sinks"]) or {}).values())
    output = open_output(config["output"], given if given.is_dir() else given.parent, "stream")
    made = Stream(source, Judge(inspector, watch), sinks, policy, output)
    with _unheard():
        announce_inspector(inspector.passport)
        print(f"{inspector.answers.operating_point()}\n\nopening {source.name}, warming up ...\n", flush=True)
    with _signals(made) as caught:
        try:
            made.open()
        except BaseException:
            with suppress(OSError):  # there is something in it
                output.rmdir()
            raise
        with _unheard():
            print("\n".join(_announced(made, inspector, source, sinks, watch)) + "\n", flush=True)
        console, record = Console(made), Record(made, _free(output), given)

        def tick() -> None:
            console.tick()
            record.tick()

        made.run(tick)
    console.close()
    whole = record.write()
    summary = made.summary()
    with _unheard():
        print("\n".join(account(summary)))
        print(output, flush=True)
    live = made.live()
    # A live source's sinks may miss something; not all that came after they had failed.
    missed = _failed(live) or (made.overflow == "block" and _missed(live) > 0)
    whole = whole and not missed and not summary["missing"]
    status = 1 if not whole or made.ended in ("source lost", "broke") else 0
    if len(caught) > 1:
        status = 128 + caught[-1]
    if made.stuck:
        # All is written. Python would take the libraries down below threads that are still in them: they abort.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


@contextmanager
def _unheard() -> Iterator[None]:
    """Whatever read what is printed has died: no reason to stop a line, nor for an exit status that says so."""
    try:
        yield
    except BrokenPipeError:
        if not is_unheard():
            raise


def _open_source(config: Mapping[str, Any]) -> Source:
    """The source, as often and as fast as it is asked for."""
    size, rate, repeat = config["camera"]["size"], config["rate"], config["repeat"]
    source = find_source(config["source"], None if size is None else tuple(size), config["camera"]["rate"])
    if repeat is not None and repeat < 1:
        raise InputError(f"repeat={repeat}: expected 1 or more, or null")
    if rate is not None and not 0 < rate < float("inf"):
        raise InputError(f"rate={rate}: expected frames a second, above 0")
    if source.live and (repeat != 1 or rate is not None):
        raise InputError(
            f"source={source.name}: a camera gives its frames once, and at its own rate; "
            "rate and repeat are for files"
        )
    if repeat != 1:
        source = Repeated(source, repeat)
    return source if rate is None else Paced(source, rate)


def _watch(inspector: Inspector, source: Source, config: Mapping[str, Any]) -> StreamWatch | None:
    if config["drift"] is None:
        return None
    return StreamWatch(
        inspector,
        live=source.live,
        by_name=source.named,
        **config["drift"],
    )


def _missed(live: Live) -> int:
    """Results that are not in a sink where they matter."""
    return sum(figures.missed for figures in live.sinks.values() if not figures.lossy)


def _failed(live: Live) -> bool:
    """Whether a sink that matters could not write at the end."""
    return any(figures.error and figures.missed and not figures.lossy for figures in live.sinks.values())


def _announced(
    made: Stream, inspector: Inspector, source: Source, sinks: Sequence[Sink], watch: StreamWatch | None
) -> list[str]:
    """What runs, and how."""
    policy = made.policy
    frames = [] if source.total is None else [f"{source.total} frames"]
    pace = [] if source.rate is None else [f"{source.rate:g} frames/s"]
    kept = (
        f"{policy.queue} frames can wait, then the oldest is dropped"
        if made.overflow == "drop_oldest"
        else f"{policy.queue} frames can wait, then the source does: none is dropped"
    )
    full = f", or for {1000 * policy.within:g} ms" if policy.within else ""
    lines = [
        f"inspector {inspector.backend.name}",
        f"source    {', '.join([source.name, *frames, *pace])}",
        f"line      {kept}; batches of what waits, at most {policy.batch}{full}",
    ]
    if watch is not None:
        lines.append(f"drift     {watch.announced()}")
    for number, sink in enumerate(sinks):
        lines.append(f"{'' if number else 'sinks':9s} {sink.name}: {sink.where}")
    return lines


class Console:
    """Shows how a stream gets on: a bar on files, a line that is redrawn for a camera, one a minute in a log.

    Args:
        made: The stream.
    """

    def __init__(self, made: Stream) -> None:
        self._made = made
        self._terminal = sys.stderr.isatty()
        self._due = time.monotonic() + (0 if self._terminal else _LOGGED)
        self._bar: Any = None
        self._stopping = False

    def tick(self) -> None:
        """Show what has changed, if it is time."""
        with suppress(OSError):  # nobody listens any more: no reason to stop
            self._say_news()
            self._say_stopping()
            now = time.monotonic()
            if now >= self._due:
                self._due = now + (_REDRAWN if self._terminal else _LOGGED)
                self._show(self._made.live())

    def _say_news(self) -> None:
        while self._made.news:
            self._say(self._made.news.popleft())

    def _say_stopping(self) -> None:
        if self._made.stopping and not self._stopping:
            self._stopping = True
            within = self._made.policy.stop_within
            self._say(f"stopping: what waits is finished, in {within:g} s at most; once more to stop at once")

    def _show(self, live: Live) -> None:
        if not self._terminal:
            self._say(f"{time.strftime('%H:%M:%S')} {live.received} frames, {state_in_words(live)}")
            return
        if self._bar is None:
            shape = None if live.total is not None else "{n_fmt} frames {elapsed} {postfix}"
            self._bar = tqdm(
                total=live.total, unit="frame", leave=False, bar_format=shape, dynamic_ncols=True
            )
        self._bar.n = live.received - live.waiting
        self._bar.set_postfix_str(state_in_words(live))

    def _say(self, line: str) -> None:
        if self._bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Take the bar away; what is new now is said."""
        with suppress(OSError):
            if self._bar is not None:
                self._bar.close()
            self._bar = None
            self._say_news()


def state_in_words(live: Live) -> str:
    """The figures of the moment in a line."""
    parts = [f"{live.rate:.4g}/s"]
    if live.median is not None and live.p99 is not None:
        parts.append(f"{_ms(live.median)}, 99 % within {_ms(live.p99)}")
    parts.append(f"{live.waiting} waiting")
    for name, counts in (("dropped", live.dropped), ("failed", live.failed)):
        if counts:
            parts.append(f"{sum(counts.values())} {name}")
    missed = _missed(live)
    parts += [f"{live.alarms} alarms"] * bool(live.alarms) + [f"{missed} not written"] * bool(missed)
    parts += ["DRIFT"] * bool(live.drifted) + [live.state] * (live.state != "running")
    return ", ".join(parts)


def account(summary: Mapping[str, Any]) -> list[str]:
    """What became of the frames, for the console."""
    rows = [["received", str(summary["received"]), ""]]
    rows.append(["inspected", str(summary["inspected"]), _counted(summary["verdicts"])])
    for name in ("dropped", "failed"):
        rows.append([name, str(sum(summary[name].values())), _counted(summary[name])])
    if summary["missing"]:
        rows.insert(1, ["missing", str(summary["missing"]), "cut short or damaged"])
    width = max(len(row[1]) for row in rows)
    lines = ["", *(f"  {name:9s}  {count:>{width}s}  {what}".rstrip() for name, count, what in rows), ""]
    lines += [f"first {reason}: {error}" for reason, error in summary["first_failed"].items()]
    ended = summary["ended"] + (f": {summary['why']}" if summary["why"] else "")
    times = summary["reconnects"]
    again = f", reconnected {'once' if times == 1 else f'{times} times'}" if times else ""
    lines.append(
        f"{ended}, after {summary['seconds']:.1f} s{again}; {summary['rate']:.4g} frames/s inspected"
    )
    latency = summary["latency"]
    waits = ", the wait for their turn included" if summary["policy"]["overflow"] == "block" else ""
    if latency["median"] is not None:
        lines.append(
            f"capture to verdict{waits}: median {_ms(latency['median'])}, "
            f"99 of 100 within {_ms(latency['p99'])}, longest {_ms(latency['longest'])}"
        )
    for name, figures in summary["sinks"].items():
        if (figures["missed"] and not figures["lossy"]) or figures["error"]:
            why = f" ({figures['error']})" if figures["error"] else ""
            lines.append(f"sink {name}: {figures['written']} written, {figures['missed']} missed{why}")
    if summary["drift"]:
        lines += ["", *summary["drift"]["summary"]]
    return lines


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _free(folder: Path) -> Path:
    """Where the account goes: what an earlier stream said stays."""
    first = folder / SUMMARY
    numbered = (first.with_stem(f"{first.stem}_{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([first], numbered) if not path.exists())


class Record:
    """Writes the account to a file: now and then, so that a process that is killed leaves one; and at the end.

    For the end a place is kept: where what sinks write has filled the disk, the account matters most.

    Args:
        made: The stream.
        path: Of the file; the old one stays until the new one is whole.
        inspector: Where the inspector is.
    """

    def __init__(self, made: Stream, path: Path, inspector: Path) -> None:
        self._made, self._path, self._inspector = made, path, inspector
        self._due = -math.inf
        self._reserve: IO[bytes] | None = None
        with suppress(OSError):
            self._reserve = TemporaryFile(dir=path.parent)  # noqa: SIM115  (nameless: gone with the process)
            self._reserve.write(os.urandom(_RESERVED))  # of zeros, some disks keep no place
            self._reserve.flush()

    def tick(self) -> None:
        """Write it, if it is time; a disk that is full now may not be at the end."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _RECORDED
            with suppress(OSError):
                self._write(synced=False)  # a slow disk is not to hold up a stop

    def write(self) -> bool:
        """Write it; says why not where that fails."""
        self._release()
        try:
            self._write(synced=True)
        except OSError as error:
            print(f"{self._path} could not be written: {error}", file=sys.stderr)
            return False
        return True

    def _release(self) -> None:
        if self._reserve is not None:
            with suppress(OSError):
                self._reserve.close()

    def _write(self, synced: bool) -> None:
        values = {"inspector": str(self._inspector), **self._made.summary()}
        write_json(self._path, values, synced)


@contextmanager
def _signals(made: Stream) -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM stop the stream: the first finishes what waits, a second does not.

    While it is opened there is nothing to finish: it ends at once.

    Yields:
        The signals that came.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def stop(number: int, _: object) -> None:
        if not made.opened:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        caught.append(number)
        made.stop(None if len(caught) == 1 else 0.0)

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
