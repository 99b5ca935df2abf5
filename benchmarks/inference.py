"""`Inspector.inspect` by each runtime against eager torch, and the F1 of each.

    python scripts/train.py task=coil model=lenet
    python scripts/train.py task=defect model=resnet18
    python -m benchmarks.inference --run outputs/coil/lenet/<time> outputs/defect/resnet18/<time>

From camera image to verdict, one image and eight at once, on test images of the run: the run as it was trained
and its exports take turns in one process. An export that is missing is made first, by `scripts/export.py`.
Milliseconds are medians over the turns, and so are the ratios, which are taken turn by turn. F1 is that of the
verdicts on the test part, of the defect class or, without one, the mean over the classes; `same` is the share
of the images with the verdict of eager torch.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.exports import AS_TRAINED, EXPORTS, images_of, inspector_file
from benchmarks.timing import in_turns, milliseconds, ratio
from inspection.data.images import CameraImage, read_image
from inspection.inspector.inspector import Inspector
from inspection.inspector.verdict import Verdict

BATCHES = (1, 8)


def f1(labels: Sequence[str], truth: Sequence[str], names: Sequence[str]) -> float:
    """Mean F1 of some classes.

    >>> f1(["a", "b", "b", "a"], ["a", "b", "a", "a"], ["a", "b"])
    0.7333333333333334
    """
    values = []
    for name in names:
        hits = sum(label == true == name for label, true in zip(labels, truth, strict=True))
        values.append(2 * hits / max(1, list(labels).count(name) + list(truth).count(name)))
    return sum(values) / len(values)


def measure(run: Path, given: argparse.Namespace) -> None:
    """Time one run and print its table."""
    inspectors = {name: Inspector.load(inspector_file(run, name)) for name in (AS_TRAINED, *given.only)}
    chosen = images_of(run, ["test"])[: given.images]
    images, truth = [read_image(path) for path, _ in chosen], [name for _, name in chosen]
    said = {
        name: [verdict.label for image in images for verdict in inspector.inspect([image])]
        for name, inspector in inspectors.items()
    }
    decision = inspectors[AS_TRAINED].decision
    defect: int | None = getattr(decision, "defect", None)
    positive = decision.names if defect is None else [decision.names[defect]]

    def work(inspector: Inspector, images: list[CameraImage]) -> Callable[[], list[Verdict]]:
        return lambda: inspector.inspect(images)

    turns = {
        count: in_turns({name: work(each, images[:count]) for name, each in inspectors.items()}, given)
        for count in BATCHES
    }
    passport = inspectors[AS_TRAINED].passport
    network = passport.network["_target_"].rpartition(".")[2]
    network = passport.network.get("name", network)
    size = "x".join(map(str, inspectors[AS_TRAINED].geometry.shape))
    kind = ", SYNTHETIC" if passport.made.get("data", {}).get("synthetic") else ""
    print(f"{passport.task}: {network}, {size}; F1 of {len(images)} test images{kind}")
    print(f"  {'':14s}", *(f"{f'batch {count}':>12s} {'x eager':>8s}" for count in BATCHES), end="")
    print(f" {'F1':>8s} {'same':>7s}")
    for name, labels in said.items():
        line = f"  {name:14s}"
        for count in BATCHES:
            faster = ratio(turns[count], AS_TRAINED, name)
            line += f" {milliseconds(turns[count], name):9.2f} ms {faster:8.2f}"
        same = sum(label == other for label, other in zip(labels, said[AS_TRAINED], strict=True)) / len(
            images
        )
        print(f"{line} {f1(labels, truth, positive):8.4f} {same:7.4f}")
    print()


def main() -> None:
    """Run and print a table for each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", type=Path, nargs="+", required=True, help="folders of runs that name a class"
    )
    parser.add_argument(
        "--only", nargs="+", choices=EXPORTS, default=list(EXPORTS), help="beside eager torch"
    )
    parser.add_argument("--images", type=int, default=500, help="of the test part, at most (default 500)")
    parser.add_argument("--repeats", type=int, default=20, help="turns of each batch (default 20)")
    parser.add_argument("--warmup", type=int, default=3, help="turns that are not counted (default 3)")
    given = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, ", end="")
    print(f"{given.repeats} interleaved repeats, medians\n")
    for run in given.run:
        measure(run, given)


if __name__ == "__main__":
    main()
