import base64
import csv
import json
import re
import shutil
from html import unescape

import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.runs import report as of_run
from inspection.runs.evaluate import decide, evaluate
from inspection.tasks.name_outcomes import ClassOutcome


def block(page, name):
    """What a script of the page reads."""
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', page).group(1))


def predictions(run):
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def section(page, name):
    """Markup of a part of the page."""
    return re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL).group(0)


def page_of(run):
    return (run / "report.html").read_text(encoding="utf-8")


def counted(scores, threshold):
    """Called and rightly called ones as the page counts them."""
    thresholds = np.frombuffer(base64.b64decode(scores["thresholds"]), "<f8")
    number = int((thresholds >= threshold).sum())
    return [
        int(np.frombuffer(base64.b64decode(scores[name]), "<u4")[number - 1]) if number else 0
        for name in ("called", "hits")
    ]


def test_the_page_counts_what_the_run_counted(trained):
    page = page_of(trained.folder)
    figures = json.loads((trained.folder / "metrics.json").read_text(encoding="utf-8"))
    data = block(page, "scores")

    assert "could not be written" not in trained.output
    assert data["names"] == ["defect"]
    for scores in data["sets"]:
        part = data["parts"][scores["part"]]
        (_, alarms), (missed, hits) = figures[part]["confusion_matrix"]
        called, right = counted(scores, scores["stored"])
        assert (called - right, scores["true"] - right, right) == (alarms, missed, hits)
        assert scores["true"] + scores["false"] == sum(map(sum, figures[part]["confusion_matrix"]))


def test_mistakes_are_in_the_gallery(trained):
    page = page_of(trained.folder)
    rows = predictions(trained.folder)
    cards = block(page, "gallery-data")["cards"]

    wrong = {row["file"] for row in rows if row["right"] == "False"}
    assert wrong <= {card["file"] for card in cards}
    assert len(cards) == min(60, len(rows))
    for card in cards:
        row = next(row for row in rows if row["file"] == card["file"])
        assert (card["target"], card["verdict"]) == (row["target"], row["verdict"])
        kind = {"True": "right"}.get(row["right"], "missed" if row["target"] == "defect" else "false alarm")
        assert card["kinds"] == [[0, kind]]
        assert card["score"] == pytest.approx(float(row["probability_defect"]), abs=1e-5)
    assert page.count("<img") >= 2 * len(cards)  # the image and its evidence


def test_it_says_what_was_inspected(trained):
    page = unescape(page_of(trained.folder))

    assert trained.config.task.question in page
    assert str(trained.config.data.root) in page
    assert "SmallCNN" in page
    assert "best epoch" in page
    assert (trained.folder / "config.yaml").read_text(encoding="utf-8") in page


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "run")


def test_how_it_was_split_stays_said(run, compose):
    split = "shared out by class, seed 0"
    assert split in unescape(page_of(run))

    evaluate(plain(compose("evaluate", [f"run={run}"])))

    page = unescape(page_of(run))
    assert split in page
    assert "splits.csv says" not in page
    figures = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert figures["data"]["split_by"].startswith(split)
    assert "decide.py" not in section(page, "again")


def test_what_is_scored_is_counted_once_a_part(run, compose, monkeypatch):
    asked, score, build = [], ClassOutcome.scored, of_run.report_of
    within = []

    def scored(outcome):
        asked.append(len(outcome.rows))
        return score(outcome)

    def report_of(*given):
        before = len(asked)
        report = build(*given)
        within.append(asked[before:])
        return report

    monkeypatch.setattr(ClassOutcome, "scored", scored)
    monkeypatch.setattr(of_run, "report_of", report_of)
    evaluate(plain(compose("evaluate", [f"run={run}"])))

    assert within == [[29, 19]]  # of boxes it costs a matching with the objects


def test_another_point_makes_another_report(run, compose):
    before = page_of(run)

    decide(plain(compose("decide", [f"run={run}", "decide=cost", "decide.missed=50", "decide.resamples=0"])))

    page = page_of(run)
    stored = json.loads((run / "operating_point.json").read_text(encoding="utf-8"))["points"][0]["threshold"]
    assert page != before
    assert "decide.py" not in section(before, "again")
    again = section(page, "again")
    assert "Since then the operating point was chosen anew (scripts/decide.py)" in again
    assert "missed defect : false alarm = 50 : 1" in again
    assert all(scores["stored"] == stored for scores in block(page, "scores")["sets"])
    assert 'id="cost-missed" min="0" step="any" value="50"' in page


def test_new_images_have_a_report_of_their_own(run, compose, draw, tmp_path):
    before = page_of(run)
    other, out = draw(tmp_path / "other", good=8, defects=4, seed=9), tmp_path / "out"

    evaluate(plain(compose("evaluate", [f"run={run}", f"data.root={other}", f"output={out}"])))

    page = page_of(out)
    assert page_of(run) == before
    assert block(page, "scores")["parts"] == ["new"]
    assert len(block(page, "gallery-data")["cards"]) == 12
    assert "new images" in page


def test_a_report_that_fails_costs_nothing_else(run, compose, monkeypatch, capsys):
    before = page_of(run)

    def broken(report):
        raise RuntimeError("no ink\nno paper")

    monkeypatch.setattr(of_run, "render", broken)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    evaluate(plain(compose("evaluate", [f"run={run}"])))

    said = capsys.readouterr()
    assert "note: report.html could not be written (RuntimeError: no ink); " in said.out
    assert f"{run / 'report.html'} is that of before" in said.out
    assert "HYDRA_FULL_ERROR=1 shows where" in said.out
    assert "Traceback" not in said.err
    assert page_of(run) == before
    assert not list(run.glob(".report.html*"))
    assert predictions(run)

    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    (run / "report.html").unlink()
    evaluate(plain(compose("evaluate", [f"run={run}"])))

    said = capsys.readouterr()
    assert "that of before" not in said.out
    assert "Traceback" in said.err
    assert "no paper" in said.err
