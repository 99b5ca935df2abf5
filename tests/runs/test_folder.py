import shutil

import pytest
import torch

from inspection.config.instantiate import instantiate
from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.runs.folder import best_checkpoint, inspector_of, passport_of


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "run")


def test_inspector_of_a_run_is_the_one_in_its_file(trained):
    passport = inspector_of(trained.folder).passport
    assert passport == Inspector.load(trained.folder / "inspector.safetensors").passport
    made = passport.made
    assert made["run"] == trained.folder.as_posix()
    assert made["data"]["synthetic"] is False
    assert made["best_epoch"] == trained.result["best_epoch"]
    assert {"inspection", "torch", "seed", "precision", "monitor"} <= made.keys()


def made_of(config):
    data, task = (instantiate(config[name]) for name in ("data", "task"))
    return passport_of(config, task["module"], data, {})


def test_passport_says_what_the_config_says(quick):
    config = plain(quick("data.crop=[1,2,40,30]", "data.white_level=200", "task.question='What is it?'"))
    passport = made_of(config)
    assert passport.geometry == {
        "crop": [1, 2, 40, 30],
        "image_size": [40, 48],
        "channels": 1,
        "white_level": 200,
        "black_level": 0,
        "auto_gain": False,
        "depth": None,
    }
    assert (passport.task, passport.question) == ("coil", "What is it?")
    assert passport.decision == {
        "kind": "one_of",
        "names": ["ok", "defect"],
        "defect": "defect",
        "threshold": 0.5,
        "temperature": 1.0,
    }
    assert (passport.mean, passport.std) == ((0.45,), (0.1,))
    assert passport.network["_target_"] == "inspection.models.small_cnn.SmallCNN"
    assert passport.network["num_classes"] == 2
    assert (passport.heatmap_method, passport.heatmap_layer) == ("grad_cam", None)  # the network's own


def test_what_else_the_data_know_is_in_the_passport(quick, compose):
    assert made_of(plain(quick())).window is None
    thermal = plain(compose("train", ["task=thermal"]))
    assert made_of(thermal).window == pytest.approx([230, 650], abs=0.051)


def test_heatmaps_of_the_inspector_are_those_of_the_run(config):
    chosen = config("callbacks.heatmaps.method=hires_cam", "callbacks.heatmaps.layer=features")
    passport = made_of(plain(chosen))
    assert (passport.heatmap_method, passport.heatmap_layer) == ("hires_cam", "features")


def test_run_that_was_cut_short_has_the_inspector_of_its_best_checkpoint(run):
    whole = inspector_of(run)
    (run / "inspector.safetensors").unlink()
    cut = inspector_of(run)
    assert cut.passport.made["data"] == whole.passport.made["data"]
    assert cut.passport.decision == whole.passport.decision
    for one, other in zip(cut.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    (run / "passport.json").write_text("{}")
    with pytest.raises(InputError, match="its passport is damaged"):
        inspector_of(run)
    (run / "passport.json").unlink()
    with pytest.raises(InputError, match=r"passport\.json is missing"):
        inspector_of(run)


def test_best_checkpoint_of_what_is_no_run(run, tmp_path):
    assert best_checkpoint(run) == run / "checkpoints" / "best.ckpt"
    (run / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(InputError, match=r"run: it has no checkpoints/best\.ckpt; .* debug=fast_dev_run"):
        best_checkpoint(run)
    with pytest.raises(InputError, match="no such folder"):
        best_checkpoint(tmp_path / "nowhere")
