import math

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from inspection.config.instantiate import instantiate
from inspection.config.saved import plain
from inspection.decide.curve import Curve
from inspection.decide.rule import QUANTILE, UNCHANGED
from inspection.decide.rules import F1, Cost, Fixed, Precision, Recall, Youden
from inspection.decide.scores import Scored

RULES = [
    F1(),
    Recall(0.9),
    Recall(1.0),
    Precision(0.8),
    Precision(1.0),
    Cost(10, 1),
    Cost(0.3, 0.1),
    Cost(1, 20),
    Youden(),
]
NAMES = [rule.words() for rule in RULES]


def scored(scores, truth, low=0.0, high=1.0, **more) -> Scored:
    scores = np.asarray(scores, np.float64)
    return Scored(
        "defect", scores, np.asarray(truth, bool), np.arange(len(scores)), low=low, high=high, **more
    )


def draw(seed: int, steps: int | None, number: int = 60) -> Scored:
    """Random scores in 0..1; of so many distinct values, the ends of the scale among them."""
    random = np.random.default_rng(seed)
    truth = random.random(number) < random.choice([0.1, 0.5])
    truth[:2] = True, False
    scores = (random.random(number) + 0.4 * truth).clip(0, 1)
    return scored(scores if steps is None else np.round(scores * steps) / steps, truth)


SETS = [draw(seed, steps) for seed in range(4) for steps in (None, 1, 2, 7)]


def every_call(things: Scored):
    """All verdicts that a threshold can give, by hand."""
    nothing = [] if things.scores.max() == things.high else [np.zeros(len(things.scores), bool)]
    return nothing + [things.scores >= value for value in np.unique(things.scores)]


def quality(rule, truth, called):
    """What a rule wants to be as large as possible, in order, from scikit-learn and by hand."""
    recall = recall_score(truth, called)
    precision = precision_score(truth, called, zero_division=0)
    missed, alarms = (truth & ~called).sum(), (called & ~truth).sum()
    match rule:
        case F1():
            return (round(f1_score(truth, called), 12), recall)
        case Recall():
            return (min(recall, rule.r), precision, recall)
        case Precision():
            return (min(precision, rule.p), recall) if called.any() else (-1, 0)
        case Cost():
            return (-round(rule.missed * missed + rule.false_alarm * alarms, 9), recall)
        case Youden():
            return (round(2 * balanced_accuracy_score(truth, called) - 1, 12), recall)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
@pytest.mark.parametrize("things", SETS)
def test_nothing_better_exists_and_decisions_reproduce_the_figures(rule, things):
    point = rule.choose(things)
    called, truth = things.scores >= point.threshold, things.truth
    assert quality(rule, truth, called) == max(quality(rule, truth, other) for other in every_call(things))
    assert point.figures["recall"] == recall_score(truth, called)
    assert point.figures["f1"] == pytest.approx(f1_score(truth, called), abs=1e-15)
    assert point.figures["specificity"] == recall_score(~truth, ~called)
    assert point.figures["precision"] == precision_score(truth, called)
    assert point.figures["missed"] == (truth & ~called).sum()
    assert point.figures["false_alarms"] == (called & ~truth).sum()
    assert point.figures["youden"] == pytest.approx(2 * balanced_accuracy_score(truth, called) - 1)
    assert 0 <= point.threshold <= 1
    assert point.figures == rule.at(things, point.threshold)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
@pytest.mark.parametrize("things", SETS)
def test_threshold_stands_the_noise_of_another_machine(rule, things):
    threshold = rule.choose(things).threshold
    noisy = things.scores + np.random.default_rng(0).uniform(-1e-9, 1e-9, len(things.scores))
    inner = (things.scores > 0) & (things.scores < 1)  # the ends of the scale are its own
    assert ((noisy >= threshold) == (things.scores >= threshold))[inner].all()


def test_threshold_lies_in_the_middle():
    truth = [False, False, True, True]
    assert F1().choose(scored([0.1, 0.2, 0.6, 0.8], truth)).threshold == pytest.approx(0.4)
    smallest = [0, 0, 5e-324, 0.8]  # there is no number in between
    assert F1().choose(scored(smallest, truth)).threshold == 5e-324


