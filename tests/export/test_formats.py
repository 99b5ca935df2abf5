import copy
import io
import json
import shutil
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


def test_openvino_file_with_other_weights_of_the_same_shapes_is_refused(files, tmp_path):
    """As where of a new export only the graph is copied to the line."""
    for suffix in (".xml", ".bin"):
        shutil.copy(files / "xml" / f"x{suffix}", tmp_path)
    Inspector.load(tmp_path / "x.xml")
    weights = bytearray((tmp_path / "x.bin").read_bytes())
    weights[len(weights) // 2] ^= 1
    (tmp_path / "x.bin").write_bytes(weights)
    with pytest.raises(InputError, match=r"x\.xml: x\.bin beside it is not the one that it was written with"):
        Inspector.load(tmp_path / "x.xml")


def test_openvino_file_without_its_weights_is_named(files, tmp_path):
    (tmp_path / "x.xml").write_bytes(path_of(files, "x.xml").read_bytes())
    with pytest.raises(InputError, match=r"x\.xml .*x\.bin is missing"):
        Inspector.load(tmp_path / "x.xml")


@pytest.fixture
def beside(files, lenet, tmp_path):
    """Write a JSON beside an inspector, and open it."""
    (tmp_path / "x.pt2").write_bytes(path_of(files, "x.pt2").read_bytes())

    def opened(encoding="utf-8", without=(), decision=None, **changes):
        judged = {**lenet.decision.to_dict(), **(decision or {})}
        judged = {key: value for key, value in judged.items() if key not in without}
        values = {"graph": "an id", "decision": judged, "geometry": lenet.passport.geometry, **changes}
        (tmp_path / "inspector.json").write_text(json.dumps(values), encoding=encoding)
        return Inspector.load(tmp_path)

    return opened


def test_threshold_is_taken_from_the_json_beside_it(beside):
    assert not beside().moved
    moved = beside("utf-8-sig", decision={"threshold": 0.125})
    assert moved.decision.threshold == moved.passport.decision["threshold"] == 0.125
    assert moved.moved
    assert moved.own_decision.threshold == 0.5
    assert not moved.with_threshold(0.5).moved


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph": "another"}, "belongs to another inspector"),
        (
            {"decision": {"temperature": 3.0}},
            r"decision.temperature is not .* only decision.threshold can be",
        ),
        ({"decision": {"threshold": True}}, "decision.threshold=True: expected a number"),
        ({"decision": {"threshold": "0.5"}}, "decision.threshold='0.5': expected a number"),
        ({"decision": {"threshold": None}}, "expected a number"),
        ({"decision": {"threshold": 1.5}}, "expected a probability"),
        ({"decision": {"limit": 1}}, "decision has no 'limit'"),
        (
            {"without": ["threshold"], "decision": {"treshold": 0.5}},
            "decision has no 'treshold'; there is .*threshold",
        ),
        ({"without": ["threshold"]}, "decision.threshold is missing; it was exported with 0.5"),
        ({"classes": ["good", "bad"]}, "classes is not what the graph was exported with"),
        ({"geometry": {"crop": [0, 0, 1, 1]}}, "geometry is not what the graph was exported with"),
    ],
)
def test_what_is_no_operating_point_is_refused(beside, changes, message):
    with pytest.raises(InputError, match=rf"x\.pt2: inspector\.json.*{message}"):
        beside(**changes)


def test_graph_of_another_passport_is_refused(program, lenet, make_inspector, metadata, tmp_path):
    other = make_inspector(
        "lenet.LeNet", (40, 64), 1, "classes", in_channels=1, image_size=[40, 64], num_classes=3
    )
    write_torch_export(program, tmp_path / "x.pt2", metadata(other))
    with pytest.raises(InputError, match=r"x\.pt2: its graph is not the one of its passport"):
        Inspector.load(tmp_path / "x.pt2")


def test_settings_that_can_not_be_are_refused(files, tmp_path):
    with pytest.raises(InputError, match="device=cuda"):
        Inspector.load(path_of(files, "x.onnx"), device="cuda")
    with pytest.raises(InputError, match="threads=0: expected 1 or more"):
        Inspector.load(path_of(files, "x.onnx"), threads=0)
    (tmp_path / "X.ONNX").write_bytes(path_of(files, "x.onnx").read_bytes())
    (tmp_path / "X.partial.onnx").write_bytes(b"left over")
    assert Inspector.load(tmp_path).backend.name == "ONNX Runtime float32"


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
