import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional.classification import binary_calibration_error

from inspection.decide.calibration import (
    FEWEST,
    TEMPERATURES,
    expected_calibration_error,
    fit_temperature,
    fit_temperatures,
    reliability,
)


def draw(temperature: float, number: int = 4000, classes: int = 3):
    """Logits of a network that is calibrated when they are divided by a temperature, and targets."""
    torch.manual_seed(0)
    true = 2 * torch.randn(number, classes, dtype=torch.float64)
    targets = torch.multinomial(true.softmax(1), 1)[:, 0]
    return true * temperature, targets


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_temperature_is_found_again(temperature):
    logits, targets = draw(temperature)
    fitted = fit_temperature(logits, targets)
    assert fitted == pytest.approx(temperature, rel=0.1)
    # No other one explains the targets better.
    losses = [float(F.cross_entropy(logits / (fitted * step), targets)) for step in (0.95, 1.0, 1.05)]
    assert min(losses) == losses[1]
    confidence, chosen = (logits / fitted).softmax(1).max(1)
    right = (chosen == targets).numpy()
    assert expected_calibration_error(confidence.numpy(), right) < 0.03
    if temperature == 3:
        before = logits.softmax(1).amax(1).numpy()
        assert expected_calibration_error(before, right) > 0.1


def test_temperature_of_each_attribute():
    torch.manual_seed(0)
    true = 2 * torch.randn(4000, 3, dtype=torch.float64)
    targets = (torch.rand(4000, 3, dtype=torch.float64) < true.sigmoid()).float()
    targets[:, 2] = 1
    logits = true * torch.tensor([0.5, 4.0, 2.0])
    first, second, third = fit_temperatures(logits, targets)
    assert (first, second) == (pytest.approx(0.5, rel=0.1), pytest.approx(4, rel=0.1))
    assert third == 1  # all images have it
    # Two classes by softmax are one attribute by sigmoid.
    both = torch.stack([torch.zeros(4000, dtype=torch.float64), logits[:, 1]], 1)
    assert fit_temperature(both, targets[:, 1].long()) == pytest.approx(second)


def test_a_network_without_a_mistake_is_as_sure_as_so_many_images_allow():
    targets = torch.arange(40) % 2
    logits = torch.nn.functional.one_hot(targets, 2).float()
    # 20 of 20 of a class: 21 of 22.
    fitted = fit_temperature(logits, targets)
    assert (logits / fitted).softmax(1).amax(1).tolist() == pytest.approx([21 / 22] * 40)
    assert fit_temperature(30 * logits, targets) == pytest.approx(30 * fitted)
    margins = logits[:, 1:] - logits[:, :1]
    assert fit_temperatures(margins, targets[:, None]) == [pytest.approx(fitted)]


def test_so_many_images_count_together_with_many_classes():
    targets = torch.arange(40) % 10
    logits = torch.nn.functional.one_hot(targets, 10).float()
    fitted = fit_temperature(logits, targets)
    assert (logits / fitted).softmax(1).amax(1).tolist() == pytest.approx([41 / 42] * 40)


@pytest.mark.parametrize(("classes", "images"), [(10, 80), (30, 150)])
def test_temperature_of_many_classes_with_few_images_each(classes, images):
    logits, targets = draw(2.0, images, classes)
    assert fit_temperature(logits, targets) == pytest.approx(2, rel=0.35)


def test_temperatures_stay_in_range():
    targets = torch.arange(20) % 2
    right = torch.nn.functional.one_hot(targets, 2).float()
    assert fit_temperature(0.01 * right, targets) == TEMPERATURES[0]
    assert fit_temperature(1 - right, targets) == TEMPERATURES[1]
    assert fit_temperatures(0.01 * right[:, 1:] - 0.005, targets[:, None]) == [TEMPERATURES[0]]


def test_nothing_to_learn_from():
    logits = torch.randn(FEWEST, 2)
    assert fit_temperature(logits, torch.zeros(FEWEST, dtype=torch.long)) == 1
    assert fit_temperature(logits[1:], torch.arange(FEWEST - 1) % 2) == 1
    assert fit_temperature(torch.zeros(20, 2), torch.arange(20) % 2) == 1  # all temperatures are as good
    assert fit_temperature(logits[:0], torch.zeros(0, dtype=torch.long)) == 1
    assert fit_temperatures(logits, torch.zeros(FEWEST, 2)) == [1, 1]
    logits[0, 0] = math.nan
    with pytest.raises(ValueError, match="the network has diverged"):
        fit_temperature(logits, torch.arange(FEWEST) % 2)


def test_huge_logits():
    logits = torch.tensor([[1e30, 0.0], [0.0, 1e30]] * 10)
    targets = torch.tensor([0, 1] * 10)
    targets[0] = 1
    assert fit_temperature(logits, targets) == TEMPERATURES[1]


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_error_is_that_of_torchmetrics(bins):
    random = np.random.default_rng(0)
    confidence = random.random(500)
    right = random.random(500) < confidence**2
    expected = binary_calibration_error(torch.tensor(confidence), torch.tensor(right).long(), bins, "l1")
    assert expected_calibration_error(confidence, right, bins) == pytest.approx(float(expected), abs=1e-6)


def test_reliability_by_hand():
    said = np.array([0.0, 0.05, 0.1, 0.11, 1.0])
    bins = reliability(said, np.array([False, True, False, True, True]), bins=10)
    assert bins.counts.tolist() == [3, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bins.confidence[[0, 1, 9]].tolist() == pytest.approx([0.05, 0.11, 1])
    assert bins.right[[0, 1, 9]].tolist() == pytest.approx([1 / 3, 1, 1])
    assert np.isnan(bins.right[2])
    assert bins.error == pytest.approx((3 * (1 / 3 - 0.05) + 0.89) / 5)


def test_reliability_of_nothing_and_of_no_confidence():
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, bool)))
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        reliability(np.array([0.5, math.nan]), np.zeros(2, bool))
    with pytest.raises(ValueError, match="Expected confidence and right"):
        reliability(np.zeros(2), np.zeros(1, bool))