def test_scores_that_differ_by_a_rounding_are_one():
    """Equal margins of logits, softmax of (2, 1) and of (1, 0), are not always equal probabilities."""
    low, high = 0.3, np.nextafter(0.3, 1)
    things = scored([0.1, low, high, high, 0.9], [False, False, True, True, True])
    point = Precision(1).choose(things)
    assert (point.figures["recall"], point.threshold) == (pytest.approx(1 / 3), pytest.approx(0.6))
    point = F1().choose(things)
    assert (point.figures["false_alarms"], point.threshold) == (1, pytest.approx(0.2))
    assert F1().at(things, high)["false_alarms"] == 0  # what was asked for is counted as it is
    assert Fixed(float(high)).choose(things).figures["false_alarms"] == 0


@pytest.mark.parametrize("sure", [26.0, 28.0, 30.0, 32.0])
def test_a_network_that_is_very_sure_is_told_apart_at_both_ends(sure):
    """Margins of 28 and 29, probabilities of 1 - 7e-13 and 1 - 3e-13, are as different as -28 and -29."""
    margins = sure + np.array([-2.0, 0.0, 1.0, 2.0])
    for sign in (1, -1):
        scores = torch.tensor(np.sort(sign * margins)).sigmoid().numpy()
        point = F1().choose(scored(scores, [False, False, True, True]))
        assert (point.figures["recall"], point.figures["false_alarms"]) == (1, 0)
        assert (scores >= point.threshold).tolist() == [False, False, True, True]


@pytest.mark.parametrize("margin", [0.5, 8.0, 20.0, 30.0, 34.0])
def test_equal_margins_are_one_score(margin):
    """Softmax of the same margin at different heights differs in its last digits."""
    height = torch.linspace(
        -3, 3, 97, dtype=torch.float64
    ).floor()  # whole numbers: the margin stays as it is
    scores = torch.stack([height, height + margin], 1).softmax(1)[:, 1].numpy()
    shaken = scores + np.random.default_rng(0).integers(-1, 2, 97) * np.spacing(scores)
    curve = Curve.of(scored(shaken.clip(0, 1), np.arange(97) % 2 == 0))
    assert len(curve.levels) == 1


def test_threshold_at_the_ends():
    everything = scored([0.2, 0.4, 0.6], [True, False, True])
    assert Recall(1).choose(everything).threshold == pytest.approx(0.1)
    assert Recall(1).choose(scored(everything.scores, everything.truth, None, None)).threshold == 0.2
    # Things that score less than there can be a threshold, an area of 0 pixels, can't be called.
    areas = scored([0, 0, 9], [True, False, True], 1, None)
    point = Recall(1).choose(areas)
    assert (point.threshold, point.met, point.figures["recall"]) == (4.5, False, 0.5)
    assert Recall(1).choose(scored([1, 0, 9], [True, False, True], 1, None)).threshold == 1

    alarms = scored([0.5, 0.7, 0.9], [True, False, False])
    assert Cost(1, 5).choose(alarms).threshold == pytest.approx(0.95)
    unlimited = Cost(1, 5).choose(scored(alarms.scores, alarms.truth, None, None))
    assert 0.9 < unlimited.threshold < 0.901
    assert math.isnan(unlimited.figures["precision"])
    # Calling nothing is no choice when something scores as much as can be asked for.
    full = Cost(1, 5).choose(scored([0.5, 1, 0.2], [True, False, False]))
    assert (full.threshold, full.figures["false_alarms"]) == (0.35, 1)


def test_of_equals_the_one_that_finds_more():
    things = scored([0.9, 0.8, 0.7, 0.6, 0.1], [True, False, False, True, False])
    # The first call and the first four: precision 1 and 1/2, F1 2/3 both.
    assert F1().choose(things).figures["recall"] == 1
    clean = scored([0.9, 0.8, 0.7, 0.1], [True, True, True, False])
    assert Recall(0.5).choose(clean).figures["recall"] == 1
    # 3 false alarms of 0.1 cost as much as a missed defect of 0.3.
    dear = scored([0.9, 0.8, 0.7, 0.6], [False, False, False, True])
    assert Cost(0.3, 0.1).choose(dear).figures == Cost(3, 1).choose(dear).figures | {
        "cost": pytest.approx(0.3)
    }
    assert Cost(0.3, 0.1).choose(dear).figures["recall"] == 1


def test_words_of_a_rule_that_is_met():
    things = scored([0.9, 0.8, 0.7, 0.6], [True, False, True, False])
    assert Recall(0.99).choose(things).says == "recall 0.99 reached: 2 of 2 found, 1 false alarm in 2"
    assert Precision(0.6).choose(things).says == "precision 0.6 reached: 2 of 2 found, 1 false alarm in 2"
    cost = Cost(10, 1).choose(things)
    assert cost.says == (
        "smallest cost, 1 (missed defect : false alarm = 10 : 1): 2 of 2 found, 1 false alarm in 2"
    )
    assert cost.policy == "missed defect : false alarm = 10 : 1"
    assert cost.met


