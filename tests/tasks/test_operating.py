import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn import metrics as sk

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.quantities import Quantities
from inspection.decide.rules import F1, Cost, Fixed, Precision, Recall
from inspection.tasks.box_outcome import BoxOutcome
from inspection.tasks.mask_outcome import MaskOutcome
from inspection.tasks.name_outcomes import ClassOutcome, LabelOutcome
from inspection.tasks.operating import add_intervals, choose, in_words
from inspection.tasks.quantity_outcome import QuantityOutcome

QUICK = {"resamples": 50}


def two_classes(seed=0, images=160, tied=False):
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(images, generator=generator) < 0.3).long()
    logits = torch.randn(images, 2, generator=generator) + 1.5 * torch.nn.functional.one_hot(targets, 2)
    return (logits * 2).round() / 2 if tied else logits, targets


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    "rule", [F1(**QUICK), Recall(0.95, **QUICK), Precision(0.8, **QUICK), Cost(20, 1, **QUICK)]
)
def test_a_stored_point_gives_the_figures_that_it_was_chosen_for(rule, tied):
    """From logits through the decision, as it comes out of an inspector's file, to scikit-learn's figures."""
    logits, targets = two_classes(tied=tied)
    rows = torch.arange(len(targets))
    start = OneOf(["ok", "defect"], "defect").calibrated(logits, targets)
    point, outcome = choose(lambda each: ClassOutcome.of(each, rows, logits, targets), start, rule, None)
    said = point.chosen[0].point
    stored = point.to_dict()["decision"]
    again = OneOf(**{name: value for name, value in stored.items() if name != "kind"})
    judged = again.labels(again.probabilities(logits))
    for name, function in (
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
        ("f1", sk.f1_score),
    ):
        assert said.figures[name] == pytest.approx(function(targets, judged), abs=1e-12)
        assert outcome.figures[name] == pytest.approx(said.figures[name], abs=1e-6)
    ((_, alarms), (missed, _)) = sk.confusion_matrix(targets, judged)
    assert (said.figures["missed"], said.figures["false_alarms"]) == (missed, alarms)
    low, high = point.chosen[0].interval
    assert low <= said.threshold <= high
    # Another batch gives other last digits: the same verdicts.
    shaken = logits * (1 + 1e-6 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(9)))
    assert again.labels(again.probabilities(shaken)).equal(judged)


def test_a_fixed_threshold_has_no_interval():
    logits, targets = two_classes()
    rows = torch.arange(len(targets))
    start = OneOf(["ok", "defect"], "defect")
    point, outcome = choose(
        lambda each: ClassOutcome.of(each, rows, logits, targets), start, Fixed(0.3, **QUICK), None
    )
    assert outcome.decision.threshold == 0.3
    assert point.chosen[0].interval is None
    assert in_words(point.to_dict())[1][1].startswith("from 0.3 on: fixed at 0.3: ")


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        (-5.0, "20, the largest that is fitted: what the network says hardly tells what is so"),
        (0.01, "0.05, the smallest that is fitted: the network is far less sure than it could be"),
        (2.0, None),
    ],
)
def test_a_temperature_at_its_bound_is_said(scale, says):
    targets = torch.arange(400) % 2
    noise = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    logits = scale * (torch.nn.functional.one_hot(targets, 2) + 0.4 * noise)
    decision = OneOf(["ok", "defect"], "defect").calibrated(logits, targets)
    rows = torch.arange(400)
    point, _ = choose(lambda each: ClassOutcome.of(each, rows, logits, targets), decision, F1(**QUICK), None)
    words = dict(in_words(point.to_dict()))
    assert words.get("temperature", "").partition(";")[0] == (says or "")
    both = AnyOf(["a", "b"]).calibrated(logits, torch.nn.functional.one_hot(targets, 2).float())
    point, _ = choose(
        lambda each: LabelOutcome.of(each, rows, logits, torch.nn.functional.one_hot(targets, 2)),
        both,
        F1(**QUICK),
        None,
    )
    assert ("temperature a" in dict(in_words(point.to_dict()))) == (says is not None)


def test_each_attribute_has_its_own_point():
    generator = torch.Generator().manual_seed(3)
    targets = (torch.rand(90, 3, generator=generator) < 0.4).float()
    logits = torch.randn(90, 3, generator=generator) + 2 * targets - torch.tensor([0.0, 3.0, -3.0])
    rows = torch.arange(90)
    start = AnyOf(["a", "b", "c"])
    point, outcome = choose(
        lambda each: LabelOutcome.of(each, rows, logits, targets), start, F1(**QUICK), None
    )
    plain = LabelOutcome.of(start, rows, logits, targets)
    for place, name in enumerate("abc"):
        called = outcome.called[:, place]
        assert sk.f1_score(targets[:, place], called) == pytest.approx(
            point.chosen[place].point.figures["f1"]
        )
        assert outcome.figures[f"f1/{name}"] >= plain.figures[f"f1/{name}"]
    assert len(set(outcome.decision.thresholds)) == 3


