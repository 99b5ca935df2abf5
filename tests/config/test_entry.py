"""The command line from outside, in processes of its own."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inspection.config.entry import CONF

pytestmark = pytest.mark.slow

TRAIN = CONF.parent / "scripts" / "train.py"
HEAVY = ("torch", "lightning", "numpy", "cv2", "matplotlib")
FAKE = '''
"""A job that costs nothing."""
import sys
from hydra.core.hydra_config import HydraConfig
from inspection.config.entry import main
from inspection.errors import InputError

def job(cfg, run):
    print("run", run, HydraConfig.get().run.dir, *sys.argv[1:])
    match cfg.seed:
        case 7: raise RuntimeError("exploded")
        case 8: raise InputError("data.root=x: no such folder")
        case 9: raise KeyboardInterrupt
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "last.ckpt").touch()
    value = float("nan") if cfg.seed == 5 else cfg.seed / 10
    return {"metric": "val/f1", "mode": "max", "value": value, "test/f1": 0.5}

if __name__ == "__main__":
    main("train", job, __doc__)
'''


@pytest.fixture
def call(tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)

    def call(*arguments, script="fake.py", **environment):
        environment = {**os.environ, "PYTHONPATH": str(CONF.parent), **environment}
        command = [sys.executable, str(script), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return call


def records(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("job.json"))]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["task=coi"], ["--cfg", "job"]])
def test_answers_without_anything_heavy(call, arguments):
    done = call(str(TRAIN), *arguments, script="-Ximporttime")  # lists every module that is imported
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "inspection" in imported
    assert not imported & set(HEAVY)
    assert done.returncode == (2 if arguments == ["task=coi"] else 0)


def test_a_run_and_its_resumption(call, tmp_path):
    assert call("seed=3").returncode == 0
    assert call("seed=4", "ckpt_path=last").returncode == 0
    (run,) = (tmp_path / "outputs" / "coil" / "lenet").iterdir()
    (record,) = records(run)
    assert record["overrides"] == ["seed=4", "ckpt_path=last"]
    assert (record["status"], record["metric"], record["value"]) == ("done", "val/f1", 0.4)
    assert record["test/f1"] == 0.5
    assert (run / ".hydra" / "config.yaml").is_file()


def test_runs_lie_below_the_name_of_their_task(call, tmp_path):
    assert call("task.name=clips", "seed=3").returncode == 0
    assert call("task.name=clips", "seed=4", "ckpt_path=last").returncode == 0
    (run,) = (tmp_path / "outputs" / "clips" / "lenet").iterdir()
    assert records(run)[0]["overrides"] == ["task.name=clips", "seed=4", "ckpt_path=last"]


def test_errors_of_a_run(call, tmp_path):
    mistake = call("seed=8")
    assert (mistake.returncode, mistake.stderr) == (2, "error: data.root=x: no such folder\n")
    assert "Traceback" in call("seed=8", HYDRA_FULL_ERROR="1").stderr
    fault = call("seed=7")
    assert fault.returncode == 1
    assert "RuntimeError: exploded" in fault.stderr
    # A mistake that was found before anything was written leaves no folder behind, a fault leaves its record.
    assert [r["error"] for r in records(tmp_path)] == ["RuntimeError: exploded"]
    assert len(list((tmp_path / "outputs" / "coil" / "lenet").iterdir())) == 1


def test_mistake_on_the_command_line(call):
    done = call("optimizer.lr=abc")
    expected = "error: optimizer.lr=abc: expected a number, found the text 'abc'\n"
    assert (done.returncode, done.stderr) == (2, expected)
    assert call("--mltirun").stderr == "error: --mltirun: no such flag; did you mean --multirun?\n"


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_sweep(call, tmp_path, launcher):
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    done = call("seed=3,7,5,4", "-m", f"hydra/launcher={launcher}")
    assert done.returncode == 1
    assert "job 2/4: seed=7" in done.stdout
    (sweep,) = (tmp_path / "outputs" / "sweeps").iterdir()
    with (sweep / "sweep.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["overrides"] for row in rows] == ["seed=4", "seed=3", "seed=5", "seed=7"]
    assert [row["val/f1"] for row in rows] == ["0.4", "0.3", "undefined", ""]
    assert (sweep / "1" / "traceback.txt").is_file()

    again = call("-m", "seed=3,6,5,4", f"hydra.sweep.dir={sweep}", f"hydra/launcher={launcher}")
    assert again.returncode == 0
    assert again.stdout.count("(done before)") == 3


def test_stopped_sweep_keeps_its_table(call, tmp_path):
    done = call("-m", "seed=3,9,4")
    assert done.returncode == 130
    assert "1 failed, 1 not run, of 3 jobs" in done.stdout
    (path,) = (tmp_path / "outputs" / "sweeps").glob("*/sweep.csv")
    assert len(path.read_text().splitlines()) == 3


def test_further_process_of_a_distributed_run(call, tmp_path):
    """Lightning starts it with these arguments and LOCAL_RANK; it works in the folder of the first."""
    folder = tmp_path / "outputs" / "a b"
    pinned = ["seed=3", f'hydra.run.dir="{folder}"', "hydra.job.name=rank", "hydra.output_subdir=null"]
    assert call(*pinned, LOCAL_RANK="1").returncode == 0
    assert sorted(p.name for p in folder.iterdir()) == ["checkpoints"]  # only the first writes a record


def test_distributed_job_of_a_sweep_hands_on_its_own_arguments(call, tmp_path):
    done = call("-m", "seed=3,4")
    (sweep,) = (tmp_path / "outputs" / "sweeps").iterdir()
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("run ")]
    assert [line[3:] for line in lines] == [["seed=3"], ["seed=4"]]
    assert [line[2] for line in lines] == [str(sweep / "0"), str(sweep / "1")]


def test_show_config_makes_no_folder(call, tmp_path):
    done = call("--cfg", "job", "model=small_cnn")
    assert "inspection.models.small_cnn.SmallCNN" in done.stdout
    assert not (tmp_path / "outputs").exists()
