import csv
import json

import numpy as np

from inspection.config.sweep import read_jobs, report


def record(folder, number, **changes):
    run = folder / str(number)
    run.mkdir(parents=True)
    job = {
        "job": number,
        "overrides": ["task=coil", f"optimizer.lr={number}"],
        "status": "done",
        "error": None,
        "metric": "val/f1",
        "mode": "max",
        "value": 0.5,
        "minutes": 1.25,
        "test/f1": 0.25,
    }
    (run / "job.json").write_text(json.dumps(job | changes))


def test_order(tmp_path):
    record(tmp_path, 0, status="failed", error="RuntimeError: out of memory\nmore", value=None)
    record(tmp_path, 1, value=None)
    record(tmp_path, 2, value=0.7)
    record(tmp_path, 3, value=0.9)
    record(tmp_path, 4, value=0.9)
    assert [job["job"] for job in read_jobs(tmp_path)] == [3, 4, 2, 1, 0]


def test_smaller_is_better(tmp_path):
    for number, value in enumerate((0.3, 0.1, 0.2)):
        record(tmp_path, number, value=value, mode="min", metric="val/loss")
    assert [job["job"] for job in read_jobs(tmp_path)] == [1, 2, 0]


def test_table_and_file(tmp_path, capsys):
    record(tmp_path, 0, status="failed", error="RuntimeError: out of memory\nmore", value=None)
    record(tmp_path, 1, value=None)
    record(tmp_path, 2, value=2 / 3)
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "job.json").write_text("{")  # cut off by a full disk
    assert not report(tmp_path, ["optimizer.lr"], expected=4)

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["rank", "overrides", "val/f1", "test/f1", "minutes", "folder", "error"]
    assert lines[2].split()[:5] == ["1", "optimizer.lr=2", "0.6667", "0.2500", "1.2500"]
    assert lines[3].split()[:3] == ["-", "optimizer.lr=1", "undefined"]
    assert lines[4].endswith("RuntimeError: out of memory")
    assert lines[-1] == "1 failed, 1 not run, of 4 jobs"

    with (tmp_path / "sweep.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["val/f1"]) == 2 / 3
    assert rows[0]["overrides"] == "task=coil optimizer.lr=2"
    assert rows[2]["error"] == "RuntimeError: out of memory"


def test_all_done(tmp_path, capsys):
    record(tmp_path, 0)
    assert report(tmp_path, [], expected=1)
    assert "failed" not in capsys.readouterr().out


def test_folds_have_a_mean_and_a_spread(tmp_path, capsys):
    """Two settings in three folds: one figure is undefined in a fold, one job failed."""
    numbers = iter(range(6))
    for rate, values in ((0.1, (0.5, 0.7, 0.9)), (0.2, (0.6, 0.8, None))):
        for fold, value in enumerate(values):
            job = ["task=mvtec", f"optimizer.lr={rate}", f"data.fold={fold}"]
            test = {"test/f1": None if fold == 2 else 0.25 * fold, "test/f1/cat": 1.0}
            failed = {"status": "failed", "error": "RuntimeError: no"} if value is None else {}
            record(tmp_path, next(numbers), overrides=job, value=value, **test, **failed)
    assert not report(tmp_path, ["optimizer.lr", "data.fold"])
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("mean ± standard deviation")
    assert lines[start + 1 : start + 4] == [
        "over data.fold  optimizer.lr=0.1 (3 jobs)  optimizer.lr=0.2 (2 of 3 jobs)",
        "val/f1          0.7000 ± 0.2000            0.7000 ± 0.1414",
        "test/f1         0.1250 ± 0.1768 (of 2)     0.1250 ± 0.1768",
    ]
    with (tmp_path / "repeats.csv").open(newline="", encoding="utf-8") as stream:
        first = next(csv.DictReader(stream))
    assert first["over data.fold"] == "optimizer.lr=0.1"
    assert float(first["std val/f1"]) == np.std([0.5, 0.7, 0.9], ddof=1)
    assert (first["jobs val/f1"], first["jobs test/f1"]) == ("3", "2")


def test_settings_are_no_repeats(tmp_path, capsys):
    for number in range(3):
        record(tmp_path, number)
    assert report(tmp_path, ["optimizer.lr"])
    assert "mean" not in capsys.readouterr().out
    assert not (tmp_path / "repeats.csv").exists()


def test_a_setting_of_which_one_fold_is_left_is_told(tmp_path, capsys):
    for number, (rate, fold, status) in enumerate(
        [(0.1, 0, "done"), (0.1, 1, "done"), (0.2, 0, "done"), (0.2, 1, "failed")]
    ):
        job = [f"optimizer.lr={rate}", f"data.fold={fold}"]
        record(tmp_path, number, overrides=job, status=status, error="no", value=0.5)
    report(tmp_path, ["optimizer.lr", "data.fold"])
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("mean ± standard deviation")
    assert lines[start + 1].split("  ")[1:] == ["optimizer.lr=0.1 (2 jobs)", "optimizer.lr=0.2 (1 of 2 jobs)"]
    assert lines[start + 2].split()[-1] == "0.5000"