def test_no_threshold_without_a_defect_class():
    logits, targets = two_classes()
    start = OneOf(["a", "b"], None)
    point, outcome = choose(
        lambda each: ClassOutcome.of(each, torch.arange(len(targets)), logits, targets), start, F1(), None
    )
    assert point.chosen == []
    assert point.to_dict()["points"] == []
    assert outcome.decision is start


def masks(areas, defective):
    pixels = torch.tensor([[area, 0, 5] for area in areas])
    targets = torch.tensor(defective).long()
    count = len(areas)

    def judge(decision):
        return MaskOutcome.of(
            decision, torch.arange(count), pixels, targets, torch.zeros(count), [[]] * count, None, None
        )

    return judge


def test_a_smallest_area_is_chosen():
    judge = masks([0, 0, 3, 8, 9, 40, 0], [0, 0, 0, 0, 1, 1, 1])
    start = Area(["ok", "defect"], "defect", min_area=1)
    point, outcome = choose(judge, start, F1(**QUICK), None)
    assert outcome.decision.min_area == 9  # the middle of 8 and 9, in whole pixels
    assert point.chosen[0].point.figures["f1"] == pytest.approx(4 / 5)
    assert outcome.figures["f1"] == pytest.approx(4 / 5)
    assert outcome.right.tolist() == [True, True, True, True, True, True, False]


def test_an_image_without_a_called_pixel_is_found_by_no_area():
    judge = masks([0, 2, 0], [1, 1, 0])
    start = Area(["ok", "defect"], "defect", min_area=1)
    point, outcome = choose(judge, start, Recall(1.0, **QUICK), None)
    assert not point.chosen[0].point.met
    assert point.chosen[0].point.figures["recall"] == 0.5 == outcome.figures["recall"]


def test_scores_of_boxes_are_chosen_for_each_class():
    def box(left, score, which):
        return [left, 0.0, left + 10, 10.0, score, which]

    nothing = [0.0] * 6
    detections = torch.tensor(
        [
            [box(0, 0.9, 0), box(50, 0.8, 1), box(20, 0.4, 0)],
            [box(0, 0.3, 0), box(80, 0.2, 1), nothing],
            [box(50, 0.7, 1), nothing, nothing],
        ]
    )
    boxes = torch.tensor(
        [[[0.0, 0, 10, 10], [50, 0, 60, 10]], [[0, 0, 10, 10], [0, 0, 0, 0]], [[70, 0, 80, 10], [0, 0, 0, 0]]]
    )
    box_class = torch.tensor([[0, 1], [0, -1], [1, -1]])

    def judge(decision):
        return BoxOutcome.of(decision, torch.arange(3), detections, boxes, box_class)

    start = Boxes(["motor", "valve"], 0.5)
    first, second = judge(start).scored()
    assert first.scores.tolist() == pytest.approx([0.9, 0.4, 0.3])
    assert first.truth.tolist() == [True, False, True]
    assert first.images.tolist() == [0, 0, 1]
    assert second.unscored.tolist() == [2]  # its box lies elsewhere
    point, outcome = choose(judge, start, F1(**QUICK), None)
    for each in point.chosen:
        assert outcome.figures[f"f1/{each.point.name}"] == pytest.approx(each.point.figures["f1"])
    assert outcome.decision.scores[0] < 0.3 < outcome.decision.scores[1]
    assert outcome.right.tolist() == [False, True, False]


def test_an_alarm_is_moved_for_a_network_that_says_too_little():
    true = torch.tensor([[300.0], [350.0], [361.0], [380.0], [340.0]], dtype=torch.float64)
    said = true - 15
    start = Quantities(["maximum"], "K", [340], [20], alarm={"maximum": 360})

    def judge(decision):
        return QuantityOutcome.of(decision, torch.arange(5), said, true, torch.tensor([340.0]))

    point, outcome = choose(judge, start, Recall(1.0, **QUICK), None)
    assert outcome.decision.watched == ("maximum", 360.0, pytest.approx((335 + 346) / 2))
    assert outcome.figures["alarm_recall"] == outcome.figures["alarm_precision"] == 1
    assert bool(outcome.right.all())
    assert judge(start).figures["alarm_recall"] == 0.5
    assert "moved" not in point.chosen[0].point.says
    kept, outcome = choose(judge, start, Fixed(**QUICK), None)
    assert outcome.decision.watched == ("maximum", 360.0, 360.0)
    assert kept.chosen[0].interval is None
    # What holds is told, though nothing was chosen: the limit itself, and of 361 and 380 K one was seen.
    (stored,) = kept.to_dict()["points"]
    assert (stored["threshold"], stored["chosen"], stored["policy"]) == (360.0, False, "unchanged")
    assert stored["figures"] == stored["figures"] | {"recall": 0.5, "missed": 1.0, "false_alarms": 0.0}
    assert in_words(kept.to_dict())[1] == (
        "measured maximum, K",
        "from 360 on: as configured: 1 of 2 found, 0 false alarms in 3",
    )