def test_precision_that_can_not_be_reached():
    things = scored([0.9, 0.8, 0.7, 0.6], [False, True, True, False])
    point = Precision(0.99).choose(things)
    assert not point.met
    assert point.figures["precision"] == pytest.approx(2 / 3)
    assert point.figures["recall"] == 1
    assert point.says == (
        "precision 0.99 can't be reached, taken instead the largest one, 0.667: 2 of 2 found, 1 false alarm in 2"
    )


def boxes(scores, truth, unscored=(), images=None) -> Scored:
    scores = np.asarray(scores, np.float64)
    images = np.arange(len(scores)) if images is None else np.asarray(images)
    lost = np.asarray(unscored, np.int64)
    return Scored("motor", scores, np.asarray(truth, bool), images, lost, 0.0, 1.0, countable_negatives=False)


def test_objects_without_a_box_are_missed_at_any_threshold():
    things = boxes([0.9, 0.7, 0.5, 0.3], [True, False, True, False], unscored=[0, 5])
    point = Recall(0.9).choose(things)
    assert (point.met, point.figures["recall"], point.figures["missed"]) == (False, 0.5, 2)
    assert point.threshold == pytest.approx(0.4)
    assert point.says == (
        "recall 0.9 can't be reached, taken instead the largest one, 0.5: 2 of 4 found, 1 false alarm"
    )
    assert F1().choose(things).figures["f1"] == pytest.approx(2 * 2 / (4 + 3))
    assert math.isnan(point.figures["specificity"])


def test_youden_of_boxes_falls_back_to_f1():
    things = boxes([0.9, 0.7, 0.5, 0.3], [True, False, True, False])
    point = Youden().choose(things)
    assert (point.met, point.policy, point.threshold) == (False, "largest F1", F1().choose(things).threshold)
    assert point.says == (
        "largest Youden index (recall + specificity - 1) needs a number of good ones, and boxes have none; "
        "taken instead the largest F1, 0.8: 2 of 2 found, 1 false alarm"
    )
    weights = np.ones((3, 4))
    assert Youden().thresholds(things, weights).tolist() == [point.threshold] * 3


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_only_good_ones_are_cut_at_a_quantile(rule):
    scores = np.random.default_rng(0).permutation(np.linspace(0.01, 0.6, 50))
    rule = type(rule)(good_quantile=0.9)
    point = rule.choose(scored(scores, np.zeros(50, bool)))
    # The next one is as likely to lie in each of the 51 gaps: 5 of them are 9.8 %, 6 are too many.
    assert (point.met, point.policy, point.figures["false_alarms"]) == (False, QUANTILE, 4)
    assert (scores >= point.threshold).sum() == 4
    assert math.isnan(point.figures["recall"])
    assert point.says == (
        "nothing to find in 50: the smallest threshold with at most 10 % false alarms, 4 of them; "
        "of good ones to come up to 9.8 %"
    )
    # None may be called: just above the highest, not halfway to 1.
    strict = type(rule)().choose(scored(scores, np.zeros(50, bool)))
    assert 0.6 < strict.threshold < 0.6001
    assert strict.says == (
        "nothing to find in 50: a threshold above all of them (at most 1 % false alarms takes 99 good ones); "
        "of good ones to come up to 2 %"
    )
    never = type(rule)(good_quantile=1.0).choose(scored(scores, np.zeros(50, bool)))
    assert "(at most 0 % false alarms can't be promised by any number of good ones)" in never.says


