"""How soon the command line answers, beside `import torch`.

python -m benchmarks.startup --repeats 7
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "train.py --help": ["scripts/train.py", "--help"],
    "train.py task=coi": ["scripts/train.py", "task=coi"],
    "train.py optimizer.lrr=1": ["scripts/train.py", "optimizer.lrr=1"],
}


def main() -> None:
    """Time each command in turn, several times, and print medians as ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats + 1):  # the first round fills the disk cache and is not counted
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=False)
            seconds[name].append(time.perf_counter() - start)
    base = statistics.median(seconds["import torch"][1:])
    print(f"medians of {repeats} rounds, taking turns")
    for name, values in seconds.items():
        median = statistics.median(values[1:])
        print(f"  {name:26s} {median:6.2f} s   {median / base:5.2f} x import torch")


if __name__ == "__main__":
    main()
