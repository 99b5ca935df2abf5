"""Runs side by side, of folders that were written by hand."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.stats import binomtest

from inspection.data.geometry import Geometry
from inspection.errors import InputError
from inspection.runs.compare import compare

FILES = [f"ok/{number:03d}.png" for number in range(40)]
PASSPORT = {
    "task": "coil",
    "question": "Is it bent?",
    "network": {"_target_": "inspection.models.small_cnn.SmallCNN"},
    "decision": {"kind": "one_of", "names": ["ok", "defect"], "defect": "defect", "threshold": 0.5},
    "mean": [0.5],
    "std": [0.5],
    "geometry": Geometry((16, 20)).to_dict(),
}


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def make(tmp_path):
    """Writes the folder of a run; `answers` are the columns of each of its test images by file."""

    def run(name, answers, train=(), groups=None, **figures):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text("seed: 0\n")
        about = {
            "classes": ["ok", "defect"],
            "test": {"f1": 0.9, "recall": None, "f1/ok": 1.0, "confusion_matrix": [[1]]},
            "intervals": {"confidence": 0.9, "resamples": 50, "test": {"f1": [0.8, 0.95]}},
        }
        (folder / "metrics.json").write_text(json.dumps(about | figures))
        made = {"data": {"root": str(tmp_path / "data"), "synthetic": False}}
        (folder / "passport.json").write_text(json.dumps(PASSPORT | {"made": made}))
        write_csv(
            folder / "predictions.csv", [{"file": f, "split": "test"} | row for f, row in answers.items()]
        )
        parts = dict.fromkeys(answers, "test") | dict.fromkeys(train, "train")
        group_of = groups or {}
        write_csv(
            folder / "splits.csv",
            [
                {"file": f, "split": part, "class": "ok", "group": group_of.get(f, f)}
                for f, part in parts.items()
            ],
        )
        return str(folder)

    return run


@pytest.fixture
def call(tmp_path, capsys):
    """Compares; gives what is printed and what `compare.json` holds."""

    def with_runs(*runs, **settings):
        out = tmp_path / "out"
        config = {"runs": list(runs), "part": "test", "pictures": 6, "output": str(out)} | settings
        assert compare(config) == 0
        return capsys.readouterr().out, json.loads((out / "compare.json").read_text(encoding="utf-8"))

    return with_runs


def verdicts(wrong, target="defect", files=FILES):
    other = "ok" if target == "defect" else "defect"
    return {
        file: {"target": target, "verdict": other if number in wrong else target}
        for number, file in enumerate(files)
    }


def test_mcnemar_of_two_runs(make, call, tmp_path):
    a, b = make("a", verdicts({0, 1})), make("b", verdicts({0, *range(10, 20)}))
    text, found = call(a, b)
    (test,) = found["tests"]
    assert (test["found"]["above"], test["found"]["below"]) == (10, 1)
    assert test["p"] == pytest.approx(binomtest(10, 11, 0.5).pvalue)
    assert found["right"] == {"A": 0.95, "B": 0.725}
    assert "A is right more often than B (p = 0.0117)" in text
    assert "0.9000 [0.8000, 0.9500]" in text
    assert "each run on all of its own (90 % intervals)" in text
    assert "recall" in text
    assert "undefined" in text
    assert "f1/ok" not in text
    rows = read_csv(tmp_path / "out" / "disagreements.csv")
    assert len(rows) == found["disagreements"] == 11
    assert rows[0] == {
        "file": FILES[1],
        "target": "defect",
        "verdict_A": "ok",
        "right_A": "False",
        "verdict_B": "defect",
        "right_B": "True",
    }


def test_three_runs_are_adjusted_by_holm(make, call):
    runs = [make(name, verdicts(set(range(wrong)))) for name, wrong in (("a", 0), ("b", 6), ("c", 14))]
    text, found = call(*runs)
    plain = [binomtest(0, n, 0.5).pvalue for n in (6, 14, 8)]  # A-B, A-C, B-C
    assert [test["found"]["p"] for test in found["tests"]] == pytest.approx(plain)
    assert [test["p"] for test in found["tests"]] == pytest.approx([plain[0], 3 * plain[1], 2 * plain[2]])
    assert "adjusted for 3 comparisons" in text


def test_no_difference_is_said_so(make, call):
    text, _ = call(make("a", verdicts({1, 2})), make("b", verdicts({2, 3})))
    assert "A and B: 40 images show no difference that is more than chance (p = 1.0000)" in text


def test_only_common_images_are_compared(make, call):
    a = make("a", verdicts(set(), files=FILES[:30]), train=FILES[30:])
    b = make("b", verdicts({0}, files=FILES[20:]), train=FILES[:5])
    text, found = call(a, b)
    assert found["images"] == 10
    assert "5 of 30 test images of A are training images of B" in text
    assert "10 of 20 test images of B are training images of A" in text
    assert "are left out: A 20, B 10" in text


def test_images_with_another_target_are_left_out(make, call):
    other = verdicts(set()) | {FILES[3]: {"target": "ok", "verdict": "ok"}}
    text, found = call(make("a", verdicts(set())), make("b", other))
    assert found["images"] == 39
    assert (
        f"1 images are left out: the runs were given different targets for them, {FILES[3]} for one" in text
    )


def test_groups_are_said_and_flipped_together(make, call):
    groups = {file: f"video_{number // 10}" for number, file in enumerate(FILES)}
    a, b = make("a", verdicts(set()), groups=groups), make("b", verdicts(set(range(20))), groups=groups)
    text, found = call(a, b)
    assert "4 groups are compared" in text
    assert found["tests"][0]["p"] == pytest.approx(0.5, abs=0.02)  # two videos for A, none for B


def test_each_attribute_is_compared(make, call, tmp_path):
    def said(wrong):
        return {
            file: {
                "target_error": "True",
                "target_break": "False",
                "verdict_error": str(number not in wrong),
                "verdict_break": "False",
            }
            for number, file in enumerate(FILES)
        }

    text, found = call(make("a", said(set())), make("b", said(set(range(12)))))
    assert [test["of"] for test in found["tests"]] == ["", "error", "break"]
    assert [line.split("  ")[1] for line in text.splitlines() if line.startswith("  A - B")] == [
        "A - B, all together",
        "A - B, error",
        "A - B, break",
    ]
    assert [round(test["found"]["difference"], 3) for test in found["tests"]] == [0.3, 0.3, 0]
    assert "A is right about error more often than B" in text
    assert read_csv(tmp_path / "out" / "disagreements.csv")[0]["verdict_B"] == "none"


def test_measured_quantities_are_compared_by_their_errors(make, call, tmp_path):
    random = np.random.default_rng(0)

    def said(spread):
        return {
            file: {
                "target_maximum": "350.0",
                "target_minimum": "300.0",
                "predicted_maximum": f"{350 + spread * random.uniform(0.5, 1):.3f}",
                "predicted_minimum": "300.0",
            }
            for file in FILES
        }

    text, found = call(make("a", said(9)), make("b", said(3)))
    assert found["right"]["A"] > 2 * found["right"]["B"] > 1
    assert "B has smaller errors than A (p < 0.0001)" in text
    rows = read_csv(tmp_path / "out" / "disagreements.csv")
    differences = [round(float(row["error_A"]) - float(row["error_B"]), 2) for row in rows]
    assert differences == sorted(differences, reverse=True)


def test_boxes_are_right_where_none_is_missed_or_false(make, call):
    def said(missed):
        row = {"target": "pump", "verdict": "pump", "objects": "1", "false_alarms": "0"}
        return {file: row | {"missed": str(int(n in missed))} for n, file in enumerate(FILES)}

    _, found = call(make("a", said(set())), make("b", said({1, 2})))
    assert found["right"] == {"A": 1.0, "B": 0.95}


def test_of_quantities_with_an_alarm_the_alarms_differ_not_the_decimals(make, call, tmp_path):
    def said(alarms, warmer):
        return {
            file: {
                "target_maximum": "300.000",
                "predicted_maximum": f"{300 + warmer + number / 10:.3f}",
                "target_alarm": "False",
                "alarm": str(number in alarms),
                "right": str(number not in alarms),
            }
            for number, file in enumerate(FILES)
        }

    text, found = call(make("a", said({1, 2}, 0.0)), make("b", said(set(), 0.5)))
    assert found["disagreements"] == 2
    assert "2 images of which they say different things" in text
    rows = read_csv(tmp_path / "out" / "disagreements.csv")
    assert rows[0] == {
        "file": FILES[1],
        "target": "maximum 300.0, no alarm",
        "verdict_A": "maximum 300.1, alarm",
        "right_A": "False",
        "verdict_B": "maximum 300.6, no alarm",
        "right_B": "True",
    }


def test_pictures_of_disagreements(make, call, tmp_path):
    for file in FILES:
        (tmp_path / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "data" / file), np.full((16, 20), 128, np.uint8))
    a, b = make("a", verdicts({0, 1})), make("b", verdicts(set(range(10, 20))))
    call(a, b, pictures=16)
    sheet = cv2.imread(str(tmp_path / "out" / "disagreements.png"))
    assert sheet.shape[1] > 6 * 220
    text, _ = call(a, b, pictures=0)
    assert "no pictures" not in text


def test_fewer_pictures_than_none_are_refused(make, call):
    with pytest.raises(InputError, match="pictures=-1: expected 0 or more"):
        call(make("a", verdicts({0})), make("b", verdicts(set())), pictures=-1)


def test_without_the_images_there_is_a_note(make, call):
    text, _ = call(make("a", verdicts({0})), make("b", verdicts(set())))
    assert "note: no pictures: " in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["good", "bad"]}, "tells ok, defect apart, but"),
        ({"answers": verdicts(set(), files=["other.png"])}, "no test image is in all of them"),
        (
            {"answers": {FILES[0]: {"target_x": "True", "verdict_x": "True"}}},
            "gives a verdict, but .* attributes",
        ),
    ],
)
def test_runs_that_can_not_be_compared(make, call, change, message):
    answers = change.pop("answers", verdicts(set()))
    a, b = make("a", verdicts(set())), make("b", answers, **change)
    with pytest.raises(InputError, match=message):
        call(a, b)


def test_mistakes_of_a_person(make, call, tmp_path):
    a = make("a", verdicts(set()))
    with pytest.raises(InputError, match="two or more different run folders"):
        call(a)
    with pytest.raises(InputError, match="two or more different run folders"):
        call(a, a + "/")
    with pytest.raises(InputError, match="no such folder"):
        call(a, str(tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"not a run folder, config.yaml is missing"):
        call(a, str(tmp_path / "empty"))
    b = make("b", verdicts(set()))
    (Path(b) / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"did not get to its end.*metrics.json is missing"):
        call(a, b)
    with pytest.raises(InputError, match="none of its val images was evaluated"):
        call(a, make("c", verdicts(set())), part="val")


def test_intervals_of_different_confidence_are_said(make, call):
    text, _ = call(make("a", verdicts({0})), make("b", verdicts({0}), intervals={"confidence": 0.95}))
    assert "intervals of different confidence: A 0.9, B 0.95" in text
    text, _ = call(make("c", verdicts({0}), intervals={}), make("d", verdicts({0}), intervals={}))
    assert "of its own (intervals)" in text


def test_images_without_a_number_are_left_out(make, call):
    def said(wrong):
        return {
            file: {"target_maximum": "350.0", "predicted_maximum": "nan" if number in wrong else "351.0"}
            for number, file in enumerate(FILES)
        }

    text, found = call(make("a", said({0, 1})), make("b", said({1, 2})))
    assert found["images"] == 37
    assert found["tests"][0]["p"] == 1.0
    assert "3 images are left out: for them a run gives no number" in text
    with pytest.raises(InputError, match="do all of them give a number"):
        call(make("c", said(set())), make("d", said(set(range(40)))))


def test_images_that_any_run_takes_for_one_group_are_one(make, call):
    groups = {file: f"video_{number // 10}" for number, file in enumerate(FILES)}
    a, b = make("a", verdicts(set())), make("b", verdicts(set(range(20))), groups=groups)
    _, found = call(a, b)
    assert found["tests"][0]["p"] == pytest.approx(0.5, abs=0.02)


def test_validation_images_flatter(make, call):
    runs = [make(name, verdicts({1})) for name in "ab"]
    for run in runs:
        for name in ("predictions.csv", "splits.csv"):
            text = (Path(run) / name).read_text(encoding="utf-8")
            (Path(run) / name).write_text(text.replace(",test,", ",val,"), encoding="utf-8")
    text, _ = call(*runs, part="val")
    assert "each run chose its epoch" in text


def evaluated(run, answers, root, group=None):
    """What `scripts/evaluate.py` writes of new images."""
    folder = Path(run) / "evaluate" / "now"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps({"data": {"group": group}}))
    about = {"classes": ["ok", "defect"], "test": {"f1": 0.5}, "run": run, "trained_on": {"root": "old"}}
    (folder / "metrics.json").write_text(json.dumps(about | {"data": {"root": root, "synthetic": True}}))
    write_csv(folder / "predictions.csv", [{"file": f, "split": "test"} | row for f, row in answers.items()])
    return str(folder)


def test_runs_on_the_same_new_images(make, call):
    a, b = make("a", verdicts(set())), make("b", verdicts(set()))
    new = [f"new/{number // 10}_{number:03d}.png" for number in range(40)]
    first = evaluated(a, verdicts(set(), files=new), "lot_7", group="/([0-9])_")
    second = evaluated(b, verdicts(set(range(20)), files=new), "lot_7", group="(never)")
    text, found = call(first, second)
    assert found["images"] == 40
    assert "SYNTHETIC images in lot_7" in text
    assert "4 groups are compared" in text
    with pytest.raises(InputError, match="none of its val images was evaluated"):
        call(first, second, part="val")
    (Path(b) / "passport.json").unlink()
    with pytest.raises(InputError, match=r"an evaluation of .*b, which is not there"):
        call(first, second)
    (Path(first) / "predictions.csv").unlink()
    with pytest.raises(
        InputError, match=r"its evaluation did not get to its end, predictions.csv is missing"
    ):
        call(first, second)


def test_runs_that_were_decided_differently_say_so(make, call):
    """A difference of rules is no difference of networks."""
    answers = {f"{number}.png": {"target": "ok", "verdict": "ok", "right": "True"} for number in range(4)}

    def decided(rule, threshold):
        return {"rule": rule, "points": [{"what": "P(defect)", "threshold": threshold}]}

    by_f1 = make("a", answers, operating_point=decided("largest F1", 0.41))
    again = make("b", answers, operating_point=decided("largest F1", 0.38))
    by_recall = make("c", answers, operating_point=decided("recall of at least 0.99", 0.03))
    alike, _ = call(by_f1, again)
    assert "decided by: largest F1: P(defect) from 0.41 on" in alike
    assert "different rules" not in alike
    differing, _ = call(by_f1, by_recall)
    assert "compares rules as much as networks" in differing
