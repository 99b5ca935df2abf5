"""Panels of masks: of which images, and what is on them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from inspection.callbacks import masks
from inspection.callbacks.masks import MaskLogger
from inspection.errors import InputError
from inspection.tasks.mask_outcome import MaskOutcome
from tests.tasks.test_segmentation import COUNT, bright


@pytest.fixture
def shown(monkeypatch):
    pictures = []

    def panel(image, predicted, truth, title, note, right):
        pictures.append((image, predicted, truth, title, right))
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(masks, "mask_panel", panel)
    return pictures


def test_image_truth_prediction_and_verdict_belong_together(shown):
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 90, (COUNT, 1, 8, 9)).astype(np.uint8))
    truth = torch.zeros(COUNT, 1, 8, 9, dtype=torch.uint8)
    for row in (3, 5):
        images[row, 0, 2:5, 1:5] = 200
        truth[row, 0, 2:5, 1:4] = 1
    rows = torch.tensor([5, 3, 4])
    task, batch = bright(), {"image": images, "mask": truth, "target": truth.amax((1, 2, 3)).long()}
    task.loss = task.make_loss(None)
    batch = {name: values[rows] for name, values in batch.items()}
    kept = task.keep(task(batch["image"]).detach(), batch)
    outcome = MaskOutcome.of(task.decision, rows, **kept, kinds=None, camera=None)
    data = SimpleNamespace(
        batch=lambda wanted: {"mask": truth[wanted]},
        samples=SimpleNamespace(files=[f"{row}.png" for row in range(COUNT)]),
        is_synthetic=True,
    )
    positions = np.array([1, 2])
    MaskLogger().panels(task, data, outcome, positions, images[rows[positions]])
    (image, predicted, true, title, right), (_, nothing, _, good, _) = shown
    np.testing.assert_array_equal(image, images[3].permute(1, 2, 0).numpy())
    assert predicted.sum() == 12
    assert true.sum() == 9
    assert right is True
    assert title == ["3.png", "defect (12 px in 1 place) · target: defect · Dice 0.86"]
    assert not nothing.any()
    assert good == ["4.png", "ok · target: ok · Dice 1.00"]


def test_no_masks_to_draw():
    with pytest.raises(
        InputError,
        match=r"callbacks\.masks: it draws what Segmentation gives.* drop it with ~callbacks\.masks",
    ):
        MaskLogger().on_fit_start(SimpleNamespace(), SimpleNamespace())
