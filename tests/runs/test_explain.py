"""Explanations of a trained run: what is written, printed and returned."""

import csv
import re
import shutil

import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inspection.config.entry import CONF
from inspection.config.preflight import preflight
from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.runs.explain import explain, find_masks

QUICK = ["steps=3", "filters=false", "features=false"]


def rows(folder):
    with (folder / "faithfulness.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def some(images, tmp_path):
    """Two defects and a good part."""
    for name in ("0_nio/000.png", "0_nio/001.png", "1_io/000.png"):
        place = tmp_path / "some" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(images / "01_train_val_test" / name, place)
    return tmp_path / "some"


@pytest.fixture
def call(trained, some, tmp_path, compose):
    """Explains; gives the exit status and the folder."""

    def call(*overrides, run=trained.folder, given=some):
        line = [f"run='{run}'", f"input='{given}'", f"output='{tmp_path / 'out'}'", *overrides]
        return explain(plain(compose("explain", line))), tmp_path / "out"

    return call


def test_everything_is_written_and_a_short_table_is_printed(call, capsys):
    status, out = call("steps=4", "batch_size=2")
    assert status == 0
    found = files(out)
    assert [name for name in found if name.startswith("overlays")] == [
        "overlays/0_nio/000.png.png",
        "overlays/0_nio/001.png.png",
        "overlays/1_io/000.png.png",
    ]
    assert {"faithfulness.csv", "faithfulness.png", "features.png"} <= set(found)
    assert not any(name.startswith("comparison") for name in found)  # one method alone
    assert len([name for name in found if name.startswith("filters/")]) == 4  # convolutions of SmallCNN
    assert found.index("features/00_image.png") < found.index("features/01_features.0_convolution.png")
    table = rows(out)
    assert [(row["file"], row["method"]) for row in table] == [
        *((name, method) for method in ("grad_cam", "random") for name in ("0_nio/000.png", "0_nio/001.png")),
        *(("1_io/000.png", method) for method in ("grad_cam", "random")),
    ]
    assert all(0 <= float(row[key]) <= 1 for row in table for key in ("deletion", "insertion"))
    assert {row["target"] for row in table} == {"defect"}
    assert not any(row["heat_inside"] for row in table)  # no masks
    lines = capsys.readouterr().out.splitlines()
    means = {line.split()[1]: line.split()[1:] for line in lines if line.startswith("  ")}
    own = [row for row in table if row["method"] == "grad_cam"]
    mean = sum(float(row["deletion"]) for row in own) / 3
    assert means["Grad-CAM"][1:3] == ["3", str(sum(row["evidence"] == "False" for row in own))]
    assert float(means["Grad-CAM"][3]) == pytest.approx(mean, abs=1e-4)
    assert means["random"][1:4] == ["order", "3", "-"]
    assert str(out) in lines


def test_tensorboard_shows_filters_features_and_curves(call):
    _, out = call("steps=2")
    events = EventAccumulator(str(out), {"images": 0})
    events.Reload()
    tags = events.Tags()["images"]
    assert "filters/1_features.0" in tags
    assert "features/00_image" in tags
    assert "faithfulness" in tags


def test_overlays_are_as_large_as_the_cameras_images_and_keep_their_cold_pixels(call, some, tmp_path):
    """Enlarged by a whole number, since 48 pixels are too few for a title."""
    _, out = call(*QUICK, "faithfulness=false")
    image = cv2.imread(str(some / "0_nio" / "000.png"))
    drawn = cv2.imread(str(out / "overlays" / "0_nio" / "000.png.png"))
    assert drawn.shape[0] > 5 * image.shape[0]
    assert not (out / "faithfulness.csv").exists()


def test_methods_side_by_side(call):
    _, out = call(*QUICK, "compare=true", "patch=10", "stride=[6,8]")
    table = rows(out)
    methods = ["grad_cam", "grad_cam_plus_plus", "layer_cam", "hires_cam", "occlusion", "random"]
    assert list(dict.fromkeys(row["method"] for row in table)) == methods
    for name in ("0_nio/000.png", "0_nio/001.png", "1_io/000.png"):
        sheet = cv2.imread(str(out / "comparison" / f"{name}.png"))
        assert sheet.shape[1] > 6 * 260
    _, out = call(*QUICK, "method=hires_cam", "compare=[occlusion,hires_cam]")
    assert list(dict.fromkeys(row["method"] for row in rows(out))) == ["hires_cam", "occlusion", "random"]


def test_the_work_is_stated_before_and_its_time_afterwards(call, capsys):
    call("steps=3", "compare=[occlusion]", "patch=20", "stride=10", "filters=false")
    lines = capsys.readouterr().out.splitlines()
    # Of a height of 40 and a width of 48: rows at 0, 10, 20; columns at 0, 10, 20 and, to the edge, 28.
    work = "forward passes of each image at 40x48: 13 for occlusion, 24 for curves of 3 maps"
    (spent,) = [line for line in lines if line.startswith("time of each image: ")]
    assert lines.index(work) < lines.index(spent)
    assert set(re.findall(r"([A-Za-z-]+) \d+\.\d\d s", spent)) == {
        "Grad-CAM",
        "occlusion",
        "curves",
        "pictures",
    }


def test_every_class_or_the_predicted_one(call):
    _, out = call(*QUICK, "target=all")
    assert {row["target"] for row in rows(out)} == {"ok", "defect"}
    assert (out / "overlays" / "1_io" / "000.png" / "0_ok.png").is_file()
    _, out = call(*QUICK, "target=predicted", "layer=features.0")
    assert len(rows(out)) == 6
    _, out = call(*QUICK, "target=ok")
    assert {row["target"] for row in rows(out)} == {"ok"}


def test_each_class_has_its_own_means_curves_and_no_share_of_the_others_masks(call, tmp_path, capsys):
    """Two probabilities add up to 1: their common mean would be 0.5 for every method."""
    mask = np.zeros((40, 48), np.uint8)
    mask[:20] = 255
    (tmp_path / "masks" / "0_nio").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "masks" / "0_nio" / "000.png"), mask)
    _, out = call(*QUICK, "target=all", f"masks='{tmp_path / 'masks'}'")
    table = rows(out)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert lines[0] == [
        "target",
        "method",
        "maps",
        "without",
        "evidence",
        "deletion",
        "insertion",
        "heat",
        "inside",
        "hit",
    ]
    assert [line[:3] for line in lines[1:]] == [
        [name, *words] for name in ("ok", "defect") for words in (["Grad-CAM", "3"], ["random", "order"])
    ]
    random = {line[0]: line[-4:] for line in lines[1:] if line[1] == "random"}
    for name in ("ok", "defect"):
        own = [float(row["deletion"]) for row in table if (row["target"], row["method"]) == (name, "random")]
        assert float(random[name][0]) == pytest.approx(sum(own) / 3, abs=1e-4)
    assert float(random["ok"][0]) + float(random["defect"][0]) == pytest.approx(1, abs=1e-3)
    assert random["ok"][2:] == ["-", "-"]  # nothing says that "ok" is where the defect is
    assert random["defect"][2:] == ["0.5000", "0.5000"]
    assert not any(row["heat_inside"] for row in table if row["target"] == "ok")
    charts = [cv2.imread(str(out / "faithfulness" / f"{name}.png")) for name in ("0_ok", "1_defect")]
    assert (charts[0] != charts[1]).any()


