"""Train an inspector: python scripts/train.py task=coil model=lenet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from inspection.config.entry import main
from inspection.config.saved import plain


def train(cfg: DictConfig, run: Path) -> Mapping[str, Any] | None:
    """Train, test and keep everything in the run folder."""
    from inspection.runs.train import train as run_training  # torch comes in after the config stands

    return run_training(plain(cfg), run)


if __name__ == "__main__":
    main("train", train, __doc__)
