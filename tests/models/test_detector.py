import pytest
import torch
from torchvision.ops import batched_nms, box_iou

from inspection.models.detector import CLASS, SCORE, best_boxes


def candidates(number=60, images=3, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(images, number, 2, generator=generator) * 80
    size = 10 + torch.rand(images, number, 2, generator=generator) * 30
    scores = torch.rand(images, number, generator=generator)
    which = torch.randint(classes, (images, number), generator=generator)
    return torch.cat([corner, corner + size], 2), scores, which


def test_keeps_what_torchvision_keeps():
    boxes, scores, classes = candidates()
    found = best_boxes(boxes, scores, classes, iou=0.4, most=60, least_score=0.2)
    for row, detections in enumerate(found):
        kept = batched_nms(boxes[row], scores[row], classes[row], 0.4)
        kept = kept[scores[row][kept] >= 0.2]
        expected = torch.cat([boxes[row], scores[row, :, None], classes[row, :, None].float()], 1)[kept]
        assert torch.equal(detections[: len(kept)], expected)
        assert (detections[len(kept) :] == 0).all()


def test_no_two_of_a_class_overlap_and_scores_fall():
    found = best_boxes(*candidates(seed=1), iou=0.3, most=20, least_score=0.01)
    assert found.shape == (3, 20, 6)
    for detections in found:
        assert (detections[:, SCORE].diff() <= 0).all()
        there = detections[detections[:, SCORE] > 0]
        same = there[:, None, CLASS] == there[None, :, CLASS]
        overlap = box_iou(there[:, :4], there[:, :4]).fill_diagonal_(0)
        assert (overlap[same] <= 0.3).all()
        assert (overlap[~same] > 0.3).any()  # of different classes they may


def test_an_image_does_not_depend_on_its_neighbours():
    boxes, scores, classes = candidates(seed=2)
    together = best_boxes(boxes, scores, classes, 0.5, 10, 0.01)
    alone = [best_boxes(boxes[[i]], scores[[i]], classes[[i]], 0.5, 10, 0.01) for i in range(3)]
    assert torch.equal(together, torch.cat(alone))


def test_nothing_found_and_fewer_candidates_than_asked_for():
    boxes, scores, classes = candidates(number=4)
    assert (best_boxes(boxes, scores * 0, classes, 0.5, 7, 0.0) == 0).all()  # a score of 0 is no box
    assert best_boxes(boxes, scores, classes, 0.5, 7, 0.0).shape == (3, 7, 6)


def test_exports_as_one_graph():
    class Decoder(torch.nn.Module):
        def forward(self, boxes, scores, classes):
            return best_boxes(boxes, scores, classes, 0.5, 10, 0.01)

    given = candidates(images=1)
    program = torch.export.export(Decoder(), given, strict=False)
    assert torch.equal(
        program.module()(*candidates(images=1, seed=5)), Decoder()(*candidates(images=1, seed=5))
    )


def test_no_numbers_are_not_the_same_as_no_boxes():
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]]).expand(3, 2, 4).clone()
    scores = torch.tensor([[0.9, 0.8], [torch.nan, 0.8], [0.9, 0.8]])
    boxes[2, 1, 3] = torch.nan
    found = best_boxes(boxes, scores, torch.zeros(3, 2), iou=0.5, most=3, least_score=0.01)
    assert found[:, :, 4].isnan().all(1).tolist() == [False, True, True]
    assert found[0, :2, 4].tolist() == pytest.approx([0.9, 0.8])
    assert not found[1:, :, :4].any()
