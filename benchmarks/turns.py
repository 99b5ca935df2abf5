"""Trainings that take turns, each in a process of its own, so that a noisy machine hits all of them alike.

A variant waits for a line on stdin, trains for one turn, and prints what it took.
"""

import logging
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from typing import Any

import lightning as L

from inspection.callbacks.reseed import ReseedEachEpoch
from inspection.runs.hardware import keep_freed_memory


class _Turns(L.Callback):
    """Lets Lightning train one epoch when it is its turn."""

    def __init__(self, figure: str | None) -> None:
        self.figure = figure

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        sys.stdin.readline()
        self.start = time.perf_counter()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seconds = time.perf_counter() - self.start

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.figure is None:  # without validation
            print(time.perf_counter() - self.start, flush=True)
        else:
            print(self.seconds, float(trainer.callback_metrics[self.figure]), flush=True)


def be_quiet() -> None:
    """Nothing on stdout but what a turn took."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def fit_in_turns(
    task: Any, data: L.LightningDataModule, precision: str, turns: int, figure: str | None, **settings: Any
) -> None:
    """Train through Lightning, with logger and without the callbacks that draw and write, an epoch a turn.

    Args:
        task: The task module.
        data: The data module.
        precision: Of the trainer.
        turns: Epochs.
        figure: Printed after each turn; None: there is no validation.
        **settings: Of the trainer.
    """
    keep_freed_memory()
    if precision == "bf16-mixed":
        task.use_channels_last()
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            accelerator="cpu",
            precision=precision,  # type: ignore[arg-type]
            max_epochs=turns,
            callbacks=[ReseedEachEpoch(0), _Turns(figure)],
            logger=L.pytorch.loggers.TensorBoardLogger(folder),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            log_every_n_steps=10,
            **settings,
        )
        trainer.fit(task, datamodule=data)


def take_turns(command: Sequence[str], names: Sequence[str], turns: int) -> dict[str, list[list[float]]]:
    """Start a process a variant and let them take turns.

    Args:
        command: Starts a variant when its name is put behind.
        names: Of the variants.
        turns: Of each.

    Returns:
        What each variant printed in each of its turns: seconds first.
    """
    runs = {
        name: subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in names
    }
    printed: dict[str, list[list[float]]] = {name: [] for name in names}
    for turn in range(turns):
        for name, run in runs.items():
            assert run.stdin is not None
            assert run.stdout is not None
            run.stdin.write("go\n")
            run.stdin.flush()
            printed[name].append([float(word) for word in run.stdout.readline().split()])
        shown = "  ".join(f"{name} {' '.join(f'{v:.3f}' for v in printed[name][-1])}" for name in names)
        print(f"turn {turn + 1:2d}  {shown}", flush=True)
    for run in runs.values():
        run.wait()
    return printed


def report(printed: dict[str, list[list[float]]], images: int, ours: str = "ours") -> None:
    """Print images per second (medians after the first turn) and the ratios to ours."""
    seconds = {name: [values[0] for values in turns] for name, turns in printed.items()}
    median = {name: statistics.median(values[1:] or values) for name, values in seconds.items()}
    print(f"\nmedian of {max(1, len(seconds[ours]) - 1)} turns, after one to warm up")
    for name, value in median.items():
        print(f"  {name:12s} {images / value:8.1f} images/s")
    for name, value in median.items():
        if name != ours:
            ratios = [a / b for a, b in zip(seconds[name][1:], seconds[ours][1:], strict=True)]
            print(
                f"  {ours} / {name}: {value / median[ours]:.2f} x images per second "
                f"(turn by turn {min(ratios, default=0):.2f} to {max(ratios, default=0):.2f})"
            )
