"""A run with several attributes an image, from its table to predictions."""

import csv
import json

import cv2
import numpy as np
import pytest
from sklearn import metrics as sk

from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.runs.predict import predict
from tests.conftest import write_image

pytestmark = pytest.mark.slow  # trains

NAMES = ["bright", "left"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Grey images with a square that is bright or not, left or right; ten images a video."""
    root, random = tmp_path_factory.mktemp("several"), np.random.default_rng(0)
    lines = ["name,bright,left"]
    for number in range(120):
        image = random.normal(90, 10, (32, 40))
        bright, left = random.random(2) < 0.5
        column = 4 if left else 26
        image[12:22, column : column + 10] += 90 if bright else 35
        name = f"v{number // 10:02d}_{number % 10:06d}.png"
        write_image(root / "pics" / name, image.clip(0, 255).astype(np.uint8))
        lines.append(f"{name},{bright},{left}")
    (root / "all_data.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def run(root, compose, run_training, tmp_path_factory):
    place = tmp_path_factory.mktemp("labelled")
    config = compose(
        "train",
        [
            "task=seam",
            "model=lenet",
            f"data.root={root}",
            "data.classes=[bright,left]",
            "data.image_size=[32,40]",
            "data.channels=1",
            "data.split=[0.6,0.2,0.2]",
            "data.augment.roll=0",
            "data.augment.light_probability=0",
            "data.batch_size=8",
            "data.balance=loss",
            "task.module.thresholds={left: 0.4}",
            "callbacks.heatmaps.colours=[[left,red]]",
            "callbacks.heatmaps.every_n_epochs=3",
            "callbacks.heatmaps.per_class=2",
            "optimizer.lr=0.002",
            "trainer.max_epochs=5",
            "trainer.accelerator=cpu",
            "trainer.precision=32-true",
            f"paths.data={place / 'data'}",
            f"paths.outputs={place / 'outputs'}",
        ],
    )
    return run_training(config, place / "run")


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_it_learns_and_its_figures_are_those_of_the_predictions(run):
    figures = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    rows = [row for row in table(run.folder / "predictions.csv") if row["split"] == "test"]
    target = np.array([[row[f"target_{name}"] == "True" for name in NAMES] for row in rows])
    scores = np.array([[float(row[f"probability_{name}"]) for name in NAMES] for row in rows])
    judged = np.array([[row[f"verdict_{name}"] == "True" for name in NAMES] for row in rows])
    limits = figures["operating_point"]["decision"]["thresholds"]
    assert (judged == (scores >= [limits[name] for name in NAMES])).all()
    assert [point["name"] for point in figures["operating_point"]["points"]] == list(NAMES)
    assert figures["test"]["f1"] == pytest.approx(sk.f1_score(target, judged, average="macro"))
    assert figures["test"]["exact_match"] == pytest.approx(sk.accuracy_score(target, judged))
    assert figures["test"]["f1"] > 0.7
    assert figures["test"]["thresholds"] == limits
    matrices = figures["test"]["confusion_matrices"]
    assert [matrices[name] for name in NAMES] == sk.multilabel_confusion_matrix(target, judged).tolist()


def test_console(run):
    assert "split     shared out by attribute, seed 0, in 12 groups that stay together" in run.output
    assert "f1, precision, recall, accuracy, average_precision: mean over attributes" in run.output
    lines = run.output.splitlines()
    start = lines.index("test images: each attribute")
    assert lines[start + 1].split()[:3] == ["f1", "precision", "recall"]
    assert [line.split()[0] for line in lines[start + 2 : start + 4]] == NAMES
    assert run.warnings == []


def test_pictures_of_each_attribute(run):
    for epoch in ("epoch_003", "best"):
        names = {path.name for path in (run.folder / "pictures" / "heatmaps" / epoch).glob("*.png")}
        assert {"bright_01.png", "bright_02.png", "left_01.png", "left_02.png"} <= names
    panel = cv2.imread(str(run.folder / "pictures" / "heatmaps" / "best" / "left_01.png"))
    assert panel is not None
    red = (panel[..., 2].astype(int) - panel[..., 0]) > 60
    assert red.sum() > 100  # the colour of its evidence


@pytest.fixture
def call(compose, root, run, tmp_path):
    def inspect(*overrides):
        config = plain(
            compose(
                "predict", [f"run={run.folder}", f"input={root / 'pics'}", f"output={tmp_path}", *overrides]
            )
        )
        assert predict(config) == 0
        return table(tmp_path / "predictions.csv")

    return inspect


def test_prediction_says_what_the_run_said(call, run, tmp_path, capsys):
    said = {row["file"].removeprefix("pics/"): row for row in table(run.folder / "predictions.csv")}
    rows = {row["file"]: row for row in call()}
    assert len(rows) == 120
    assert list(next(iter(rows.values()))) == [
        "file",
        "verdict_bright",
        "verdict_left",
        "probability_bright",
        "probability_left",
        "unlike",
        "fault",
    ]
    for file, row in said.items():
        for name in NAMES:
            assert rows[file][f"verdict_{name}"] == row[f"verdict_{name}"]
            assert float(rows[file][f"probability_{name}"]) == pytest.approx(
                float(row[f"probability_{name}"]), abs=1e-5
            )
    assert len(list((tmp_path / "overlays").glob("*.png"))) == 120
    output = capsys.readouterr().out
    limits = Inspector.load(run.folder / "inspector.safetensors").decision.to_dict()["thresholds"]
    each = ", ".join(f"{name!r} {limits[name]:g}" for name in NAMES)
    assert f"an attribute holds at a probability of at least: {each}" in output
    counts = {name: sum(row[f"verdict_{name}"] == "True" for row in rows.values()) for name in NAMES}
    assert f"120 images: bright {counts['bright']}, left {counts['left']}" in output


def test_thresholds_of_the_users(call, run):
    left = Inspector.load(run.folder / "inspector.safetensors").decision.to_dict()["thresholds"]["left"]
    for given, limits in (("0.3", (0.3, 0.3)), ("{bright: 0.7}", (0.7, left))):
        for row in call(f"threshold={given}", "overlays=false"):
            for name, limit in zip(NAMES, limits, strict=True):
                score = float(row[f"probability_{name}"])
                if abs(score - limit) > 1e-5:
                    assert row[f"verdict_{name}"] == str(score >= limit)
    with pytest.raises(InputError, match="'brigth' is none of bright, left"):
        call("threshold={brigth: 0.7}")


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "label_smoothing", "weighted_cross_entropy"])
def test_a_loss_of_classes_is_refused(compose, run_training, root, tmp_path, loss):
    chosen = [
        "task=seam",
        "model=small_cnn",
        f"data.root={root}",
        "data.classes=[bright,left]",
        "data.split=[0.6,0.2,0.2]",
    ]
    config = compose("train", [*chosen, f"loss={loss}", f"paths.data={tmp_path}"])
    with pytest.raises(InputError, match=r"loss: not one for this kind of question .*; use loss=bce"):
        run_training(config, tmp_path / "run")


def test_data_of_another_kind_are_refused(compose, run_training, images, tmp_path):
    chosen = ["task=seam", "data=coil", "model=small_cnn", f"data.root={images}", "data.crop=null"]
    config = compose("train", [*chosen, "data.balance=none", f"paths.data={tmp_path}"])
    message = "the task learns any of several attributes an image, but the data have one class an image"
    with pytest.raises(InputError, match=message):
        run_training(config, tmp_path / "run")


def test_colour_of_no_attribute_is_said_at_once(run, run_training, tmp_path):
    config = run.config.copy()
    config.callbacks.heatmaps.colours = [["error", "blue"]]
    with pytest.raises(InputError, match="error"):
        run_training(config, tmp_path / "run")
