"""Masks from training to prediction: what a run says of its images, its inspector says again."""

import csv
import json

import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.runs.predict import predict
from tests.conftest import TINY, check_answers, write_image


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def run(compose, run_training, tmp_path_factory):
    """Trained until it calls some defects."""
    place = tmp_path_factory.mktemp("surface")
    places = [f"paths.data={place / 'data'}", f"paths.outputs={place / 'outputs'}"]
    more = ["trainer.max_epochs=20", "optimizer.lr=0.01", "callbacks.masks.every_n_epochs=0"]
    more += [
        "trainer.precision=32-true",
        "data.batch_size=4",
        "task.module.threshold=0.2",
        "task.module.min_area=2",
    ]
    return run_training(compose("train", ["task=surface", *TINY["surface"], *more, *places]), place / "run")


@pytest.mark.slow
def test_run_and_prediction_say_the_same(run, tmp_path, compose):
    root = run.folder.parent / "data" / "synthetic" / "surface"
    line = [f"run='{run.folder}'", f"input='{root / 'test'}'", f"output='{tmp_path}'", "batch_size=7"]
    assert predict(plain(compose("predict", line))) == 0
    said = {f"test/{row['file']}": row for row in table(tmp_path / "predictions.csv")}
    rows = [row for row in table(run.folder / "predictions.csv") if row["file"] in said]
    assert len(rows) > 8
    for row in rows:
        again = said[row["file"]]
        assert again["verdict"] == row["verdict"]
        assert again["defects"] == row["defects"]
        assert again["area"] == row["area"]
        assert again["called_pixels"] == row["called_pixels"]
        # 64 x 64 camera pixels became 32 x 48
        assert float(row["area"]) == pytest.approx(int(row["called_pixels"]) * 64 * 64 / (32 * 48), abs=0.1)
        assert (tmp_path / "overlays" / f"{row['file'].removeprefix('test/')}.png").is_file()
    predicted = table(tmp_path / "defects.csv")
    of_run = [row for row in table(run.folder / "defects.csv") if row["file"] in said]
    assert len(of_run) > 4
    for row in of_run:
        part = {name: value for name, value in row.items() if name not in ("file", "split")}
        assert any(
            part.items() <= other.items() for other in predicted if row["file"] == f"test/{other['file']}"
        )


@pytest.mark.slow
def test_figures_of_a_run_follow_from_its_inspector_and_the_mask_files(run):
    """Dice of each image, by hand from the camera images; where no size changes, the masks are the same."""
    figures = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert set(figures["test"]["kinds"]) == {"good", "scratch", "spot", "stain", "combined"}
    for kind, own in figures["test"]["kinds"].items():
        assert figures["test"][f"dice/{kind}"] == pytest.approx(own["dice"])
    each = [float(row["dice"]) for row in table(run.folder / "predictions.csv") if row["split"] == "test"]
    assert figures["test"]["dice"] == pytest.approx(np.mean(each), abs=1e-5)
    inspector = Inspector.load(run.folder / "inspector.safetensors")
    root = run.folder.parent / "data" / "synthetic" / "surface"
    row = next(row for row in table(run.folder / "predictions.csv") if row["kind"] == "stain")
    (verdict,) = inspector.inspect([read_image(root / row["file"])])
    assert verdict.mask.shape == (64, 64)
    assert (verdict.mask.sum() > 0) == (int(row["called_pixels"]) > 0)


@pytest.mark.parametrize("model", ["model=resnet18_cam", "model=small_cnn"])
def test_a_network_without_masks_is_refused_by_name(compose, run_training, tmp_path, model):
    own = [override for override in TINY["surface"] if not override.startswith("model.")]
    places = [f"paths.data={tmp_path / 'data'}", f"paths.outputs={tmp_path / 'outputs'}"]
    with pytest.raises(InputError, match=r"gives \[1, 2\] for masks \[1, 1, 32, 48\]: .* such as model=unet"):
        run_training(compose("train", ["task=surface", model, *own, *places]), tmp_path / "run")


def test_a_set_without_masks_is_refused(compose, run_training, tmp_path):
    for place in ("train/good", "test/good", "test/dent"):
        for number in range(5):
            write_image(tmp_path / "set" / place / f"{number}.png", np.zeros((32, 48), np.uint8))
    places = [f"paths.data={tmp_path / 'data'}", f"paths.outputs={tmp_path / 'outputs'}"]
    overrides = ["task=surface", *TINY["surface"], *places, f"data.root={tmp_path / 'set'}"]
    with pytest.raises(InputError, match=r"learns from the mask of each image.*set has no ground_truth/ "):
        run_training(compose("train", overrides), tmp_path / "run")


@pytest.mark.slow
def test_the_inspectors_answers_give_the_runs_figures(run):
    """What an inspector says, evaluated in place of the network's outputs, gives the figures of the training."""
    check_answers(run.folder)
