"""Works that take turns in one process, so that a noisy machine hits all of them alike."""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch

Times = list[dict[str, float]]
"""Of each turn the seconds of every work, by name."""


def arguments_of(description: str | None) -> argparse.Namespace:
    """`repeats`, `warmup` and `device` off the command line; sets torch's threads and seed, and says it all."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20, help="turns a case (default 20)")
    parser.add_argument("--warmup", type=int, default=3, help="turns that are not counted (default 3)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads of torch")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {arguments.device}, {arguments.threads} threads, ", end="")
    print(f"{arguments.repeats} interleaved repeats a case, medians\n")
    return arguments


def in_turns(works: Mapping[str, Callable[[], object]], arguments: argparse.Namespace) -> Times:
    """Time works against each other; every other turn goes through them backwards.

    Args:
        works: By name.
        arguments: As from `arguments_of`.
    """
    turns: Times = []
    for turn in range(arguments.warmup + arguments.repeats):
        times = {}
        for name in list(works) if turn % 2 else list(works)[::-1]:
            start = time.perf_counter()
            works[name]()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name] = time.perf_counter() - start
        if turn >= arguments.warmup:
            turns.append(times)
    return turns


def milliseconds(turns: Times, name: str) -> float:
    """Median over the turns."""
    return statistics.median(times[name] for times in turns) * 1e3


def ratio(turns: Times, name: str, to: str) -> float:
    """Median over the turns of how many times as long one takes as the other in the same turn."""
    return statistics.median(times[name] / times[to] for times in turns)