def test_share_of_heat_inside_masks(call, some, tmp_path, capsys):
    mask = np.zeros((40, 48), np.uint8)
    mask[:20] = 255
    for name in ("000.png", "001_mask.png"):
        place = tmp_path / "masks" / "0_nio" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), mask)
    _, out = call(*QUICK, "faithfulness=false", f"masks='{tmp_path / 'masks'}'")
    assert "heat inside and hit are of 2 of the 3 images" in capsys.readouterr().out
    table = {row["file"]: row for row in rows(out)}
    for name in ("0_nio/000.png", "0_nio/001.png"):
        assert 0 <= float(table[name]["heat_inside"]) <= 1
        assert table[name]["hit"] in ("0.000000", "1.000000")
        assert float(table[name]["mask_share"]) == pytest.approx(0.5)
    assert table["1_io/000.png"]["heat_inside"] == table["1_io/000.png"]["mask_share"] == ""
    assert table["0_nio/000.png"]["deletion"] == ""


def test_a_mask_of_another_size_is_named_and_the_others_count(call, tmp_path, capsys):
    (tmp_path / "masks" / "0_nio").mkdir(parents=True)
    for name, shape in (("000", (4, 4)), ("001", (40, 48))):
        cv2.imwrite(str(tmp_path / "masks" / "0_nio" / f"{name}.png"), np.full(shape, 255, np.uint8))
    status, out = call(*QUICK, "faithfulness=false", f"masks='{tmp_path / 'masks'}'")
    assert status == 1
    printed = capsys.readouterr().out
    assert printed.count("the mask is 4 x 4 pixels") == 1
    assert "look at it:" in printed
    shares = {row["file"]: row["mask_share"] for row in rows(out)}
    assert shares == {"0_nio/000.png": "", "0_nio/001.png": "1.000000", "1_io/000.png": ""}


