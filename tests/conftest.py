"""What tests share: tiny images, configs composed from `conf/`, and one trained run."""

import contextlib
import io
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from inspection.config.entry import CONF
from inspection.config.folders import register_resolvers
from inspection.config.saved import plain
from inspection.data.folder import FolderDataModule
from inspection.inspector import Inspector

torch.set_num_threads(1)  # tests run side by side on few cores


def few(pictures: str = "heatmaps") -> list[str]:
    """One epoch of small batches, and one picture of each choice.

    Args:
        pictures: The callback that draws them.
    """
    counts = [f"callbacks.{pictures}.{what}=1" for what in ("per_class", "mistakes", "test_mistakes")]
    return ["trainer.max_epochs=1", "trainer.accelerator=cpu", "data.batch_size=8", *counts]


TINY = {
    "coil": [*few(), "data.synthetic.count=30", "data.image_size=[32,56]"],
    "seam": [
        *few(),
        "data.image_size=[32,32]",
        "data.synthetic.videos=8",
        "data.synthetic.frames=4",
        "data.split=[0.5,0.25,0.25]",
    ],
    "cifar10": [*few(), "data.synthetic.train=60", "data.synthetic.test=20", "data.split=[0.6,0.4,0]"],
    "process": [
        *few(),
        "data.image_size=[32,32]",
        "data.synthetic.bursts=24",
        "data.synthetic.frames=2",
    ],
    "defect": [
        *few(),
        "data.image_size=[48,48]",
        "data.synthetic.train=24",
        "data.synthetic.val=8",
        "data.synthetic.test=8",
    ],
    "mvtec": [
        *few("places"),
        "data.image_size=[64,64]",
        "data.synthetic.size=64",
        "data.synthetic.good_train=8",
        "data.synthetic.good_test=8",
        "data.synthetic.defects=6",
    ],
    "surface": [
        *few("masks"),
        "data.image_size=[32,48]",
        "data.synthetic.size=64",
        "data.synthetic.good_train=8",
        "data.synthetic.good_test=8",
        "data.synthetic.defects=6",
        "model.width=4",
    ],
    "thermal": [
        *few("thermal"),
        "data.image_size=[48,48]",
        "data.synthetic.count=30",
    ],
    "equipment": [
        *few("boxes"),
        "data.synthetic.count=24",
        "data.image_size=[64,96]",
        "model.width=4",
    ],
}
"""What makes a task on its synthetic set small enough for a test."""

PLAIN_DATA: dict[str, Any] = {
    "synthetic": None,
    "crop": None,
    "image_size": [8, 10],
    "channels": 1,
    "white_level": None,
    "split": [0.5, 0.3, 0.2],
    "split_seed": 0,
    "group": None,
    "splits": None,
    "fold": None,
    "folds": 5,
    "balance": "none",
    "batch_size": 4,
    "memory_budget": 10,
    "seed": 0,
    "augment": None,
    "mean": [0.5],
    "std": [0.5],
}
"""What a data module is built with by hand, beside its place and its classes."""

SIZE = (40, 48)  # pixels, height and width


def write_image(path: Path, image: np.ndarray) -> Path:
    """Write a picture as the suffix says; `cv2.imwrite` would fail for some paths on some systems."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, image)
    assert done
    path.write_bytes(data.tobytes())
    return path


def draw_part(random: np.random.Generator, contrast: float) -> np.ndarray:
    """A noisy grey surface, uint8 [40, 48], with a square on it that is brighter by `contrast`."""
    surface = random.normal(110, 12, SIZE)
    top, left = random.integers(4, 24), random.integers(4, 32)
    surface[top : top + 12, left : left + 12] += contrast
    return surface.clip(0, 255).astype(np.uint8)


def draw_folder(root: Path, good: int = 60, defects: int = 36, seed: int = 0) -> Path:
    """A folder of tiny images: bright squares are defects, and some are hard to tell."""
    random = np.random.default_rng(seed)
    for folder, count, low, high in (("1_io", good, -12, 24), ("0_nio", defects, 12, 80)):
        for number in range(count):
            image = draw_part(random, random.uniform(low, high))
            write_image(root / "01_train_val_test" / folder / f"{number:03d}.png", image)
    return root


def check_answers(run: Path) -> None:
    """Check that what a run's inspector says, evaluated in its network's place, gives the run's figures."""
    from inspection.runs.evaluate import outcome_with, rebuild

    expected = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["val"]
    found = outcome_with(rebuild(run, {}), Inspector.load(run)).figures
    known = {name: value for name, value in found.items() if not math.isnan(value)}
    assert len(known) > 5
    for name, value in known.items():
        assert value == pytest.approx(expected[name], rel=1e-4, abs=1e-4), name


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny images of two classes; not to be written to."""
    return draw_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def overrides(images: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command line that trains a small network on the tiny images in about a second."""
    place = tmp_path_factory.mktemp("paths")
    return [
        "task=coil",
        "model=small_cnn",
        "optimizer.lr=0.005",
        "optimizer.momentum=0.9",
        f"data.root={images}",
        "data.crop=null",
        "data.image_size=[40,48]",
        "data.mean=[0.45]",
        "data.std=[0.1]",
        "data.batch_size=4",
        "trainer.accelerator=cpu",
        "trainer.precision=32-true",
        "trainer.max_epochs=2",
        f"paths.data={place / 'data'}",
        f"paths.outputs={place / 'outputs'}",
    ]


