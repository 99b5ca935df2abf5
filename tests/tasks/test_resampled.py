"""Figures under weights against the same figures of images that are in fact repeated."""

import math
import time

import numpy as np
import pytest
import torch

from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities
from inspection.tasks.box_outcome import BoxOutcome
from inspection.tasks.mask_outcome import MaskOutcome
from inspection.tasks.name_outcomes import ClassOutcome, LabelOutcome
from inspection.tasks.place_metrics import PixelScores
from inspection.tasks.places import PlaceOutcome, packed
from inspection.tasks.quantity_outcome import QuantityOutcome
from inspection.tasks.resampled import of_scores
from inspection.tasks.resampled_pixels import of_pixels
from tests.tasks.test_box_metrics import NAMES, scene

COUNT = 40
WITHOUT = {"loss", "ece", "worst"}  # see the docstrings


def draw(seed=0, count=COUNT, classes=3, steps=None):
    """Logits, of few distinct values where `steps` are given, and targets that they know something of."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    logits = random.normal(size=(count, classes)) + 1.2 * np.eye(classes)[targets]
    if steps:
        logits = np.round(logits * steps) / steps
    return torch.from_numpy(logits).float(), torch.from_numpy(targets)


def classes(rows, steps=None, names=("a", "b", "c"), defect=None, ordered=False):
    logits, targets = draw(classes=len(names), steps=steps)
    return ClassOutcome.of(OneOf(names, defect, 0.4), rows, logits[rows], targets[rows], ordered)


def attributes(rows):
    logits, _ = draw(steps=2)
    targets = (draw(seed=1)[0] > 0.6).float()
    targets[:, 2] = 0  # no image has the last one
    return LabelOutcome.of(AnyOf(["x", "y", "z"], {"x": 0.3}), rows, logits[rows], targets[rows])


def pixels():
    random = np.random.default_rng(0)
    counts = torch.from_numpy(random.integers(0, 9, (COUNT, 3)))
    counts[::3, [0, 2]] = 0
    counts[::6] = 0
    targets = (counts[:, 0] + counts[:, 2] > 0).long()
    targets[[3, 9]] = 1  # defects whose mask is not known
    return counts, targets


def masks(rows):
    counts, targets = pixels()
    decision, losses = Area(["ok", "defect"], "defect", min_area=4), torch.zeros(len(rows))
    regions = [[] for _ in rows]
    return MaskOutcome.of(decision, rows, counts[rows], targets[rows], losses, regions, None, None)


def quantities(rows, alarm=True):
    random = np.random.default_rng(0)
    targets = torch.from_numpy(random.normal([360, 300, 290], [20, 3, 0], (COUNT, 3)))
    values = targets + torch.from_numpy(random.normal(0, 3, (COUNT, 3)))
    names, limit = ["max", "mean", "min"], {"max": 370} if alarm else None
    decision = Quantities(names, "K", [360, 300, 290], [20, 3, 1], alarm=limit)
    usual = torch.tensor([359.0, 300.0, 290.0])
    return QuantityOutcome.of(decision, rows, values[rows], targets[rows], usual, targets[rows] + 0.5)


def places(rows):
    random = np.random.default_rng(0)
    logits, targets = draw(classes=2)
    maps = torch.from_numpy(random.random((COUNT, 6, 8))).float()
    true = torch.zeros(COUNT, 1, 6, 8)
    true[:, 0, 1:3, 2:4] = 1
    true[::4, 0, 4:6, 6:8] = 1
    maps[:, 1:3, 2:4] += torch.from_numpy(random.integers(0, 2, (COUNT, 1, 1)) * 1.0)
    true[targets == 0] = 0
    true[(targets == 1).nonzero()[0]] = 0  # nobody knows where it is
    decision = Located(["good", "defect"], "defect", 0.4, 0.7)
    return PlaceOutcome.locate(
        decision,
        rows,
        logits[rows],
        targets[rows],
        maps[rows],
        packed(true[rows]),
        (6, 8),
        None,
        None,
        0.3,
    )


def boxes(rows):
    detections, there, which = scene(number=COUNT)
    # Equal scores in several images, but not within one: there COCO's order hangs on where an image is repeated.
    scores = ((detections[:, :, 4] * 8).round() / 8 - 0.001 * torch.arange(detections.shape[1])).clamp(min=0)
    detections = torch.cat([detections[:, :, :4], scores[:, :, None], detections[:, :, 5:]], 2)
    return BoxOutcome.of(Boxes(NAMES, 0.5), rows, detections[rows], there[rows], which[rows])


KINDS = {
    "classes": classes,
    "classes with ties": lambda rows: classes(rows, steps=1),
    "classes, one a defect": lambda rows: classes(rows, defect="b"),
    "ordered classes": lambda rows: classes(rows, ordered=True),
    "two classes": lambda rows: classes(rows, 1, ("ok", "nok"), "nok"),
    "attributes": attributes,
    "masks": masks,
    "quantities": quantities,
    "quantities without alarm": lambda rows: quantities(rows, alarm=False),
    "places": places,
    "boxes": boxes,
}
ABOUT = {"auroc": 3e-7, "average_precision": 3e-7}  # torchmetrics divides in float32
COARSE = {"pixel_auroc": 0.02, "aupro": 0.02}  # each image, of 48 pixels here, is counted by coarse scores


def check(figures, resampled, place, about=ABOUT):
    for name, values in resampled.items():
        tolerance = about.get(name, 1e-9)
        assert values[place] == pytest.approx(figures[name], abs=tolerance, rel=1e-9, nan_ok=True), name


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_one_are_the_figures(kind):
    outcome = KINDS[kind](torch.arange(COUNT))
    resampled = outcome.resampled(np.ones((2, COUNT)))
    check(outcome.figures, resampled, 1)
    expected = {name for name in outcome.headlines if name in outcome.figures} - WITHOUT
    assert expected <= set(resampled)
    assert all(np.isfinite(resampled[name]).all() for name in expected)
    assert all(values.shape == (2,) and values.dtype == np.float64 for values in resampled.values())


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_as_if_images_were_repeated(kind):
    weights = np.random.default_rng(2).multinomial(COUNT, np.full(COUNT, 1 / COUNT), 15).astype(float)
    weights[0, 5:] = 0  # a few images
    weights[1] *= np.arange(COUNT) == 6  # one
    resampled = KINDS[kind](torch.arange(COUNT)).resampled(weights)
    for place, counts in enumerate(weights):
        rows = torch.from_numpy(np.repeat(np.arange(COUNT), counts.astype(int)))
        if len(rows):
            check(KINDS[kind](rows).figures, resampled, place, ABOUT | COARSE)


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_image_all_is_undefined(kind):
    resampled = KINDS[kind](torch.arange(COUNT)).resampled(np.zeros((3, COUNT)))
    assert all(np.isnan(values).all() for values in resampled.values())


@pytest.mark.parametrize("kind", KINDS)
def test_in_parts_it_is_the_same(kind, monkeypatch):
    outcome = KINDS[kind](torch.arange(COUNT))
    weights = np.random.default_rng(0).integers(0, 3, (9, COUNT)).astype(float)
    whole = outcome.resampled(weights)
    for room in ("inspection.decide.curve", "inspection.tasks.resampled_boxes", "inspection.tasks.resampled"):
        monkeypatch.setattr(f"{room}.AT_A_TIME", 3 * COUNT)
    for name, values in outcome.resampled(weights).items():
        assert values == pytest.approx(whole[name], abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("kind", KINDS)
def test_shares_are_of_the_images_that_define_them(kind):
    """One image alone has a recall if it should be called, and none otherwise."""
    outcome = KINDS[kind](torch.arange(COUNT))
    alone = outcome.resampled(np.eye(COUNT))
    shares = outcome.shares()
    assert shares.keys() <= outcome.main_figures().keys()
    for name, among in shares.items():
        assert among.tolist() == (~np.isnan(alone[name])).tolist(), name
        assert among.any(), name


def test_coarse_scores_are_near_enough_to_the_exact_ones():
    random = np.random.default_rng(0)
    images = []
    for _ in range(12):
        mask = np.zeros((1, 48, 48), bool)
        left = random.integers(0, 38)
        mask[0, 5:15, left : left + 9] = True
        one = PixelScores()
        one.add(random.normal(size=(1, 48, 48)) + mask, mask)
        images.append(one)
    weights = random.integers(0, 3, (6, 12)).astype(float)
    total = sum(images, PixelScores())
    figures = of_pixels(weights, [one.coarse() for one in images], total.auroc(), total.aupro())
    for row, counts in enumerate(weights):
        repeated = sum(
            (one for one, count in zip(images, counts, strict=True) for _ in range(int(count))), PixelScores()
        )
        assert figures["pixel_auroc"][row] == pytest.approx(repeated.auroc(), abs=1e-3)
        assert figures["aupro"][row] == pytest.approx(repeated.aupro(), abs=1e-3)


def test_a_network_that_diverged_has_no_ranking():
    scores = np.array([0.1, math.nan])
    figures = of_scores(np.ones((2, 2)), scores, np.array([True, False]))
    assert all(np.isnan(values).all() for values in figures.values())


@pytest.mark.slow
def test_thousand_resamples_of_five_thousand_images_take_seconds():
    logits, targets = draw(count=5000, classes=2)
    outcome = ClassOutcome.of(OneOf(["ok", "nok"], "nok"), torch.arange(5000), logits, targets)
    weights = np.random.default_rng(0).multinomial(5000, np.full(5000, 1 / 5000), 1000).astype(float)
    start = time.process_time()
    figures = outcome.resampled(weights)
    assert time.process_time() - start < 20
    low, high = np.quantile(figures["accuracy"], [0.025, 0.975])
    accuracy = outcome.figures["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(accuracy * (1 - accuracy) / 5000), rel=0.15)