def test_an_image_that_can_not_be_read_is_named_and_the_others_are_explained(call, some, capsys):
    (some / "0_nio" / "002.png").write_bytes(b"no image")
    status, out = call(*QUICK, "batch_size=1")
    assert status == 1
    assert "002.png" in capsys.readouterr().out
    assert len({row["file"] for row in rows(out)}) == 3


def test_where_no_image_can_be_read_nothing_is_explained_nor_written(call, some, tmp_path, capsys):
    for place in some.rglob("*.png"):
        place.write_bytes(b"no image")
    status, out = call(*QUICK, "filters=true")
    assert (status, out.exists()) == (1, False)
    printed = capsys.readouterr().out
    assert "000.png" in printed
    assert printed.endswith("nothing was explained: none of 3 images could be read\n")


def test_class_colours_of_the_run(config, run_training, tmp_path, call):
    given = "callbacks.heatmaps.colours=[[defect,green]]"
    run = run_training(config("trainer.max_epochs=1", given, "logger=none"), tmp_path / "green").folder
    _, out = call(*QUICK, "faithfulness=false", run=run)
    drawn = cv2.imread(str(out / "overlays" / "0_nio" / "000.png.png"))
    _, out = call(*QUICK, "faithfulness=false", "target=ok", run=run)
    other = cv2.imread(str(out / "overlays" / "0_nio" / "000.png.png"))
    bar = drawn[60, -60:].astype(int)
    assert (bar[:, 1] - bar[:, 2]).max() > 100  # green above red (BGR): the scale
    assert (other[60, -60:, 1].astype(int) - other[60, -60:, 2]).max() < 50


# --- a person's mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["layer=featurs.0"], "Heatmap layer 'featurs.0' is not in the network.\nDid you mean"),
        (["target=bend"], "target=bend: expected ok, defect, predicted, all or null"),
        (
            ["method=cam"],
            "method cam: SmallCNN does not end in global average pooling and one linear layer; take",
        ),
        (["compare=[cam]"], "method cam: SmallCNN does not end in"),
        (["compare=[gradcam]"], "compare: unknown heatmap method 'gradcam'; expected grad_cam, "),
        (["method=occlusion", "layer=features.0"], "method occlusion has no layer to choose; leave it out"),
        (["method=occlusion", "patch=99"], "patch=99: expected 1 to 40 pixels high"),
        (["steps=0"], "steps=0: expected 1 or more"),
        (["batch_size=0"], "batch_size=0: expected 1 or more"),
        (["masks=nowhere"], "masks=nowhere: none of the 3 images has a mask there; expected files such as"),
        (["layer=head"], "did not run or gave no float tensor"),
        (["layer=network"], "layer"),
        (["patch=[8,49]"], "expected 1 to 40 pixels high and 1 to 48 wide"),
        (["compare=true", "patch=8", "stride=0"], "stride=0: expected 1 to 8 pixels high"),
    ],
)
def test_mistakes_are_answered_with_a_remedy_before_anything_is_written(call, wrong, message, tmp_path):
    with pytest.raises(InputError) as error:
        call(*QUICK, *wrong)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_missing_images_and_runs(call, tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        call(given=tmp_path / "nothing")
    with pytest.raises(InputError, match="give its run folder"):
        call(run=tmp_path / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("method=gradcam", "did you mean"),
        ("compare=3", "compare"),
        ("patch=[1,2,3]", "patch"),
    ],
)
def test_the_command_line_is_checked(override, message):
    with pytest.raises(InputError, match=message):
        preflight("explain", ["run=a", "input=b", override], CONF)
    assert (
        preflight("explain", ["run=a", "input=b", "compare=[cam]", "patch=[8,4]", "stride=2"], CONF) is None
    )


def test_masks_are_found_by_name(tmp_path):
    for name in ("a/1.png", "a/2_mask.png", "b/3.tif"):
        place = tmp_path / "masks" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    found = find_masks(str(tmp_path / "masks"), tmp_path, ["a/1.png", "a/2.jpg", "b/3.bmp", "b/4.png"])
    assert {file: mask.name for file, mask in found.items()} == {
        "a/1.png": "1.png",
        "a/2.jpg": "2_mask.png",
        "b/3.bmp": "3.tif",
    }


@pytest.mark.slow
def test_script(script, trained, some, tmp_path):
    line = [f"run={trained.folder}", f"input={some}", "output=out", "steps=2", "compare=[layer_cam]"]
    done = script("explain", *line)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "comparison" / "0_nio" / "000.png.png").is_file()
    wrong = script("explain", *line, "target=bend")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: target=bend: expected")
