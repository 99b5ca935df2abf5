import math
import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from inspection.decide.decisions import AnyOf
from inspection.tasks.label_metrics import figures_of_labels, label_counts
from inspection.tasks.name_outcomes import LabelOutcome


def pass_over(logits, targets, attributes, thresholds=()):
    decision = AnyOf(attributes, dict(zip(attributes, thresholds, strict=False)))
    outcome = LabelOutcome.of(decision, torch.arange(len(logits)), logits, targets.float())
    return outcome.figures, outcome.counts


def draw(number, attributes, seed):
    """Logits with many ties, and targets that they tell something of."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.rand(number, attributes, generator=generator) < 0.3
    logits = (torch.randn(number, attributes, generator=generator) + 1.5 * targets).mul(2).round() / 2 - 0.5
    return logits, targets


@pytest.mark.parametrize(("number", "attributes"), [(203, 4), (203, 1), (50, 20), (1, 3)])
def test_figures_agree_with_scikit_learn(number, attributes):
    names = [f"a{index}" for index in range(attributes)]
    thresholds = np.linspace(0.3, 0.7, attributes)
    logits, targets = draw(number, attributes, seed=number + attributes)
    figures, counts = pass_over(logits, targets, names, thresholds.tolist())

    y, scores = targets.numpy(), logits.double().sigmoid().numpy()
    judged = scores >= thresholds
    for column in range(attributes):
        expected = sk.confusion_matrix(y[:, column], judged[:, column], labels=[False, True])
        assert counts[column].tolist() == expected.tolist()
    assert counts.dtype == torch.int64
    assert figures["exact_match"] == pytest.approx((y == judged).all(1).mean())
    assert figures["accuracy"] == pytest.approx((y == judged).mean())
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        each = [
            score(y[:, column], judged[:, column], zero_division=math.nan) for column in range(attributes)
        ]
        assert [figures[f"{name}/{label}"] for label in names] == pytest.approx(each, nan_ok=True)
        assert figures[name] == pytest.approx(
            np.nanmean(each) if np.isfinite(each).any() else math.nan, nan_ok=True
        )
    ranked = [column for column in range(attributes) if y[:, column].any()]
    areas = [sk.average_precision_score(y[:, column], scores[:, column]) for column in ranked]
    assert [figures[f"average_precision/a{column}"] for column in ranked] == pytest.approx(areas, abs=1e-5)
    if ranked:
        assert figures["average_precision"] == pytest.approx(np.mean(areas), abs=1e-5)


def test_macro_and_subset_figures_agree_with_scikit_learn():
    logits, targets = draw(300, 4, seed=9)
    figures, counts = pass_over(logits, targets, "abcd")
    y, judged = targets.numpy(), logits.numpy() >= 0
    assert counts.tolist() == sk.multilabel_confusion_matrix(y, judged).tolist()
    assert figures["f1"] == pytest.approx(sk.f1_score(y, judged, average="macro"))
    assert figures["precision"] == pytest.approx(sk.precision_score(y, judged, average="macro"))
    assert figures["recall"] == pytest.approx(sk.recall_score(y, judged, average="macro"))
    assert figures["exact_match"] == pytest.approx(sk.accuracy_score(y, judged))
    assert figures["average_precision"] == pytest.approx(
        sk.average_precision_score(y, logits.sigmoid().numpy(), average="macro"), abs=1e-5
    )


def test_an_attribute_that_no_image_has_is_undefined_and_not_zero():
    targets = torch.tensor([[True, False], [False, False]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures, _ = pass_over(torch.tensor([[2.0, -2.0], [-2.0, -2.0]]), targets, ("break", "length"))
    for name in ("precision", "recall", "f1", "average_precision"):
        assert math.isnan(figures[f"{name}/length"]), name
        assert figures[name] == figures[f"{name}/break"] == 1, name
    assert figures["accuracy/length"] == 1


def test_an_attribute_that_every_image_has_has_an_average_precision():
    figures, _ = pass_over(torch.randn(5, 1), torch.ones(5, 1, dtype=torch.bool), ("length",))
    assert figures["average_precision"] == pytest.approx(1)


def test_sure_networks_are_ranked_to_the_last_digit():
    logits, targets = torch.tensor([[30.0], [25.0], [20.0]]), torch.tensor([[True], [False], [True]])
    figures, _ = pass_over(logits, targets, ("break",))  # in float32 each of these is a probability of 1
    assert figures["average_precision"] == pytest.approx((1 + 2 / 3) / 2)


def test_no_image_at_all():
    figures, counts = pass_over(torch.zeros(0, 2), torch.zeros(0, 2), ("break", "length"))
    assert all(math.isnan(value) for value in figures.values())
    assert counts.tolist() == [[[0, 0], [0, 0]]] * 2


def test_the_image_that_defines_a_threshold_is_called():
    logits = torch.tensor([[0.3, 0.7], [0.29, 0.69]])
    thresholds = logits.double().sigmoid()[0].tolist()
    _, counts = pass_over(logits, torch.ones(2, 2), "ab", thresholds)
    assert counts[:, 1].tolist() == [[1, 1], [1, 1]]


def test_a_network_that_calls_nothing_has_an_f1_of_zero():
    figures = figures_of_labels(torch.tensor([[[90, 0], [10, 0]]]), ["break"])
    assert figures["f1"] == figures["recall"] == 0
    assert math.isnan(figures["precision"])
    assert figures["accuracy"] == 0.9


def test_counts_are_of_targets_in_rows():
    called, targets = torch.tensor([[True], [False], [False]]), torch.tensor([[False], [True], [True]])
    assert label_counts(called, targets).tolist() == [[[0, 1], [2, 0]]]
