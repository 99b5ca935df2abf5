"""The thermal task from end to end: a run with everything on, what it wrote, and its inspector on new images."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch

from inspection.config.instantiate import instantiate
from inspection.config.saved import plain
from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.runs.predict import predict
from tests.conftest import TINY, check_answers

NAMES = ("maximum", "average", "minimum")


@pytest.fixture(scope="module")
def start(compose, run_training, tmp_path_factory):
    place = tmp_path_factory.mktemp("thermal")

    def run(name, *overrides):
        paths = [f"paths.data={place / 'data'}", f"paths.outputs={place / 'outputs'}"]
        config = compose(
            "train", ["task=thermal", "trainer.precision=32-true", *TINY["thermal"], *paths, *overrides]
        )
        return run_training(config, place / name)

    return run


@pytest.fixture(scope="module")
def trained(start):
    return start("run", "trainer.max_epochs=2")


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_a_run_is_whole_and_compares_with_what_needs_no_network(trained):
    assert trained.warnings == []
    figures = json.loads((trained.folder / "metrics.json").read_text(encoding="utf-8"))
    for part in ("val", "test"):
        assert figures[part]["mae_of_pixels"] < 0.01  # the table rounds
        assert figures[part]["mae_of_mean"] > 1
        assert figures[part]["quantities"]["kind"] == "quantities"
    for words in (
        "mae of training mean",
        "mae of pixel statistic",
        "alarm at a maximum of 450 K",
        "maximum (K)",
    ):
        assert words in trained.output
    assert "test images; errors in K" in (trained.folder / "report.html").read_text(encoding="utf-8")
    pictures = {
        path.relative_to(trained.folder / "pictures").as_posix() for path in trained.folder.rglob("*.png")
    }
    assert {
        "samples.png",
        "learning_curves.png",
        "true_against_predicted_val.png",
        "true_against_predicted_test.png",
        "thermal/best/maximum_high_01.png",
        "thermal/best/mistake_01.png",
        "mistakes_test/mistake_01.png",
    } <= pictures


@pytest.mark.slow
def test_the_figures_follow_from_the_predictions(trained):
    figures = json.loads((trained.folder / "metrics.json").read_text(encoding="utf-8"))
    rows = [row for row in table(trained.folder / "predictions.csv") if row["split"] == "test"]
    for name in NAMES:
        errors = [abs(float(row[f"target_{name}"]) - float(row[f"predicted_{name}"])) for row in rows]
        assert figures["test"][f"mae/{name}"] == pytest.approx(np.mean(errors), abs=2e-3)
    for row in rows:
        values = [float(row[f"predicted_{name}"]) for name in NAMES]
        assert values == sorted(values, reverse=True)


@pytest.mark.slow
def test_inspector_run_and_checkpoint_say_the_same(trained):
    inspector = Inspector.load(trained.folder / "inspector.safetensors")
    checkpoint = torch.load(trained.folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert checkpoint["quantities"]["centre"] == list(inspector.decision.centre)
    assert inspector.passport.window == pytest.approx([230.0, 650.0], abs=0.051)
    root = trained.folder.parent / "data" / "synthetic" / "thermal"
    rows = table(trained.folder / "predictions.csv")[:4]
    verdicts = inspector.inspect([read_image(root / row["file"]) for row in rows], heatmaps=True)
    for verdict, row in zip(verdicts, rows, strict=True):
        said = [float(row[f"predicted_{name}"]) for name in NAMES]
        assert list(verdict.quantities.values()) == pytest.approx(said, abs=0.01)
        assert str(verdict.called["alarm"]) == row["alarm"]


@pytest.mark.slow
def test_new_images_and_broken_ones(trained, tmp_path, capsys, compose):
    root = trained.folder.parent / "data" / "synthetic" / "thermal" / "pics"
    first, second = sorted(root.iterdir())[:2]
    folder = tmp_path / "новые"
    folder.mkdir()
    (folder / "ä.png").write_bytes(first.read_bytes())
    (folder / "cut.png").write_bytes(second.read_bytes()[:500])
    picture = cv2.imencode(".png", np.full((30, 30), 7, np.uint8))[1].tobytes()
    (folder / "eight.png").write_bytes(picture)
    line = [f"run='{trained.folder}'", f"input='{folder}'", f"output='{tmp_path / 'out'}'"]
    assert predict(plain(compose("predict", [*line, "threshold=300.0", "batch_size=2"]))) == 1
    said = capsys.readouterr().out
    assert "there is an alarm at a measured maximum of 300 K or more" in said
    assert "alarm 1, no alarm 0, unreadable 2" in said
    rows = {row["file"]: row for row in table(tmp_path / "out" / "predictions.csv")}
    assert rows["ä.png"]["alarm"] == "True"
    assert "cut short" in rows["cut.png"]["fault"]
    assert "has 8 bits a pixel; expected 16" in rows["eight.png"]["fault"]
    assert (tmp_path / "out" / "overlays" / "ä.png.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["data.render=auto_gain", "task.module.alarm_of=null", "loss=huber"],
        ["model=thermal_cnn", "task.module.standardised=false"],
        ["model=resnet18", "data.table=null", "data.channels=3", "task.module.ordered=false"],
    ],
    ids=["auto_gain", "article", "resnet18"],
)
def test_other_networks_renders_and_losses(start, overrides, request):
    run = start(request.node.callspec.id, *overrides)
    figures = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert figures["val"]["mae"] is not None
    assert ("mae_of_pixels" in figures["val"]) == ("data.render=auto_gain" not in overrides)


@pytest.mark.slow
def test_a_mistake_is_said_before_an_epoch(start):
    with pytest.raises(InputError, match=r"task\.module\.alarm_of=median: expected one of maximum"):
        start("alarm", "task.module.alarm_of=median", "task.module.alarm_at=3")
    with pytest.raises(InputError, match=r"task\.monitor=val/f1: no such figure"):
        start("monitor", "task.monitor=val/f1")
    with pytest.raises(InputError, match="the task learns quantities, but the data have one class an image"):
        start("kind", "data=coil", "data.synthetic.count=30", "task.module.alarm_of=maximum")  # not of coils


@pytest.mark.slow
def test_a_run_goes_on_with_the_alarm_that_its_curves_tell_of(start, trained):
    with pytest.raises(InputError, match=r"task\.module\.alarm_at=400.0 \(the run has 450.0\)"):
        start(trained.folder.name, "trainer.max_epochs=2", "ckpt_path=last", "task.module.alarm_at=400.0")


def config_of(compose, *overrides):
    return compose("train", ["task=thermal", *overrides])


def test_other_quantities_and_another_alarm_by_the_command_line(compose):
    names = ["data.classes=[bearing,housing]", "data.columns=[t1,t2]", "data.statistics=[max,mean]"]
    config = config_of(compose, *names)
    assert (config["task"]["module"]["alarm_of"], config["task"]["module"]["alarm_at"]) == ("bearing", 450.0)
    other = config_of(compose, *names, "task.module.alarm_of=housing", "task.module.alarm_at=330")
    module = instantiate(other["task"]["module"])
    assert module.decision.alarm == {"housing": 330.0}


def test_training_that_learns_nothing_more_ends_early(compose):
    config = config_of(compose)
    assert config["callbacks"]["early_stopping"]["patience"] < config["trainer"]["max_epochs"] - 1


@pytest.mark.slow
def test_the_inspectors_answers_give_the_runs_figures(trained):
    """What an inspector says, evaluated in place of the network's outputs, gives the figures of the training."""
    check_answers(trained.folder)
