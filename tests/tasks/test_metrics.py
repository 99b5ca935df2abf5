import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torchmetrics.functional.classification import calibration_error

from inspection.decide.decisions import OneOf
from inspection.tasks.metrics import figures_of_confusion, quadratic_kappa, report_of_confusion
from inspection.tasks.name_outcomes import ClassOutcome


def pass_over(logits, targets, classes, defect):
    decision = OneOf(classes, None if defect is None else classes[defect])
    outcome = ClassOutcome.of(decision, torch.arange(len(logits)), logits, targets)
    return outcome.figures, outcome.counts


@pytest.mark.parametrize("defect", [0, 1])
def test_two_classes_agree_with_scikit_learn(defect):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(203, 2, generator=generator)
    targets = (torch.rand(203, generator=generator) < 0.3).long()
    figures, confusion = pass_over(logits, targets, ("a", "b"), defect)
    y, score = targets.numpy(), logits.softmax(1)[:, defect].numpy()
    judged = np.where(score >= 0.5, defect, 1 - defect)
    assert confusion.tolist() == sk.confusion_matrix(y, judged).tolist()
    expected = {
        "accuracy": sk.accuracy_score(y, judged),
        "balanced_accuracy": sk.balanced_accuracy_score(y, judged),
        "precision": sk.precision_score(y, judged, pos_label=defect),
        "recall": sk.recall_score(y, judged, pos_label=defect),
        "f1": sk.f1_score(y, judged, pos_label=defect),
        "auroc": sk.roc_auc_score(y == defect, score),
        "average_precision": sk.average_precision_score(y == defect, score),
        "ece": float(calibration_error(logits.softmax(1), targets, "multiclass", num_classes=2)),
    }
    assert figures == pytest.approx(expected, abs=1e-5)


def test_many_classes_agree_with_scikit_learn():
    generator = torch.Generator().manual_seed(2)
    logits, targets = (
        torch.randn(300, 4, generator=generator),
        torch.randint(0, 4, (300,), generator=generator),
    )
    figures, _ = pass_over(logits, targets, "abcd", None)
    y, judged, scores = targets.numpy(), logits.argmax(1).numpy(), logits.double().softmax(1).numpy()
    assert figures["f1"] == pytest.approx(sk.f1_score(y, judged, average="macro"))
    assert figures["precision"] == pytest.approx(sk.precision_score(y, judged, average="macro"))
    assert [figures[f"recall/{name}"] for name in "abcd"] == pytest.approx(
        sk.recall_score(y, judged, average=None).tolist()
    )
    assert figures["auroc"] == pytest.approx(sk.roc_auc_score(y, scores, multi_class="ovr"), abs=1e-5)
    assert figures["average_precision"] == pytest.approx(
        np.mean([sk.average_precision_score(y == k, scores[:, k]) for k in range(4)]), abs=1e-5
    )


def test_without_a_defect_its_figures_are_undefined_and_not_zero():
    logits = torch.tensor([[2.0, -2.0]] * 5)
    figures, _ = pass_over(logits, torch.zeros(5, dtype=torch.long), ("ok", "defect"), 1)
    for name in ("recall", "precision", "f1", "auroc", "average_precision"):
        assert math.isnan(figures[name]), name
    assert figures["accuracy"] == 1


def test_a_network_that_finds_no_defect_has_an_f1_of_zero():
    figures = figures_of_confusion(torch.tensor([[90, 0], [10, 0]]), ("ok", "defect"), 1)
    assert figures["f1"] == 0
    assert figures["recall"] == 0
    assert math.isnan(figures["precision"])
    assert figures["balanced_accuracy"] == 0.5


def test_only_defects_have_no_auroc():
    figures, _ = pass_over(torch.randn(6, 2), torch.ones(6, dtype=torch.long), ("ok", "defect"), 1)
    assert math.isnan(figures["auroc"])
    assert figures["average_precision"] == pytest.approx(1)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_quadratic_kappa_agrees_with_scikit_learn(size):
    random = np.random.default_rng(size)
    for number in (4, 30, 500):
        targets = random.integers(0, size, number)
        judged = np.where(random.random(number) < 0.5, targets, random.integers(0, size, number))
        counts = torch.from_numpy(sk.confusion_matrix(targets, judged, labels=range(size)))
        expected = sk.cohen_kappa_score(targets, judged, weights="quadratic", labels=range(size))
        assert quadratic_kappa(counts) == pytest.approx(expected)


def test_quadratic_kappa_by_hand():
    # 9 images, 3 of each state, verdicts (4, 2, 3): by chance 3/9 of (2 + 4·3 + 4 + 3 + 4·4 + 2) = 13, here 4 + 1.
    severe_for_normal = torch.tensor([[3, 0, 0], [0, 2, 1], [1, 0, 2]])
    assert quadratic_kappa(severe_for_normal) == pytest.approx(1 - 5 / 13)
    severe_for_minor = torch.tensor([[3, 0, 0], [0, 2, 1], [0, 1, 2]])
    assert quadratic_kappa(severe_for_minor) > quadratic_kappa(severe_for_normal)
    assert quadratic_kappa(torch.eye(3)) == 1
    assert quadratic_kappa(torch.eye(3).flip(0)) == -1
    assert quadratic_kappa(torch.ones(3, 3)) == pytest.approx(0)


def test_kappa_of_one_class_alone_is_undefined():
    assert math.isnan(quadratic_kappa(torch.tensor([[7, 0, 0], [0, 0, 0], [0, 0, 0]])))
    assert math.isnan(quadratic_kappa(torch.zeros(3, 3)))
    assert quadratic_kappa(torch.tensor([[4, 0, 3], [0, 0, 0], [0, 0, 0]])) == pytest.approx(0)


def test_kappa_is_a_figure_of_ordered_classes_alone():
    logits, targets = torch.eye(3) * 9, torch.tensor([0, 1, 1])
    decision = OneOf(("normal", "minor", "severe"), None)
    ordered = ClassOutcome.of(decision, torch.arange(3), logits, targets, ordered=True)
    assert ordered.figures["kappa"] == pytest.approx(
        sk.cohen_kappa_score([0, 1, 1], [0, 1, 2], weights="quadratic")
    )
    assert "kappa" not in pass_over(logits, targets, "abc", None)[0]


@pytest.mark.parametrize("present", [4, 2])
def test_the_report_agrees_with_scikit_learn(present):
    random = np.random.default_rng(present)
    targets, judged = random.integers(0, present, 80), random.integers(0, 3, 80)
    counts = torch.from_numpy(sk.confusion_matrix(targets, judged, labels=range(4)))
    expected = sk.classification_report(
        targets,
        judged,
        labels=range(4),
        target_names=list("abcd"),
        output_dict=True,
        zero_division=math.nan,
    )
    rows = report_of_confusion(counts, "abcd")
    assert [row.name for row in rows] == [*"abcd", "macro mean", "weighted mean"]
    for row, name in zip(rows, [*"abcd", "macro avg", "weighted avg"], strict=True):
        wanted = expected[name]
        assert [row.precision, row.recall, row.f1, row.support] == pytest.approx(
            [wanted["precision"], wanted["recall"], wanted["f1-score"], wanted["support"]], nan_ok=True
        ), name
