"""Exports of a trained run: what is written and said, and when nothing is."""

import contextlib
import io
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.data.images import read_image
from inspection.decide.decisions import OneOf
from inspection.decide.quantities import Quantities
from inspection.errors import InputError
from inspection.export.parity import Allowed, Change, Figure, Parity, compare
from inspection.inspector import Inspector
from inspection.runs.evaluate import rebuild
from inspection.runs.export import _Export, export, unfinished

pytestmark = pytest.mark.slow  # exports take seconds each


@pytest.fixture(scope="module")
def onnx(compose, trained, tmp_path_factory):
    """Folder of an export in float32, compared on some images, and what was printed; not to be written to."""
    folder, printed = tmp_path_factory.mktemp("export") / "onnx_fp32", io.StringIO()
    with contextlib.redirect_stdout(printed):
        cfg = compose("export", [f"run='{trained.folder}'", f"output='{folder}'", "format=onnx", "images=6"])
        assert export(plain(cfg)) == 0
    return folder, printed.getvalue()


@pytest.fixture
def call(compose, trained, tmp_path):
    """Exports; gives the output folder."""

    def call(*overrides, run=trained.folder):
        output = tmp_path / "out"
        cfg = compose("export", [f"run='{run}'", f"output='{output}'", *overrides])
        assert export(plain(cfg)) == 0
        return output

    return call


def read(folder, name="parity.json"):
    return json.loads((folder / name).read_text())


def check_same(folder, trained, images, near):
    """The exported inspector is near the trained one, by its own account and by ours."""
    said = read(folder)
    assert said["held"]
    assert said["boxes"] is None
    gaps = {each["what"]: each["max"] for each in said["differences"]}
    assert set(gaps) == {"probability", "heatmap"}
    assert gaps["probability"] <= near
    exported = Inspector.load(folder / read(folder, "inspector.json")["file"])
    picture = read_image(images / "01_train_val_test" / "0_nio" / "000.png")
    (one,), (other,) = (
        each.inspect([picture], heatmaps=True) for each in (Inspector.load(trained.folder), exported)
    )
    assert other.probabilities["defect"] == pytest.approx(one.probabilities["defect"], abs=near)
    assert set(other.heatmaps) == set(one.heatmaps)


def test_exported_inspector_says_what_the_trained_one_says(onnx, trained, images):
    folder, printed = onnx
    check_same(folder, trained, images, 1e-4)
    said = read(folder)
    assert (said["images"], said["compared"] > 6) == (6, True)
    everything = said["figure"]["images"]
    assert everything > 6
    assert "on 6 validation images from the file to the verdict" in printed
    assert f"f1, on all {everything} validation images" in printed
    assert f"{said['figure']['trained']:.4f}" in printed
    assert "inspector.onnx" in printed
    assert "note: " not in printed


def test_bfloat16_is_near(call, trained, images):
    check_same(
        call("format=openvino", "precision=bf16", "max_drop=0.2", "max_changed=null"), trained, images, 0.05
    )


@pytest.mark.slow
def test_torch_reads_its_own(call, trained, images):
    check_same(call("format=torch_export"), trained, images, 1e-4)


def test_json_beside_says_what_goes_in_and_out_and_its_threshold_acts(onnx, images, tmp_path):
    shutil.copytree(onnx[0], tmp_path / "out")
    beside = read(tmp_path / "out", "inspector.json")
    assert beside["classes"] == ["ok", "defect"]
    assert beside["input"]["shape"] == ["batch", 1, 40, 48]
    assert beside["outputs"]["probabilities"]["shape"] == ["batch", 2]
    assert beside["outputs"]["heatmaps"]["shape"] == ["batch", 1, 40, 48]
    assert beside["parity"]["held"]
    picture = read_image(images / "01_train_val_test" / "1_io" / "000.png")
    for threshold, expected in ((0.0, "defect"), (1.0, "ok")):
        beside["decision"]["threshold"] = threshold
        (tmp_path / "out" / "inspector.json").write_text(json.dumps(beside))
        assert Inspector.load(tmp_path / "out" / "inspector.onnx").inspect([picture])[0].label == expected


def test_a_graph_with_another_normalisation_is_found_out_and_leaves_the_earlier_export(
    onnx, call, tmp_path, monkeypatch
):
    from inspection.export.formats import onnx as written

    right = written.as_onnx

    def wrong(program):
        model = right(program)
        for each in model.graph.initializer:
            if each.name.endswith("scale"):
                values = np.frombuffer(each.raw_data, np.float32) * np.float32(1.02)
                each.raw_data = values.tobytes()
        return model

    shutil.copytree(onnx[0], tmp_path / "out")
    monkeypatch.setattr(written, "as_onnx", wrong)
    with pytest.raises(InputError, match="does not say what the trained one says") as error:
        call("format=onnx", "heatmaps=false", "images=6")
    assert "probability: " in str(error.value)
    assert "at most 0.0001 is allowed" in str(error.value)
    assert "please report it with parity_failed.json" in str(error.value)
    assert not read(tmp_path / "out", "parity_failed.json")["held"]
    earlier = {path.name: path.read_bytes() for path in onnx[0].iterdir()}
    left = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert left.pop("parity_failed.json")
    assert left == earlier


