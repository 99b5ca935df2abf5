"""Every command of the README runs."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.strip().splitlines()]

# What makes a command of the README small enough for a test; the command's own words stay.
SMALL = [
    "data.synthetic.count=30",
    "data.image_size=[32,56]",
    "trainer.max_epochs=1",
    "callbacks.heatmaps.per_class=1",
    "callbacks.heatmaps.mistakes=1",
    "callbacks.heatmaps.test_mistakes=1",
]


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
        ("tensorboard", "--logdir"),
    }


def test_nothing_was_left_to_fill_in():
    assert not re.search(r"@[A-Z]+@|TODO|FIXME", README)


def test_linked_files_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


@pytest.mark.slow
def test_training_and_predicting_commands_run(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "clips"
    sys.path.insert(0, str(ROOT))
    from tests.conftest import draw_folder

    draw_folder(folder)
    (folder / "01_train_val_test" / "1_io").rename(folder / "good")
    (folder / "01_train_val_test" / "0_nio").rename(folder / "bad")
    monkeypatch.chdir(tmp_path)
    trained = 0
    for command in COMMANDS:
        program, *arguments = shlex.split(command, comments=True)
        if program != "python":
            continue
        arguments = [word.replace("/images/clips", str(folder)) for word in arguments]
        script = str(ROOT / arguments[0])
        if arguments[0].endswith("train.py"):
            # As many processes as GPUs are another test's matter; one will do here.
            devices = ["trainer.devices=1", "trainer.accelerator=cpu"] * ("trainer=ddp" in arguments)
            status = run_script([script, *arguments[1:], *SMALL, *devices], monkeypatch)
            trained += 1
        else:
            run = next(Path("outputs/coil/lenet").glob("*/inspector.safetensors")).parent
            arguments = [word.replace("outputs/coil/lenet/<time>", str(run)) for word in arguments]
            arguments = [
                word.replace("new_images", str(tmp_path / "data" / "synthetic")) for word in arguments
            ]
            status = run_script([script, *arguments[1:]], monkeypatch)
        assert status == 0, (command, capsys.readouterr())
    assert trained >= 7


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
