import numpy as np
import pytest
import torch

from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.kinds import decision_from


def test_the_image_that_a_threshold_was_taken_from_is_called():
    logits = torch.tensor([[0.3, -0.2], [1.1, 0.4]])
    one = OneOf(["ok", "defect"], "defect")
    score = float(one.probabilities(logits)[1, 1])
    assert one.at(score).called(one.probabilities(logits)).tolist() == [[False, True], [False, True]]
    assert one.at(score + 1e-12).called(one.probabilities(logits))[1].tolist() == [True, False]

    several = AnyOf(["error", "break"])
    scores = several.probabilities(logits)
    taken = several.at({"error": float(scores[1, 0]), "break": float(scores[0, 1])})
    assert taken.called(scores).tolist() == [[False, True], [True, True]]


def test_probabilities_are_softmax_or_sigmoid():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(OneOf("abc", None).probabilities(logits), logits.double().softmax(1))
    assert torch.allclose(AnyOf("abc").probabilities(logits), 1 / (1 + (-logits.double()).exp()))


def test_agreement_is_that_of_the_worst_answer():
    several = AnyOf("ab")
    probabilities = torch.tensor([[0.9, 0.2], [0.6, 0.6]], dtype=torch.float64)
    assert several.agreement(probabilities, torch.tensor([[1.0, 0.0], [1.0, 0.0]])).tolist() == [
        pytest.approx(0.8),
        pytest.approx(0.4),
    ]
    one = OneOf("ab", None)
    assert one.agreement(probabilities, torch.tensor([1, 0])).tolist() == [0.2, 0.6]


def test_words():
    several = AnyOf(["error", "break"])
    assert several.words(torch.tensor([True, True])) == "error, break"
    assert several.words(torch.tensor([False, False])) == "none"
    assert OneOf(["ok", "defect"], "defect").words(torch.tensor([True, False])) == "ok"


@pytest.mark.parametrize(
    "decision",
    [OneOf(["ok", "defect"], "defect", 0.25), OneOf("abc", None), AnyOf(["error", "break"], {"break": 0.75})],
)
def test_kept_as_plain_values(decision):
    again = decision_from(decision.to_dict())
    assert again.to_dict() == decision.to_dict()
    logits = torch.randn(20, len(decision.names), generator=torch.Generator().manual_seed(1))
    probabilities = decision.probabilities(logits)
    assert torch.equal(again.called(probabilities), decision.called(probabilities))


def test_impossible_operating_points():
    several = AnyOf(["error", "break"])
    for threshold in (-0.1, 1.1, float("nan"), {"error": 2}):
        with pytest.raises(ValueError, match="expected a probability, 0 to 1"):
            several.at(threshold)
    with pytest.raises(ValueError, match="'brake' is none of error, break"):
        several.at({"brake": 0.5})
    with pytest.raises(ValueError, match="no defect class"):
        OneOf("ab", None).at(0.5)
    with pytest.raises(ValueError, match="expected one for 'b'"):
        OneOf("ab", "b").at({"a": 0.5})
    assert several.at(0.9).at({"error": 0.1}).thresholds == (0.1, 0.9)


@pytest.mark.parametrize(
    "decision",
    [
        OneOf("abc", "c", temperature=2.5),
        AnyOf("abc", temperatures={"a": 3.0, "b": 0.5}),
    ],
)
def test_logits_of_probabilities(decision):
    torch.manual_seed(0)
    logits = torch.randn(50, 3) * 8
    probabilities = decision.probabilities(logits)
    torch.testing.assert_close(decision.probabilities(decision.outputs(probabilities)), probabilities)
    sure = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    assert decision.outputs(sure).isfinite().all()
    torch.testing.assert_close(decision.probabilities(decision.outputs(sure)), sure, rtol=0, atol=1e-12)


def test_arrays_and_tensors_are_judged_alike():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], 200)
    probabilities[0] = np.nan
    for decision in (OneOf("abc", "b", 0.3), OneOf("abc", None), AnyOf("abc", {"a": 0.2, "c": 0.7})):
        called = decision.called(probabilities)
        assert isinstance(called, np.ndarray)
        assert (called == decision.called(torch.from_numpy(probabilities)).numpy()).all()
        assert decision.words(called[1]) == decision.words(torch.from_numpy(called[1]))
