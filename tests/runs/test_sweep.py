"""A sweep of real training runs: its table, a job that fails, and memory over the jobs."""

import csv
import gc
import os
import subprocess
import sys

import pytest

from inspection.config.entry import CONF
from inspection.data.cache import ImageCache

# scripts/train.py that says after each job how much memory the process has.
WEIGHED = '''
"""Train, and weigh the process."""
import gc
from pathlib import Path
from inspection.config.entry import main
from inspection.config.saved import plain

def job(cfg, run):
    from inspection.runs.train import train
    result = train(plain(cfg), run)
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print("MiB", pages * 4096 // 2**20, flush=True)
    return result

if __name__ == "__main__":
    main("train", job, __doc__)
'''

BARE = ["~callbacks.heatmaps", "~callbacks.samples", "~callbacks.charts", "logger=none"]


def test_a_finished_run_leaves_nothing_in_memory(quick, run_training, tmp_path):
    """What refers to each other in a circle is gone with the next collection: the images above all."""

    def alive():
        gc.collect()
        return sum(type(thing) is ImageCache for thing in gc.get_objects())

    before = alive()
    for number in range(2):
        run_training(quick("trainer.max_epochs=1"), tmp_path / str(number))
    assert alive() == before


@pytest.fixture(scope="module")
def swept(overrides, tmp_path_factory):
    """Seven jobs in one process, of which one fails; each has 10 MiB of decoded images."""
    place = tmp_path_factory.mktemp("sweep")
    (place / "weighed.py").write_text(WEIGHED)
    large = ["data.image_size=[300,360]", "data.batch_size=2", "trainer.max_epochs=1", "model.width=2"]
    large += ["trainer.limit_train_batches=1", "trainer.limit_val_batches=2", "trainer.limit_test_batches=2"]
    sweep = ["-m", "optimizer.lr=0.1,0.01,0.001,-1,0.3,0.03,0.003"]
    command = [*overrides, *BARE, *large, f"paths.outputs={place / 'outputs'}", *sweep]
    done = subprocess.run(
        [sys.executable, "weighed.py", *command],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(CONF.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    (folder,) = (place / "outputs" / "sweeps").iterdir()
    return done, folder


@pytest.mark.slow
def test_job_that_fails_is_a_row_and_the_others_go_on(swept):
    done, folder = swept
    assert done.returncode == 1
    with (folder / "sweep.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 7
    *good, bad = rows
    assert any("optimizer.lr=-1" in override for override in bad["overrides"].split())
    assert "learning rate" in bad["error"].lower()
    assert (bad["rank"], bad["val/f1"]) == ("-", "")
    ranked = [float(row["val/f1"]) for row in good if row["rank"] != "-"]
    assert ranked == sorted(ranked, reverse=True)
    for row in good:
        assert row["error"] == ""
        assert {"val/f1", "test/f1", "best_epoch", "minutes"} <= row.keys()
        for name in ("metrics.json", "inspector.safetensors", "config.yaml", "checkpoints/best.ckpt"):
            assert (folder / row["folder"].rpartition("/")[2] / name).is_file()
    assert "1 failed, 0 not run, of 7 jobs" in done.stdout
    assert str(folder / "sweep.csv") in done.stdout
    assert "job 4 failed: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="Linux says how much memory there is")
def test_memory_does_not_grow_over_the_jobs(swept):
    """From the second job to the sixth: four sets of decoded images would be 40 MiB."""
    weights = [int(line.split()[1]) for line in swept[0].stdout.splitlines() if line.startswith("MiB ")]
    assert len(weights) == 6
    assert weights[-1] - weights[1] < 20, weights
