"""From a sweep over folds to the labels that its networks contradict, and into the labelling tool."""

import csv
import json

import cv2
import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.errors import InputError
from inspection.runs.audit import audit

FOLDS = 3


def write_grey(root, file, value):
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(value).integers(0, 255, (20, 24)).astype(np.uint8)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def write_table(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


class Coils:
    """60 coils, 6 of them in the wrong folder, and what networks say that did not see them."""

    def __init__(self, folder):
        self.root, self.sweep, self.output = folder / "coils", folder / "sweep", folder / "audit"
        random = np.random.default_rng(0)
        self.labels, self.said, self.wrong = {}, {}, set()
        for number in range(60):
            bent = number % 2 == 0
            flipped = number in (4, 9, 22, 35, 40, 51)
            name = "defect" if bent != flipped else "ok"
            file = f"{'0_nio' if name == 'defect' else '1_io'}/{number:03d}.png"
            write_grey(self.root, file, number)
            self.labels[file] = name
            self.said[file] = float(np.clip(random.normal(0.85 if bent else 0.15, 0.08), 0.01, 0.99))
            if flipped:
                self.wrong.add(file)
        files = sorted(self.labels)
        for fold in range(FOLDS):
            self.write_run(fold, {file for place, file in enumerate(files) if place % FOLDS == fold})

    def write_run(self, fold, tested, learned=()):
        run = self.sweep / str(fold)
        split = [
            [f, "train" if f not in tested or f in learned else "test", name, f]
            for f, name in self.labels.items()
        ]
        write_table(run / "splits.csv", ["file", "split", "class", "group"], split)
        head = ["file", "split", "target", "verdict", "probability_ok", "probability_defect", "right"]
        rows = []
        for file in sorted(tested):
            p = self.said[file]
            verdict = "defect" if p >= 0.5 else "ok"
            numbers = [f"{1 - p:.4f}", f"{p:.4f}"]
            rows.append([file, "test", self.labels[file], verdict, *numbers, verdict == self.labels[file]])
        write_table(run / "predictions.csv", head, rows)


@pytest.fixture
def coils(tmp_path):
    return Coils(tmp_path)


@pytest.fixture
def doubt(compose, tmp_path, capsys):
    def run(case, *words, task=("task=coil", "data.crop=null", "data.image_size=[20,24]")):
        places = [f"data.root={case.root}", f"sweep={case.sweep}", f"output={case.output}"]
        config = compose("audit", [*task, *places, f"paths.data={tmp_path / 'data'}", *words])
        assert audit(plain(config)) == 0
        with (case.output / "relabel.csv").open(encoding="utf-8") as stream:
            return list(csv.DictReader(stream)), capsys.readouterr().out

    return run


def test_wrong_folders_come_out_on_top(coils, doubt):
    rows, said = doubt(coils)
    # One of the six is contradicted less confidently than the class is recognised on average.
    assert {row["file"] for row in rows[:5]} < coils.wrong
    margins = [float(row["margin"]) for row in rows]
    assert margins == sorted(margins, reverse=True)
    for row in rows[:5]:
        assert {row["given"], row["suggested"]} == {"ok", "defect"}
        assert row["given"] == coils.labels[row["file"]]
    assert "60 of 60 images" in said
    assert f"python scripts/label.py relabel={coils.output / 'relabel.csv'}" in said
    assert (coils.output / "relabel.png").is_file()
    about = json.loads((coils.output / "relabel.json").read_text())
    assert about["names"] == ["ok", "defect"]


def test_folds_that_are_missing_are_said(coils, doubt):
    (coils.sweep / "1" / "predictions.csv").unlink()
    _, said = doubt(coils)
    assert "40 of 60 images" in said
    assert "20 images were tested by no run" in said
    assert "1 run without predictions" in said


def test_an_image_that_a_network_learned_is_refused(coils, doubt):
    tested = {file for place, file in enumerate(sorted(coils.labels)) if place % FOLDS == 0}
    first = min(tested)
    coils.write_run(0, tested, learned={first})
    with pytest.raises(InputError, match=f"{first}.*may have trained on it"):
        doubt(coils)


def test_an_image_whose_group_a_network_learned_is_refused(coils, doubt):
    path = coils.sweep / "0" / "splits.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line.rpartition(",")[0] + ",one" for line in lines[1:])]))
    with pytest.raises(InputError, match="trained on its group"):
        doubt(coils)


def test_other_labels_than_the_sweep_had_are_refused(coils, doubt):
    (coils.root / "corrections.csv").write_text("name,class\n0_nio/000.png,ok\n")
    with pytest.raises(InputError, match="run the sweep again"):
        doubt(coils)


def test_other_images_and_no_sweep_are_refused(coils, doubt):
    min((coils.root / "1_io").iterdir()).unlink()
    with pytest.raises(InputError, match="not among the images"):
        doubt(coils)
    coils.sweep = coils.root
    with pytest.raises(InputError, match="no run in this folder"):
        doubt(coils)


def test_attributes_are_doubted_one_by_one(tmp_path, doubt):
    class Case:
        root, sweep, output = tmp_path / "seams", tmp_path / "sweep", tmp_path / "audit"

    names = ["good", "error", "break", "length"]
    random = np.random.default_rng(1)
    truth = random.random((40, 4)) < 0.5
    labels = truth.copy()
    wrong = {(3, 1), (17, 2), (28, 1)}
    for row, place in wrong:
        labels[row, place] ^= True
    files = [f"{number:03d}.png" for number in range(40)]
    for number, file in enumerate(files):
        write_grey(Case.root, f"pics/{file}", number)
    write_table(
        Case.root / "x_data.csv", ["name", *names], [[f, *row] for f, row in zip(files, labels, strict=True)]
    )
    probabilities = np.clip(np.where(truth, 0.9, 0.1) + random.normal(0, 0.04, truth.shape), 0.01, 0.99)
    for fold in range(2):
        tested = [n for n in range(40) if n % 2 == fold]
        rows = [[f"pics/{f}", "test" if n in tested else "train", *labels[n], f] for n, f in enumerate(files)]
        write_table(Case.sweep / str(fold) / "splits.csv", ["file", "split", *names, "group"], rows)
        head = ["file", "split", *(f"probability_{name}" for name in names)]
        rows = [[f"pics/{files[n]}", "test", *probabilities[n].round(4)] for n in tested]
        write_table(Case.sweep / str(fold) / "predictions.csv", head, rows)
    task = ("task=seam", "data.image_size=[20,24]", "data.group=null")
    rows, _ = doubt(Case, task=task)
    top = {(int(row["file"][5:8]), names.index(row["attribute"])) for row in rows[:2]}
    assert top <= wrong
    assert all(
        row["given"] == str(bool(labels[int(row["file"][5:8]), names.index(row["attribute"])]))
        for row in rows
    )


def test_quantities_are_refused(tmp_path, coils, doubt):
    coils.root = tmp_path / "thermal"
    rows = []
    for number in range(6):
        path = coils.root / "pics" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", np.full((20, 24), 1200 + number, np.uint16))[1].tobytes())
        rows.append([path.name, 320, 300, 285])
    write_table(coils.root / "temperatures.csv", ["name", "max_k", "mean_k", "min_k"], rows)
    words = ["task=thermal", "data.image_size=[40,48]", "data.columns=[max_k,mean_k,min_k]"]
    with pytest.raises(InputError, match="no column"):
        doubt(coils, task=[*words, "data.pictures=pics", "data.table=temperatures.csv"])


@pytest.mark.slow
def test_networks_find_the_images_that_lie_in_the_wrong_folder(draw, quick, run_training, compose, tmp_path):
    """From the images to the list: a cross-validation of real networks, 8 of 96 labels flipped."""
    root, sweep, output = draw(tmp_path / "images", seed=3), tmp_path / "sweep", tmp_path / "audit"
    folders = [root / "01_train_val_test" / name for name in ("1_io", "0_nio")]
    wrong = set()
    for here, there, numbers in ((*folders, (3, 17, 25, 41)), (*folders[::-1], (20, 24, 29, 33))):
        for number in numbers:
            place = there / f"moved_{number:03d}.png"
            (here / f"{number:03d}.png").rename(place)
            wrong.add(place.relative_to(root).as_posix())
    words = [
        f"data.root={root}",
        "data.folds=3",
        "trainer.max_epochs=12",
        "callbacks.early_stopping.patience=12",
    ]
    for fold in range(3):
        run_training(quick(*words, f"data.fold={fold}"), sweep / str(fold))
    task = ["task=coil", "data.crop=null", "data.image_size=[40,48]", f"data.root={root}"]
    assert audit(plain(compose("audit", [*task, f"sweep={sweep}", f"output={output}"]))) == 0
    with (output / "relabel.csv").open(encoding="utf-8") as stream:
        listed = [row["file"] for row in csv.DictReader(stream)]
    assert sum(file in wrong for file in listed[:8]) >= 5
