import csv
import json
import shutil

import cv2
import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.runs.evaluate import decide, evaluate
from inspection.runs.predict import predict
from tests.conftest import write_image

pytestmark = pytest.mark.slow  # evaluates runs anew


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run that may be written to."""
    return shutil.copytree(trained.folder, tmp_path / "run")


def figures(run):
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


def rows(run):
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def evaluated(compose, run, *more):
    assert evaluate(plain(compose("evaluate", [f"run={run}", *more]))) == 0


def decided(compose, run, *more):
    assert decide(plain(compose("decide", [f"run={run}", "decide.resamples=40", *more]))) == 0


def test_a_run_evaluated_again_says_the_same(run, compose, capsys):
    at = "2026-02-01 12:34"  # not the time of a file: those of a copy are younger
    (run / "metrics.json").write_text(json.dumps(figures(run) | {"trained": at}), encoding="utf-8")
    before, table, point = figures(run), rows(run), (run / "operating_point.json").read_text(encoding="utf-8")
    evaluated(compose, run)
    after = figures(run)
    for part in ("val", "test"):
        for name, value in before[part].items():
            if isinstance(value, float):
                assert after[part][name] == pytest.approx(value, abs=1e-6), name
    assert after["intervals"].keys() == before["intervals"].keys()
    assert [row["verdict"] for row in rows(run)] == [row["verdict"] for row in table]
    assert (run / "operating_point.json").read_text(encoding="utf-8") == point
    assert (after["minutes"], after["trained"]) == (before["minutes"], at)
    assert f"<dt>trained</dt><dd>{at}</dd>" in (run / "report.html").read_text(encoding="utf-8")
    printed = capsys.readouterr().out
    assert "SYNTHETIC" not in printed  # the tests' images are a folder of their own
    assert "the run's inspector" in printed


def test_another_point_without_training(run, compose, capsys):
    """Everything that hangs on the point moves with it: figures, rows, record, inspector, predictions."""
    decided(compose, run, "decide=recall", "decide.r=1.0")
    record = json.loads((run / "operating_point.json").read_text(encoding="utf-8"))
    (point,) = record["points"]
    assert record["rule"] == "largest precision at a recall of at least 1"
    assert record["chosen_on"]["part"] == "val"
    assert point["met"]
    assert point["figures"]["recall"] == 1.0
    val = [row for row in rows(run) if row["split"] == "val"]
    found = [row["verdict"] == "defect" for row in val if row["target"] == "defect"]
    assert all(found)
    alarms = sum(row["verdict"] == "defect" for row in val if row["target"] == "ok")
    assert alarms == point["figures"]["false_alarms"]
    assert [row["right"] for row in val] == [str(row["verdict"] == row["target"]) for row in val]
    for row in val:  # the row's own probability against the stored threshold
        assert (float(row["probability_defect"]) >= point["threshold"] - 1e-6) == (row["verdict"] == "defect")
    metrics = figures(run)
    assert metrics["val"]["recall"] == 1.0
    assert metrics["operating_point"] == record
    inspector = Inspector.load(run / "inspector.safetensors")
    assert inspector.decision.threshold == point["threshold"]
    assert inspector.passport.operating == record
    assert "recall 1 reached" in capsys.readouterr().out


def test_what_was_exported_before_is_said_to_decide_as_it_did(run, compose, capsys):
    decided(compose, run, "decide=recall", "decide.r=0.5")
    assert "as it did" not in capsys.readouterr().out
    (run / "export" / "onnx_fp32").mkdir(parents=True)
    (run / "export" / "onnx_fp32" / "inspector.json").write_text("{}")
    decided(compose, run, "decide=recall", "decide.r=0.5")
    said = (
        "exported before (onnx_fp32) still decides as it did: export again, or write the threshold into its"
    )
    assert f"{said} inspector.json" in capsys.readouterr().out


def test_a_given_point_and_flips(run, compose, capsys):
    decided(compose, run, "decide=fixed", "decide.threshold=0.2", "decide.flips=[horizontal,vertical]")
    inspector = Inspector.load(run / "inspector.safetensors")
    assert inspector.decision.threshold == 0.2
    assert inspector.passport.flips == ["horizontal", "vertical"]
    record = json.loads((run / "operating_point.json").read_text(encoding="utf-8"))
    assert set(record["effect"]) == {"without", "with"}
    assert "flips also horizontal, vertical, the mean counts: f1" in capsys.readouterr().out
    before = rows(run)
    evaluated(compose, run)  # with the flips that the inspector has
    assert [row["probability_defect"] for row in rows(run)] == [row["probability_defect"] for row in before]


def test_predict_decides_as_the_run_did(run, trained, compose, tmp_path):
    """The inspector's verdicts on the validation images, one by one and in other batches, are those of the run."""
    decided(compose, run, "decide=cost", "decide.missed=3")
    root = trained.config.data.root
    output = tmp_path / "said"
    for size in (1, 7):
        arguments = [
            f"run={run}",
            f"input={root}",
            f"output={output}",
            f"batch_size={size}",
            "overlays=false",
        ]
        assert predict(plain(compose("predict", arguments))) == 0
        said = {row["file"]: row["verdict"] for row in rows(output)}
        for row in rows(run):
            assert said[row["file"]] == row["verdict"]