def test_a_point_within_a_rounding_of_the_scores_is_no_fault_of_the_exporter(call, monkeypatch):
    def one_changed(*given):
        parity = compare(*given)
        parity.changed.append(Change("a.png", "ok", "defect"))
        return parity

    monkeypatch.setattr("inspection.runs.export.compare", one_changed)
    with pytest.raises(InputError, match=r"a\.png was 'ok', is 'defect'") as error:
        call("format=onnx", "heatmaps=false", "images=6")
    assert "the operating point lies within it" in str(error.value)
    assert "scripts/decide.py" in str(error.value)
    assert "please report it" not in str(error.value)


def test_a_detector_that_lost_a_box_is_a_fault_of_the_exporter():
    lost = Parity(
        1, [], [Change("a.png", "1 motor", "none")], unmatched=1, boxes=1, changed_boxes=1, compared=6
    )
    assert "please report it" in _Export.remedy(SimpleNamespace(precision="fp32"), lost)
    kept = replace(lost, unmatched=0)
    assert "please report it" not in _Export.remedy(SimpleNamespace(precision="fp32"), kept)


def test_openvino_names_the_runtime_that_computes_the_same_graph_better(call, monkeypatch):
    right = _Export.exceeded

    def exceeded(self, exported):
        return ["too much"] if "OpenVINO" in exported.backend.name else right(self, exported)

    monkeypatch.setattr(_Export, "exceeded", exceeded)
    words = ["calibration=4", "images=4", "heatmaps=false", "max_drop=1", "max_changed=1"]
    notes = read(call("format=openvino", "precision=int8", *words))["notes"]
    assert "with ONNX Runtime the same graph stays within these bounds: consider format=onnx" in notes


def test_int8_that_loses_too_much_is_no_export_and_says_both_figures(call, tmp_path, monkeypatch):
    right = _Export.figure
    monkeypatch.setattr(
        _Export, "figure", lambda self, exported: type(f := right(self, exported))(f.name, f.mode, 0.9, 0.4)
    )
    with pytest.raises(
        InputError, match=r"f1 0\.9000 as trained, 0\.4000 exported: 0\.5000 is lost"
    ) as error:
        call("format=onnx", "precision=int8", "calibration=4", "images=4", "heatmaps=false")
    assert "max_drop=0.01 is allowed" in str(error.value)
    assert "take precision=fp32, or allow more with max_drop or max_changed" in str(error.value)
    (left,) = (tmp_path / "out").iterdir()
    notes = read(tmp_path / "out", left.name)["notes"]
    assert "no choice of layers that was tried stays within these bounds" in notes


SMALL = "format=onnx", "precision=int8", "calibration=4", "heatmaps=false"


def test_int8_gives_floats_back_until_little_enough_is_lost(call, monkeypatch, capsys):
    lost = iter([0.5, 0.3])
    right = _Export.figure

    def figure(self, exported):
        found = right(self, exported)
        return Figure(found.name, found.mode, 0.9, 0.9 - next(lost, 0.0))

    monkeypatch.setattr(_Export, "figure", figure)
    # A network of three short epochs is sharp, and loses much.
    folder = call(*SMALL, "images=4", "max_drop=0.2", "max_changed=null")
    said = read(folder)
    assert said["notes"][0].startswith("calibrated on 4 of ")
    assert "0.5000 is lost, max_drop=0.2 is allowed" in said["notes"][1]
    assert "layers compute in int8; in float32: " in said["notes"][2]
    assert "calibrated on 4 of " in capsys.readouterr().out
    assert [each["what"] for each in said["differences"]] == ["probability"]
    assert said["bounds"] == {"max_drop": 0.2, "max_changed": None}
    assert "heatmaps" not in read(folder, "inspector.json")["outputs"]


