import json
import shutil

import pytest

from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.runs.folder import best_checkpoint, inspector_of, passport_of


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "run")


def test_inspector_of_a_run_is_the_one_in_its_file(trained):
    of_run = inspector_of(trained.folder).passport
    of_file = Inspector.load(trained.folder / "inspector.safetensors").passport
    made = of_file.made
    assert vars(of_run) | {"made": made} == vars(of_file)
    assert of_run.made["run"] == made["run"] == trained.folder.as_posix()
    assert of_run.made["data"] == made["data"]
    assert made["data"]["synthetic"] is False
    assert made["best_epoch"] == trained.result["best_epoch"]
    assert {"inspection", "torch", "seed", "precision", "monitor"} <= made.keys()


def test_passport_says_what_the_config_says(quick):
    config = plain(quick("data.crop=[1,2,40,30]", "data.white_level=200", "task.question='What is it?'"))
    passport = passport_of(config, {})
    assert passport.geometry == {
        "crop": [1, 2, 40, 30],
        "image_size": [40, 48],
        "channels": 1,
        "white_level": 200,
    }
    assert (passport.task, passport.question) == ("coil", "What is it?")
    assert (passport.classes, passport.defect) == (("ok", "defect"), "defect")
    assert (passport.mean, passport.std) == ((0.45,), (0.1,))
    assert passport.network["_target_"] == "inspection.models.small_cnn.SmallCNN"
    assert passport.network["num_classes"] == 2
    assert (passport.heatmap_method, passport.heatmap_layer) == ("auto", None)  # no heatmaps were asked for


def test_heatmaps_of_the_inspector_are_those_of_the_run(config):
    chosen = config("callbacks.heatmaps.method=hires_cam", "callbacks.heatmaps.layer=features")
    passport = passport_of(plain(chosen), {})
    assert (passport.heatmap_method, passport.heatmap_layer) == ("hires_cam", "features")


@pytest.mark.parametrize("root", [None, "images"])
def test_run_that_was_cut_short_tells_from_its_config_what_it_was_trained_on(run, root):
    (run / "metrics.json").unlink()
    text = (run / "config.yaml").read_text()
    start = text.index("  root: ")
    line = text[start : text.index("\n", start)]
    (run / "config.yaml").write_text(text.replace(line, f"  root: {json.dumps(root)}"))
    assert inspector_of(run).passport.made["data"] == {"root": root, "synthetic": root is None}


def test_best_checkpoint_of_what_is_no_run(run, tmp_path):
    assert best_checkpoint(run) == run / "checkpoints" / "best.ckpt"
    (run / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(InputError, match=r"run: it has no checkpoints/best\.ckpt; .* debug=fast_dev_run"):
        best_checkpoint(run)
    with pytest.raises(InputError, match="no such folder"):
        best_checkpoint(tmp_path / "nowhere")
