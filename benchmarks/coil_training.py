"""Training throughput of `task=coil` against the loops that a user would write by hand.

    python -m benchmarks.coil_training --epochs 12

Three trainings of the same LeNet on the same images, batches of 10, SGD 0.01, each in a process of its own, take
turns epoch by epoch, so that a noisy machine hits all of them alike:

- article: Pillow decodes every image in every epoch, float32, ReLU before the pooling, as the coil article does;
- by hand: a plain loop with all that makes ours fast (decoded once, bfloat16, channels last, fused SGD, freed
  memory kept by the process);
- ours: Lightning, data module, task module and TensorBoard logger as `scripts/train.py task=coil` builds them; the
  callbacks that draw and write between the epochs are left out.

Only the training part of an epoch is timed. The ratios are of medians over the epochs after the first.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from benchmarks.coil import coil_data
from benchmarks.turns import be_quiet, fit_in_turns, report, take_turns
from inspection.data.folder import FolderDataModule
from inspection.models.lenet import LeNet
from inspection.models.normalised import Normalised
from inspection.runs.hardware import keep_freed_memory, pick_hardware
from inspection.tasks.classification import Classification

CROP, BATCH, LR = (50, 60, 750, 460), 10, 0.01
NAMES = ("article", "by hand", "ours")


class ArticleNet(nn.Module):
    """The article's order of layers: convolution, ReLU, max-pool."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.hidden, self.head = nn.Linear(16 * 97 * 172, 120), nn.Linear(120, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        maps = F.max_pool2d(F.relu(self.conv1(images)), 2)
        maps = F.max_pool2d(F.relu(self.conv2(maps)), 2)
        return self.head(F.relu(self.hidden(maps.flatten(1))))


class ArticleSet(Dataset[tuple[Tensor, int]]):
    """Opens, crops and scales an image with Pillow each time that it is asked for."""

    def __init__(self, files: list[Path], targets: np.ndarray, mean: float, std: float) -> None:
        self.files, self.targets, self.mean, self.std = files, targets, mean, std

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.files[index]) as image:
            pixels = np.asarray(image.convert("L").crop(CROP), dtype=np.float32) / 255
        return torch.from_numpy((pixels - self.mean) / self.std)[None], int(self.targets[index])


def article(data: FolderDataModule, seed: int) -> Iterator[tuple[float, float]]:
    """Seconds of training and validation F1, epoch by epoch."""
    torch.manual_seed(seed)
    loaders = {}
    for part in ("train", "val"):
        rows = data.samples.rows(part)
        targets = data.samples.targets[rows]
        files = [data.root / data.samples.files[row] for row in rows]
        weights = (1 / np.bincount(targets))[targets]
        sampler = WeightedRandomSampler(weights.tolist(), len(rows)) if part == "train" else None
        loaders[part] = DataLoader(
            ArticleSet(files, targets, data.mean[0], data.std[0]), batch_size=BATCH, sampler=sampler
        )
    network = ArticleNet()
    optimizer = torch.optim.SGD(network.parameters(), lr=LR)
    while True:
        network.train()
        start = time.perf_counter()
        for images, targets in loaders["train"]:
            optimizer.zero_grad()
            F.cross_entropy(network(images), targets).backward()
            optimizer.step()
        seconds = time.perf_counter() - start
        network.eval()
        with torch.no_grad():
            judged = [(network(images).argmax(1), targets) for images, targets in loaders["val"]]
        yield seconds, f1_score(*(torch.cat(part) for part in list(zip(*judged, strict=True))[::-1]))


def by_hand(data: FolderDataModule, seed: int, precision: str) -> Iterator[tuple[float, float]]:
    """As `article`, with the data, precision and layout of ours."""
    keep_freed_memory()
    torch.manual_seed(seed)
    network = Normalised(LeNet(1, (400, 700), 2), data.mean, data.std).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=LR, fused=True)
    parts = {part: data.samples.rows(part) for part in ("train", "val")}
    images = {part: data.images(rows) for part, rows in parts.items()}
    targets = {part: torch.from_numpy(data.samples.targets[rows]) for part, rows in parts.items()}
    weights = (1 / torch.bincount(targets["train"]))[targets["train"]]
    low = precision == "bf16-mixed"
    while True:
        network.train()
        start = time.perf_counter()
        order = torch.multinomial(weights, len(weights), replacement=True)
        for rows in order.split(BATCH):
            batch = images["train"][rows].contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                logits = network(batch)
            F.cross_entropy(logits.float(), targets["train"][rows]).backward()
            optimizer.step()
        seconds = time.perf_counter() - start
        network.eval()
        with torch.no_grad():
            judged = torch.cat([network(batch).argmax(1) for batch in images["val"].split(BATCH)])
        yield seconds, f1_score(targets["val"], judged)


def ours(data: FolderDataModule, seed: int, precision: str, epochs: int) -> None:
    """Trains through Lightning, an epoch for each line on stdin."""
    torch.manual_seed(seed)
    task = Classification(
        network=LeNet(1, (400, 700), 2),
        loss=nn.CrossEntropyLoss,
        optimizer=partial(torch.optim.SGD, lr=LR, fused=True),
        scheduler=None,
        classes=data.labels.names,
        defect=data.labels.defect,
        ordered=False,
        mean=data.mean,
        std=data.std,
    )
    fit_in_turns(task, data, precision, epochs, "val/f1")


def one(name: str, given: argparse.Namespace) -> None:
    """One of the trainings, in its own process: an epoch for each line on stdin, `seconds f1` on stdout."""
    be_quiet()
    data = coil_data(given.data, seed=given.seed)
    data.setup()
    precision = pick_hardware({"accelerator": "cpu", "precision": "auto", "channels_last": "auto"}).precision
    if name == "ours":
        ours(data, given.seed, precision, given.epochs)
        return
    epochs = article(data, given.seed) if name == "article" else by_hand(data, given.seed, precision)
    for _ in range(given.epochs):
        sys.stdin.readline()
        print(*next(epochs), flush=True)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=12, help="epochs of each; the first is not counted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", default="data", help="folder for synthetic images and the cache")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given)
        return
    data = coil_data(given.data, seed=given.seed)
    data.setup()
    hardware = pick_hardware({"accelerator": "cpu", "precision": "auto", "channels_last": "auto"})
    count = len(data.samples.rows("train"))
    del data
    print(
        f"{hardware.description}; ours and by hand in {hardware.precision}; {count} SYNTHETIC training images"
    )
    command = [sys.executable, "-m", "benchmarks.coil_training", "--epochs", str(given.epochs)]
    command += ["--seed", str(given.seed), "--data", given.data, "--one"]
    printed = take_turns(command, NAMES, given.epochs)
    report(printed, count)
    for name, turns in printed.items():
        scores = [f1 for _, f1 in turns]
        print(f"  {name:12s} validation f1: last {scores[-1]:.3f}, best {max(scores):.3f}")


if __name__ == "__main__":
    main()