def test_other_images_are_evaluated_aside(run, compose, draw, tmp_path, capsys):
    before = (run / "metrics.json").read_bytes()
    other = draw(tmp_path / "next week", good=9, defects=4, seed=99)
    evaluated(compose, run, f"data.root={other}", f"output={tmp_path / 'out'}")
    assert (run / "metrics.json").read_bytes() == before
    metrics = figures(tmp_path / "out")
    assert sum(map(sum, metrics["test"]["confusion_matrix"])) == 13
    assert metrics["data"]["root"] == str(other)
    assert metrics["trained_on"]["root"] != str(other)
    assert metrics["test"]["f1"] is not None
    assert "accuracy" in metrics["intervals"]["test"]
    assert {row["split"] for row in rows(tmp_path / "out")} == {"test"}
    printed = capsys.readouterr().out
    assert "new images" in printed
    assert str(tmp_path / "out" / "report.html") in printed
    assert "DRIFT" not in printed


def test_other_images_that_look_different_are_said_to(run, compose, draw, tmp_path, capsys):
    other = draw(tmp_path / "dark", good=40, defects=20, seed=96)
    for path in other.rglob("*.png"):
        write_image(path, (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) * 0.6).astype(np.uint8))
    evaluated(compose, run, f"data.root={other}", f"output={tmp_path / 'out'}")
    assert "darker: brightness" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "drift.json").read_text(encoding="utf-8"))


def test_only_good_images_of_next_week(run, compose, draw, tmp_path):
    other = draw(tmp_path / "good", good=5, defects=0, seed=98)
    evaluated(compose, run, f"data.root={other}", f"output={tmp_path / 'out'}")
    metrics = figures(tmp_path / "out")
    assert metrics["test"]["recall"] is None
    assert metrics["test"]["accuracy"] is not None


