"""Every command of the README runs."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import TINY, draw_folder, write_image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.strip().splitlines()]


def exit_status(run, *arguments, **settings):
    """What a program ends with."""
    try:
        run(*arguments, **settings)
    except SystemExit as stop:
        return stop.code or 0
    return 0


def run_script(arguments, monkeypatch):
    """Run a script as `python` would, in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", arguments)
    return exit_status(runpy.run_path, arguments[0], run_name="__main__")


def test_all_commands_are_known():
    words = {tuple(shlex.split(command, comments=True)[:2]) for command in COMMANDS}
    assert words == {
        ("make", "train"),
        ("make", "test"),
        ("python", "scripts/train.py"),
        ("python", "scripts/predict.py"),
        ("python", "scripts/label.py"),
        ("python", "scripts/split.py"),
        ("python", "scripts/decide.py"),
        ("python", "scripts/evaluate.py"),
        ("python", "scripts/compare.py"),
        ("python", "scripts/explain.py"),
        ("python", "scripts/audit.py"),
        ("python", "scripts/export.py"),
        ("python", "scripts/stream.py"),
        ("tensorboard", "--logdir"),
    }


def test_nothing_was_left_to_fill_in():
    assert not re.search(r"@[A-Z]+@|TODO|FIXME", README)


def test_linked_files_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def write_labels(folder):
    """A labelled set as the labelling tool leaves it."""
    lines = ["name,good,error,break,length"]
    for video in range(6):
        for frame in range(4):
            name = f"v{video}_{frame:06d}.png"
            write_image(folder / "pics" / name, np.full((8, 8, 3), 16 * video + frame, np.uint8))
            lines.append(f"{name},{frame < 2},{frame == 2},{frame == 3},{video % 2 == 0}")
    (folder / "all_data.csv").write_text("\n".join(lines))


def check_end(name, arguments, status, said):
    """Whether a command ended as it has to on a machine without a screen and without a camera."""
    if name == "label.py" and "source=film.mp4" in arguments:
        assert (status, said.err.count("error: ")) == (2, 1), said  # no window can be opened here
    elif name == "stream.py" and "source=0" in arguments and status != 0:
        assert status == 2, (arguments, said)
        assert "source=0" in said.err
    elif name == "audit.py":
        assert status == ("\n0 errors" not in said.out), said  # what it finds here is another test's matter
    else:
        assert status == 0, (name, arguments, said)


@pytest.mark.slow
def test_commands_run(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "clips"
    draw_folder(folder)
    (folder / "01_train_val_test" / "1_io").rename(folder / "good")
    (folder / "01_train_val_test" / "0_nio").rename(folder / "bad")
    write_labels(tmp_path / "data" / "labels")
    (tmp_path / "film.mp4").write_bytes(b"a film")
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(display, raising=False)
    monkeypatch.chdir(tmp_path)
    ran = Counter()
    for command in COMMANDS:
        program, *arguments = shlex.split(command, comments=True)
        if program != "python":
            continue
        script = ROOT / arguments[0]
        runs = [place.parent for place in sorted(Path("outputs/coil/lenet").glob("*/inspector.safetensors"))]
        if "data.root=/images/next_week" in arguments and not (tmp_path / "next_week").exists():
            shutil.copytree("data/synthetic/coil", tmp_path / "next_week")
            for path in (tmp_path / "next_week").rglob("*.png"):  # other photographs than those of the run
                write_image(path, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) // 2 + 60)
        for named, here in (
            ("/images/clips", folder),
            ("/images/next_week", tmp_path / "next_week"),
            ("/images/coils", tmp_path / "next_week"),
            ("outputs/coil/lenet/<time>", (runs or [""])[0]),
            ("outputs/coil/resnet18/<time>", (runs or [""])[-1]),
            ("new_images", "data/synthetic/coil"),
        ):
            arguments = [word.replace(named, str(here)) for word in arguments]
        if script.name in ("train.py", "audit.py"):
            task = next((word[5:] for word in arguments if word.startswith("task=")), "coil")
            # As many processes as GPUs are another test's matter; one will do here.
            devices = ["trainer.devices=1", "trainer.accelerator=cpu"] * ("trainer=ddp" in arguments)
            arguments += [*TINY[task], *devices]
        if script.name == "export.py":
            arguments += [
                "max_drop=1",
                "max_changed=1",
                "images=8",
            ]  # what it trained here has learned nothing
        if "sinks=[csv,web]" in arguments:
            arguments += ["sinks.web.port=0"]
        status = run_script([str(script), *arguments[1:]], monkeypatch)
        said = capsys.readouterr()
        ran[script.name] += 1
        check_end(script.name, arguments, status, said)
    assert ran["train.py"] >= 11
    assert set(ran) == {path.name for path in (ROOT / "scripts").glob("*.py")}


def test_the_error_that_the_readme_shows_is_the_error_that_comes(monkeypatch, capsys):
    shown = re.search(r"\$ python (scripts/train.py .*)\n(error: .*)\n", README)
    assert shown
    arguments = shlex.split(shown[1])
    assert run_script([str(ROOT / arguments[0]), *arguments[1:]], monkeypatch) == 2
    assert capsys.readouterr().err.strip() == shown[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("target", "steps"),
    [
        ("train", ["scripts/train.py task=coil model=lenet"]),
        ("test", ["scripts/train.py", "ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"]),
    ],
)
def test_make_targets_do_what_the_readme_says(target, steps):
    done = subprocess.run(
        ["make", "-n", target, "VENV=nowhere"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "-m venv nowhere" in done.stdout
    for step in steps:
        assert step in done.stdout


def test_tensorboard_is_installed_as_a_command():
    assert (Path(sys.executable).parent / "tensorboard").is_file() or shutil.which("tensorboard")


def run_module(words, monkeypatch):
    """Run `python -m` in this process; its exit status."""
    module, *arguments = words
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    return exit_status(runpy.run_module, module, run_name="__main__", alter_sys=True)


@pytest.mark.slow
def test_benchmarks_know_the_arguments_that_the_readme_gives(monkeypatch, capsys):
    commands = re.findall(r"`python -m (benchmarks\.[^`]*)`", README)
    assert len(commands) >= 4
    for command in commands:
        words = command.split()
        assert run_module([*words, "--help"], monkeypatch) == 0, command
        described = capsys.readouterr().out
        for word in words[1:]:
            assert not word.startswith("--") or word in described, command


@pytest.mark.slow
def test_the_start_up_benchmark_runs(monkeypatch, capsys):
    assert run_module(["benchmarks.startup", "--repeats", "1"], monkeypatch) == 0
    shares = re.findall(r"train\.py --help .*?([\d.]+) x import torch", capsys.readouterr().out)
    assert len(shares) == 1
