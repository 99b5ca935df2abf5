"""Every task trains on its synthetic set, for one tiny epoch, and leaves a whole run."""

import csv
import json

import pytest

from inspection.data.images import read_image
from inspection.inspector import Inspector
from tests.conftest import TINY

PICTURES = {"equipment": "boxes", "mvtec": "places", "surface": "masks", "thermal": "thermal"}
"""Folder of the pictures of single images, where it is not `heatmaps`."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TINY if name != "thermal"])  # test_thermal.py
def test_task_trains_on_its_synthetic_set(name, compose, run_training, tmp_path):
    places = [f"paths.data={tmp_path / 'data'}", f"paths.outputs={tmp_path / 'outputs'}"]
    config = compose("train", [f"task={name}", "trainer.precision=32-true", *TINY[name], *places])
    run = run_training(config, tmp_path / "run")
    assert "SYNTHETIC images" in run.output
    assert run.warnings == []
    for file in (
        "config.yaml",
        "history.csv",
        "splits.csv",
        "inspector.safetensors",
        "checkpoints/best.ckpt",
        "report.html",
    ):
        assert (run.folder / file).is_file(), file
    figures = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert figures["task"] == name
    assert figures["data"]["synthetic"] is True
    assert config.task.monitor.partition("/")[2] in figures["val"]
    with (run.folder / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        predictions = list(csv.DictReader(stream))
    with (run.folder / "splits.csv").open(newline="", encoding="utf-8") as stream:
        split = list(csv.DictReader(stream))
    assert len(predictions) == sum(row["split"] != "train" for row in split)
    pictures = {path.name for path in (run.folder / "pictures").rglob("*.png")}
    assert {"samples.png", "learning_curves.png", "confusion_matrix_val.png"} <= pictures
    assert list((run.folder / "pictures" / PICTURES.get(name, "heatmaps")).rglob("*.png"))

    # The inspector says of the camera images what the run said of them.
    inspector = Inspector.load(run.folder / "inspector.safetensors")
    some = predictions[:3]
    root = config.data.synthetic.folder
    images = [read_image(tmp_path.joinpath(root, row["file"])) for row in some]
    for verdict, row in zip(inspector.inspect(images, heatmaps=True), some, strict=True):
        for label, value in verdict.probabilities.items():
            assert value == pytest.approx(float(row[f"probability_{label}"]), abs=1e-4)
        if "verdict" in row:
            assert verdict.label == row["verdict"]
        else:
            assert {label: str(on) for label, on in verdict.called.items()} == {
                label: row[f"verdict_{label}"] for label in verdict.called
            }
