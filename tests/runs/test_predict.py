"""Predictions of a trained run: what is written, printed and returned."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from inspection.config.entry import CONF
from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.models.small_cnn import SmallCNN
from inspection.runs.predict import find_input, predict


def write(path: Path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def rows(folder):
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def call(trained, tmp_path):
    """Predicts; gives the exit status and the rows of the table."""

    def call(given, *overrides, run=trained.folder):
        line = [f"run='{run}'", f"input='{given}'", f"output='{tmp_path / 'out'}'", *overrides]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("predict", line)
        return predict(plain(cfg)), rows(tmp_path / "out")

    return call


@pytest.fixture
def some(images, tmp_path):
    """Two defects and two good parts."""
    for name in ("0_nio/000.png", "0_nio/001.png", "1_io/000.png", "1_io/001.png"):
        place = tmp_path / "some" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(images / "01_train_val_test" / name, place)
    return tmp_path / "some"


@pytest.mark.parametrize("cut_short", [False, True])
def test_device_and_threads_are_heeded(call, trained, some, tmp_path, cut_short):
    run = tmp_path / "run"
    shutil.copytree(trained.folder, run)
    if cut_short:
        (run / "inspector.safetensors").unlink()
    before = torch.get_num_threads()
    try:
        assert call(some, "threads=2", run=run)[0] == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    with pytest.raises(InputError, match="threads=0: expected 1 or more, or null"):
        call(some, "threads=0", run=run)
    with pytest.raises(InputError, match="device=toaster: torch can't use it here"):
        call(some, "device=toaster", run=run)


def test_folder_gets_the_probabilities_and_verdicts_of_the_run(call, trained, images):
    status, found = call(images, "overlays=false")
    assert status == 0
    assert len(found) == 96
    said = {row["file"]: row for row in rows(trained.folder)}
    known = [row for row in found if row["file"] in said]
    assert len(known) == len(said)
    for row in known:
        own = said[row["file"]]
        assert row["verdict"] == own["verdict"]
        for name in ("probability_ok", "probability_defect"):
            assert float(row[name]) == pytest.approx(float(own[name]), abs=1e-4)
        assert row["probability"] == row[f"probability_{row['verdict']}"]
        assert row["fault"] == ""


def test_batch_size_and_overlays_change_no_verdict(call, some):
    _, plain = call(some, "overlays=false", "batch_size=1")
    _, drawn = call(some, "overlays=true", "batch_size=3")
    for one, two in zip(plain, drawn, strict=True):
        assert one["verdict"] == two["verdict"]
        assert float(one["probability"]) == pytest.approx(float(two["probability"]), abs=1e-5)


def test_inspector_file_says_what_its_run_says(call, trained, some):
    _, of_run = call(some, "overlays=false")
    _, of_file = call(some, "overlays=false", run=trained.folder / "inspector.safetensors")
    assert of_file == of_run


def test_overlays_show_the_whole_image(call, some, tmp_path):
    call(some)
    files = sorted(path.relative_to(tmp_path / "out" / "overlays") for path in tmp_path.rglob("overlays/*/*"))
    assert [file.as_posix() for file in files] == [
        "0_nio/000.png.png",
        "0_nio/001.png.png",
        "1_io/000.png.png",
        "1_io/001.png.png",
    ]
    for file in files:
        picture = cv2.imread(str(tmp_path / "out" / "overlays" / file))
        assert picture.std() > 5


def test_one_file(call, some):
    status, found = call(some / "0_nio" / "001.png")
    assert status == 0
    assert [row["file"] for row in found] == ["001.png"]


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("0_nio/*.png", ["000.png", "001.png"]),
        ("*/000.png", ["0_nio/000.png", "1_io/000.png"]),
        ("**/001.png", ["0_nio/001.png", "1_io/001.png"]),
        ("?_io/00[1-9].png", ["1_io/001.png"]),
    ],
)
def test_pattern(some, pattern, files):
    root, found = find_input(f"{some}/{pattern}")
    assert found == files
    assert all((root / file).is_file() for file in found)


def test_relative_pattern(some, monkeypatch):
    monkeypatch.chdir(some)
    assert find_input("*/000.png") == (Path(), ["0_nio/000.png", "1_io/000.png"])
    assert find_input("../some/1_io/*") == (Path("../some/1_io"), ["000.png", "001.png"])


def test_file_whose_name_looks_like_a_pattern(some):
    odd = some / "part[1].png"
    shutil.copy(some / "1_io" / "000.png", odd)
    assert find_input(str(odd)) == (some, ["part[1].png"])


def test_unreadable_image_is_a_row_and_the_rest_go_on(call, some, capsys):
    (some / "0_nio" / "bad.png").write_bytes((some / "0_nio" / "000.png").read_bytes()[:100])
    (some / "1_io" / "text.png").write_text("no picture")
    status, found = call(some, "batch_size=2")
    assert status == 1
    by_file = {row["file"]: row for row in found}
    assert list(by_file) == [
        "0_nio/000.png",
        "0_nio/001.png",
        "0_nio/bad.png",
        "1_io/000.png",
        "1_io/001.png",
        "1_io/text.png",
    ]
    for file, row in by_file.items():
        bad = file in ("0_nio/bad.png", "1_io/text.png")
        assert (row["verdict"] == "") == (row["probability_ok"] == "") == bad
        assert (str(some / file) in row["fault"]) == bad
    output = capsys.readouterr().out
    for file in ("0_nio/bad.png", "1_io/text.png"):
        assert [line.split() for line in output.splitlines() if line.split()[:1] == [file]] == [
            [file, "unreadable", "-"]
        ]
        assert by_file[file]["fault"] in output  # whole, below the table
    assert "6 images: " in output
    assert output.rstrip().splitlines()[-2].endswith("unreadable 2")


def test_many_faults_are_cut_on_the_console_alone(call, some, capsys):
    for number in range(8):
        (some / f"{number}.png").write_text("no picture")
    _, found = call(some, "overlays=false")
    assert sum(bool(row["fault"]) for row in found) == 8
    output = capsys.readouterr().out
    assert sum(row["fault"] in output for row in found if row["fault"]) == 5
    assert "... 3 more in the column fault of " in output


def test_image_smaller_than_the_crop_is_named(config, run_training, images, tmp_path, call):
    run = run_training(
        config("data.crop=[0,0,48,40]", "trainer.max_epochs=1", "~callbacks.heatmaps", "logger=none"),
        tmp_path / "cropped",
    ).folder
    write(tmp_path / "new" / "a.png", np.full((40, 48), 110, np.uint8))
    small = write(tmp_path / "new" / "b.png", np.full((39, 48), 110, np.uint8))
    status, found = call(tmp_path / "new", run=run)
    assert status == 1
    assert found[0]["fault"] == ""
    assert found[1]["fault"].startswith(f"{small}: the image is 48 x 39 pixels")


def test_files_of_all_kinds_and_names(call, images, tmp_path, capsys):
    grey = cv2.imread(str(images / "01_train_val_test" / "0_nio" / "000.png"), cv2.IMREAD_UNCHANGED)
    folder = tmp_path / "Prüfstand – 検査"
    write(folder / "8.png", grey)
    write(folder / "8.bmp", grey)
    write(folder / "16.png", grey.astype(np.uint16) * 257)
    write(folder / "Größe 16.tiff", grey.astype(np.uint16) * 257)
    write(folder / "farbig ü.png", np.repeat(grey[..., None], 3, axis=2))
    status, found = call(folder)
    assert status == 0
    assert [row["file"] for row in found] == ["16.png", "8.bmp", "8.png", "Größe 16.tiff", "farbig ü.png"]
    scores = [float(row["probability_defect"]) for row in found]
    assert scores == pytest.approx([scores[0]] * 5, abs=1e-5)
    assert (tmp_path / "out" / "overlays" / "Größe 16.tiff.png").is_file()
    assert "farbig ü.png" in capsys.readouterr().out


def test_threshold_moves_the_verdict(call, some, capsys):
    _, found = call(some, "overlays=false")
    scores = [float(row["probability_defect"]) for row in found]
    for threshold, expected in ((0, "defect"), (1, "ok")):
        assert 0 < max(scores) < 1
        _, moved = call(some, "overlays=false", f"threshold={threshold}")
        assert {row["verdict"] for row in moved} == {expected}
        assert [float(row["probability_defect"]) for row in moved] == pytest.approx(scores, abs=1e-6)
        assert f"a part is 'defect' at a probability of {threshold} or more" in capsys.readouterr().out


def test_table_on_the_console(call, some, trained, capsys, tmp_path):
    _, found = call(some, "overlays=false")
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines[0] == "coil: Is a pin of this coil bent?"
    threshold = Inspector.load(trained.folder / "inspector.safetensors").decision.threshold
    assert lines[1] == f"a part is 'defect' at a probability of {threshold:g} or more"
    assert lines[2].split() == ["file", "verdict", "P(defect)"]
    for line, row in zip(lines[3:7], found, strict=True):
        assert line.split() == [row["file"], row["verdict"], f"{float(row['probability_defect']):.4f}"]
    count = sum(row["verdict"] == "ok" for row in found)
    assert lines[-2:] == [f"4 images: ok {count}, defect {4 - count}", str(tmp_path / "out")]


def test_long_table_is_cut_on_the_console_alone(call, images, capsys):
    _, found = call(images, "overlays=false")
    output = capsys.readouterr().out
    assert len(found) == 96
    assert "... 56 more in " in output


def test_output_goes_to_the_run_where_none_is_given(trained, some, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.folder, run)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("predict", [f"run='{run}'", f"input='{some}'", "overlays=false"])
    assert predict(plain(cfg)) == 0
    (folder,) = (run / "predict").iterdir()
    assert len(rows(folder)) == 4


# ------------------------------------------------------------------------------------------ mistakes


def test_empty_folder(call, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: the folder holds no images \(bmp, png, jpg, tif\)"):
        call(tmp_path / "empty")


@pytest.mark.parametrize("given", ["nowhere", "nowhere/*.png", "*.xyz"])
def test_nothing_there(call, tmp_path, given):
    with pytest.raises(InputError, match="no such file or folder, and no file matches it as a pattern"):
        call(tmp_path / given)


@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_input_is_not_the_folder_that_one_is_in(given):
    with pytest.raises(InputError, match=r"input: expected .* but it is empty"):
        find_input(given)


def test_missing_run(call, some, tmp_path):
    with pytest.raises(
        InputError, match="nowhere: no such file or folder; give a run folder such as outputs/"
    ):
        call(some, run=tmp_path / "nowhere")


def test_folder_that_is_no_run(call, some):
    with pytest.raises(InputError, match=r"neither inspector\.safetensors"):
        call(some, run=some)


def test_run_without_a_checkpoint(call, some, trained, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(trained.folder / "config.yaml", run)
    with pytest.raises(InputError, match=r"it has no checkpoints/best\.ckpt; its training did not get to"):
        call(some, run=run)


def test_checkpoint_of_another_network(call, some, trained, quick, run_training, tmp_path):
    other = run_training(quick("model=lenet", "trainer.max_epochs=1"), tmp_path / "other").folder
    shutil.copy(trained.folder / "checkpoints" / "best.ckpt", other / "checkpoints")
    (other / "inspector.safetensors").unlink()  # as of a run that was cut short
    with pytest.raises(InputError, match="holds the weights of another network than LeNet") as error:
        call(some, run=other)
    assert str(error.value).startswith(f"{other / 'checkpoints' / 'best.ckpt'}: ")


def test_damaged_checkpoint(call, some, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.folder, run)
    path = run / "checkpoints" / "best.ckpt"
    path.write_bytes(path.read_bytes()[:1000])
    (run / "inspector.safetensors").unlink()
    with pytest.raises(InputError, match=r"best\.ckpt is damaged"):
        call(some, run=run)


@pytest.mark.slow
def test_exit_status_of_the_command(script, trained, some, tmp_path):
    (some / "bad.png").write_bytes(b"")
    done = script("predict", f"run={trained.folder}", f"input={some}", "output=out")
    assert (done.returncode, done.stderr) == (1, "")
    assert "5 images: " in done.stdout
    assert len(rows(tmp_path / "out")) == 5


@pytest.mark.slow
def test_who_listens_may_go(trained, some, tmp_path):
    """As `head -1` does."""
    reads, writes = os.pipe()
    os.close(reads)
    line = [f"run={trained.folder}", f"input={some}", f"output={tmp_path / 'out'}"]
    done = subprocess.run(
        [sys.executable, str(CONF.parent / "scripts" / "predict.py"), *line],
        stdout=writes,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_image_without_a_number_has_no_verdict_and_the_others_have_theirs(
    call, some, trained, monkeypatch, capsys
):
    (_, before), forward = call(some), SmallCNN.forward
    brightest = max(before, key=lambda row: float(row["probability_defect"]))["file"]
    limit = max(float(row["probability_defect"]) for row in before if row["file"] != brightest)
    temperature = Inspector.load(trained.folder / "inspector.safetensors").decision.temperature

    def broken(self, images):
        logits = forward(self, images)
        return torch.where((logits / temperature).softmax(1)[:, 1:] > limit + 1e-5, torch.nan, logits)

    monkeypatch.setattr(SmallCNN, "forward", broken)
    status, found = call(some)
    assert status == 1
    for row, own in zip(found, before, strict=True):
        if row["file"] == brightest:
            assert row["verdict"] == ""
            assert "the network gives no number for this image" in row["fault"]
            assert brightest in row["fault"]
        else:
            assert row == own
    assert "unreadable 1" in capsys.readouterr().out
