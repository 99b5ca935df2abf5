"""Whole runs, in this process, read back from their folders."""

import csv
import json
import math
import os

import cv2
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file
from sklearn import metrics as sk

from inspection.data.geometry import Geometry
from inspection.errors import InputError
from inspection.inspector import Inspector
from inspection.runs.checkpoints import network_weights, read_checkpoint


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def figures(run):
    """`metrics.json` without what differs between two equal runs."""
    values = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {name: value for name, value in values.items() if name not in ("trained", "minutes")}


def weights(run):
    return load_file(run / "inspector.safetensors")


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


# ------------------------------------------------------------------------------------------ the folder


def test_folder_is_complete(trained):
    names = {path.name for path in trained.folder.iterdir() if "tfevents" not in path.name}
    files = {
        "config.yaml",
        "passport.json",
        "report.html",
        "operating_point.json",
        "inspector.safetensors",
        "metrics.json",
        "history.csv",
        "predictions.csv",
    }
    assert names == files | {"splits.csv", "checkpoints", "pictures", "hparams.yaml"}
    assert {path.name for path in (trained.folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert not list(trained.folder.rglob("*.partial"))


def test_figures_are_those_of_the_predictions(trained):
    """Recomputed with scikit-learn from `predictions.csv`."""
    said, rows = figures(trained.folder), table(trained.folder / "predictions.csv")
    decision = said["operating_point"]["decision"]
    for part in ("val", "test"):
        own = [row for row in rows if row["split"] == part]
        target = np.array([row["target"] == "defect" for row in own])
        verdict = np.array([row["verdict"] == "defect" for row in own])
        score = np.array([float(row["probability_defect"]) for row in own])
        assert (verdict == (score >= decision["threshold"])).all()
        uncalibrated = 1 / (1 + np.exp(-decision["temperature"] * np.log(score / (1 - score))))
        assert said[part]["confusion_matrix"] == sk.confusion_matrix(target, verdict).tolist()
        expected = {
            "accuracy": sk.accuracy_score(target, verdict),
            "balanced_accuracy": sk.balanced_accuracy_score(target, verdict),
            "precision": sk.precision_score(target, verdict),
            "recall": sk.recall_score(target, verdict),
            "f1": sk.f1_score(target, verdict),
            "auroc": sk.roc_auc_score(target, score),
            "average_precision": sk.average_precision_score(target, score),
            "loss": sk.log_loss(target, uncalibrated),
        }
        found = {name: said[part][name] for name in expected}
        assert found == pytest.approx(expected, abs=1e-4)  # the probabilities have six decimals
        assert said[part]["auroc"] > 0.7  # it has learned something,
        assert said[part]["accuracy"] < 1  # and there are mistakes to look at


def test_splits_predictions_and_folders_agree(trained, images):
    splits = {row["file"]: row for row in table(trained.folder / "splits.csv")}
    on_disk = {path.relative_to(images).as_posix() for path in images.rglob("*.png")}
    assert splits.keys() == on_disk
    for file, row in splits.items():
        assert row["class"] == ("defect" if "/0_nio/" in file else "ok")
        assert row["group"] == file
    predicted = table(trained.folder / "predictions.csv")
    assert sorted(row["file"] for row in predicted) == sorted(
        file for file, row in splits.items() if row["split"] != "train"
    )
    for row in predicted:
        assert splits[row["file"]]["split"] == row["split"]
        assert splits[row["file"]]["class"] == row["target"]


def test_best_epoch_is_that_of_the_largest_f1(trained):
    history = table(trained.folder / "history.csv")
    assert [int(row["epoch"]) for row in history] == [1, 2, 3]
    assert [float(row["lr"]) for row in history] == pytest.approx([0.005, 0.005, 2.5])
    f1 = [float(row["val/f1"]) for row in history]
    best = f1.index(max(f1))
    assert best < 2
    said = figures(trained.folder)
    assert said["best_epoch"] == trained.result["best_epoch"] == best + 1  # counted from 1
    assert said["monitor"] == trained.result["metric"] == "val/f1"
    assert said["val"]["f1"] == pytest.approx(trained.result["value"])
    assert said["val"]["f1"] >= f1[best]  # at 0.5 while training, then at the chosen point
    for name in ("auroc", "loss"):  # the last pass finds what was found while training
        assert said["val"][name] == pytest.approx(float(history[best][f"val/{name}"]), abs=1e-5)
    checkpoints = {
        name: read_checkpoint(trained.folder / "checkpoints" / name) for name in ("best.ckpt", "last.ckpt")
    }
    assert [checkpoints[name]["epoch"] for name in ("best.ckpt", "last.ckpt")] == [best, 2]


def test_test_figures_are_of_the_best_checkpoint(trained, images):
    """Every probability is made again from the weights of a checkpoint and the files, by hand."""
    rows = [row for row in table(trained.folder / "predictions.csv") if row["split"] == "test"]
    geometry = Geometry(image_size=(40, 48))
    pixels = np.stack([geometry.read(images / row["file"]) for row in rows])
    batch = (torch.from_numpy(pixels).float() / 255 - 0.45) / 0.1
    said = np.array([float(row["probability_defect"]) for row in rows])
    inspector = Inspector.load(trained.folder / "inspector.safetensors")
    network, temperature = inspector.model.network, inspector.decision.temperature
    distance = {}
    for name in ("best", "last"):
        checkpoint = read_checkpoint(trained.folder / "checkpoints" / f"{name}.ckpt")
        network.load_state_dict(network_weights(checkpoint))
        with torch.no_grad():
            found = (network(batch) / temperature).softmax(1)[:, 1].numpy()
        distance[name] = np.abs(found - said).max()
    assert distance["best"] < 1e-5
    assert distance["last"] > 0.1
    assert same(
        weights(trained.folder),
        network_weights(read_checkpoint(trained.folder / "checkpoints" / "best.ckpt")),
    )


def test_pictures(trained):
    folder = trained.folder / "pictures"
    matrices = {"confusion_matrix_val.png", "confusion_matrix_test.png"}
    single = {"samples.png", "learning_curves.png", "operating_point.png", *matrices}
    assert {path.name for path in folder.glob("*.png")} == single
    # Every second epoch, and at the end with the best weights.
    assert {path.name for path in (folder / "heatmaps").iterdir()} == {"epoch_002", "best"}
    rows = table(trained.folder / "predictions.csv")
    wrong = [row for row in rows if row["target"] != row["verdict"]]
    for part, place in (("val", folder / "heatmaps" / "best"), ("test", folder / "mistakes_test")):
        assert len(list(place.glob("mistake_*.png"))) == sum(row["split"] == part for row in wrong) > 0
    for path in folder.rglob("*.png"):
        picture = cv2.imread(str(path))
        assert min(picture.shape[:2]) > 100
        assert picture.std() > 5, path


def test_checkpoint_holds_the_weights_and_no_more(quick, run_training, tmp_path):
    """Plain SGD keeps nothing beside the weights; no module is pickled into the file."""
    cfg = quick("model=lenet", "optimizer.momentum=0", "trainer.max_epochs=1")
    run = run_training(cfg, tmp_path).folder
    for name in ("best.ckpt", "last.ckpt"):
        path = run / "checkpoints" / name
        checkpoint = torch.load(path, weights_only=True)
        size = sum(tensor.nbytes for tensor in network_weights(checkpoint).values())
        assert size < path.stat().st_size < 1.2 * size
        assert "hyper_parameters" not in checkpoint
        assert "datamodule_hyper_parameters" not in checkpoint


# ------------------------------------------------------------------------------------------ the console


def test_console_tells_the_run_in_order(trained, images):
    lines = trained.output.splitlines()
    wanted = [
        "decoding images: 96",
        "coil: Is a pin of this coil bent?",
        f"data      images in {images}: 96, seen as 1x40x48, balance: sampler",
        "split     shared out by class, seed 0",
        "          train  val  test  all",
        "  ok         30   18    12   60",
        "  defect     18   11     7   36",
        "  images     48   29    19   96",
        "network   SmallCNN, 97,650 parameters, all trainable",
        "hardware  CPU ",
        f"run       {trained.folder}",
        "epoch   1/3  train/loss ",
        "epoch   2/3  train/loss ",
        "epoch   3/3  train/loss ",
        "best checkpoint at its operating point (f1, precision, recall: of 'defect')",
        f"  f1                 {trained.result['val/f1']:.4f} (",
        "test images: target in rows, verdict in columns",
        "          ok  defect",
        "operating point: largest F1, on 29 validation images",
        "  P(defect) from ",
        "  temperature ",
        str(trained.folder),
        "  predictions.csv ",
        f"look at it:  tensorboard --logdir {trained.config.paths.outputs}",
    ]
    place = 0
    for start in wanted:
        found = [number for number, line in enumerate(lines) if line.startswith(start) and number >= place]
        assert found, f"{start!r} is not in\n{trained.output}"
        place = found[0] + 1
    assert "SYNTHETIC" not in trained.output
    assert "32-true; evaluation in float32" in trained.output
    stars = [" * " in line for line in lines if line.startswith("epoch")]
    assert stars[0]
    assert not stars[2]


def test_console_lists_what_is_there(trained):
    lines = trained.output.splitlines()
    listed = {line.split()[0].rstrip("/") for line in lines[lines.index(str(trained.folder)) + 1 : -1]}
    there = {path.name for path in trained.folder.iterdir() if "tfevents" not in path.name}
    assert listed == there - {"hparams.yaml"}


def test_console_does_not_list_what_was_not_asked_for(quick, run_training, tmp_path):
    output = run_training(quick("trainer.max_epochs=1"), tmp_path).output
    listed = output[output.rindex(str(tmp_path)) :]
    assert "metrics.json" in listed
    assert not [name for name in ("pictures", "history", "profile", "tensorboard") if name in listed]


def test_nothing_is_said_twice_and_nobody_is_warned(trained):
    spoken = [line for line in trained.output.splitlines() if line.strip()]
    _, *rest = [line for line in spoken if str(trained.folder) in line]
    assert len(rest) == 1  # once where it begins, once above the list of files
    others = [line for line in spoken if str(trained.folder) not in line]
    assert len(others) == len(set(others))
    assert trained.errors == ""
    assert trained.warnings == []
    assert "tip" not in trained.output.lower()


def test_synthetic_run_says_so_in_capitals(quick, run_training, tmp_path):
    cfg = quick(
        "data.root=null",
        "data.crop=[50,60,750,460]",
        "data.image_size=[40,70]",
        "data.synthetic.count=24",
        "data.synthetic.defect_share=0.4",
        f"data.synthetic.folder={tmp_path / 'coil'}",
        "trainer.max_epochs=1",
    )
    run = run_training(cfg, tmp_path / "run")
    first = run.output.splitlines()
    assert first[:2] == ["drawing synthetic images: 24", "decoding images: 24"]
    assert f"data      SYNTHETIC images in {tmp_path / 'coil'}: 24, seen as 1x40x70" in run.output
    assert "of 'defect', SYNTHETIC images)" in run.output
    assert figures(run.folder)["data"]["synthetic"] is True
    inspector = Inspector.load(run.folder / "inspector.safetensors")
    assert inspector.passport.made["data"]["synthetic"] is True
    assert run.warnings == []

    read_back = quick(*cfg_as_real(tmp_path), "trainer.max_epochs=1")
    again = run_training(read_back, tmp_path / "again")
    assert "SYNTHETIC" in again.output  # it is known by its folder, however it is given
    assert "drawing" not in again.output


def cfg_as_real(tmp_path):
    return [f"data.root={tmp_path / 'coil'}", "data.crop=[50,60,750,460]", "data.image_size=[40,70]"]


# ------------------------------------------------------------------------------------------ the same again


def test_saved_config_and_seed_make_the_same_run_again(trained, run_training, tmp_path):
    saved = OmegaConf.load(trained.folder / "config.yaml")
    saved.callbacks.pop("heatmaps")  # pictures leave no trace in the weights
    again = run_training(saved, tmp_path / "again")
    assert same(weights(again.folder), weights(trained.folder))
    assert figures(again.folder) == figures(trained.folder)
    for name in ("predictions.csv", "history.csv", "splits.csv"):
        assert (again.folder / name).read_bytes() == (trained.folder / name).read_bytes(), name


def test_another_seed_trains_another_network_on_the_same_split(trained, quick, run_training, tmp_path):
    other = run_training(quick("seed=1", "trainer.max_epochs=1"), tmp_path)
    assert not same(weights(other.folder), weights(trained.folder))
    assert (other.folder / "splits.csv").read_bytes() == (trained.folder / "splits.csv").read_bytes()


# ------------------------------------------------------------------------------------------ variants


def test_without_a_best_checkpoint_the_last_weights_are_tested_and_kept(quick, run_training, tmp_path):
    run = run_training(quick("~callbacks.best", "trainer.max_epochs=1"), tmp_path)
    assert "last weights at its operating point (f1" in run.output
    last = network_weights(read_checkpoint(tmp_path / "checkpoints" / "last.ckpt"))
    assert same(weights(tmp_path), last)


def test_test_part_stays_unused_where_asked(quick, run_training, tmp_path):
    run = run_training(quick("test=false", "trainer.max_epochs=1"), tmp_path)
    assert {row["split"] for row in table(tmp_path / "predictions.csv")} == {"val"}
    assert "test" not in figures(tmp_path)
    assert not [name for name in run.result if name.startswith("test/")]
    assert "test images" not in run.output


def test_no_test_batches(quick, run_training, tmp_path):
    run = run_training(quick("trainer.limit_test_batches=0", "trainer.max_epochs=1"), tmp_path)
    assert "val/f1" in run.result
    assert not [name for name in run.result if name.startswith("test/")]
    assert run.warnings == []


def test_three_classes_without_a_defect(run_training, quick, draw, tmp_path):
    root = draw(tmp_path / "images", good=24, defects=24)
    for number, path in enumerate(sorted((root / "01_train_val_test" / "0_nio").iterdir())):
        if number % 2:
            path.rename((root / "01_train_val_test").joinpath(f"2_other_{number}.png"))
    (root / "01_train_val_test" / "2_other").mkdir()
    for path in (root / "01_train_val_test").glob("2_other_*.png"):
        path.rename(path.parent / "2_other" / path.name)
    cfg = quick(
        f"data.root={root}",
        "data.folders=[[0_nio,bright],[1_io,plain],[2_other,other]]",
        "data.classes=[plain,bright,other]",
        "data.defect=null",
        "trainer.max_epochs=1",
    )
    run = run_training(cfg, tmp_path / "run")
    assert "mean over classes" in run.output
    rows = table(run.folder / "predictions.csv")
    columns = ["probability_plain", "probability_bright", "probability_other"]
    for row in rows:
        values = [float(row[name]) for name in columns]
        assert sum(values) == pytest.approx(1, abs=1e-5)
        assert row["verdict"] == ("plain", "bright", "other")[int(np.argmax(values))]
    own = [row for row in rows if row["split"] == "val"]
    expected = sk.f1_score(
        [row["target"] for row in own], [row["verdict"] for row in own], average=None, labels=["plain"]
    )
    assert figures(run.folder)["val"]["f1/plain"] == pytest.approx(float(expected[0]))


def test_loss_weights_reach_the_loss_and_the_sampler_stays_plain(quick, run_training, tmp_path):
    run = run_training(quick("data.balance=loss", "trainer.max_epochs=1", "decide.calibrate=false"), tmp_path)
    own = [row for row in table(tmp_path / "predictions.csv") if row["split"] == "val"]
    weight = {"ok": 48 / (2 * 30), "defect": 48 / (2 * 18)}  # by hand, from the split table
    losses = [weight[row["target"]] * -math.log(float(row[f"probability_{row['target']}"])) for row in own]
    expected = sum(losses) / sum(weight[row["target"]] for row in own)
    assert run.result["val/loss"] == pytest.approx(expected, abs=1e-4)
    assert "balance: loss" in run.output


def test_undefined_figures_are_said_to_be_undefined(quick, run_training, tmp_path):
    """The first validation images are all defects, and with one batch of them nothing can be ranked."""
    run = run_training(quick("trainer.limit_val_batches=1", "trainer.max_epochs=1"), tmp_path)
    assert figures(tmp_path)["val"]["auroc"] is None
    assert math.isnan(run.result["val/auroc"])
    auroc = next(line for line in run.output.splitlines() if line.startswith("  auroc"))
    assert auroc.split()[1] == "undefined"
    assert run.warnings == []


@pytest.mark.parametrize("scheduler", ["cosine", "plateau"])
def test_schedules(config, run_training, tmp_path, scheduler):
    cfg = config(f"scheduler={scheduler}", "~callbacks.heatmaps", "~callbacks.samples", "logger=none")
    history = table(run_training(cfg, tmp_path).folder / "history.csv")
    rates = [float(row["lr"]) for row in history]
    # Half a cosine over two epochs; a plateau has not lost its patience yet.
    assert rates == pytest.approx([0.005, 0.0025] if scheduler == "cosine" else [0.005, 0.005])


# ------------------------------------------------------------------------------------------ debug group


def test_fast_dev_run_tries_everything_and_keeps_no_network(config, run_training, tmp_path):
    run = run_training(config("debug=fast_dev_run"), tmp_path)
    assert "fast_dev_run: one batch of everything ran" in run.output
    assert not list(tmp_path.rglob("*.ckpt"))
    assert not (tmp_path / "inspector.safetensors").exists()
    assert not list(tmp_path.glob("events*"))
    assert "test/f1" in run.result
    assert run.warnings == []


def test_limit_writes_every_file(config, run_training, tmp_path, trained):
    run = run_training(config("debug=limit", "~callbacks.heatmaps"), tmp_path)
    told = "trainer.limit_train_batches=4, trainer.limit_val_batches=4, trainer.limit_test_batches=4: "
    assert f"note: {told}the figures are of a part of the images" in run.output
    assert {p.name for p in tmp_path.iterdir() if "events" not in p.name} == {
        p.name for p in trained.folder.iterdir() if "events" not in p.name
    }
    rows = table(tmp_path / "predictions.csv")
    assert [sum(row["split"] == part for row in rows) for part in ("val", "test")] == [16, 16]
    assert run.warnings == []


def test_overfit_learns_fixed_training_images_by_heart(quick, run_training, tmp_path):
    run = run_training(quick("debug=overfit", "trainer.max_epochs=20"), tmp_path)
    seen = [row for row in table(tmp_path / "predictions.csv") if row["split"] != "test"]
    assert len(seen) == len({row["file"] for row in seen}) == 12
    assert {row["split"] for row in seen} == {"train"}
    assert {row["target"] for row in seen} == {"ok", "defect"}
    assert "note: overfit_batches: the validation figures are of the very images" in run.output
    assert run.result["val/f1"] == 1
    assert run.warnings == []


def test_profiler_writes_where_the_time_went(quick, run_training, tmp_path):
    run = run_training(quick("debug=profiler"), tmp_path)
    assert "profile/ " in run.output
    report = (tmp_path / "profile" / "fit-time.txt").read_text()
    assert "run_training_batch" in report
    assert "run_training_batch" not in run.output


# ------------------------------------------------------------------------------------------ mistakes


def test_monitor_that_is_not_logged(quick, run_training, tmp_path):
    with pytest.raises(InputError, match=r"task\.monitor=val/f2: no such figure; did you mean val/f1\?"):
        run_training(quick("task.monitor=val/f2"), tmp_path)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_that_cannot_be(quick, run_training, tmp_path, seed):
    with pytest.raises(InputError, match=f"seed={seed}: expected 0 "):
        run_training(quick(f"seed={seed}"), tmp_path)


def test_heatmap_layer_that_is_not_there_is_said_before_training(config, run_training, tmp_path, capsys):
    with pytest.raises(InputError, match="Heatmap layer 'conv9' is not in the network"):
        run_training(config("callbacks.heatmaps.layer=conv9"), tmp_path)
    assert not (tmp_path / "history.csv").exists()


def test_checkpoint_of_another_network(quick, run_training, trained, tmp_path):
    path = trained.folder / "checkpoints" / "last.ckpt"
    cfg = quick("model.width=8", f"ckpt_path={path}")
    with pytest.raises(InputError, match="weights of another network than SmallCNN") as error:
        run_training(cfg, tmp_path)
    assert str(error.value).startswith(f"ckpt_path={path}: ")
    assert "features.0.weight is [16, 1, 3, 3] instead of [8, 1, 3, 3]" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_damaged_checkpoint(quick, run_training, tmp_path, content):
    path = tmp_path / "broken.ckpt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.ckpt is damaged, or no checkpoint of this project"):
        run_training(quick(f"ckpt_path={path}"), tmp_path / "run")


def test_checkpoint_cut_short(quick, run_training, trained, tmp_path):
    whole = (trained.folder / "checkpoints" / "last.ckpt").read_bytes()
    path = tmp_path / "half.ckpt"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"half\.ckpt is damaged"):
        run_training(quick(f"ckpt_path={path}"), tmp_path / "run")


def test_trainer_that_this_machine_has_not(quick, run_training, tmp_path):
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(InputError, match="trainer: No supported gpu backend"):
        run_training(quick("trainer.accelerator=gpu"), tmp_path)


@pytest.mark.skipif(os.cpu_count() is None, reason="counts processors")
def test_batches_that_two_processes_cannot_share(quick, run_training, tmp_path):
    cfg = quick("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.batch_size=5")
    with pytest.raises(InputError, match=r"batch_size=5 can't be shared out evenly to 2 processes; .* 4"):
        run_training(cfg, tmp_path)
