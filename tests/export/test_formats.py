import copy
import io
import json
import zipfile

import numpy as np
import pytest
import torch

from inspection.errors import InputError
from inspection.export.formats.onnx import write_onnx
from inspection.export.formats.openvino import write_openvino
from inspection.export.formats.torch_export import write_torch_export
from inspection.export.formats.torchscript import write_torchscript
from inspection.export.program import exported_program
from inspection.inspector import Inspector
from inspection.inspector.passport import read_passport

pytestmark = pytest.mark.slow

WRITERS = {
    "x.onnx": write_onnx,
    "x.xml": write_openvino,
    "x.pt2": write_torch_export,
    "x.ts": write_torchscript,
}


@pytest.fixture(scope="module")
def program(lenet):
    return exported_program(lenet)


@pytest.fixture(scope="module")
def files(lenet, program, metadata, tmp_path_factory):
    """One inspector in each format, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("exported")
    for name, write in WRITERS.items():
        (folder / name[2:]).mkdir()
        write(program, folder / name[2:] / name, metadata(lenet))
    return folder


def path_of(files, name):
    return files / name[2:] / name


@pytest.mark.parametrize("name", WRITERS)
def test_says_the_same_as_it_was_trained(lenet, files, some_images, name):
    exported = Inspector.load(path_of(files, name))
    assert exported.backend.outputs == {"probabilities", "heatmaps"}
    for count in (1, 3):
        images = some_images(lenet, count)
        expected = lenet.backend.run(images, ["probabilities", "heatmaps"])
        both, alone, seen = (
            exported.backend.run(images, wanted)
            for wanted in (["probabilities", "heatmaps"], ["probabilities"], ["heatmaps"])
        )
        assert alone.keys() == {"probabilities"}
        for output, values in (both | alone | seen).items():
            np.testing.assert_allclose(values, expected[output], rtol=0, atol=1e-5)
        for which in (both, alone):
            np.testing.assert_allclose(which["probabilities"], expected["probabilities"], atol=1e-6)


@pytest.mark.parametrize("name", WRITERS)
def test_gives_the_same_verdicts_on_camera_images(lenet, files, name):
    camera = np.random.default_rng(0).integers(0, 256, (2, 80, 90, 3), dtype=np.uint8)
    exported = Inspector.load(files / name[2:])  # the folder
    for one, other in zip(lenet.inspect(camera, True), exported.inspect(camera, True), strict=True):
        assert one.label == other.label
        assert other.probability == pytest.approx(one.probability, abs=1e-6)
        assert (one.heatmaps["defect"] is None) == (other.heatmaps["defect"] is None)
        np.testing.assert_allclose(other.heatmaps["defect"], one.heatmaps["defect"], atol=1e-5)


@pytest.mark.parametrize("name", WRITERS)
def test_carries_its_passport(lenet, files, name):
    metadata = Inspector.load(path_of(files, name)).backend.metadata
    assert read_passport(metadata["passport"]) == lenet.passport
    assert metadata["graph"] == "an id"


@pytest.mark.parametrize("name", WRITERS)
def test_says_nothing_of_the_machine_it_was_made_on(files, name):
    content = path_of(files, name).read_bytes()
    if zipfile.is_zipfile(io.BytesIO(content)):
        archive = zipfile.ZipFile(io.BytesIO(content))
        content = b"".join(archive.read(member) for member in archive.namelist())
    for word in (b"site-packages", b"inspection/export/", b"eval_with_key"):
        assert word not in content


@pytest.mark.parametrize("name", ["x.pt2", "x.ts", "x.onnx"])
def test_damaged_file_is_named(files, tmp_path, name):
    whole = path_of(files, name).read_bytes()
    for content in (whole[: len(whole) // 2], b"nothing of the kind", b""):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            Inspector.load(tmp_path / name)


def test_openvino_file_without_its_weights_is_named(files, tmp_path):
    (tmp_path / "x.xml").write_bytes(path_of(files, "x.xml").read_bytes())
    with pytest.raises(InputError, match=r"x\.xml .*x\.bin is missing"):
        Inspector.load(tmp_path / "x.xml")


def test_threshold_is_taken_from_the_json_beside_it(files, lenet, tmp_path):
    path = tmp_path / "x.pt2"
    path.write_bytes(path_of(files, "x.pt2").read_bytes())
    beside = {"graph": "an id", "decision": lenet.decision.to_dict() | {"threshold": 0.125}}
    (tmp_path / "inspector.json").write_text(json.dumps(beside))
    assert Inspector.load(path).decision.threshold == 0.125
    (tmp_path / "inspector.json").write_text(json.dumps(beside | {"graph": "another"}))
    with pytest.raises(InputError, match="belongs to another inspector"):
        Inspector.load(path)
    beside["decision"]["temperature"] = 3.0
    (tmp_path / "inspector.json").write_text(json.dumps(beside))
    with pytest.raises(InputError, match=r"exported with 1\.7: only threshold can be changed"):
        Inspector.load(path)


def test_nothing_is_left_where_it_can_not_be_written(program, lenet, metadata, tmp_path):
    for name, write in WRITERS.items():
        with pytest.raises(InputError, match="nowhere"):
            write(program, tmp_path / "nowhere" / name, metadata(lenet))
    assert not list(tmp_path.iterdir())


def test_exporters_are_silent(lenet, metadata, tmp_path, capfd):
    write_onnx(exported_program(lenet), tmp_path / "x.onnx", metadata(lenet))
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_bfloat16_is_near(lenet, metadata, some_images, tmp_path):
    program = exported_program(lenet, precision="bfloat16")
    write_torch_export(program, tmp_path / "x.pt2", metadata(lenet, "bfloat16"))
    exported, images = Inspector.load(tmp_path / "x.pt2"), some_images(lenet, 3)
    said, expected = (each.backend.run(images, ["probabilities"]) for each in (exported, lenet))
    difference = np.abs(said["probabilities"] - expected["probabilities"]).max()
    assert 0 < difference < 0.01
    assert (tmp_path / "x.pt2").stat().st_size < 0.8 * 1e6
    assert "bfloat16" in exported.backend.name
    assert all(weight.dtype == torch.float32 for weight in lenet.model.parameters())  # it stays as it was


def test_without_heatmaps(lenet, metadata, tmp_path):
    write_torch_export(exported_program(lenet, heatmap=False), tmp_path / "x.pt2", metadata(lenet))
    exported = Inspector.load(tmp_path / "x.pt2")
    assert exported.backend.outputs == {"probabilities"}
    (verdict,) = exported.inspect(np.zeros((40, 60), np.uint8), heatmaps=True)
    assert verdict.heatmaps == {}


def test_occlusion_is_no_part_of_a_graph(lenet):
    other = copy.copy(lenet)
    other.backend = copy.copy(lenet.trained)
    other.backend.graph = copy.copy(lenet.trained.graph)
    other.backend.graph.method = "occlusion"
    with pytest.raises(InputError, match="heatmaps=false"):
        exported_program(other)
    exported_program(other, heatmap=False)


@pytest.mark.parametrize("name", WRITERS)
def test_network_that_says_nothing_is_refused(make_inspector, metadata, tmp_path, name):
    """NaN and infinite outputs come through every runtime, though a softmax may hide them."""
    inspector = make_inspector(
        "simple_cnn.SimpleCNN", (16, 16), 1, "defect", in_channels=1, image_size=[16, 16], num_classes=2
    )
    with torch.no_grad():
        inspector.model.network.head.bias[0] = -torch.inf  # probabilities of 0 and 1
    WRITERS[name](exported_program(inspector, heatmap=False), tmp_path / name, metadata(inspector))
    for each in (inspector, Inspector.load(tmp_path / name)):
        with pytest.raises(InputError, match="no number for this image"):
            each.inspect(np.zeros((16, 16), np.uint8))