@pytest.mark.parametrize("rule", [F1(**QUICK), Recall(0.99, **QUICK), Cost(**QUICK)])
def test_an_alarm_that_nothing_deserves_stays_at_its_limit(rule):
    true = torch.tensor([[300.0], [305.0], [311.0]], dtype=torch.float64)
    start = Quantities(["maximum"], "K", [305], [5], alarm={"maximum": 450})

    def judge(decision):
        return QuantityOutcome.of(decision, torch.arange(3), true, true, torch.tensor([305.0]))

    point, outcome = choose(judge, start, rule, None)
    assert outcome.decision.watched == ("maximum", 450.0, 450.0)
    (stored,) = point.to_dict()["points"]
    assert (stored["threshold"], stored["chosen"], stored["interval"]) == (450.0, False, None)
    assert in_words(point.to_dict())[1][1] == (
        "from 450 on: none of 3 reaches the limit; the threshold stays: 0 of 0 found, 0 false alarms in 3"
    )


def test_groups_are_drawn_together():
    """Ten copies of each image, as one group, are no more knowledge than one of it."""
    logits, targets = two_classes(images=40)
    many, same = logits.repeat_interleave(10, 0), targets.repeat_interleave(10, 0)
    start = OneOf(["ok", "defect"], "defect")
    rule = F1(resamples=400)

    def width(groups):
        point, _ = choose(
            lambda each: ClassOutcome.of(each, torch.arange(400), many, same), start, rule, groups
        )
        low, high = point.chosen[0].interval
        return high - low

    groups = [str(number // 10) for number in range(400)]
    assert width(groups) > 1.5 * width(None)


def sure(targets, verdicts, groups=None):
    """Intervals of two classes."""
    logits = 8.0 * torch.nn.functional.one_hot(torch.tensor(verdicts), 2)
    decision, rows = OneOf(["ok", "defect"], "defect"), torch.arange(len(targets))
    outcome = ClassOutcome.of(decision, rows, logits, torch.tensor(targets))
    add_intervals(outcome, F1(**QUICK), groups)
    return outcome.intervals


def test_a_perfect_figure_has_an_exact_interval():
    """Each resample finds 6 of 6: what that is worth, the binomial distribution says."""
    found = sure([1] * 6 + [0] * 20, [1] * 6 + [0] * 20)
    low = float(binomtest(6, 6).proportion_ci(0.95, "exact").low)
    assert found["recall"] == found["precision"] == pytest.approx((low, 1))
    assert found["f1"] == pytest.approx((2 * low / (1 + low), 1))
    assert found["accuracy"] == pytest.approx((float(binomtest(26, 26).proportion_ci(0.95, "exact").low), 1))
    assert "auroc" not in found  # no share of anything that could be counted
    # All found, with a false alarm: precision is drawn, recall is not, F1 has no end of its own.
    one_alarm = sure([1] * 6 + [0] * 20, [1] * 7 + [0] * 19)
    assert one_alarm["recall"] == pytest.approx((low, 1))
    assert 0 < one_alarm["precision"][0] < 6 / 7
    none = sure([1] * 6 + [0] * 20, [0] * 6 + [1] + [0] * 19)
    assert none["recall"] == pytest.approx((0, 1 - low))
    assert none["precision"] == pytest.approx((0, 0.975))
    missing = sure([0] * 5, [0] * 5)
    assert "recall" not in missing
    assert "precision" not in missing


def test_perfect_figures_of_groups_count_groups():
    groups = ["a", "a", "a", "b", "b", "c", *(str(number) for number in range(20))]
    found = sure([1] * 6 + [0] * 20, [1] * 6 + [0] * 20, groups)
    assert found["recall"] == pytest.approx((0.025 ** (1 / 3), 1))
    assert found["accuracy"] == pytest.approx((0.025 ** (1 / 23), 1))


def test_only_good_images_have_a_policy():
    logits, targets = two_classes(images=200)
    good = targets == 0
    start = OneOf(["ok", "defect"], "defect")
    rows = torch.arange(int(good.sum()))
    point, outcome = choose(
        lambda each: ClassOutcome.of(each, rows, logits[good], targets[good]),
        start,
        F1(good_quantile=0.95, **QUICK),
        None,
    )
    said = point.chosen[0].point
    assert said.policy == "quantile of good"
    assert said.threshold not in (None, 0.5)
    share = float(outcome.called[:, 1].double().mean())
    count = len(rows)
    assert share * count + 1 <= 0.05 * (count + 1) < share * count + 2  # one more in n + 1: see `Rule`
    assert said.figures["false_alarms"] == round(share * count) > 0
    assert said.figures["specificity"] == pytest.approx(outcome.figures["accuracy"])
    assert np.isnan(said.figures["recall"])
    low, high = point.chosen[0].interval
    assert low <= said.threshold <= high
    assert low < high
