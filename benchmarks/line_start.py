"""From the start of a process to its first verdict: inspectors without torch against the one with it.

    python scripts/train.py task=process
    python -m benchmarks.line_start --run outputs/process/simple_cnn/<time> --repeats 7

Each round starts a process a contender, in turn: it loads the inspector, inspects one black camera image of
480x640, and says so. `import torch`, and an import of NumPy and OpenCV alone, are there to compare with. An
export that is missing is made first, by `scripts/export.py`.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.exports import AS_TRAINED, EXPORTS, ROOT, inspector_file

FIRST_VERDICT = """
import sys
import numpy as np
from inspection.inspector.inspector import Inspector
inspector = Inspector.load(sys.argv[1])
inspector.inspect([np.zeros((480, 640, 3), np.uint8)])
print("torch" in sys.modules, flush=True)
"""
IMPORTS = {"import torch": "import torch", "import numpy, cv2": "import numpy, cv2"}


def seconds(code: str, *arguments: str) -> tuple[float, str]:
    """From the start of a process to its first line, or to its end if it says nothing; and that line."""
    start = time.perf_counter()
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        taken = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{command[-1]}: ended with status {process.returncode}")
    return taken, said


def main() -> None:
    """Time each in turn, several times, and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of a run whose camera gives colour")
    parser.add_argument("--only", nargs="+", choices=EXPORTS, default=list(EXPORTS), help="beside torch")
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    files = {name: inspector_file(given.run, name).resolve() for name in (AS_TRAINED, *given.only)}
    taken: dict[str, list[float]] = {name: [] for name in (*files, *IMPORTS)}
    with_torch = {}
    for _ in range(given.repeats + 1):  # the first round fills the disk cache and is not counted
        for name, file in files.items():
            one, said = seconds(FIRST_VERDICT, str(file))
            taken[name].append(one)
            with_torch[name] = said == "True"
        for name, code in IMPORTS.items():
            taken[name].append(seconds(code)[0])
    print(f"medians of {given.repeats} rounds, taking turns; ratios round by round")
    for name, values in taken.items():
        shares = [value / base for value, base in zip(values[1:], taken[AS_TRAINED][1:], strict=True)]
        note = "" if name in IMPORTS else "  with torch" if with_torch[name] else "  without torch"
        median, share = statistics.median(values[1:]), statistics.median(shares)
        print(
            f"  {name:18s} {median:6.2f} s   {share:5.2f} x {AS_TRAINED} "
            f"({min(shares):.2f} to {max(shares):.2f}){note}"
        )


if __name__ == "__main__":
    main()
