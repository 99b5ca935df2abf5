import pytest
import torch

from inspection.explain.metrics import heat_inside


def test_uniform_heat_gives_the_share_of_the_area():
    maps = torch.ones(2, 10, 20)
    boxes = [torch.tensor([[0.0, 0.0, 10.0, 5.0]]), torch.tensor([[0.0, 0.0, 20.0, 10.0]])]
    assert heat_inside(maps, boxes).tolist() == [0.25, 1.0]


def test_overlapping_boxes_count_once():
    box = torch.tensor([[0.0, 0.0, 10.0, 5.0], [5.0, 0.0, 10.0, 5.0]])
    assert heat_inside(torch.ones(1, 10, 20), [box]).item() == 0.25


def test_masks_of_any_dtype():
    mask = torch.zeros(1, 4, 4, dtype=torch.uint8)
    mask[0, 0] = 255
    assert heat_inside(torch.ones(1, 4, 4), mask).item() == 0.25


def test_no_heat_is_undefined_and_no_region_is_zero():
    maps = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)])
    share = heat_inside(maps, [torch.tensor([[0.0, 0.0, 4.0, 4.0]]), torch.empty(0, 4)])
    assert share[0].isnan()
    assert share[1] == 0


def test_regions_must_fit():
    with pytest.raises(ValueError, match=r"\[1, 4, 4\].*\[1, 3, 3\]"):
        heat_inside(torch.ones(1, 4, 4), torch.ones(1, 3, 3))
    with pytest.raises(ValueError, match="boxes"):
        heat_inside(torch.ones(1, 4, 4), [torch.ones(4)])
