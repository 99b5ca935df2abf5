import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from inspection.tasks.mask_metrics import figures_of_kinds, mask_counts, pixel_figures, set_figures


def cases(number=6):
    torch.manual_seed(0)
    masks = torch.rand(number, 1, 20, 24) > 0.9
    called = masks ^ (torch.rand(number, 1, 20, 24) > 0.95)
    masks[-1] = called[-1] = False
    masks[-2] = False  # false alarms alone
    called[-3] = False  # all missed
    return called, masks.to(torch.uint8)


def test_counts_by_hand():
    called = torch.tensor([[[1, 1, 0], [0, 1, 0]], [[0, 0, 0], [0, 0, 1]]])
    masks = torch.tensor([[[1, 0, 0], [1, 1, 1]], [[0, 0, 0], [0, 0, 0]]])
    counts = mask_counts(called.bool()[:, None], masks[:, None])
    assert counts.tolist() == [[2, 1, 2], [0, 1, 0]]
    assert counts.dtype == torch.int64


def test_each_image_against_scikit_learn():
    called, masks = cases()
    counts = mask_counts(called, masks)
    figures = pixel_figures(counts)
    reference = {
        "dice": f1_score,
        "iou": jaccard_score,
        "pixel_precision": precision_score,
        "pixel_recall": recall_score,
    }
    nothing = {"dice": 1.0, "iou": 1.0, "pixel_precision": np.nan, "pixel_recall": np.nan}
    for name, score in reference.items():
        options = {"zero_division": nothing[name]}
        expected = [
            score(mask.flatten().numpy(), call.flatten().numpy(), **options)
            for mask, call in zip(masks, called, strict=True)
        ]
        np.testing.assert_allclose(figures[name].numpy(), expected)


def test_the_set_against_scikit_learn():
    called, masks = cases()
    figures = set_figures(mask_counts(called, masks))
    truth, call = masks.flatten().numpy(), called.flatten().numpy()
    assert figures["dice/set"] == pytest.approx(f1_score(truth, call))
    assert figures["iou/set"] == pytest.approx(jaccard_score(truth, call))
    assert figures["pixel_precision/set"] == pytest.approx(precision_score(truth, call))
    assert figures["pixel_recall/set"] == pytest.approx(recall_score(truth, call))


def test_means_leave_out_what_is_undefined():
    # found in part; a good part; false alarms on a good part; missed
    counts = torch.tensor([[3, 1, 1], [0, 0, 0], [0, 7, 0], [0, 0, 4]])
    figures = set_figures(counts)
    assert figures["dice"] == pytest.approx((0.75 + 1 + 0 + 0) / 4)
    assert figures["iou"] == pytest.approx((0.6 + 1) / 4)
    assert figures["pixel_precision"] == pytest.approx((0.75 + 0) / 2)
    assert figures["pixel_recall"] == pytest.approx((0.75 + 0) / 2)
    assert figures["dice/defects"] == pytest.approx(0.75 / 2)
    assert figures["iou/defects"] == pytest.approx(0.6 / 2)
    assert figures["dice/set"] == pytest.approx(6 / (6 + 8 + 5))


def test_calling_nothing_is_right_for_good_parts_and_earns_nothing_for_defects():
    figures = set_figures(torch.tensor([[0, 0, 0]] * 9 + [[0, 0, 50]]))
    assert figures["dice"] == 0.9
    assert figures["dice/defects"] == figures["dice/set"] == 0
    assert np.isnan(figures["pixel_precision"])
    assert figures["pixel_recall"] == 0


def test_a_set_without_a_defect_and_one_without_an_image():
    good = set_figures(torch.zeros(3, 3, dtype=torch.int64))
    assert good["dice"] == good["dice/set"] == good["iou/set"] == 1
    assert np.isnan([good[name] for name in ("dice/defects", "pixel_recall", "pixel_recall/set")]).all()
    assert np.isnan(list(set_figures(torch.zeros(0, 3, dtype=torch.int64)).values())).all()


def test_counts_of_batches_add_up():
    called, masks = cases()
    whole = mask_counts(called, masks)
    parts = [mask_counts(called[rows], masks[rows]) for rows in (slice(0, 4), slice(4, 6))]
    assert torch.equal(torch.cat(parts), whole)


def test_each_type_by_hand():
    counts = torch.tensor([[3, 1, 1], [0, 0, 4], [5, 0, 0], [0, 0, 0], [0, 2, 0]])
    found = torch.tensor([True, False, True, False, True])
    figures = figures_of_kinds(counts, found, ["crack", "crack", "spot", "good", "good"])
    assert list(figures) == ["crack", "good", "spot"]
    expected = {"images": 2, "dice": 0.375, "iou": 0.3, "pixel_precision": 0.75, "pixel_recall": 0.375}
    assert figures["crack"] == pytest.approx(expected | {"called": 0.5})
    assert figures["good"]["called"] == figures["good"]["dice"] == 0.5
    assert figures["spot"]["iou"] == 1
