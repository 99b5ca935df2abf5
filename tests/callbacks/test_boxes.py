"""Pictures of boxes: which are right, wrong and missed."""

import dataclasses
from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch

from inspection.callbacks import boxes as callback
from inspection.callbacks import panels
from inspection.callbacks.boxes import BoxLogger
from inspection.decide.boxes import Boxes
from inspection.errors import InputError
from inspection.tasks.box_outcome import BoxOutcome

BOX, OTHER, NOWHERE = [0.0, 0, 10, 10], [20.0, 0, 30, 10], [40.0, 40, 50, 50]


@pytest.fixture
def outcome():
    detections = torch.zeros(2, 2, 6)
    detections[1] = torch.tensor([[*BOX, 0.8, 0], [*NOWHERE, 0.6, 1]])
    boxes, classes = torch.zeros(2, 2, 4), torch.full((2, 2), -1)
    boxes[1], classes[1] = torch.tensor([BOX, OTHER]), torch.tensor([0, 1])
    return BoxOutcome.of(Boxes(["a", "b"], 0.3), torch.tensor([4, 6]), detections, boxes, classes)


def test_panels_say_what_is_right_wrong_and_missed(outcome, monkeypatch):
    drawn = []
    monkeypatch.setattr(callback, "box_panel", lambda *given, **named: drawn.append((given, named)))
    data = SimpleNamespace(
        samples=SimpleNamespace(files=[f"{row}.png" for row in range(8)]), is_synthetic=True
    )
    images = torch.zeros(2, 1, 64, 64, dtype=torch.uint8)
    BoxLogger().panels(None, data, outcome, np.array([1, 0]), images)
    (image, truth, found, title), named = drawn[0]
    assert image.shape == (64, 64, 1)
    assert [(box.text, box.kind, list(box.place)) for box in truth] == [
        ("a", "truth", BOX),
        ("b", "missed", OTHER),
    ]
    assert [(box.text, box.kind) for box in found] == [("a 0.80", "right"), ("b 0.60", "wrong")]
    assert title == ["6.png", "1 of 2 found, 1 false alarm · boxes with a score of 0.3 or more"]
    assert named == {"note": "SYNTHETIC image", "right": False}
    (_, truth, found, title), named = drawn[1]
    assert truth == found == []
    assert title[1].startswith("0 of 0 found, 0 false alarms")
    assert named["right"] is True


def test_pictures_of_a_class_with_a_slash_lie_beside_the_others(outcome, monkeypatch):
    named = dataclasses.replace(outcome, decision=Boxes(["a/c", "b"], 0.3))
    shown = []
    monkeypatch.setattr(panels, "show", lambda trainer, tag, picture, file: shown.append((tag, file)))
    data = SimpleNamespace(images=lambda rows: rows)
    monkeypatch.setattr(panels, "_parts", lambda *_: (data, object(), named))
    logger = BoxLogger()
    monkeypatch.setattr(logger, "panels", lambda task, data, outcome, part, images: [None] * len(part))
    logger.draw_examples(None, None, "boxes", "boxes/best")
    assert ("boxes/a/c_1", "boxes/best/a-c_01.png") in shown


def test_a_task_without_boxes_is_refused_at_once():
    with pytest.raises(InputError, match=r"callbacks\.boxes: it draws what Detection gives"):
        BoxLogger().on_fit_start(None, L.LightningModule())
