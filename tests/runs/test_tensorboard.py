"""The event files of a run, read back as TensorBoard reads them."""

import csv
import io

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData


@pytest.fixture(scope="module")
def events(trained):
    everything = {"images": 0, "scalars": 0, "tensors": 0}
    return EventAccumulator(str(trained.folder), size_guidance=everything).Reload()


def history(trained, name):
    with (trained.folder / "history.csv").open(newline="") as stream:
        return [float(row[name]) for row in csv.DictReader(stream)]


@pytest.mark.parametrize("name", ["val/f1", "val/loss", "val/auroc", "train/loss", "train/f1"])
def test_curve_has_one_point_an_epoch(events, trained, name):
    points = events.Scalars(name)
    assert [point.value for point in points] == pytest.approx(history(trained, name), rel=1e-5)
    steps = [point.step for point in points]
    assert steps == sorted(set(steps))


def test_figures_of_the_test_are_logged_once(events, trained):
    (point,) = events.Scalars("test/f1")
    assert point.value == pytest.approx(trained.result["test/f1"])


def test_pictures(events):
    tags = set(events.Tags()["images"])
    wanted = {
        "samples",
        "learning_curves",
        "confusion_matrix/val",
        "confusion_matrix/test",
        "operating_point",
    }
    wanted |= {f"heatmaps/{name}_{number}" for name in ("ok", "defect") for number in (1, 2, 3, 4)}
    assert wanted <= tags
    assert tags - wanted
    assert all(tag.startswith(("mistakes/val_", "mistakes/test_")) for tag in tags - wanted)
    for tag in tags:
        picture = np.asarray(Image.open(io.BytesIO(events.Images(tag)[-1].encoded_image_string)))
        assert min(picture.shape[:2]) > 100
        assert picture.std() > 5


def test_heatmaps_of_one_image_share_a_slider(events):
    """While training (every second epoch here) and at the end."""
    assert [event.step for event in events.Images("heatmaps/defect_1")] == [2, 3]
    assert [event.step for event in events.Images("confusion_matrix/val")] == [1, 2, 3, 3]


def test_config_is_there_as_text(events, trained):
    (event,) = events.Tensors("config/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    assert text.startswith("```yaml\n")
    shown = OmegaConf.create(text.removeprefix("```yaml\n").removesuffix("```"))
    assert shown == OmegaConf.load(trained.folder / "config.yaml")
    assert shown.optimizer.lr == 0.005


def test_hyperparameters_with_the_final_metrics(events, trained):
    content = {
        tag: HParamsPluginData.FromString(data) for tag, data in events.PluginTagToContent("hparams").items()
    }
    shown = content["_hparams_/session_start_info"].session_start_info.hparams
    assert shown["optimizer/lr"].number_value == 0.005
    assert shown["data/balance"].string_value == "sampler"
    assert shown["task"].string_value == "coil"
    assert shown["model"].string_value == "SmallCNN"
    assert not [name for name in shown if name.startswith(("paths", "hydra"))]
    metrics = {info.name.tag for info in content["_hparams_/experiment"].experiment.metric_infos}
    assert {"final/val/f1", "final/test/f1", "final/test/auroc"} <= metrics
    for name in ("val/f1", "test/f1", "test/recall"):
        (point,) = events.Scalars(f"final/{name}")
        assert point.value == pytest.approx(trained.result[name])
