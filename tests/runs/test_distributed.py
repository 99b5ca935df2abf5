"""Two processes on the CPU do what one does."""

import csv
import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from inspection.config.entry import CONF

pytestmark = pytest.mark.slow

# scripts/train.py with a callback that notes which images each process was given.
NOTED = '''
"""Train, and note who saw what."""
import json
from inspection.config.entry import main
from inspection.config.saved import plain

def job(cfg, run):
    import lightning as L
    from inspection.runs import train as runs

    class Note(L.Callback):
        def __init__(self):
            self.seen = {"train": [], "val": [], "test": []}
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            self.seen["train"].append(batch["index"].tolist())
        def on_validation_batch_end(self, trainer, module, outputs, batch, batch_idx, dataloader_idx=0):
            if trainer.state.fn == "validate":
                self.seen["val"].append(batch["index"].tolist())
        def on_test_batch_end(self, trainer, module, outputs, batch, batch_idx, dataloader_idx=0):
            self.seen["test"].append(batch["index"].tolist())
        def on_test_end(self, trainer, module):
            with open(f"seen_{trainer.global_rank}.json", "w") as stream:
                json.dump(self.seen, stream)

    build = runs._build_trainer
    def with_note(*arguments):
        trainer = build(*arguments)
        trainer.callbacks.append(Note())
        return trainer
    runs._build_trainer = with_note
    return runs.train(plain(cfg), run)

if __name__ == "__main__":
    main("train", job, __doc__)
'''


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def runs(config, overrides, run_training, tmp_path_factory):
    """The same run by one process and by two."""
    place = tmp_path_factory.mktemp("distributed")
    # LeNet: without batch normalisation, whose statistics are those of the share of a process.
    more = ["model=lenet", "optimizer.lr=0.02", "trainer.max_epochs=2", "data.batch_size=6"]
    more += ["callbacks.heatmaps.every_n_epochs=2", f"paths.outputs={place / 'outputs'}"]
    one = run_training(config(*more), place / "one")
    (place / "noted.py").write_text(NOTED)
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    done = subprocess.run(
        [sys.executable, "noted.py", *overrides, *more, *two],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(CONF.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return one, done, place


@pytest.fixture(scope="module")
def folder(runs):
    """There is one run folder, of the first process."""
    (folder,) = (runs[2] / "outputs" / "coil" / "lenet").iterdir()
    return folder


def test_one_set_of_files(runs, folder):
    one = runs[0].folder
    assert {path.name for path in folder.iterdir() if "events" not in path.name} == {
        path.name for path in one.iterdir() if "events" not in path.name
    } | {"job.json", ".hydra"}
    pictures = [{path.relative_to(run) for path in run.rglob("pictures/**/*.png")} for run in (one, folder)]
    assert pictures[0] == pictures[1]


def test_figures_equal_those_of_a_single_process(runs, folder):
    one, two = (json.loads((run / "metrics.json").read_text()) for run in (runs[0].folder, folder))
    for part in ("val", "test"):
        assert one[part].pop("confusion_matrix") == two[part].pop("confusion_matrix")
        errors = [run[part].pop("calibration_error") for run in (one, two)]
        assert errors[1] == pytest.approx(errors[0], abs=1e-4)
        assert two[part] == pytest.approx(one[part], abs=1e-4, nan_ok=True)
    first, second = (run["operating_point"]["points"][0] for run in (one, two))
    assert second["threshold"] == pytest.approx(first["threshold"], abs=1e-4)
    assert second["says"] == first["says"]
    assert one["best_epoch"] == two["best_epoch"]
    for row, other in zip(*(table(run / "history.csv") for run in (runs[0].folder, folder)), strict=True):
        for name, value in row.items():
            assert float(other[name]) == pytest.approx(float(value), abs=1e-4, nan_ok=True), name


def test_weights_equal_those_of_a_single_process(runs, folder):
    one, two = (load_file(run / "inspector.safetensors") for run in (runs[0].folder, folder))
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)


def test_every_image_is_predicted_once(runs, folder):
    one, two = (table(run / "predictions.csv") for run in (runs[0].folder, folder))
    assert len({row["file"] for row in two}) == len(two)
    for row, other in zip(one, two, strict=True):
        for name in ("file", "split", "target", "verdict"):
            assert row[name] == other[name]
        assert float(row["probability_defect"]) == pytest.approx(float(other["probability_defect"]), abs=1e-4)


def test_each_process_has_its_share(runs, folder):
    """Half of every batch, in which the sampler has balanced the classes over both halves."""
    first, second = (json.loads((runs[2] / f"seen_{rank}.json").read_text()) for rank in (0, 1))
    assert [len(batch) for batch in first["train"]] == [len(batch) for batch in second["train"]] == [3] * 16
    files = sorted(table(folder / "splits.csv"), key=lambda row: row["file"])
    for mine, others in zip(first["train"], second["train"], strict=True):
        classes = [files[row]["class"] for row in [*mine, *others]]
        assert sorted(classes) == ["defect"] * 3 + ["ok"] * 3
    for part in ("val", "test"):
        shares = [{row for batch in seen[part] for row in batch} for seen in (first, second)]
        assert not shares[0] & shares[1]
        assert {files[row]["split"] for row in shares[0] | shares[1]} == {part}
        assert len(shares[0] | shares[1]) == sum(row["split"] == part for row in files)
    assert [sum(map(len, seen["val"])) for seen in (first, second)] == [15, 14]  # not the same number


def test_one_process_speaks(runs):
    one, done, _ = runs
    assert done.stderr == ""
    said = [
        [line.split()[0] for line in text.splitlines() if line.strip()] for text in (one.output, done.stdout)
    ]
    place = len(one.output.splitlines()) - 1
    assert place > 20
    assert len(said[0]) == len(said[1])  # the same lines, none of them twice
    assert done.stdout.count("decoding images") == 1
    assert done.stdout.count("epoch   1/2") == 1
