"""Training throughput of any task against a raw loop on the same tensors.

    python -m benchmarks.training --task cifar10
    python -m benchmarks.training --task seam
    python -m benchmarks.training --task surface                        # masks as targets

Three trainings of the task's own network on the same images, with its batch size, optimizer, loss and
augmentation, each in a process of its own, take turns of a few batches:

- float32: a plain loop, eager, in float32, as tutorials have it;
- by hand: a plain loop with what makes ours fast (bfloat16, channels last, freed memory kept by the process);
- ours: Lightning, data module, task module and TensorBoard logger as `scripts/train.py` builds them; the callbacks
  that draw and write between the epochs are left out.

The ratios are of medians over the turns after the first.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch
from hydra import compose, initialize_config_dir

from benchmarks.turns import be_quiet, fit_in_turns, report, take_turns
from inspection.config.entry import CONF
from inspection.config.folders import register_resolvers
from inspection.config.instantiate import instantiate
from inspection.config.saved import plain
from inspection.data.module import ImageDataModule
from inspection.models.normalised import Normalised
from inspection.runs.hardware import keep_freed_memory, pick_hardware

NAMES = ("float32", "by hand", "ours")


def composed(given: argparse.Namespace) -> dict[str, Any]:
    """The task's config."""
    register_resolvers(reserve=False)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("train", [f"task={given.task}", f"paths.data={given.data}", *given.overrides]))


def by_hand(
    config: dict[str, Any], data: ImageDataModule, batches: int, fast: bool, precision: str
) -> Iterator[float]:
    """Seconds of some batches, turn by turn."""
    if fast:
        keep_freed_memory()
    low = fast and precision == "bf16-mixed"
    layout = torch.channels_last if low else torch.contiguous_format
    network = Normalised(instantiate(config["model"]), data.mean, data.std).to(memory_format=layout).train()
    optimizer = instantiate(config["optimizer"])(network.parameters())
    loss = instantiate(config["loss"])()
    rows = data.samples.rows("train")
    table = data.batch(rows)
    images, answers = table["image"], table.get("mask", table["target"])
    generator = torch.Generator().manual_seed(0)
    while True:
        start = time.perf_counter()
        for index in torch.randperm(len(images)).split(data.batch_size)[:batches]:
            batch, wanted = images[index], answers[index]
            if data.augment is not None:
                changes = data.augment.draw(len(batch), generator)
                batch = changes.of_images(batch)
                wanted = changes.of_masks(wanted) if "mask" in table else wanted
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                logits = network(batch.contiguous(memory_format=layout))
            loss(logits.float(), wanted).backward()
            optimizer.step()
        yield time.perf_counter() - start


def one(name: str, given: argparse.Namespace) -> None:
    """One of the trainings, a turn for each line on stdin."""
    be_quiet()
    torch.manual_seed(0)
    config = composed(given)
    data: ImageDataModule = instantiate(config["data"])
    data.setup()
    precision = pick_hardware(config["trainer"] | {"accelerator": "cpu"}).precision
    if name == "ours":
        task = instantiate(config["task"]["module"])
        few = {"limit_train_batches": given.batches, "limit_val_batches": 0}
        fit_in_turns(task, data, precision, given.turns, None, **few)
        return
    seconds = by_hand(config, data, given.batches, name == "by hand", precision)
    for _ in range(given.turns):
        sys.stdin.readline()
        print(next(seconds), flush=True)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="cifar10")
    parser.add_argument("--turns", type=int, default=8, help="of each; the first is not counted")
    parser.add_argument("--batches", type=int, default=10, help="a turn")
    parser.add_argument("--data", default="data", help="folder for synthetic images and the cache")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", help="of the task's config, such as data.batch_size=64")
    given = parser.parse_intermixed_args()
    if given.one:
        one(given.one, given)
        return
    config = composed(given)
    data: ImageDataModule = instantiate(config["data"])
    data.setup()
    batches = min(given.batches, len(data.samples.rows("train")) // data.batch_size)
    kind = "SYNTHETIC images" if data.is_synthetic else "images"
    hardware = pick_hardware(config["trainer"] | {"accelerator": "cpu"})
    print(
        f"{given.task}: {type(instantiate(config['model'])).__name__}, batches of {data.batch_size}, {kind}"
    )
    print(f"{hardware.description}; ours and by hand in {hardware.precision}; seconds of {batches} batches")
    command = [sys.executable, "-m", "benchmarks.training", "--task", given.task, "--data", given.data]
    command += ["--turns", str(given.turns), "--batches", str(batches), *given.overrides, "--one"]
    del data
    report(take_turns(command, NAMES, given.turns), batches * config["data"]["batch_size"])


if __name__ == "__main__":
    main()
