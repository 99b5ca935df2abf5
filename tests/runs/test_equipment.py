"""Boxes from training to prediction: what a run says of its images, its inspector says again."""

import json

import numpy as np
import pytest

from inspection.data.images import read_image
from inspection.inspector import Inspector
from inspection.runs.evaluate import outcome_with, rebuild
from tests.conftest import TINY


@pytest.mark.slow
def test_run_and_inspector_find_the_same_boxes(compose, run_training, tmp_path):
    """At a score from which on boxes count even of a network that has hardly learned."""
    places = [f"paths.data={tmp_path / 'data'}", f"paths.outputs={tmp_path / 'outputs'}"]
    more = ["trainer.precision=32-true", "model.least_score=0", "model.most=20", "test=false"]
    crop = ["data.crop=[40,20,360,300]"]
    run = run_training(
        compose("train", ["task=equipment", *TINY["equipment"], *more, *crop, *places]), tmp_path / "run"
    )
    root = tmp_path / "data" / "synthetic" / "equipment"
    annotated = json.loads((root / "annotations.json").read_text())
    files = {image["id"]: root / "images" / image["file_name"] for image in annotated["images"]}
    name_of = {entry["id"]: entry["name"] for entry in annotated["categories"]}
    results = json.loads((run.folder / "detections.json").read_text())
    images = sorted({result["image_id"] for result in results})
    assert len(images) > 2
    assert len(results) > 20
    inspector = Inspector.load(run.folder / "inspector.safetensors").with_threshold(0.001)
    verdicts = inspector.inspect([read_image(files[key]) for key in images])
    for key, verdict in zip(images, verdicts, strict=True):
        # In no order: scores of a network that has hardly learned are all alike.
        left = [result for result in results if result["image_id"] == key]
        assert len(verdict.boxes) == len(left)
        for box in verdict.boxes:
            said = [box.left, box.top, box.right - box.left, box.bottom - box.top, 100 * box.score]
            same = [
                result
                for result in left
                if name_of[result["category_id"]] == box.label
                and np.allclose(said, [*result["bbox"], 100 * result["score"]], rtol=0, atol=0.02)
            ]
            assert same, (said, left)
            left.remove(same[0])
    expected = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["val"]
    found = outcome_with(rebuild(run.folder, {}), Inspector.load(run.folder)).figures
    assert found["map"] == pytest.approx(expected["map"], abs=1e-6)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