def compose_script(name: str, overrides: list[str]) -> DictConfig:
    """The config that `scripts/<name>.py` hands on."""
    register_resolvers(reserve=False)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, overrides)


@pytest.fixture(scope="session")
def config(overrides: list[str]) -> Callable[..., DictConfig]:
    """Composes the config of a tiny run with further overrides."""
    return lambda *more: compose_script("train", [*overrides, *more])


@pytest.fixture(scope="session", name="compose")
def compose_any() -> Callable[[str, list[str]], DictConfig]:
    """Composes the config of any script."""
    return compose_script


@pytest.fixture(scope="session")
def quick(config: Callable[..., DictConfig]) -> Callable[..., DictConfig]:
    """Like `config`, without the pictures that most tests do not look at."""
    bare = ["~callbacks.heatmaps", "~callbacks.samples", "~callbacks.charts", "logger=none"]
    return lambda *more: config(*bare, *more)


@dataclass(frozen=True)
class TrainedRun:
    """A finished run."""

    folder: Path
    config: DictConfig
    result: dict[str, Any]
    output: str
    errors: str
    warnings: list[str]


def train_aside(cfg: DictConfig, folder: Path) -> TrainedRun:
    """Train in this process, and keep what was said."""
    from inspection.runs.train import train

    folder.mkdir(parents=True, exist_ok=True)
    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            result = train(plain(cfg), folder)
    messages = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    return TrainedRun(folder, cfg, result, out.getvalue(), err.getvalue(), messages)


@pytest.fixture(scope="session")
def run_training() -> Callable[[DictConfig, Path], TrainedRun]:
    """Trains in this process, and keeps what was said."""
    return train_aside


@pytest.fixture(scope="session")
def trained(config: Callable[..., DictConfig], tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A run with everything on; not to be written to.

    Its learning rate is multiplied by 500 after the second epoch, so that the last weights are ruined and the
    best ones are of another epoch.
    """
    ruin = ["scheduler=step", "scheduler.step_size=2", "scheduler.gamma=500"]
    cfg = config("trainer.max_epochs=3", "callbacks.heatmaps.every_n_epochs=2", *ruin)
    return train_aside(cfg, tmp_path_factory.mktemp("runs") / "trained")


@pytest.fixture(scope="session")
def draw() -> Callable[..., Path]:
    """Draws a folder of tiny images: see `draw_folder`."""
    return draw_folder


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Calls `scripts/<name>.py` in a process of its own, in `tmp_path`."""

    def call(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(CONF.parent / "scripts" / f"{name}.py"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return call


@pytest.fixture
def module(tmp_path: Path) -> Callable[..., FolderDataModule]:
    """Builds a data module over `tmp_path/images`, with plain arguments and no config."""

    def build(**settings: Any) -> FolderDataModule:
        own = {
            "folders": [["0_nio", "defect"], ["1_io", "ok"]],
            "part_folders": False,
            "root": str(tmp_path / "images"),
            "classes": ["ok", "defect"],
            "defect": "defect",
            "cache_dir": str(tmp_path / "cache"),
        }
        return FolderDataModule(**PLAIN_DATA | own | settings)

    return build
