from dataclasses import replace

import pytest
import torch

from inspection.data.augment import Augment
from inspection.data.boxes import clip_boxes, drop_boxes, rotate_boxes

SIZE = (60, 80)


def boxes_of(masks):
    """Boxes [N, 4] around the pixels of masks [N, H, W]; zeros around nothing."""
    found = torch.zeros(len(masks), 4)
    for row, mask in enumerate(masks):
        y, x = mask.nonzero(as_tuple=True)
        if len(y):
            found[row] = torch.tensor([x.min(), y.min(), x.max() + 1, y.max() + 1])
    return found


def drawn(boxes):
    masks = torch.zeros(len(boxes), *SIZE, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.long(), strict=True):
        mask[top:bottom, left:right] = 1
    return masks


def random_boxes(count, generator, margin=0):
    """Whole pixels, as drawn masks have them."""
    size = torch.randint(4, 20, (count, 2), generator=generator)
    room = torch.tensor([SIZE[1], SIZE[0]]) - size - 2 * margin
    corner = (torch.rand(count, 2, generator=generator) * (room + 1)).long() + margin
    return torch.cat([corner, corner + size], 1).float()


@pytest.mark.parametrize(
    ("settings", "exact"),
    [
        ({"horizontal_flip": 0.5, "vertical_flip": 0.5}, True),
        ({"crop_padding": 25}, True),
        ({"roll": 0.7}, True),
        ({"horizontal_flip": 0.5, "vertical_flip": 0.5, "crop_padding": 15, "roll": 0.5}, True),
        ({"rotation": 30.0}, False),
        ({"rotation": 180.0, "horizontal_flip": 0.5, "crop_padding": 8, "vertical_flip": 0.5}, False),
    ],
)
def test_a_box_is_the_box_of_its_mask(settings, exact):
    """A mask drawn from a box, moved by `of_masks`, has the box that `of_boxes` says."""
    generator, number = torch.Generator().manual_seed(3), 300
    # Turned images repeat their border: an object that touches it would be drawn out, and that is no box.
    boxes = random_boxes(number, generator, margin=0 if exact else 16)
    changes = Augment(**settings).draw(number, generator)
    moved, classes = changes.of_boxes(
        boxes[:, None], torch.zeros(number, 1, dtype=torch.long), SIZE, least_share=0.0
    )
    expected = boxes_of(changes.of_masks(drawn(boxes)))
    rows = (changes.roll * SIZE[0]).long()
    whole = (rows <= boxes[:, 1]) | (rows >= boxes[:, 3])  # one that the roll cuts in two has two boxes
    inside = (expected > 0).any(1) & whole
    if not exact:  # the corner of a turned box may stand out between the pixels
        inside &= (expected[:, :2] > 0).all(1) & (expected[:, 2:] < torch.tensor([80, 60])).all(1)
    assert inside.sum() > 100
    torch.testing.assert_close(moved[inside, 0], expected[inside], rtol=0, atol=0 if exact else 1.0)
    gone = (expected == 0).all(1) & whole
    assert (moved[gone, 0] == 0).all()
    assert (classes[gone] == -1).all()


def test_the_larger_part_of_a_rolled_box_stays():
    cut = 24
    changes = replace(Augment().draw(1, torch.Generator()), roll=torch.tensor([cut / 60]))
    boxes = torch.tensor([[[5, cut - 3, 15, cut + 7], [20, cut - 7, 30, cut + 3]]]).float()
    classes = torch.tensor([[2, 1]])
    moved, kept = changes.of_boxes(boxes, classes, SIZE)
    assert moved[0].tolist() == [[5, 0, 15, 7], [20, 53, 30, 60]]
    assert torch.equal(kept, classes)
    assert (changes.of_boxes(boxes, classes, SIZE, least_share=0.75)[1] == -1).all()


def test_boxes_that_leave_are_dropped_by_their_share():
    changes = replace(Augment().draw(1, torch.Generator()), shift=torch.tensor([[-7, 0]]))
    boxes = torch.tensor([[[10.0, 0, 20, 14], [10, 0, 20, 7], [30, 30, 50, 50], [0, 0, 0, 0]]])
    classes = torch.tensor([[0, 1, 2, -1]])
    assert changes.of_boxes(boxes, classes, SIZE, 0.5)[1].tolist() == [[0, -1, 2, -1]]
    moved, kept = changes.of_boxes(boxes, classes, SIZE, 0.51)
    assert kept.tolist() == [[-1, -1, 2, -1]]
    assert (moved[0, [0, 1, 3]] == 0).all()


def test_nothing_drawn_leaves_everything():
    boxes, classes = torch.tensor([[[1.5, 2, 9, 8.25]]]), torch.tensor([[0]])
    moved, kept = Augment().draw(1, torch.Generator()).of_boxes(boxes, classes, SIZE)
    assert torch.equal(moved, boxes)
    assert torch.equal(kept, classes)


def test_a_quarter_turn_counterclockwise():
    """What lies right of the centre comes to lie above it."""
    turned = rotate_boxes(torch.tensor([[[60.0, 26, 70, 34]]]), torch.tensor([torch.pi / 2]), SIZE)
    torch.testing.assert_close(turned, torch.tensor([[[36.0, 0, 44, 10]]]))


def test_empty_boxes_have_no_share():
    assert clip_boxes(torch.tensor([[5.0, 5, 5, 9], [90, 0, 95, 5]]), SIZE)[1].tolist() == [0, 0]


def test_padding_stays_padding():
    boxes, classes = drop_boxes(torch.ones(1, 2, 4), torch.tensor([[-1, 3]]), torch.tensor([[True, True]]))
    assert boxes.sum() == 4
    assert classes.tolist() == [[-1, 3]]
