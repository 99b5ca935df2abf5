"""The loss of a detector whose cells answer for the objects whose centre lies in them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import complete_box_iou_loss

from inspection.models.simple_yolo import GridBoxes

TERMS = ("coordinates", "object", "background", "classes")


class YoloLoss(nn.Module):
    """Coordinates, confidence of object and background, and classes, of the boxes and cells responsible.

    After Redmon et al., 2016 (see `SimpleYolo`). Of the boxes in the cell of an object's centre, the one that
    overlaps the object most is responsible for it: it alone learns its place, and its confidence learns how well
    it overlaps. The confidence of all other boxes learns 0, and the object's cell learns its class.

    What differs from the paper: places are compared as complete IoU (Zheng et al., 2020,
    https://arxiv.org/abs/1911.08287), which weighs small boxes as large ones, instead of squared differences;
    confidences and classes by cross-entropy, which does not stall where a sigmoid is sure and wrong; and a second
    object in a cell gets the next best box.

    Each term is a sum, divided by the number of objects in the batch (at least 1).

    Args:
        coordinates: Weight of `1 - complete IoU` of the responsible boxes.
        object: Weight of the responsible boxes' confidence.
        background: Weight of all other boxes' confidence.
        classes: Weight of the classes in the cells of objects.

    Raises:
        ValueError: If a weight is negative.
    """

    def __init__(
        self, coordinates: float = 2.0, object: float = 1.0, background: float = 0.5, classes: float = 1.0
    ) -> None:
        super().__init__()
        self.weights = dict(zip(TERMS, (coordinates, object, background, classes), strict=True))
        for name, weight in self.weights.items():
            if not weight >= 0:
                raise ValueError(f"{name}={weight}: expected 0 or more")

    def forward(self, grid: GridBoxes, boxes: Tensor, box_class: Tensor) -> dict[str, Tensor]:
        """The weighted terms by name, float32 scalars; their sum is to be minimised.

        Args:
            grid: What the network says.
            boxes: Left, top, right, bottom in pixels of the image, `[N, M, 4]`; centres within it.
            box_class: int64 `[N, M]`, -1 where there is none.
        """
        terms, objects = self.sums(grid, boxes, box_class)
        number = objects.sum().clamp_min(1)
        return {name: each.sum() / number for name, each in terms.items()}

    def sums(self, grid: GridBoxes, boxes: Tensor, box_class: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Of each image the weighted terms, not divided by anything, and its number of objects with a box.

        So the loss of many images does not depend on how they were batched. Arguments as of `forward`.

        Returns:
            Terms by name, float32 `[N]`, and numbers, int64 `[N]`.
        """
        image, slot, cell, truth = responsible_boxes(grid, boxes, box_class)
        predicted, objects = grid.boxes.flatten(1, 3)[image, slot], boxes[image, truth]
        confidence = grid.confidence.flatten(1)
        wanted = torch.zeros_like(confidence)
        wanted[image, slot] = _paired_iou(predicted.detach(), objects)
        surprise = F.binary_cross_entropy_with_logits(confidence, wanted, reduction="none")
        is_object = torch.zeros_like(wanted, dtype=torch.bool)
        is_object[image, slot] = True

        said = grid.classes.flatten(1, 2)[image, cell]
        of_cell = F.one_hot(box_class[image, truth], grid.classes.shape[-1]).to(said)
        of_class = F.binary_cross_entropy_with_logits(said, of_cell, reduction="none").sum(1)
        none = surprise.new_zeros(len(surprise))
        terms = {
            "coordinates": none.index_add(0, image, complete_box_iou_loss(predicted, objects)),
            "object": (surprise * is_object).sum(1),
            "background": (surprise * ~is_object).sum(1),
            "classes": none.index_add(0, image, of_class),
        }
        weighted = {name: self.weights[name] * term for name, term in terms.items()}
        return weighted, torch.bincount(image, minlength=len(surprise))


@torch.no_grad()
def responsible_boxes(
    grid: GridBoxes, boxes: Tensor, box_class: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which predicted box answers for which object.

    Objects take their turn in the order in which they stand. One whose cell has no free box left is left out.

    Args:
        grid: What the network says, of h x w cells and B boxes a cell.
        boxes: `[N, M, 4]`.
        box_class: int64 `[N, M]`, -1 where there is none.

    Returns:
        Of each object that has a box, int64: its image, its box (0 to h * w * B - 1, the last axis running
        fastest), its cell (0 to h * w - 1), and its place in `boxes` (0 to M - 1).
    """
    number, rows, columns, slots = grid.confidence.shape
    cells = _cells(boxes, grid.stride, (rows, columns))
    images = torch.arange(number, device=boxes.device)
    of_cell = grid.boxes.flatten(1, 2)  # [N, h * w, B, 4]
    free = torch.ones(number, rows * columns, slots, dtype=torch.bool, device=boxes.device)
    found = []
    for place in range(boxes.shape[1]):
        cell = cells[:, place]
        iou = _paired_iou(of_cell[images, cell], boxes[:, None, place])
        best, slot = iou.masked_fill(~free[images, cell], -1).max(1)
        taken = (box_class[:, place] >= 0) & (best >= 0)
        image = images[taken]
        free[image, cell[taken], slot[taken]] = False
        found.append(
            torch.stack(
                [image, cell[taken] * slots + slot[taken], cell[taken], torch.full_like(image, place)]
            )
        )
    image, slot, cell, truth = (
        torch.cat(found, 1) if found else torch.zeros(4, 0, dtype=torch.long, device=boxes.device)
    ).unbind(0)
    return image, slot, cell, truth


def crowded_out(boxes: Tensor, box_class: Tensor, stride: int, grid_size: tuple[int, int], slots: int) -> int:
    """Number of objects that no box is left for, since more of them than boxes have their centre in a cell.

    Args:
        boxes: `[N, M, 4]`.
        box_class: int64 `[N, M]`, -1 where there is none.
        stride: Pixels a cell.
        grid_size: Cells in rows and columns.
        slots: Boxes a cell.

    Example:
        >>> boxes = torch.tensor([[[0.0, 0, 8, 8], [2, 2, 6, 6], [1, 1, 9, 9], [20, 20, 30, 30]]])
        >>> crowded_out(boxes, torch.zeros(1, 4), stride=16, grid_size=(2, 2), slots=2)
        1
    """
    image, place = (box_class >= 0).nonzero(as_tuple=True)
    cells = _cells(boxes, stride, grid_size)[image, place]
    objects = torch.bincount(image * (grid_size[0] * grid_size[1]) + cells)
    return int((objects - slots).clamp_min(0).sum())


def _cells(boxes: Tensor, stride: int, grid_size: tuple[int, int]) -> Tensor:
    """The cell of each box's centre, int64 `[...]` of `[..., 4]`, row by row."""
    rows, columns = grid_size
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    column, row = (centre / stride).long().unbind(-1)
    # A centre on the right or lower border belongs to the last cell.
    return row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)


def _paired_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes `[..., 4]` one by one; 0 where both are empty."""
    left_top = torch.maximum(boxes[..., :2], others[..., :2])
    right_bottom = torch.minimum(boxes[..., 2:], others[..., 2:])
    common = (right_bottom - left_top).clamp_min(0).prod(-1)
    area, other = ((one[..., 2:] - one[..., :2]).prod(-1) for one in (boxes, others))
    return common / (area + other - common).clamp_min(torch.finfo(boxes.dtype).tiny)
