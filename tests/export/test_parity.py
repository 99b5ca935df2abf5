"""Trained and exported inspectors side by side: differences, changed verdicts, and what is complained about."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from inspection.decide.boxes import Boxes
from inspection.decide.decisions import OneOf
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities
from inspection.export.parity import (
    NOTHING,
    SAME,
    Allowed,
    Figure,
    changes,
    compare,
    complaints,
    judge,
    report,
)
from inspection.inspector import Verdict
from inspection.inspector.backends import BOXES, HEATMAPS, PROBABILITIES, QUANTITIES
from inspection.inspector.verdict import Box

pytestmark = pytest.mark.slow  # draws many masks and boxes


class Fake:
    """An inspector that says what it is told to, image by image; the first pixel is the number of the image."""

    def __init__(self, decision, output, answers, labels, heatmaps=None):
        self.decision, self.output, self.said, self.labels = decision, output, answers, labels
        self.heatmaps = heatmaps
        self.boxes = [[] for _ in labels]
        self.answers = SimpleNamespace(wanted=lambda evidence: [output])
        self.backend = SimpleNamespace(
            name="fake", outputs=frozenset({output} | ({HEATMAPS} if heatmaps is not None else set()))
        )
        self.geometry = SimpleNamespace(image_size=(10, 20), apply=lambda image: image[None])

    def observe_pixels(self, pixels, camera_shapes, further=()):
        rows = [int(image[0, 0, 0]) for image in pixels]
        said = {self.output: self.said[rows]}
        if further:
            said[HEATMAPS] = self.heatmaps[rows]
        return [Verdict(self.labels[row], boxes=self.boxes[row]) for row in rows], said


def read(file):
    return np.full((10, 20), int(file), np.uint8)


def side_by_side(decision, output, trained, exported, labels=None, heatmaps=(None, None), batch_size=2):
    number = len(trained)
    labels = labels or (["ok"] * number, ["ok"] * number)
    one, other = (
        Fake(decision, output, np.asarray(values), label, heat)
        for values, label, heat in zip((trained, exported), labels, heatmaps, strict=True)
    )
    return compare(one, other, read, [str(row) for row in range(number)], batch_size=batch_size)


CLASSES = OneOf(["ok", "defect"], "defect")


def test_differences_of_probabilities_are_those_of_all_values_whatever_the_batches():
    trained = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    exported = trained + np.array([[0.0, 0.0], [0.01, -0.01], [-0.02, 0.02]])
    for batch_size in (1, 2, 3):
        parity = side_by_side(CLASSES, PROBABILITIES, trained, exported, batch_size=batch_size)
        (gap,) = parity.differences
        assert (gap.what, gap.file, parity.images) == ("probability", "2", 3)
        assert gap.most == gap.bounded == pytest.approx(0.02)
        assert gap.mean == pytest.approx(0.01)


def test_same_answers_leave_nothing_to_complain_of():
    values = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert complaints(side_by_side(CLASSES, PROBABILITIES, values, values + SAME / 2), None, None) == []


def test_a_difference_above_the_bound_is_named_with_its_file():
    values = np.array([[0.9, 0.1], [0.5, 0.5]])
    parity = side_by_side(CLASSES, PROBABILITIES, values, values + np.array([[0, 0], [2 * SAME, 0]]))
    (line,) = complaints(parity, None, None)
    assert line == "probability: 0.0002 apart (1), at most 0.0001 is allowed"


def test_a_changed_verdict_fails_in_float32_however_small_the_difference():
    values = np.array([[0.5, 0.5], [0.5, 0.5]])
    labels = (["ok", "ok"], ["ok", "defect"])
    parity = side_by_side(CLASSES, PROBABILITIES, values, values, labels)
    (line,) = complaints(parity, None, None)
    assert line == "1 of 2 verdicts changed: 1 was 'ok', is 'defect'"


def test_no_number_is_the_largest_difference():
    values = np.array([[0.5, 0.5]])
    parity = side_by_side(CLASSES, PROBABILITIES, values, values * np.nan)
    assert max(each.most for each in parity.differences) == math.inf
    assert complaints(parity, None, None)


def heat_of_two():
    """Two maps of 4 x 6 cells, each of 8 x 8 pixels; half of the cells of each are hot."""
    cells = np.random.default_rng(0).uniform(0.1, 1, (1, 2, 4, 6)).astype(np.float32)
    cells[..., ::2] = 0
    return cells.repeat(8, 2).repeat(8, 3)


def heat_gap(heat, other):
    values = np.array([[0.5, 0.5]])
    parity = side_by_side(CLASSES, PROBABILITIES, values, values, heatmaps=(heat, other))
    return parity, {each.what: each for each in parity.differences}["heatmap"]


@pytest.mark.parametrize("where", [np.s_[8:16, 16:24], np.s_[8:16, 24:32]], ids=["cold", "hot"])
def test_single_places_of_a_heatmap_may_jump_and_are_told(where):
    heat = heat_of_two()
    jumped = heat.copy()
    jumped[0, 1][where] = 0.02
    parity, gap = heat_gap(heat, jumped)
    apart = np.abs(jumped.astype(float) - heat)
    assert (gap.most, gap.mean, gap.bounded) == (apart.max(), pytest.approx(apart.mean()), 0)
    assert gap.mean > SAME  # one cell of a small map is a large part of it
    assert complaints(parity, None, None) == []


def weaker(heat):
    return heat * np.float32(1 - 1e-3)


def moved(heat):
    return np.roll(heat, 8, -1)


def one_of_two_cold(heat):
    return heat * np.array([1, 0], np.float32)[:, None, None]


def no_number(heat):
    return heat * np.float32("nan")


@pytest.mark.parametrize("fault", [weaker, moved, one_of_two_cold, no_number])
def test_another_heatmap_is_refused(fault):
    heat = heat_of_two()
    parity, gap = heat_gap(heat, fault(heat))
    assert not gap.bounded <= SAME
    assert complaints(parity, None, None)[0].startswith("heatmap: ")


def test_heat_where_there_is_none_is_refused():
    nothing = np.zeros((1, 2, 8, 8), np.float32)
    assert complaints(heat_gap(nothing, nothing)[0], None, None) == []
    spot = nothing.copy()
    spot[0, 1, 2, 3] = 0.5
    for given in ((nothing, spot), (spot, nothing)):
        assert complaints(heat_gap(*given)[0], None, None) == [
            "heatmap: 0.5 apart (0), at most 0.0001 is allowed"
        ]


def test_quantities_are_told_by_their_scale():
    decision = Quantities(["max", "mean"], "K", [350, 300], [20, 5])
    parity = side_by_side(decision, QUANTITIES, [[350.0, 300.0]], [[352.0, 301.0]], (["a"], ["b"]))
    (gap,) = parity.differences
    assert (gap.most, gap.mean) == (pytest.approx(0.2), pytest.approx(0.15))
    assert gap.of == "the scale of each quantity (20, 5 K)"
    assert parity.changed == []  # without an alarm there is no verdict to change


def box(left, score, which=0):
    return [left, 0.0, left + 4.0, 4.0, score, which]


def test_boxes_are_matched_by_place_and_class_not_by_order():
    decision = Boxes(["motor", "valve"], 0.5)
    trained = [[box(0, 0.9), box(10, 0.8, 1), box(5, 0.1)]]
    exported = [[box(10, 0.82, 1), box(0.2, 0.81), box(5, 0.4)]]  # the last one counts in neither
    parity = side_by_side(decision, BOXES, trained, exported)
    gaps = {each.what: each for each in parity.differences}
    assert gaps["score of a box"].most == pytest.approx(0.09)
    assert gaps["corner of a box"].most == pytest.approx(0.2 / 20)
    assert parity.unmatched == 0


def test_a_box_that_only_one_of_the_two_has():
    decision = Boxes(["motor", "valve"], 0.5)
    parity = side_by_side(decision, BOXES, [[box(0, 0.9), box(0, 0.0)]], [[box(0, 0.9), box(12, 0.7)]])
    assert parity.unmatched == 1
    assert complaints(parity, None, None) == ["1 boxes of one have no counterpart in the other"]


def test_boxes_below_the_least_score_are_compared_too():
    decision = Boxes(["motor", "valve"], 0.5)
    trained = [[box(0, 0.3), box(10, 0.2), box(15, 0.1), box(0, 0.0)]]
    exported = [[box(0, 0.3), box(10, 0.203), box(15, 0.103), box(0, 0.0)]]
    parity = side_by_side(decision, BOXES, trained, exported)
    gaps = {each.what: each for each in parity.differences}
    assert gaps["score of a box that does not count"].bounded == pytest.approx(0.003)
    assert parity.compared == 3 * 5
    (line,) = complaints(parity, None, None)
    assert line.startswith("score of a box that does not count: 0.003 apart (0)")


def test_which_of_two_unsure_boxes_stays_may_be_a_matter_of_rounding():
    decision = Boxes(["motor", "valve"], 0.5)
    trained = [[box(0, 0.9), box(6, 0.2), box(10, 0.2), box(15, 0.2)]]
    exported = [[box(0, 0.9), box(6, 0.2), box(10, 0.2), box(16, 0.2)]]
    assert complaints(side_by_side(decision, BOXES, trained, exported), None, None) == []


def test_two_that_find_nothing_at_all_are_not_the_same():
    decision = Boxes(["motor", "valve"], 0.5)
    nothing = np.zeros((2, 3, 6))
    parity = side_by_side(decision, BOXES, nothing, nothing)
    said = report(parity, None, None)
    assert (said["compared"], said["held"]) == (0, False)
    assert complaints(parity, None, None) == [NOTHING]
    assert report(parity, Figure("map", "max", 0.0, 0.0), Allowed(0.01))["warnings"] == [NOTHING]


def test_the_figure_may_fall_by_max_drop_and_an_error_rise_by_that_share():
    values = np.array([[0.5, 0.5]])
    parity = side_by_side(CLASSES, PROBABILITIES, values, values + 0.1)
    assert complaints(parity, Figure("f1", "max", 0.9, 0.895), Allowed(0.01)) == []
    assert complaints(parity, Figure("f1", "max", 0.9, 0.95), Allowed(0.0)) == []
    (line,) = complaints(parity, Figure("f1", "max", 0.9, 0.88), Allowed(0.01))
    assert line == "f1 0.9000 as trained, 0.8800 exported: 0.0200 is lost, max_drop=0.01 is allowed"
    assert complaints(parity, Figure("mae", "min", 2.0, 2.01), Allowed(0.01)) == []
    assert complaints(parity, Figure("mae", "min", 2.0, 2.1), Allowed(0.01))
    assert complaints(parity, Figure("f1", "max", 0.9, math.nan), Allowed(0.01))


def test_one_image_may_be_worth_more_than_may_be_lost():
    values = np.array([[0.5, 0.5]] * 80)
    labels = (["ok"] * 80, ["ok"] * 79 + ["defect"])
    parity = side_by_side(CLASSES, PROBABILITIES, values, values, labels)
    (line,) = complaints(parity, Figure("f1", "max", 0.9, 0.887), Allowed(0.01))
    assert line.endswith("max_drop=0.01 is allowed (one image is worth 0.013 of f1)")
    (line,) = complaints(parity, Figure("f1", "max", 0.9, 0.887, images=160), Allowed(0.01))
    assert line.endswith("is allowed")  # changes of the other images are not known


def test_evidence_that_differs_is_warned_of():
    values = np.array([[0.5, 0.5]])
    heat = np.zeros((1, 1, 10, 10), np.float32)
    for apart, warned in ((0.09, False), (0.3, True), (np.nan, True)):
        other = heat.copy()
        other[0, 0, 0, 0] = apart
        parity = side_by_side(CLASSES, PROBABILITIES, values, values, heatmaps=(heat, other))
        assert bool(report(parity, None, Allowed(0.01))["warnings"]) == warned
        assert bool(report(parity, None, None)["warnings"]) == warned


def test_boxes_of_verdicts_that_moved_are_counted():
    decision = Located(["ok", "defect"], "defect")
    labels = ["defect", "defect"]
    there = [Box(0, 0, 4, 4, "defect", 0.9), Box(9, 0, 13, 4, "defect", 0.8)]
    moved = [Box(0, 0, 4, 4, "defect", 0.8), Box(12, 0, 16, 4, "defect", 0.7)]
    values = np.array([[0.5, 0.5]] * 2)
    heat = np.zeros((2, 1, 4, 4), np.float32)
    one, other = (Fake(decision, PROBABILITIES, values, labels, heat) for _ in range(2))
    one.boxes, other.boxes = [there, there], [there, moved]
    parity = compare(one, other, read, ["0", "1"])
    assert (parity.boxes, parity.changed_boxes, parity.unmatched) == (4, 2, None)
    assert report(parity, None, Allowed(0.01))["boxes"] == {"trained": 4, "changed": 2, "unmatched": None}


def test_a_share_of_images_is_counted_in_whole_ones():
    values = np.array([[0.5, 0.5]] * 100)
    labels = (["ok"] * 100, ["ok"] * 71 + ["defect"] * 29)
    parity = side_by_side(CLASSES, PROBABILITIES, values, values, labels)
    nothing = Figure("f1", "max", math.nan, math.nan)
    assert complaints(parity, nothing, Allowed(0.29)) == []  # 0.29 * 100 is less than 29
    assert complaints(parity, nothing, Allowed(0.28))


def test_verdicts_stand_for_a_figure_that_is_undefined():
    values = np.array([[0.5, 0.5]] * 4)
    parity = side_by_side(CLASSES, PROBABILITIES, values, values, (["ok"] * 4, ["ok", "ok", "ok", "defect"]))
    nothing = Figure("f1", "max", math.nan, math.nan)
    assert complaints(parity, nothing, Allowed(0.25)) == []
    assert "1 of 4 verdicts changed" in complaints(parity, nothing, Allowed(0.2))[0]


def test_a_share_of_the_verdicts_may_change_though_the_figure_stays():
    values = np.array([[0.5, 0.5]] * 100)
    labels = (["ok"] * 100, ["ok"] * 93 + ["defect"] * 7)
    parity = side_by_side(CLASSES, PROBABILITIES, values, values, labels)
    same = Figure("f1", "max", 0.9, 0.9)
    for share, allowed in ((1.0, True), (0.07, True), (0.0699, False), (0.0, False), (None, True)):
        assert (complaints(parity, same, Allowed(0.01, share)) == []) == allowed
        assert report(parity, same, Allowed(0.01, share))["held"] == allowed
    (line,) = complaints(parity, same, Allowed(0.01, 0.05))
    assert line == "7 of 100 verdicts changed, max_changed=0.05 allows 5"
    lost, changed = complaints(parity, Figure("f1", "max", 0.9, 0.8), Allowed(0.01, 0.0))
    assert lost.startswith("f1 0.9000 as trained, 0.8000 exported")
    assert changed == "7 of 100 verdicts changed, max_changed=0 allows 0"
    assert complaints(parity, Figure("f1", "max", math.nan, math.nan), Allowed(0.1, 0.05)) == [
        "7 of 100 verdicts changed, max_changed=0.05 allows 5"
    ]
    one = side_by_side(CLASSES, PROBABILITIES, values, values, (["ok"] * 100, ["ok"] * 99 + ["defect"]))
    assert complaints(one, same, Allowed(0.01, 0.001)) == []  # no share is less than one
    assert complaints(one, same, Allowed(0.01, 0.0)) == ["1 of 100 verdicts changed, max_changed=0 allows 0"]
    assert report(parity, same, Allowed(0.01, 0.05))["bounds"] == {"max_drop": 0.01, "max_changed": 0.05}
    assert report(parity, same, None)["bounds"] == {"difference": SAME, "changed_verdicts": 0}


def test_a_detector_is_asked_where_objects_are_and_evidence_of_other_questions_is_none_of_the_verdict():
    here, near, away = (Box(left, 0, left + 4, 4, "motor", 0.9) for left in (0, 1, 3))
    files, labels = ["0", "1", "2", "3"], ["1 motor"] * 4
    shown = [[here], [near], [away], []]  # beside `here` in all of them
    for decision, output, values, number in (
        (Boxes(["motor"], 0.5), BOXES, np.zeros((4, 1, 6)), 2),
        (Located(["ok", "motor"], "motor"), PROBABILITIES, np.zeros((4, 2)), 0),
    ):
        one, other = (Fake(decision, output, values, labels, np.zeros((4, 1, 4, 4))) for _ in range(2))
        one.boxes, other.boxes = [[here]] * 4, shown
        parity = compare(one, other, read, files)
        assert len(parity.changed) == number
        alone = changes(files, judge(one, read, files), judge(other, read, files, batch_size=3))
        assert alone == parity.changed  # what bounds int8 while it is made is what is told at the end
        assert parity.changed_boxes == 3
        if number:
            assert [each.file for each in alone] == ["2", "3"]
            assert (alone[0].trained, alone[0].exported) == ("1 motor", "1 motor, elsewhere")
            assert complaints(parity, None, Allowed(1.0, 0.5)) == []
            assert complaints(parity, None, Allowed(1.0, 0.49))


def test_report_is_plain_values():
    values = np.array([[0.5, 0.5]] * 30)
    labels = (["ok"] * 30, ["defect"] * 30)
    parity = side_by_side(CLASSES, PROBABILITIES, values, values, labels)
    said = report(parity, Figure("f1", "max", 0.9, 0.5), Allowed(0.01))
    assert json.loads(json.dumps(said)) == said
    assert not said["held"]
    assert said["changed_verdicts"]["number"] == 30
    assert len(said["changed_verdicts"]["first"]) == 20
    assert said["changed_verdicts"]["first"][0] == {"file": "0", "trained": "ok", "exported": "defect"}
    assert said["figure"]["lost"] == pytest.approx(0.4)
