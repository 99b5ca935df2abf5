"""Located defects from training to prediction, on images in MVTec AD's layout."""

import csv
import json
import shutil

import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.data.images import read_image
from inspection.inspector import Inspector
from inspection.runs.predict import predict
from tests.conftest import TINY, check_answers


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def run(compose, run_training, tmp_path_factory):
    """Trained for two epochs, with an operating point at which some are called."""
    place = tmp_path_factory.mktemp("mvtec")
    places = [f"paths.data={place / 'data'}", f"paths.outputs={place / 'outputs'}"]
    more = ["trainer.max_epochs=2", "trainer.precision=32-true", "optimizer.lr=0.001"]
    return run_training(compose("train", ["task=mvtec", *TINY["mvtec"], *more, *places]), place / "run")


@pytest.mark.slow
def test_a_run_tells_how_good_the_places_are(run):
    figures = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    for part in ("val", "test"):
        for name in ("pointing", "pixel_auroc", "aupro", "box_iou", "hit_rate", "f1"):
            assert name in figures[part]
        for kind in ("scratch", "spot", "stain", "combined"):
            assert 0 <= figures[part][f"pixel_auroc/{kind}"] <= 1
            assert f"recall/{kind}" in figures[part]
        assert (figures[part]["box_threshold"], figures[part]["hit_iou"]) == (0.8, 0.3)
    assert "each type of defect" in run.output
    kinds = {row["kind"] for row in table(run.folder / "predictions.csv")}
    assert kinds == {"good", "scratch", "spot", "stain", "combined"}
    drawn = {path.name for path in (run.folder / "pictures" / "places_test").iterdir()}
    assert {f"{kind}_01.png" for kind in kinds} <= drawn
    assert list((run.folder / "pictures" / "places" / "best").iterdir())


@pytest.mark.slow
def test_a_set_without_masks_is_learned_from_and_its_places_are_not_measured(
    run, compose, run_training, tmp_path
):
    root = tmp_path / "set"
    shutil.copytree(run.folder.parent / "data" / "synthetic" / "mvtec", root)
    shutil.rmtree(root / "ground_truth")
    places = [f"data.root={root}", f"paths.data={tmp_path / 'data'}", f"paths.outputs={tmp_path / 'outputs'}"]
    again = run_training(compose("train", ["task=mvtec", *TINY["mvtec"], *places]), tmp_path / "run")
    assert "no ground_truth/: how good the places are is not measured" in again.output
    figures = json.loads((again.folder / "metrics.json").read_text(encoding="utf-8"))["test"]
    assert figures["accuracy"] is not None
    assert "recall/scratch" in figures
    for name in ("pointing", "pixel_auroc", "aupro", "box_iou", "hit_rate", "box_precision"):
        assert figures[name] is None
    assert {row["pointing"] for row in table(again.folder / "predictions.csv")} == {""}
    assert list((again.folder / "pictures" / "places_test").iterdir())


@pytest.mark.slow
def test_prediction_says_what_the_run_said(run, tmp_path, compose):
    root = run.folder.parent / "data" / "synthetic" / "mvtec"
    line = [f"run='{run.folder}'", f"input='{root / 'test'}'", f"output='{tmp_path}'", "batch_size=7"]
    assert predict(plain(compose("predict", line))) == 0
    said = {f"test/{row['file']}": row for row in table(tmp_path / "predictions.csv")}
    rows = [row for row in table(run.folder / "predictions.csv") if row["file"] in said]
    assert len(rows) > 8
    boxes, boxes_of_run = (table(place / "boxes.csv") for place in (tmp_path, run.folder))
    assert {box["split"] for box in boxes_of_run} <= {"val", "test"}
    for row in rows:
        again = said[row["file"]]
        assert again["verdict"] == row["verdict"]
        assert again["boxes"] == row["boxes"]
        assert float(again["probability_defect"]) == pytest.approx(float(row["probability_defect"]), abs=1e-4)
        own = [box for box in boxes if f"test/{box['file']}" == row["file"]]
        assert len(own) == int(row["boxes"])
        of_run = [box for box in boxes_of_run if box["file"] == row["file"]]
        assert len(of_run) == len(own)
        for one, other in zip(own, of_run, strict=True):
            for name in ("left", "top", "right", "bottom", "score"):
                assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-3)
        assert (tmp_path / "overlays" / f"{row['file'].removeprefix('test/')}.png").is_file()
    assert all(0 <= float(box["left"]) < float(box["right"]) <= 64 for box in boxes)


@pytest.mark.slow
def test_boxes_go_with_the_verdict(run):
    inspector = Inspector.load(run.folder / "inspector.safetensors")
    root = run.folder.parent / "data" / "synthetic" / "mvtec" / "test"
    images = [read_image(path) for path in sorted(root.rglob("*.png"))[:6]]
    for threshold, called in ((0.0, True), (1.0, False)):
        for verdict in inspector.with_threshold(threshold).inspect(images, heatmaps=True):
            heat = verdict.heatmaps["defect"]
            flat = heat is None or bool((heat >= 0.8 * np.max(heat)).all())
            assert bool(verdict.boxes) == (called and not flat)


@pytest.mark.slow
def test_the_inspectors_answers_give_the_runs_figures(run):
    """What an inspector says, evaluated in place of the network's outputs, gives the figures of the training."""
    check_answers(run.folder)
