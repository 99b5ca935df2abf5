import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import box_iou, complete_box_iou_loss

from inspection.models.simple_yolo import GridBoxes, SimpleYolo
from inspection.tasks.yolo_loss import YoloLoss, crowded_out, responsible_boxes


def random_grid(seed=0, number=2, rows=3, columns=4, slots=2, classes=3, stride=16):
    generator = torch.Generator().manual_seed(seed)
    cell = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy"), -1)
    offset = torch.rand(number, rows, columns, slots, 2, generator=generator)
    centre = (cell[None, :, :, None] + offset) * stride
    half = 2 + torch.rand(number, rows, columns, slots, 2, generator=generator) * 15
    return GridBoxes(
        torch.cat([centre - half, centre + half], -1).requires_grad_(),
        torch.randn(number, rows, columns, slots, generator=generator).requires_grad_(),
        torch.randn(number, rows, columns, classes, generator=generator).requires_grad_(),
        stride,
    )


BOXES = torch.tensor([[[2.0, 2, 22, 20], [40, 20, 60, 40]], [[33, 33, 63, 47], [0, 0, 0, 0]]])
CLASSES = torch.tensor([[0, 2], [1, -1]])


def test_terms_by_hand():
    """Object by object, box by box, with torchvision's own overlap."""
    grid = random_grid()
    terms = YoloLoss(coordinates=2, object=3, background=0.5, classes=1.5)(grid, BOXES, CLASSES)
    coordinates = confidence = classes = torch.tensor(0.0)
    responsible = torch.zeros_like(grid.confidence, dtype=torch.bool)
    for image, place in ((0, 0), (0, 1), (1, 0)):
        box = BOXES[image, place]
        column, row = int((box[0] + box[2]) / 2 // 16), int((box[1] + box[3]) / 2 // 16)
        overlaps = box_iou(box[None], grid.boxes[image, row, column])[0]
        slot = int(overlaps.argmax())
        responsible[image, row, column, slot] = True
        coordinates = coordinates + complete_box_iou_loss(grid.boxes[image, row, column, slot], box)
        confidence = confidence + F.binary_cross_entropy_with_logits(
            grid.confidence[image, row, column, slot], overlaps[slot].detach()
        )
        truth = torch.eye(3)[CLASSES[image, place]]
        classes = classes + F.binary_cross_entropy_with_logits(
            grid.classes[image, row, column], truth, reduction="sum"
        )
    background = -F.logsigmoid(-grid.confidence[~responsible]).sum()
    expected = [2 * coordinates / 3, 3 * confidence / 3, 0.5 * background / 3, 1.5 * classes / 3]
    torch.testing.assert_close(list(terms.values()), expected)


def test_a_perfect_answer_costs_almost_nothing():
    grid = random_grid()
    boxes, confidence, classes = grid.boxes.detach(), torch.full_like(grid.confidence, -30), grid.classes * 0
    image, slot, cell, truth = responsible_boxes(grid, BOXES, CLASSES)
    boxes.flatten(1, 3)[image, slot] = BOXES[image, truth]
    confidence.flatten(1)[image, slot] = 30
    classes = torch.full_like(classes, -30)
    classes.flatten(1, 2)[image, cell, CLASSES[image, truth]] = 30
    terms = YoloLoss()(GridBoxes(boxes, confidence, classes, 16), BOXES, CLASSES)
    assert sum(terms.values()) < 1e-5


def test_two_objects_in_a_cell_get_a_box_each_and_a_third_none():
    grid = random_grid()
    near = torch.tensor([[[4.0, 4, 12, 12], [3, 3, 14, 14], [2, 2, 10, 10], [50, 34, 60, 46]]]).expand(
        2, -1, -1
    )
    _, slot, cell, truth = responsible_boxes(grid, near, torch.zeros(2, 4, dtype=torch.long))
    assert sorted(slot[cell == 0].tolist()) == [0, 0, 1, 1]
    assert sorted(truth[cell == 0].tolist()) == [0, 0, 1, 1]
    assert sorted(truth.tolist()) == [0, 0, 1, 1, 3, 3]


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_number_of_objects_without_a_box_is_what_the_loss_leaves_out(slots):
    generator = torch.Generator().manual_seed(slots)
    corner = torch.rand(2, 30, 2, generator=generator) * torch.tensor([56.0, 40.0])
    boxes = torch.cat([corner, corner + 8], -1)
    box_class = torch.randint(-1, 3, (2, 30), generator=generator)
    learned, *_ = responsible_boxes(random_grid(slots=slots), boxes, box_class)
    without = crowded_out(boxes, box_class, 16, (3, 4), slots)
    assert without == (box_class >= 0).sum() - len(learned)
    assert without > 0


def test_images_without_objects_teach_background_alone():
    grid = random_grid()
    terms = YoloLoss()(grid, torch.zeros(2, 2, 4), torch.full((2, 2), -1))
    assert terms["coordinates"] == terms["object"] == terms["classes"] == 0
    sum(terms.values()).backward()
    assert (grid.confidence.grad > 0).all()  # all of them are to fall
    assert not grid.boxes.grad.any()
    assert torch.isfinite(sum(YoloLoss()(random_grid(), torch.zeros(2, 0, 4), CLASSES[:, :0]).values()))


def test_centres_on_the_border_belong_to_the_last_cell():
    *_, cell, _ = responsible_boxes(
        random_grid(), torch.tensor([[[63.0, 47, 65, 49]]] * 2), torch.zeros(2, 1)
    )
    assert cell.tolist() == [11, 11]


def test_gradient_reaches_the_responsible_box_alone():
    grid = random_grid()
    YoloLoss()(grid, BOXES, CLASSES)["coordinates"].backward()
    image, slot, *_ = responsible_boxes(grid, BOXES, CLASSES)
    moved = grid.boxes.grad.flatten(1, 3).abs().sum(-1) > 0
    assert moved.sum() == len(image) == 3
    assert moved[image, slot].all()


@pytest.mark.parametrize("logits", [(2, -20.0), (-20, 2.0), (-20, -20.0), (-300, -300.0)])
def test_gradients_are_finite_where_a_box_has_hardly_a_side(logits):
    """A sigmoid of -20, squared, is nothing beside a coordinate in float32."""
    network = SimpleYolo(1, 3, (48, 64), stride=16, boxes=2, width=1)
    raw = torch.zeros(2, 2 * 5 + 3, 3, 4)
    raw[:, [2, 7]], raw[:, [3, 8]] = map(float, logits)
    raw.requires_grad_()
    network.raw = lambda images: raw
    terms = YoloLoss()(network.grid(torch.zeros(2, 1, 48, 64)), BOXES, CLASSES)
    sum(terms.values()).backward()
    assert torch.isfinite(raw.grad).all()
    assert raw.grad[:, :2].any()


def test_negative_weight():
    with pytest.raises(ValueError, match="background=-1"):
        YoloLoss(background=-1)


def test_a_network_learns_a_handful_of_objects():
    torch.manual_seed(0)
    images = torch.zeros(4, 1, 64, 64)
    boxes, classes = torch.zeros(4, 1, 4), torch.tensor([[0], [1], [0], [-1]])
    for row, (left, top, side) in enumerate(((6, 8, 20), (30, 20, 26), (38, 40, 18))):
        boxes[row, 0] = torch.tensor([left, top, left + side, top + side])
        images[row, 0, top : top + side, left : left + side] = 1 if classes[row] == 0 else -1
    network, loss = SimpleYolo(1, 2, (64, 64), stride=16, width=8), YoloLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        sum(loss(network.grid(images), boxes, classes).values()).backward()
        optimizer.step()
    with torch.no_grad():
        found = network.eval()(images)
    assert (found[:3, 0, 4] > 0.5).all()
    assert found[3, 0, 4] < 0.1
    assert torch.equal(found[:3, 0, 5].long(), classes[:3, 0])
    assert (box_iou(found[:3, 0, :4], boxes[:3, 0]).diagonal() > 0.6).all()
