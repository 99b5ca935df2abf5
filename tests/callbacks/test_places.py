"""Panels of places: of which images, and what is on them."""

from types import SimpleNamespace

import numpy as np
import pytest

from inspection.callbacks import places
from inspection.callbacks.places import PlaceLogger
from inspection.errors import InputError
from tests.tasks.test_localisation import IMAGES, batch_of, build, evaluate


@pytest.fixture
def shown(monkeypatch):
    pictures = []

    def panel(image, heat, boxes, truth, title, note, right):
        pictures.append((image, heat, boxes, truth, title, right))
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(places, "place_panel", panel)
    return pictures


@pytest.mark.parametrize("masks", [True, False])
def test_image_truth_heatmap_and_boxes_belong_together(shown, masks):
    batch = batch_of(IMAGES)
    given = batch if masks else {name: values for name, values in batch.items() if name != "mask"}
    task = build()
    outcome = evaluate(task=task, masks=masks)
    data = SimpleNamespace(
        batch=lambda rows: {name: values[rows] for name, values in given.items()},
        samples=SimpleNamespace(files=[f"{row}.png" for row in range(len(IMAGES))]),
        is_synthetic=True,
    )
    positions = np.array([1, 4])
    PlaceLogger().panels(task, data, outcome, positions, batch["image"][positions])
    (image, heat, boxes, truth, title, right), (_, nothing, none, _, good, _) = shown
    np.testing.assert_array_equal(image[..., 0], IMAGES[1][0])
    np.testing.assert_allclose(heat, IMAGES[1][0] / 200, atol=1e-6)
    if masks:
        np.testing.assert_array_equal(truth, IMAGES[1][1] > 0)
    else:
        assert truth is None
    assert [box for box, _ in boxes] == [(3, 2, 9, 8), (15, 10, 20, 14)]
    probability = float(outcome.probabilities[1, 1])
    assert [score for _, score in boxes] == pytest.approx([probability, probability * 0.95])
    assert title == ["1.png", f"defect, P(defect) {probability:.2f} · target: defect (dent)"]
    assert right is True
    assert nothing is None
    assert none == []
    assert good[1].startswith("good, ")


@pytest.mark.parametrize(
    ("position", "right", "said"),
    [(1, True, False), (2, False, True), (3, False, False), (4, True, False), (5, False, False)],
)
def test_a_right_verdict_with_heat_beside_the_defect_is_marked_wrong(shown, position, right, said):
    batch, task, outcome = batch_of(IMAGES), build(), evaluate()
    data = SimpleNamespace(
        batch=lambda rows: {name: values[rows] for name, values in batch.items()},
        samples=SimpleNamespace(files=[f"{row}.png" for row in range(len(IMAGES))]),
        is_synthetic=True,
    )
    PlaceLogger().panels(task, data, outcome, np.array([position]), batch["image"][[position]])
    ((*_, title, marked),) = shown
    assert marked is right
    assert title[1].endswith("the heatmap points beside the defect") is said


def test_no_places_to_draw():
    with pytest.raises(InputError, match=r"callbacks\.places: it draws what CamLocalisation gives"):
        PlaceLogger().on_fit_start(SimpleNamespace(), SimpleNamespace())