def swamped(monkeypatch):
    """Lets int8 round the second layer's weights to next to nothing, so that verdicts change."""
    from inspection.export import quantise

    right = quantise.quantised

    def quantised(*given):
        made = right(*given)
        layer = made.structure.layers[1].node
        (node,) = [node for node in made.model.graph.node if node.name == layer]
        (rounded,) = [each for each in made.model.graph.node if node.input[1] in each.output]
        (weights,) = [each for each in made.model.graph.initializer if each.name == rounded.input[0]]
        values = np.frombuffer(weights.raw_data, np.int8)
        weights.raw_data = (values // 64 * 64).tobytes()
        return made

    monkeypatch.setattr(quantise, "quantised", quantised)


def test_int8_gives_floats_back_until_no_verdict_of_the_validation_images_changes(
    call, trained, monkeypatch, tmp_path, capsys
):
    swamped(monkeypatch)
    loose = read(call(*SMALL, "max_drop=1", "max_changed=1"))
    assert loose["changed_verdicts"]["number"] > 0
    shutil.rmtree(tmp_path / "out")
    capsys.readouterr()
    said = read(folder := call(*SMALL, "max_drop=1", "max_changed=0"))
    every = said["images"]
    assert said["bounds"] == {"max_drop": 1.0, "max_changed": 0.0}
    assert (said["held"], said["changed_verdicts"]["number"]) == (True, 0)
    assert said["notes"][1].endswith(f" of {every} verdicts changed, max_changed=0 allows 0")
    assert " layers compute in int8; in float32: " in said["notes"][2]
    assert not said["notes"][2].startswith("0 of ")
    assert f"changed verdicts: 0 of {every}" in capsys.readouterr().out
    one, other = (Inspector.load(path) for path in (trained.folder, folder / "inspector.onnx"))
    rebuilt = rebuild(trained.folder, {})
    pictures = [
        rebuilt.data.camera_image(rebuilt.data.samples.files[row]) for row in rebuilt.data.samples.rows("val")
    ]
    assert [each.label for each in one.inspect(pictures)] == [each.label for each in other.inspect(pictures)]


@pytest.mark.parametrize(
    "words", [SMALL, ("format=openvino", "precision=bf16", "heatmaps=false")], ids=["int8", "bf16"]
)
def test_an_export_that_changes_more_verdicts_than_it_may_is_none_and_says_how_many(
    call, trained, tmp_path, monkeypatch, words
):
    from inspection.runs import export as module

    right = module.metadata_of

    def metadata_of(inspector, precision):  # whatever computes in float32, all are called defective
        metadata = right(inspector, precision)
        passport = json.loads(metadata["passport"])
        passport["decision"]["threshold"] = 0.0
        return metadata | {"passport": json.dumps(passport)}

    inspector = Inspector.load(trained.folder)
    rebuilt = rebuild(trained.folder, {})
    rows = rebuilt.data.samples.rows("val")
    pictures = [rebuilt.data.camera_image(rebuilt.data.samples.files[row]) for row in rows]
    changed = sum(verdict.label == "ok" for verdict in inspector.inspect(pictures))
    assert 0 < changed < len(rows)
    line = f"{changed} of {len(rows)} verdicts changed, max_changed=0.05 allows {len(rows) // 20}"
    monkeypatch.setattr(module, "metadata_of", metadata_of)
    with pytest.raises(InputError, match=line) as error:
        call(*words, "max_drop=1", "max_changed=0.05")
    assert "or allow more with max_drop or max_changed" in str(error.value)
    said = read(tmp_path / "out", "parity_failed.json")
    assert not said["held"]
    assert ("no choice of layers that was tried stays within these bounds" in said["notes"]) == (
        words == SMALL
    )
    call(*words, "max_drop=1", f"max_changed={changed / len(rows)}")


def test_where_there_are_no_verdicts_the_bound_on_them_is_none_and_that_is_said():
    def bounds(decision, max_changed):
        job = SimpleNamespace(
            config={"max_drop": 0.01, "max_changed": max_changed},
            rebuilt=SimpleNamespace(inspector=SimpleNamespace(decision=decision)),
            notes=[],
        )
        return _Export.bounds(job), job.notes

    quantities = ["max", "mean"], "K", [350.0, 300.0], [20.0, 5.0]
    allowed, (note,) = bounds(Quantities(*quantities), 0)
    assert allowed == Allowed(0.01, None)
    assert note == "no alarm is set: there are no verdicts that max_changed could bound"
    assert bounds(Quantities(*quantities), None) == (Allowed(0.01, None), [])
    alarmed = Quantities(*quantities, alarm={"max": 360.0})
    assert bounds(alarmed, 0) == (Allowed(0.01, 0.0), [])
    assert bounds(OneOf(["ok", "defect"], "defect"), 0.5) == (Allowed(0.01, 0.5), [])


def test_float32_is_bounded_by_nothing_that_may_change(onnx):
    assert read(onnx[0])["bounds"] == {"difference": 1e-4, "changed_verdicts": 0}


def test_a_run_that_did_not_come_to_its_end_is_noted():
    decision = OneOf(["ok", "defect"], "defect")
    (note,) = unfinished(SimpleNamespace(passport=SimpleNamespace(operating={}), decision=decision))
    assert note == "no operating point was chosen: the run did not come to its end; it decides at 0.5"
    assert unfinished(SimpleNamespace(passport=SimpleNamespace(operating={"chosen": True}))) == []


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
        (["max_changed=1.1"], "max_changed=1.1: expected a share, 0 to 1, or null"),
        (["max_changed=-1"], "max_changed=-1: expected a share, 0 to 1, or null"),
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
