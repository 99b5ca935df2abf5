from types import SimpleNamespace

import numpy as np
import pytest
import torch

from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, OneOf
from inspection.decide.quantities import Quantities
from inspection.report import Report, render
from inspection.runs.gallery import gallery_of, judged, scored_of
from inspection.tasks.box_outcome import BoxOutcome
from inspection.tasks.name_outcomes import ClassOutcome, LabelOutcome
from inspection.tasks.quantity_outcome import QuantityOutcome


def came_off_of(outcome):
    return judged(outcome, scored_of(outcome))


def outcome_of(logits, targets, threshold=0.5):
    decision = OneOf(["ok", "defect"], "defect", threshold)
    return ClassOutcome.of(decision, torch.arange(len(targets)), logits, targets)


def gallery(outcomes, **counts):
    """The gallery of grey images without evidence."""
    files = [f"{number:03d}.png" for number in range(1000)]
    data = SimpleNamespace(
        samples=SimpleNamespace(files=files),
        images=lambda rows: torch.zeros(len(rows), 1, 8, 8, dtype=torch.uint8),
    )
    scored = {part: scored_of(outcome) for part, outcome in outcomes.items()}
    return gallery_of(None, data, outcomes, scored, [], **counts)


@pytest.fixture
def parts():
    """Validation and test images, one in eight judged wrongly."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for part, images in (("val", 80), ("test", 160)):
        targets = (torch.arange(images) % 4 == 0).long()
        sure = 0.5 + torch.rand(images, generator=generator)
        wrong = torch.arange(images) % 8 < 1
        side = torch.where((targets == 1) ^ wrong, sure, -sure)
        made[part] = outcome_of(torch.stack([-side, side], 1), targets)
    return made


def test_the_worst_mistakes_and_the_least_certain_of_the_others(parts):
    shown = gallery(parts, mistakes=12, unsure=6)

    wrong = [card for card in shown.cards if card.kinds[0][1] != "right"]
    assert [card.part for card in wrong].count("test") == 8
    assert [card.part for card in wrong].count("val") == 4
    assert len(shown.cards) == 18
    assert shown.total == 240
    assert "30 of all were judged wrongly" in shown.text
    for part, outcome in parts.items():
        agreement = outcome.decision.agreement(outcome.probabilities, outcome.targets)
        order = [f"{place:03d}.png" for place in agreement.argsort().tolist()]
        own = [card for card in shown.cards if card.part == part]
        assert [card.file for card in own if card in wrong] == order[: len([c for c in own if c in wrong])]
        right = outcome.right.nonzero().flatten()
        nearest = right[(outcome.probabilities[right, 1] - 0.5).abs().argsort()].tolist()
        others = [card.file for card in own if card not in wrong]
        assert others == [f"{place:03d}.png" for place in nearest[: len(others)]]


def test_few_mistakes_leave_room(parts):
    shown = gallery(parts, mistakes=100, unsure=20)

    kinds = [card.kinds[0][1] for card in shown.cards]
    assert (kinds.count("missed") + kinds.count("false alarm"), kinds.count("right")) == (30, 90)
    assert len(gallery({"test": parts["test"]}, mistakes=500, unsure=500).cards) == 160


def test_most_wrong_first_is_an_order_within_a_part(parts):
    cards = [card for card in gallery(parts, mistakes=12, unsure=6).cards if card.part == "test"]

    assert [card.wrongness for card in cards] == sorted((card.wrongness for card in cards), reverse=True)


def test_most_wrong_first_compares_images_of_all_parts(parts):
    shown = gallery(parts, mistakes=30, unsure=6)

    order = sorted(shown.cards, key=lambda card: -card.wrongness)

    wrong = [card for card in order if card.kinds[0][1] != "right"]
    assert order[:30] == wrong
    assert {card.part for card in wrong} == {"val", "test"}
    of_target = [
        float(outcome.probabilities[int(card.file[:3]), int(outcome.targets[int(card.file[:3])])])
        for card in wrong
        for outcome in (parts[card.part],)
    ]
    assert of_target == sorted(of_target)


def test_a_network_that_has_diverged_has_a_gallery_too():
    logits = torch.full((6, 2), float("nan"))
    outcome = outcome_of(logits, torch.tensor([0, 1, 0, 1, 0, 0]))

    shown = gallery({"val": outcome})

    assert outcome.reliabilities() == {}
    assert len(shown.cards) == 6
    assert 'id="gallery-data"' in render(Report("t", "q", gallery=shown))


def test_another_class_than_the_defect_is_wrong_too():
    decision = OneOf(["ok", "dust", "defect"], "defect", threshold=0.5)
    logits = torch.tensor([[4.0, 0, 0], [4.0, 0, 0], [0, 0, 4.0], [0, 0, 4.0], [4.0, 0, 0]])
    targets = torch.tensor([0, 1, 2, 0, 2])

    came_off = came_off_of(ClassOutcome.of(decision, torch.arange(5), logits, targets))

    kinds = [[kind for _, kind in own] for own in came_off.kinds]
    assert kinds == [["right"], ["wrong"], ["right"], ["false alarm"], ["missed"]]


def test_a_right_verdict_for_a_wrong_place_is_not_called_right():
    class Placed(ClassOutcome):
        misplaced = np.array([False, True, False])

    decision = OneOf(["ok", "defect"], "defect", threshold=0.5)
    logits = torch.tensor([[4.0, 0], [0, 4.0], [0, 4.0]])
    outcome = Placed.of(decision, torch.arange(3), logits, torch.tensor([0, 1, 1]))

    assert [own[0][1] for own in came_off_of(outcome).kinds] == ["right", "wrong place", "right"]
    html = render(Report("t", "q", gallery=gallery({"test": outcome})))
    assert html.count('class="badge wrong-place">wrong place<') == 1
    assert '<option value="wrong place">right, at a wrong place</option>' in html


def test_without_a_defect_the_two_most_probable_classes_say_how_certain_it_is():
    logits = torch.tensor([[2.0, 0, 0], [2.0, 1.9, 0], [0, 0, 5.0]])

    came_off = came_off_of(
        ClassOutcome.of(OneOf(["a", "b", "c"], None), torch.arange(3), logits, torch.tensor([0, 1, 2]))
    )

    assert [own[0][1] for own in came_off.kinds] == ["right", "wrong", "right"]
    assert came_off.margin.argsort().tolist() == [1, 0, 2]


def test_each_attribute_comes_off_by_itself():
    decision = AnyOf(["cut", "wide"], {"cut": 0.9})
    logits = torch.tensor([[1.0, 1.0], [5.0, -5.0]])

    came_off = came_off_of(LabelOutcome.of(decision, torch.arange(2), logits, torch.tensor([[1, 0], [1, 0]])))

    assert came_off.kinds == [
        [("cut", "missed"), ("wide", "false alarm")],
        [("cut", "right"), ("wide", "right")],
    ]


def test_an_image_may_have_a_missed_object_and_a_false_alarm():
    # one box beside the object, one image with nothing in it, one object without any box
    detections = torch.zeros(3, 1, 6)
    detections[0, 0] = torch.tensor([20.0, 20, 30, 30, 0.9, 0])
    boxes = torch.zeros(3, 1, 4)
    boxes[0, 0] = boxes[2, 0] = torch.tensor([0.0, 0, 10, 10])
    classes = torch.tensor([[0], [-1], [0]])

    outcome = BoxOutcome.of(Boxes(["bolt"], 0.5), torch.arange(3), detections, boxes, classes)
    came_off = came_off_of(outcome)

    assert sorted(came_off.kinds[0]) == [("bolt", "false alarm"), ("bolt", "missed")]
    assert came_off.kinds[1:] == [[("", "right")], [("bolt", "missed")]]


def test_the_alarm_of_a_measurement():
    decision = Quantities(["maximum"], "K", [300.0], [10.0], ordered=False, alarm={"maximum": 350})
    values, targets = (
        torch.tensor([[360.0], [340.0], [300.0]]).double(),
        torch.tensor([[355.0], [352.0], [300.0]]),
    )

    outcome = QuantityOutcome.of(decision, torch.arange(3), values, targets, torch.tensor([300.0]))

    assert [own[0][1] for own in came_off_of(outcome).kinds] == ["right", "missed", "right"]
    assert outcome.told(1).target == "maximum 352.0 K: alarm"
    assert outcome.told(1).verdict == "maximum 340.0 K"
    assert outcome.confusions()[""].counts.tolist() == [[1, 0], [1, 1]]
