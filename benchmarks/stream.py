"""Streaming, ours against the article's pipeline: how much goes through, how soon, and what is lost.

    python scripts/train.py task=process
    python -m benchmarks.stream --run outputs/process/simple_cnn/<time>
    python -m benchmarks.stream --run <run> --only onnx_int8 openvino_int8 --seconds 5 --turns 5

All see the same frames, pictures of the run's test part made 480x640 BGR, held in memory, and take turns, each in
a process of its own. On none of them an export was calibrated or compared.

- article: capture thread, queue of 100, batches of 8, TorchScript, by hand (`benchmarks.article_stream`);
- eager: our stream with the network as it was trained; like all of ours it watches for drift as
  `scripts/stream.py` does, 20 frames a second;
- onnx_*, openvino_*: our stream with the run's exports; one that is missing is made first, by
  `scripts/export.py` (which makes one of equal verdicts on the validation part with `max_changed=0`).

First flat out, where the camera waits and nothing is dropped; then at 100 and 200 frames a second, where
whoever can't keep up drops frames, the article's pipeline the newest, ours the oldest. Latency counts from when
a frame was due to its result. `cpu` is processor time a result. Figures are medians over the turns; ratios are
taken turn by turn. `same` is the share of pictures with the verdict of eager torch, of those that both came to,
and `accuracy` is against the labels.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.exports import AS_TRAINED, EXPORTS, images_of, inspector_file
from benchmarks.paced import Figures, PacedCamera, Picture
from inspection.data.images import read_image
from inspection.inspector.inspector import Inspector
from inspection.stream.drift import StreamWatch
from inspection.stream.frames import Frame, Result
from inspection.stream.judge import Judge
from inspection.stream.pipeline import Policy, Stream
from inspection.stream.sink import About, Sink
from inspection.stream.sources import Source

SIZE = (640, 480)
"""Of a frame, width and height."""
BY_HAND = "article"
CONTENDERS = (BY_HAND, AS_TRAINED, *EXPORTS)
Seen = tuple[Figures, dict[int, str]]
"""Of a turn the figures, and the verdict of each frame by its number."""
Turn = Callable[[float | None, float], Seen]
"""Frames a second (None: flat out) and seconds, to what was seen."""
Turns = dict[str, dict[float, list[Seen]]]
"""Of each contender the turns at each rate; 0 is flat out."""


class Memory(Source):
    """A paced camera as a source of our stream."""

    def __init__(self, camera: PacedCamera) -> None:
        self.camera, self.name, self.live = camera, "memory", camera.rate is not None

    def open(self) -> None:
        """Nothing to open."""

    def read(self, number: int) -> Frame | None:
        """The next frame; the colours are brought into our order here, as by our cameras."""
        there, picture = self.camera.read()
        if not there or picture is None:
            return None
        image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        return Frame(
            number, str(number), self.camera.captured_at[number], time.time(), np.asarray(image, np.uint8)
        )


class Kept(Sink):
    """Holds all results."""

    name = "kept"

    def __init__(self) -> None:
        self.results: list[Result] = []

    def open(self, about: About) -> None:
        """Nothing to open."""

    def write(self, results: Sequence[Result]) -> None:
        """Keep them."""
        self.results += results


def ours(path: Path, pictures: Sequence[Picture]) -> Turn:
    """Turns of our stream.

    Args:
        path: The run, or one of its exports.
        pictures: Of the camera.
    """
    inspector = Inspector.load(path)
    judge = Judge(inspector, StreamWatch(inspector))

    def turn(rate: float | None, seconds: float) -> Seen:
        camera, kept = PacedCamera(pictures, rate, seconds), Kept()
        stream = Stream(Memory(camera), judge, [kept], Policy(), Path())
        stream.open()
        before = time.process_time()
        stream.run()
        cpu = time.process_time() - before
        done = [result for result in kept.results if result.verdict is not None]
        done_at = {result.number: camera.captured_at[result.number] + result.seconds for result in done}
        labels = {result.number: result.verdict.label for result in done if result.verdict is not None}
        return Figures.of(camera, done_at, cpu), labels

    return turn


def by_hand(run: Path, pictures: Sequence[Picture]) -> Turn:
    """Turns of the article's pipeline; the arguments are those of `ours`."""
    from benchmarks.article_stream import ArticlePipeline, traced

    inspector = Inspector.load(run)
    passport, geometry = inspector.passport, inspector.geometry
    network = traced(inspector.model.network, geometry.shape)

    def turn(rate: float | None, seconds: float) -> Seen:
        pipeline = ArticlePipeline(
            network, geometry.image_size, passport.mean, passport.std, lossless=rate is None
        )
        figures, classes = pipeline.run(PacedCamera(pictures, rate, seconds))
        return figures, {number: inspector.decision.names[index] for number, index in classes.items()}

    return turn


def frames_of(run: Path, count: int) -> tuple[list[Picture], list[str]]:
    """Pictures of a run's test part as a camera gives them, 480x640 BGR, and their classes."""
    known = images_of(run, ["test"])
    chosen = [known[index] for index in np.random.default_rng(0).permutation(len(known))[:count]]
    pictures = []
    for path, _ in chosen:
        image = read_image(path)
        colour = cv2.cvtColor(image, cv2.COLOR_RGB2BGR if image.ndim == 3 else cv2.COLOR_GRAY2BGR)
        pictures.append(np.asarray(cv2.resize(colour, SIZE), np.uint8))
    return pictures, [name for _, name in chosen]