def test_mistakes_are_messages(run, trained, compose, tmp_path):
    root = trained.config.data.root
    refusal = (
        r"77 of 96 images are training or validation images of the run, or copies of such.*\n.*leave data"
    )
    with pytest.raises(InputError, match=refusal):
        evaluated(compose, run, f"data.root={root}")
    with pytest.raises(InputError, match=refusal):  # the same images from another folder on
        evaluated(compose, run, f"data.root={root}/01_train_val_test")
    copies = shutil.copytree(root, tmp_path / "copies")
    with pytest.raises(InputError, match=refusal):
        evaluated(compose, run, f"data.root={copies}")
    with pytest.raises(
        InputError, match=r"data.annotations: the run's data \(FolderDataModule\) have no such key"
    ):
        evaluated(compose, run, "data.root=x", "data.annotations=y.json")
    with pytest.raises(InputError, match=r"give data\.root, too"):
        evaluated(compose, run, "data.folders=[[a,ok]]")
    with pytest.raises(InputError, match="leave output out"):
        evaluated(compose, run, f"output={tmp_path / 'x'}")
    with pytest.raises(InputError, match="no such folder"):
        evaluated(compose, tmp_path / "nothing")
    (run / "metrics.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"metrics.json is damaged"):
        evaluated(compose, run)


def test_intervals_are_those_of_the_point(run, compose):
    decided(compose, run, "decide.confidence=0.5")
    evaluated(compose, run)
    metrics = figures(run)
    assert metrics["intervals"]["confidence"] == metrics["operating_point"]["confidence"] == 0.5
    assert metrics["intervals"]["resamples"] == 40
    before = metrics["intervals"]["val"]["auroc"]
    decided(compose, run, "decide.confidence=0.9")
    after = figures(run)["intervals"]["val"]["auroc"]
    assert after[0] < before[0] < before[1] <= after[1]  # an area of 1 is as far as it goes


def test_a_run_that_was_stopped_before_its_figures(run, compose, draw, tmp_path):
    """It has checkpoints and a passport; deciding makes it whole."""
    before = figures(run)
    for name in ("metrics.json", "inspector.safetensors", "predictions.csv", "operating_point.json"):
        (run / name).unlink()
    other = draw(tmp_path / "other", good=6, defects=3, seed=97)
    evaluated(compose, run, f"data.root={other}", f"output={tmp_path / 'out'}")
    assert figures(tmp_path / "out")["trained_on"]["root"] == before["data"]["root"]
    decided(compose, run)
    for name in ("task", "question", "data", "seed", "monitor"):
        assert figures(run)[name] == before[name]


def test_passport_is_json(run, compose):
    """Undefined figures of its operating point are null: any reader takes it."""
    decided(compose, run, "decide=fixed")

    def refuse(name):
        raise AssertionError(name)

    json.loads((run / "passport.json").read_text(encoding="utf-8"), parse_constant=refuse)


def test_an_inspector_is_evaluated_in_the_networks_place(run, trained, compose, tmp_path, capsys):
    """What an inspector says of the run's images gives the figures that the run's own network gives."""
    before, own = figures(run), rows(run)
    given = shutil.copy(run / "inspector.safetensors", tmp_path / "given.safetensors")
    evaluated(compose, run, f"inspector={given}", f"output={tmp_path / 'found'}")
    assert figures(run) == before  # the run's own figures are its own
    found = figures(tmp_path / "found")
    for part in ("val", "test"):
        for name in ("f1", "accuracy", "recall", "loss"):
            assert found[part][name] == pytest.approx(before[part][name], abs=1e-5), (part, name)
    assert [row["verdict"] for row in rows(tmp_path / "found")] == [row["verdict"] for row in own]
    assert found["inspector"] == str(given)
    said = capsys.readouterr().out
    assert "torch float32 on cpu" in said
    assert "heatmaps, figures of places and the loss of boxes are of the network as it was trained" in said

    moved = Inspector.load(run).with_threshold(0.0)
    moved.save(tmp_path / "moved.safetensors")
    evaluated(compose, run, f"inspector={tmp_path / 'moved.safetensors'}", f"output={tmp_path / 'all'}")
    assert {row["verdict"] for row in rows(tmp_path / "all")} == {"defect"}


def test_an_inspector_of_another_question_is_refused(run, compose, tmp_path):
    inspector = Inspector.load(run)
    inspector.passport.decision["names"] = ["good", "bad"]
    inspector.passport.decision["defect"] = "bad"
    inspector.save(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="it answers for good, bad"):
        evaluated(compose, run, f"inspector={tmp_path / 'other.safetensors'}")