@pytest.mark.parametrize(
    ("number", "quantile", "called", "reached"),
    [(8, 0.99, 0, False), (98, 0.99, 0, False), (99, 0.99, 0, True), (199, 0.99, 1, True), (9, 0.9, 0, True)],
)
def test_good_ones_to_come_are_called_as_seldom_as_is_said(number, quantile, called, reached):
    """Of scores spread evenly over 0..1, what lies above the threshold is the rate itself."""
    rule, random = F1(good_quantile=quantile), np.random.default_rng(0)
    points = [rule.choose(scored(random.random(number), np.zeros(number, bool))) for _ in range(400)]
    assert {point.figures["false_alarms"] for point in points} == {called}
    rates = np.array([1 - point.threshold for point in points])
    said = (called + 1) / (number + 1)
    assert rates.mean() < said + 4 * rates.std() / 20
    assert rates.mean() > called / (number + 1) - 4 * rates.std() / 20
    assert points[0].says.endswith(f"of good ones to come up to {100 * said:.2g} %")
    assert (
        ("the smallest threshold with at most" in points[0].says) == reached == (said <= 1 - quantile + 1e-9)
    )


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_limit_of_the_process_stays_where_nothing_reaches_it(rule):
    temperatures = scored([290, 301, 311], [False] * 3, None, None, physical=True)
    point = rule.choose(temperatures, present=450.0)
    assert (point.threshold, point.met, point.policy) == (None, False, UNCHANGED)
    assert point.says == "none of 3 reaches the limit; the threshold stays: 0 of 0 found, 0 false alarms in 3"
    assert np.isnan(rule.thresholds(temperatures, np.ones((2, 3)))).all()
    # With something to find it is moved like any other.
    some = scored([290, 301, 311], [False, False, True], None, None, physical=True)
    assert rule.choose(some, present=450.0).threshold == 306


def test_good_ones_that_all_score_as_much_as_can_be():
    point = F1().choose(scored([1, 1, 0.5], [False] * 3))
    assert (point.threshold, point.figures["false_alarms"]) == (0.75, 2)
    assert point.says.endswith(
        "the fewest false alarms (at most 1 % false alarms, which was asked for, can't be had), 2 of them; "
        "of good ones to come up to 75 %"
    )


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
@pytest.mark.parametrize(
    ("things", "reason"),
    [
        (scored([], []), "there are no data to choose on"),
        (scored([0, 7], [True, False], 1, None), "none of 1 is found at any threshold"),
        (scored([0.1, 0.9], [True, True]), "all 2 are to be found, there is nothing to tell them from"),
        (boxes([], [], [0, 1]), "none of 2 is found at any threshold"),
        (boxes([0.4], [False], [0, 1]), "none of 2 is found at any threshold"),
    ],
)
def test_where_nothing_can_be_chosen_the_threshold_stays(rule, things, reason):
    point = rule.choose(things)
    assert (point.threshold, point.met, point.policy) == (None, False, UNCHANGED)
    assert point.says == f"{reason}; the threshold stays"
    assert all(math.isnan(value) for value in point.figures.values())
    assert np.isnan(rule.thresholds(things, np.ones((2, 3)))).all()


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_what_holds_where_nothing_can_be_chosen_has_figures(rule):
    point = rule.choose(scored([0.1, 0.9, 0.6], [True] * 3), present=0.6)
    assert (point.threshold, point.met, point.policy) == (None, False, UNCHANGED)
    assert (point.figures["recall"], point.figures["missed"]) == (pytest.approx(2 / 3), 1)
    assert point.says == (
        "all 3 are to be found, there is nothing to tell them from; the threshold stays: "
        "2 of 3 found, 0 false alarms in 0"
    )
    nothing = rule.choose(scored([], []), present=0.6)
    assert nothing.figures["missed"] == 0
    assert math.isnan(nothing.figures["recall"])
    # Fewer pixels than any area that there can be: nothing is called.
    assert rule.choose(scored([0, 7], [True, False], 1, None), present=1.0).figures["false_alarms"] == 1


