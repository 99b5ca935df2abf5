"""Peak memory of training: ours beside the article's loop, and with more and more images.

    python -m benchmarks.memory

Each case is a process of its own; its largest resident size is what the kernel counted. The folders of many images
are links to the 626 synthetic coils. `data.memory_budget` (MiB) bounds the decoded images that are kept in memory,
the rest lies in a file: the growth from a smaller folder to a larger one is what the number of images costs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.coil import coil_data

ROOT = Path(__file__).resolve().parents[1]


def link_folder(source: Path, folder: Path, count: int) -> Path:
    """`count` links to the images below `source`, class folders kept."""
    images = sorted(source.rglob("*.png"))
    for index in range(count):
        image = images[index % len(images)]
        place = folder / image.parent.name / f"{index:06d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(image, place)
    return folder


def peak(command: list[str], stdin: str = "") -> float:
    """Largest resident size of a command, in MiB; NaN when it failed."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        )
        assert process.stdin
        process.stdin.write(stdin.encode())
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            print(log.read()[-500:].decode())
            return float("nan")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="data", help="folder for synthetic images and the cache")
    parser.add_argument("--budget", type=int, default=512, help="MiB of decoded images in memory")
    parser.add_argument("--many", type=int, default=20000, help="images of the largest folder")
    given = parser.parse_args()
    data = str(Path(given.data).resolve())
    source = coil_data(data).synthetic.prepare()
    print(f"peak resident memory; data.memory_budget={given.budget}")
    with tempfile.TemporaryDirectory(dir=data) as place:  # links can't cross to another disk
        train = ["scripts/train.py", "task=coil", "model=lenet", "trainer.max_epochs=1"]
        train += [
            "trainer.limit_train_batches=60",
            "trainer.limit_val_batches=20",
            "trainer.limit_test_batches=20",
        ]
        train += [f"data.memory_budget={given.budget}", f"paths.outputs={place}/outputs"]
        loop = ["-m", "benchmarks.coil_training", "--one", "article", "--epochs", "1", "--data", data]
        print(f"  article's loop, 626 images          {peak(loop, 'go'):6.0f} MiB", flush=True)
        print(
            f"  ours, 626 images, in memory         {peak([*train, f'paths.data={data}']):6.0f} MiB",
            flush=True,
        )
        for count in (given.many // 8, given.many):
            folder = link_folder(source, Path(place) / str(count), count)
            ours = [*train, f"data.root={folder}", f"paths.data={place}"]
            print(f"  ours, {count:5d} images, on disk         {peak(ours):6.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