def one(name: str, run: Path, count: int) -> None:
    """One of the contenders: a turn for each line on stdin."""
    pictures, _ = frames_of(run, count)
    turn = by_hand(run, pictures) if name == BY_HAND else ours(inspector_file(run, name), pictures)
    turn(None, 1.0)  # to warm up
    print("ready", flush=True)
    for line in sys.stdin:
        rate, seconds = map(float, line.split())
        figures, labels = turn(rate or None, seconds)
        print(json.dumps([asdict(figures), labels]), flush=True)


def take_turns(given: argparse.Namespace) -> Turns:
    """Let the contenders run, each in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.stream", "--run", str(given.run)]
    command += ["--pictures", str(given.pictures), "--one"]
    started: dict[str, Any] = {}
    for name in given.only:
        started[name] = subprocess.Popen(
            [*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started[name].stdout.readline()
    turns: Turns = {name: {rate: [] for rate in (0.0, *given.rates)} for name in given.only}
    for number in range(given.turns):
        for rate in (0.0, *given.rates):
            for name in given.only if number % 2 == 0 else given.only[::-1]:
                started[name].stdin.write(f"{rate} {given.seconds}\n")
                started[name].stdin.flush()
                figures, labels = json.loads(started[name].stdout.readline())
                turn = (Figures(**figures), {int(key): label for key, label in labels.items()})
                turns[name][rate].append(turn)
        print(f"turn {number + 1} of {given.turns} is done", file=sys.stderr, flush=True)
    for process in started.values():
        process.stdin.close()
        process.wait()
    return turns


def verdicts(turns: Sequence[Seen], count: int) -> dict[int, str]:
    """The verdict on each picture, of turns in which it had one."""
    return {number % count: label for _, labels in turns for number, label in labels.items()}


def share(these: dict[int, str], others: dict[int, str]) -> float:
    """Of the pictures that both know, those on which they agree."""
    known = these.keys() & others.keys()
    return sum(these[number] == others[number] for number in known) / max(1, len(known))


def report(turns: Turns, classes: Sequence[str]) -> None:
    """Print the tables."""
    said = {name: verdicts(of[0.0], len(classes)) for name, of in turns.items()}
    truth = dict(enumerate(classes))
    print(f"\n{'flat out':14s} {'results/s':>9s} {'x article':>9s} {'turn by turn':>14s} ", end="")
    print(f"{'cpu ms':>7s} {'same':>13s} {'accuracy':>8s}")
    for name, of in turns.items():
        rates = [figures.rate for figures, _ in of[0.0]]
        line = f"{name:14s} {statistics.median(rates):9.1f} "
        if BY_HAND in turns:
            base = [figures.rate for figures, _ in turns[BY_HAND][0.0]]
            ratios = [rate / other for rate, other in zip(rates, base, strict=True)]
            line += f"{statistics.median(ratios):9.2f} {min(ratios):6.2f} to {max(ratios):5.2f} "
        else:
            line += " " * 25
        line += f"{statistics.median(figures.cpu for figures, _ in of[0.0]):7.1f} "
        if AS_TRAINED in said:
            both = len(said[name].keys() & said[AS_TRAINED].keys())
            line += f"{share(said[name], said[AS_TRAINED]):6.3f} of {both:3d} "
        else:
            line += " " * 14
        print(line + f"{share(said[name], truth):8.3f}")
    for rate in list(next(iter(turns.values())))[1:]:
        print(
            f"\n{f'at {rate:g} frames/s':18s} {'results/s':>9s} {'dropped':>8s} {'of':>6s} {'median ms':>10s} ",
            end="",
        )
        print(f"{'99th ms':>9s} {'best turn: median, 99th':>24s} {'cpu ms':>7s}")
        for name, of in turns.items():
            seen = [figures for figures, _ in of[rate]]
            best = min(seen, key=lambda figures: figures.p99)
            print(
                f"{name:18s} {statistics.median(figures.rate for figures in seen):9.1f} "
                f"{sum(figures.dropped for figures in seen):8d} {sum(figures.received for figures in seen):6d} "
                f"{statistics.median(figures.median for figures in seen):10.1f} "
                f"{statistics.median(figures.p99 for figures in seen):9.1f} "
                f"{best.median:14.1f}, {best.p99:8.1f} "
                f"{statistics.median(figures.cpu for figures in seen):7.1f}"
            )


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of a run of task=process")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rates", nargs="+", type=float, default=[100.0, 200.0], help="frames a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn (default 5)")
    parser.add_argument("--turns", type=int, default=3, help="of each at each rate (default 3)")
    parser.add_argument("--pictures", type=int, default=128, help="different ones, in memory (default 128)")
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given.run, given.pictures)
        return
    for name in given.only:
        if name != BY_HAND:
            inspector_file(given.run, name)
    pictures, classes = frames_of(given.run, given.pictures)
    print(f"{len(pictures)} pictures of {SIZE[0]}x{SIZE[1]}; ", end="")
    print(f"{given.turns} turns of {given.seconds:g} s each, interleaved")
    del pictures
    report(take_turns(given), classes)


if __name__ == "__main__":
    main()
