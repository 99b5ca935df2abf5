"""The ranked table of a sweep."""

import csv
import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspection.config.jobs import RECORD, read_record

FIXED = ("job", "overrides", "status", "error", "metric", "mode", "value", "minutes", "folder")
UNDEFINED = "undefined"
REPEATS = ("seed", "data.seed", "data.split_seed", "data.fold")
"""Keys that repeat a setting rather than being one: over their values, figures have a mean and a spread."""


def read_jobs(folder: Path) -> list[dict[str, Any]]:
    """The records of all jobs of a sweep, best first, failed ones last, each with its `folder`."""
    records = [(path.parent, read_record(path.parent)) for path in folder.rglob(RECORD)]
    jobs = [{**record, "folder": str(run)} for run, record in records if record is not None]
    return sorted(jobs, key=_order)


def _order(job: dict[str, Any]) -> tuple[bool, bool, float, int]:
    value: float | None = job.get("value")  # None when undefined
    worth = 0.0 if value is None else -value if job.get("mode") == "max" else value
    return job["status"] != "done", value is None, worth, job.get("job", 0)


def columns(jobs: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Head and rows of the table.

    Args:
        jobs: As from `read_jobs`.

    Returns:
        Rank, overrides, the metric (`value` where the jobs rank by different ones), further figures, minutes,
        folder and the first line of the error.
    """
    metrics = {job["metric"] for job in jobs if job.get("metric")}
    metric = metrics.pop() if len(metrics) == 1 else "value"
    others = dict.fromkeys(name for job in jobs for name in job if name not in (*FIXED, metric))
    rows = []
    for rank, job in enumerate(jobs, 1):
        done = job["status"] == "done"
        ranked = done and job.get("value") is not None
        figures = [job.get(name) if done else "" for name in ("value", *others)]
        figures = [UNDEFINED if figure is None else figure for figure in figures]
        error = "" if done else str(job["error"]).partition("\n")[0]
        overrides = " ".join(job["overrides"])
        rows.append([rank if ranked else "-", overrides, *figures, job["minutes"], job["folder"], error])
    return ["rank", "overrides", metric, *others, "minutes", "folder", "error"], rows


def _brief(jobs: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """What of the records fits on a screen: the overrides that differ and, of further figures, the tests'."""
    brief = []
    for job in jobs:
        # Figures of single classes (test/f1/cat) are in the file.
        figures = [name for name in job if name.startswith("test/") and name.count("/") < 2]
        kept = {name: job[name] for name in job if name in FIXED or name in figures}
        kept["overrides"] = [o for o in job["overrides"] if o.partition("=")[0] in keys] or job["overrides"]
        kept["error"] = textwrap.shorten(str(job["error"]).partition("\n")[0], 100)
        brief.append(kept)
    return brief


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Aligned columns, numbers with four decimals."""
    cells = [[f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in (head, *cells))
    return "\n".join(line.rstrip() for line in lines)


def repeats(jobs: Sequence[dict[str, Any]], keys: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """Mean and spread of each setting over its seeds or folds.

    Args:
        jobs: As from `read_jobs`.
        keys: Keys that differ between the jobs.

    Returns:
        Head and rows: the setting, the number of finished jobs, and mean and standard deviation (of the sample,
        from two values on) of the metric and the test figures; a figure that is undefined in a job is left out of
        its mean, and the number of jobs that it is of is told. Without rows when nothing was repeated.
    """
    repeated = [key for key in keys if key in REPEATS]
    settings: dict[str, list[dict[str, Any]]] = {}
    for job in jobs:
        others = [o for o in job["overrides"] if o.partition("=")[0] in keys]
        setting = " ".join(o for o in others if o.partition("=")[0] not in repeated)
        settings.setdefault(setting, []).append(job)
    finished = {setting: [job for job in own if job["status"] == "done"] for setting, own in settings.items()}
    finished = {setting: own for setting, own in finished.items() if own}
    if not repeated or max(map(len, finished.values()), default=0) < 2:
        return [], []
    every = [job for own in finished.values() for job in own]
    metrics = {job["metric"] for job in every}
    metric = metrics.pop() if len(metrics) == 1 else "value"
    figures = dict.fromkeys(n for job in every for n in job if n.startswith("test/") and n != metric)
    rows: list[list[Any]] = []
    for setting, own in sorted(finished.items()):
        asked = len(settings[setting])
        row: list[Any] = [
            setting or "all else alike",
            len(own) if len(own) == asked else f"{len(own)} of {asked}",
        ]
        for name in ("value", *figures):
            values = [job[name] for job in own if job.get(name) is not None]
            row += [
                statistics.fmean(values) if values else UNDEFINED,
                statistics.stdev(values) if len(values) > 1 else UNDEFINED,
                len(values),
            ]
        rows.append(row)
    head = [f"{what}{name}" for name in (metric, *figures) for what in ("mean ", "std ", "jobs ")]
    return ["over " + ", ".join(repeated), "jobs", *head], rows


def _short(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The table of means for a screen: a figure a line, a setting a column; none of single classes."""
    names = [name.removeprefix("mean ") for name in head[2::3]]
    lines = [[head[0], *(f"{row[0]} ({row[1]} jobs)" for row in rows)]]
    for place, name in enumerate(names):
        if name.count("/") > 1:
            continue
        cells = []
        for row in rows:
            mean, spread, number = row[2 + 3 * place : 5 + 3 * place]
            cell = f"{mean:.4f}" if isinstance(mean, float) else str(mean)
            cell += f" ± {spread:.4f}" if isinstance(spread, float) else ""
            finished = int(str(row[1]).split(maxsplit=1)[0])
            cells.append(cell if number == finished else f"{cell} (of {number})")
        lines.append([name, *cells])
    return table(lines[0], lines[1:])


def report(folder: Path, keys: Sequence[str], expected: int | None = None) -> bool:
    """Print the table of a sweep and save it as `sweep.csv` in its folder; means over seeds or folds beside it.

    Args:
        folder: The sweep's.
        keys: Keys that differ between the jobs.
        expected: Number of jobs that were to run, when it is known.

    Returns:
        Whether every job is done.
    """
    jobs = read_jobs(folder)
    failed = sum(job["status"] != "done" for job in jobs)
    absent = max(0, (expected or 0) - len(jobs))
    if jobs:
        path = folder / "sweep.csv"
        head, rows = columns(jobs)
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([head, *rows])
        print(f"\n{table(*columns(_brief(jobs, keys)))}\n\n{path}")
        head, rows = repeats(jobs, keys)
        if rows:
            path = folder / "repeats.csv"
            with path.open("w", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows([head, *rows])
            print(f"\nmean ± standard deviation\n{_short(head, rows)}\n\n{path}")
    if failed or absent:
        print(f"{failed} failed, {absent} not run, of {expected or len(jobs)} jobs")
    return not failed and not absent
