"""What a run remembers of its validation images, and what a prediction says of others."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.drift.reference import Reference
from inspection.inspector import Inspector
from inspection.runs.evaluate import decide
from inspection.runs.predict import predict

INSPECTOR = "inspector.safetensors"


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def call(trained, compose, tmp_path):
    """Predicts; gives the rows of the table and what `drift.json` says, or None without one."""

    def call(given, *overrides, run=trained.folder):
        output = tmp_path / "out"
        line = [f"run='{run}'", f"input='{given}'", f"output='{output}'", "overlays=false", *overrides]
        assert predict(plain(compose("predict", line))) == 0
        place = output / "drift.json"
        return rows(output), json.loads(place.read_text(encoding="utf-8")) if place.is_file() else None

    return call


@pytest.fixture
def line(images, trained, tmp_path):
    """The test images of the run, changed; gives their folder."""

    def make(change):
        for row in rows(trained.folder):
            if row["split"] == "test":
                image = cv2.imread(str(images / row["file"]), cv2.IMREAD_GRAYSCALE)
                place = tmp_path / "line" / row["file"]
                place.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(place), change(image))
        return tmp_path / "line"

    return make


def test_a_run_remembers_its_validation_images(trained):
    passport = Inspector.load(trained.folder / INSPECTOR).passport
    reference = Reference.from_dict(passport.reference)
    validation = [row for row in rows(trained.folder) if row["split"] == "val"]
    assert reference.images == len(validation)
    assert reference.layer == "network.head"
    assert reference.grouped is None
    assert reference.verdict == "ok"
    assert reference.compared.sum() == sum(row["verdict"] == "ok" for row in validation)
    expected = sorted(float(row["probability_defect"]) for row in validation)
    np.testing.assert_allclose(np.sort(reference.samples["P(defect)"]), expected, rtol=1e-4, atol=1e-6)


def test_deciding_anew_remembers_the_scores_of_the_new_point(trained, compose, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.folder, run)
    inspector = Inspector.load(run / INSPECTOR)
    old = Reference.from_dict(inspector.passport.reference)
    Inspector.of(replace(inspector.passport, reference=None), inspector.model.network.state_dict()).save(
        run / INSPECTOR
    )
    assert decide(plain(compose("decide", [f"run={run}", "decide=youden", "decide.resamples=20"]))) == 0
    new = Reference.from_dict(Inspector.load(run / INSPECTOR).passport.reference)
    np.testing.assert_array_equal(new.samples["P(defect)"], old.samples["P(defect)"])  # of one temperature
    np.testing.assert_array_equal(new.largest, old.largest)


def test_a_run_of_a_few_batches_remembers_nothing(quick, run_training, tmp_path):
    run = run_training(quick("trainer.max_epochs=1", "trainer.limit_val_batches=2"), tmp_path / "limited")
    assert Inspector.load(run.folder / INSPECTOR).passport.reference is None


def test_unchanged_images_are_no_drift(call, line, capsys):
    _, found = call(line(lambda image: image))
    assert found["drift"] is False
    assert "no drift: " in capsys.readouterr().out


def test_darker_images_are_reported(call, line, capsys, tmp_path):
    table, found = call(line(lambda image: (image * 0.6).astype(np.uint8)))
    assert found["drift"]
    assert found["images_moved"]
    output = capsys.readouterr().out
    assert "DRIFT: the images have changed" in output
    assert "darker: brightness" in output
    out = [row["unlike"].split(", ") for row in table if row["unlike"]]
    assert sum("brightness" in names for names in out) > len(table) / 2
    assert cv2.imread(str(tmp_path / "out" / "drift.png")) is not None


def test_at_another_threshold_other_images_are_judged_good_of_both(call, trained, line):
    reference = Reference.from_dict(Inspector.load(trained.folder / INSPECTOR).passport.reference)
    table, found = call(line(lambda image: image), "threshold=0.13")
    assert found["compared"] == sum(row["verdict"] == "ok" for row in table)
    below = reference.samples["P(defect)"] < 0.13
    assert found["usual_share"] == pytest.approx(below.mean())
    assert found["tests"]["P(defect)"]["usual"] == pytest.approx(reference.samples["P(defect)"][below].mean())
    assert found["drift"] is False


def test_good_parts_alone_are_no_drift(call, images, trained, capsys):
    """A line makes few defects, validation images hold many: 3 in 8 here."""
    parts = [row["file"] for row in rows(trained.folder) if "1_io" in row["file"]]
    assert len(parts) > 20
    _, found = call(images / "01_train_val_test" / "1_io")
    assert found["drift"] is False
    assert "images judged ok together look like those of validation" in capsys.readouterr().out


def test_one_image_is_no_distribution(call, images):
    table, found = call(images / "01_train_val_test" / "1_io" / "000.png")
    assert found["drift"] is None
    assert "1 image: too few" in found["notes"][0]
    assert len(table) == 1


def test_an_inspector_without_a_reference_says_nothing(call, trained, images, tmp_path):
    inspector = Inspector.load(trained.folder / INSPECTOR)
    bare = tmp_path / INSPECTOR
    Inspector.of(replace(inspector.passport, reference=None), inspector.model.network.state_dict()).save(bare)
    table, found = call(images, run=bare)
    assert found is None
    assert {row["unlike"] for row in table} == {""}


@pytest.fixture(scope="module")
def grouped(quick, run_training, tmp_path_factory):
    """A run whose images belong to groups of four."""
    cfg = quick(r"data.group='([0-9]{3})\.'", "trainer.max_epochs=1")
    return run_training(cfg, tmp_path_factory.mktemp("grouped"))


def test_the_first_image_of_each_group_is_remembered(grouped, call, images, tmp_path):
    """`1_io/000.png` and `0_nio/000.png` are one group here."""
    reference = Reference.from_dict(Inspector.load(grouped.folder / INSPECTOR).passport.reference)
    validation = [row["file"] for row in rows(grouped.folder) if row["split"] == "val"]
    assert reference.grouped == len(validation)
    assert reference.images == len({Path(file).stem for file in validation})
    for folder in ("0_nio", "1_io"):
        for number in range(10):
            place = tmp_path / "pairs" / folder / f"{number:03d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(images / "01_train_val_test" / folder / place.name, place)
    table, found = call(tmp_path / "pairs", run=grouped.folder)
    assert (len(table), found["images"], found["judged"]) == (20, 20, 10)


def test_groups_of_a_table_are_not_known_of_new_images(trained, quick, run_training, call, images, tmp_path):
    """A table is no expression: `*` at its beginning is none at all."""
    table = tmp_path / "*groups.csv"
    splits = (trained.folder / "splits.csv").read_text(encoding="utf-8").splitlines()
    files = [line.split(",")[0] for line in splits[1:]]
    table.write_text(
        "\n".join(["file,group", *(f"{file},{Path(file).stem}" for file in files)]), encoding="utf-8"
    )
    run = run_training(quick(f"data.group='{table}'", "trainer.max_epochs=1"), tmp_path / "run")
    reference = Reference.from_dict(Inspector.load(run.folder / INSPECTOR).passport.reference)
    assert reference.group is None
    assert reference.images < reference.grouped
    _, found = call(images, run=run.folder)
    assert found["judged"] == found["images"]
    assert "a table told which validation images belong together" in " ".join(found["notes"])


def test_deciding_anew_keeps_the_expression_of_groups(grouped, compose, tmp_path):
    """A run that is rebuilt has its groups from its own table."""
    run = tmp_path / "run"
    shutil.copytree(grouped.folder, run)
    old = Reference.from_dict(Inspector.load(run / INSPECTOR).passport.reference)
    assert decide(plain(compose("decide", [f"run={run}", "decide=youden", "decide.resamples=20"]))) == 0
    new = Reference.from_dict(Inspector.load(run / INSPECTOR).passport.reference)
    assert new.group == old.group == r"([0-9]{3})\."
    assert new.images == old.images
