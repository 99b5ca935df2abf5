"""Exports of a trained run: what is written and said, and when nothing is."""

import json
import shutil

import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.runs.export import export

# How near probabilities must be: a network of three short epochs is sharp, and loses much in int8.
CHOICES = [
    ("onnx", "fp32", 1e-4),
    ("openvino", "bf16", 0.05),
    ("onnx", "int8", 0.6),
    pytest.param("openvino", "fp32", 1e-4, marks=pytest.mark.slow),
    pytest.param("openvino", "int8", 0.6, marks=pytest.mark.slow),
    pytest.param("torch_export", "fp32", 1e-4, marks=pytest.mark.slow),
    pytest.param("torchscript", "fp32", 1e-4, marks=pytest.mark.slow),
]


@pytest.fixture
def call(compose, trained, tmp_path):
    """Exports; gives what lies in the output folder, by name."""

    def call(*overrides, run=trained.folder):
        output = tmp_path / "out"
        cfg = compose("export", [f"run='{run}'", f"output='{output}'", *overrides])
        assert export(plain(cfg)) == 0
        return {path.name: path for path in output.iterdir()}

    return call


def parity_of(tmp_path, name="parity.json"):
    return json.loads((tmp_path / "out" / name).read_text())


@pytest.mark.parametrize(("form", "precision", "near"), CHOICES)
def test_exported_inspector_says_what_the_trained_one_says(
    call, trained, images, capsys, form, precision, near
):
    found = call(f"format={form}", f"precision={precision}", "max_drop=0.2")
    said = json.loads(found["parity.json"].read_text())
    assert said["held"]
    assert said["images"] > 5
    gaps = {each["what"]: each["max"] for each in said["differences"]}
    assert set(gaps) == {"probability", "heatmap"}
    assert gaps["probability"] <= near
    (file,) = [path for name, path in found.items() if name.split(".")[1] in ("onnx", "xml", "pt2", "ts")]
    trained_one, exported = Inspector.load(trained.folder), Inspector.load(file)
    picture = read_image(images / "01_train_val_test" / "0_nio" / "000.png")
    (one,), (other,) = (each.inspect([picture], heatmaps=True) for each in (trained_one, exported))
    assert other.probabilities["defect"] == pytest.approx(one.probabilities["defect"], abs=near)
    assert set(other.heatmaps) == set(one.heatmaps)
    printed = capsys.readouterr().out
    assert f"{said['figure']['trained']:.4f}" in printed
    assert file.name in printed
    assert ("calibrated on" in printed) == (precision == "int8")


def test_json_beside_says_what_goes_in_and_out_and_its_threshold_acts(call, images):
    found = call("format=onnx", "heatmaps=false")
    beside = json.loads(found["inspector.json"].read_text())
    assert beside["classes"] == ["ok", "defect"]
    assert beside["input"]["shape"] == ["batch", 1, 40, 48]
    assert beside["outputs"]["probabilities"]["shape"] == ["batch", 2]
    assert "heatmaps" not in beside["outputs"]
    assert beside["parity"]["held"]
    picture = read_image(images / "01_train_val_test" / "1_io" / "000.png")
    for threshold, expected in ((0.0, "defect"), (1.0, "ok")):
        beside["decision"]["threshold"] = threshold
        found["inspector.json"].write_text(json.dumps(beside))
        assert Inspector.load(found["inspector.onnx"]).inspect([picture])[0].label == expected


def test_a_graph_with_another_normalisation_is_found_out_and_removed(call, tmp_path, monkeypatch):
    from inspection.export.formats import onnx

    right = onnx.as_onnx

    def wrong(program):
        model = right(program)
        for each in model.graph.initializer:
            if each.name.endswith("scale"):
                values = np.frombuffer(each.raw_data, np.float32) * np.float32(1.02)
                each.raw_data = values.tobytes()
        return model

    earlier = {name: path.read_bytes() for name, path in call("format=onnx").items()}
    monkeypatch.setattr(onnx, "as_onnx", wrong)
    with pytest.raises(InputError, match="does not say what the trained one says") as error:
        call("format=onnx")
    assert "probability: " in str(error.value)
    assert "at most 0.0001 is allowed" in str(error.value)
    assert "please report it with parity_failed.json" in str(error.value)
    assert not parity_of(tmp_path, "parity_failed.json")["held"]
    left = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert left.pop("parity_failed.json")
    assert left == earlier


def test_int8_that_loses_too_much_is_no_export_and_says_both_figures(call, tmp_path, monkeypatch):
    from inspection.runs.export import _Export

    monkeypatch.setattr(_Export, "lost", lambda self, exported: 0.5)
    right = _Export.figure
    monkeypatch.setattr(
        _Export, "figure", lambda self, exported: type(f := right(self, exported))(f.name, f.mode, 0.9, 0.4)
    )
    with pytest.raises(
        InputError, match=r"f1 0\.9000 as trained, 0\.4000 exported: 0\.5000 is lost"
    ) as error:
        call("format=onnx", "precision=int8", "calibration=4", "images=4")
    assert "max_drop=0.01 is allowed" in str(error.value)
    assert "take precision=fp32, or allow more with max_drop" in str(error.value)
    assert (
        "no layer can compute in int8 without a loss above 0.01"
        in parity_of(tmp_path, "parity_failed.json")["notes"]
    )
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_int8_gives_floats_back_until_little_enough_is_lost(call, tmp_path, monkeypatch):
    from inspection.runs.export import _Export

    losses = iter([0.5, 0.3, 0.0])
    monkeypatch.setattr(_Export, "lost", lambda self, exported: next(losses))
    call("format=onnx", "precision=int8", "calibration=4", "images=4", "max_drop=0.2")
    notes = parity_of(tmp_path)["notes"]
    assert notes[0].startswith("calibrated on 4 of ")
    assert "0.5000 is lost" in notes[1]
    assert "layers compute in int8; in float32: " in notes[2]


# ------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ["format=onnx", "precision=bf16"],
            "onnx is exported in fp32 or int8; for bf16 take format=openvino",
        ),
        (["format=torch_export", "precision=int8"], "for int8 take format=onnx or openvino"),
        (["format=torchscript", "precision=int8"], "for int8 take format=onnx or openvino"),
        (["images=0"], "images=0: expected 1 or more"),
        (["calibration=0"], "calibration=0: expected 1 or more"),
        (["max_drop=-0.1"], "max_drop=-0.1: expected 0 or more"),
        (["format=onx"], "format=onx: expected onnx, openvino, torch_export, torchscript; did you mean onnx"),
    ],
)
def test_what_there_is_not(call, tmp_path, given, message):
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        call(*given)
    assert not (tmp_path / "out").exists()


def test_missing_run(call, tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; give a run folder such as outputs/"):
        call(run=tmp_path / "nowhere")


def test_run_without_validation_images(call, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.folder, run)
    table = (run / "splits.csv").read_text().replace(",val,", ",test,")
    (run / "splits.csv").write_text(table)
    with pytest.raises(InputError, match="validation"):
        call(run=run)


@pytest.mark.slow
def test_exit_status_of_the_command(script, trained):
    done = script("export", f"run={trained.folder}", "format=openvin")
    assert done.returncode == 2
    assert "did you mean openvino?" in done.stderr