def test_boxes_that_are_all_right_need_no_wrong_ones():
    point = F1().choose(boxes([0.9, 0.4], [True, True]))
    assert (point.threshold, point.figures["f1"]) == (0.2, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_of_a_diverged_network(value):
    with pytest.raises(ValueError, match="1 of 2 scores of 'defect' are no finite numbers"):
        scored([0.1, value], [True, False])


def resampled(things: Scored, counts: np.ndarray) -> Scored:
    """What a resample would have, drawn in fact."""
    rows = np.repeat(np.arange(len(things.scores)), counts[things.images])
    lost = np.repeat(things.unscored, counts[things.unscored])
    return Scored(
        things.name,
        things.scores[rows],
        things.truth[rows],
        things.images[rows],
        lost,
        things.low,
        things.high,
        things.countable_negatives,
    )


@pytest.mark.parametrize("rule", [*RULES, Fixed(0.3)], ids=[*NAMES, "fixed"])
@pytest.mark.parametrize(
    "things",
    [
        *SETS[:8],
        boxes(
            [0.9, 0.9, 0.7, 0.5, 0.5, 0.3],
            [True, False, False, True, True, False],
            [1, 3],
            [0, 0, 1, 2, 2, 3],
        ),
        scored(np.arange(40) / 40, np.zeros(40, bool)),
        scored(np.arange(40) / 40, np.arange(40) > 20, None, None),
    ],
)
def test_thresholds_of_weights_are_those_of_resampled_sets(rule, things):
    number = 1 + max([*things.images, *things.unscored])
    weights = np.random.default_rng(1).multinomial(number, np.full(number, 1 / number), size=30)
    thresholds = rule.thresholds(things, weights)
    for counts, threshold in zip(weights, thresholds, strict=True):
        drawn = resampled(things, counts)
        expected = rule.choose(drawn)
        if isinstance(rule, Fixed):
            assert math.isnan(threshold)  # nothing is chosen
        elif expected.threshold is None or (things.positives and not drawn.positives):
            assert math.isnan(threshold)  # another policy has no part in the interval
        else:
            assert threshold == expected.threshold
    if isinstance(rule, Fixed):
        return
    ones = np.ones((1, number))
    assert rule.thresholds(things, ones)[0] == rule.choose(things).threshold


@pytest.mark.parametrize("rule", [F1(), Recall(0.9), Cost(10, 1), Youden()])
def test_thresholds_of_resamples_spread_about_the_chosen_one(rule):
    random = np.random.default_rng(0)
    truth = random.random(2000) < 0.1
    things = scored((random.random(2000) + truth) / 2, truth)
    weights = random.multinomial(2000, np.full(2000, 1 / 2000), size=200)
    thresholds = rule.thresholds(things, weights)
    low, high = np.quantile(thresholds, [0.025, 0.975])
    assert low <= rule.choose(things).threshold <= high
    assert 0 < high - low < 0.3


def test_curve_in_parts_is_the_same(monkeypatch):
    things = draw(0, 7)
    weights = np.random.default_rng(0).integers(0, 3, (20, 60))
    whole = F1().thresholds(things, weights)
    monkeypatch.setattr("inspection.decide.curve.AT_A_TIME", 150)
    assert F1().thresholds(things, weights).tolist() == whole.tolist()


def test_curve_is_that_of_scikit_learn():
    things = draw(2, 7)
    curve = Curve.of(things)
    area = np.trapezoid(curve.recall[0], 1 - curve.specificity[0])
    assert area == pytest.approx(roc_auc_score(things.truth, things.scores))


def test_fixed():
    things = scored([0.9, 0.8, 0.7, 0.6], [True, False, True, False])
    point = Fixed(0.8).choose(things)
    assert (point.threshold, point.met, point.figures["recall"]) == (0.8, True, 0.5)
    assert point.says == "fixed at 0.8: 1 of 2 found, 1 false alarm in 2"
    assert Fixed({"defect": 0.65}).choose(things).threshold == 0.65
    for kept in (Fixed(), Fixed({"motor": 0.1})):
        point = kept.choose(things)
        assert (point.threshold, point.met, point.policy, point.says) == (
            None,
            True,
            UNCHANGED,
            "as configured",
        )
        point = kept.choose(things, present=0.75)
        assert (point.threshold, point.met, point.policy) == (None, True, UNCHANGED)
        assert point.says == "as configured: 1 of 2 found, 1 false alarm in 2"
        assert (point.figures["recall"], point.figures["precision"]) == (0.5, 0.5)
    assert Fixed({"motor": 0.1}).words() == "fixed, motor 0.1"
    assert Fixed(0.5).choose(scored([0.7], [True])).figures["recall"] == 1  # it needs no data


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Recall(0), "r=0: expected above 0, to 1"),
        (lambda: Precision(1.1), "p=1.1: expected above 0, to 1"),
        (lambda: Cost(0, 1), "missed=0: expected a cost, above 0"),
        (lambda: Cost(1, math.inf), "false_alarm=inf: expected a cost, above 0"),
        (lambda: F1(good_quantile=2), "good_quantile=2: expected above 0, to 1"),
        (lambda: F1(flips=["up"]), "flips=\\['up'\\]: expected horizontal, vertical, both or none"),
        (lambda: F1(resamples=-1), "resamples=-1: expected 0 or more"),
        (lambda: F1(confidence=1), "confidence=1: expected above 0, below 1"),
        (
            lambda: Scored("a", np.zeros(2), np.zeros(1, bool), np.zeros(2, int)),
            "Expected scores, truth and images",
        ),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("kind", [F1, Recall, Precision, Cost, Youden, Fixed])
def test_each_rule_has_a_file_with_its_own_defaults(kind, compose):
    node = plain(compose("decide", ["run=somewhere", f"decide={kind.__name__.lower()}"]))["decide"]
    rule = instantiate(node)
    assert type(rule) is kind
    assert vars(rule) == vars(kind())
