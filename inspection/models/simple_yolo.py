"""A small one-stage detector: a grid of cells, each of which answers for the objects whose centre lies in it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inspection.models.detector import Detector, best_boxes, check_decoding

STRIDES = (8, 16, 32, 64)
_LEAST_SIDE = 0.1  # pixels: a box without a side has no aspect ratio, and its complete IoU no finite gradient
_PRIOR = 0.01  # confidence before training: most boxes are background, and their loss would drown the rest


class GridBoxes(NamedTuple):
    """What `SimpleYolo` says of each cell of its grid of h x w cells, with B boxes a cell.

    Attributes:
        boxes: Left, top, right, bottom in pixels of the image, float32 `[N, h, w, B, 4]`.
        confidence: Logits of being the box of an object, float32 `[N, h, w, B]`.
        classes: Logits of the cell's classes, float32 `[N, h, w, K]`.
        stride: Pixels of the image a cell, in both directions.
    """

    boxes: Tensor
    confidence: Tensor
    classes: Tensor
    stride: int


class SimpleYolo(Detector):
    """The article's simplified detector: blocks of convolution, batch norm and max-pool, and a head a cell.

    After Redmon et al., "You only look once: unified, real-time object detection", 2016,
    https://arxiv.org/abs/1506.02640. The article's backbone halves 448 pixels four times, which gives a grid of
    28x28 cells with 512 channels (`stride=16`, `width=64`), while its text and its decoder speak of 14x14
    (`stride=32`). Here the stride is what the config says, and the grid follows from it.

    A box's centre is a sigmoid within its cell, so that it can't leave the cell that answers for it. The root of
    its width, as a share of the image's, is a sigmoid, and the same holds for its height: no box is larger than
    the image or without a side (0.1 pixels at least), gradients are bounded, and small boxes are as finely
    resolved as large ones.

    Args:
        in_channels: Channels of the image.
        num_classes: Classes of objects, K.
        image_size: Height and width of the images in pixels.
        stride: Pixels a cell: 8, 16, 32 or 64. Two objects with their centres in one cell share its classes.
        boxes: Boxes a cell, B: so many objects with their centre in one cell can be found.
        width: Filters of the first block; each further block doubles them, up to eight times as many.
        iou: Of two boxes of a class that overlap by more (0..1), the one with the better score stays.
        most: Boxes that are given of an image.
        least_score: Boxes with a lower score are not given; far below any score that counts.

    Attributes:
        grid_size: Cells in rows and columns, `(h, w)`.

    Raises:
        ValueError: If the image size is no multiple of the stride, or an argument is out of its range.

    Example:
        >>> network = SimpleYolo(3, 4, (448, 448), stride=16, width=64)
        >>> network.features(torch.zeros(1, 3, 448, 448)).shape
        torch.Size([1, 512, 28, 28])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        image_size: Sequence[int],
        stride: int = 32,
        boxes: int = 2,
        width: int = 32,
        iou: float = 0.5,
        most: int = 100,
        least_score: float = 0.01,
    ) -> None:
        super().__init__()
        for name, value in (("num_classes", num_classes), ("boxes", boxes), ("width", width)):
            if value < 1:
                raise ValueError(f"{name}={value}: expected 1 or more")
        if stride not in STRIDES:
            raise ValueError(f"stride={stride}: expected one of {', '.join(map(str, STRIDES))}")
        check_decoding(iou, most, least_score)
        height, width_of_image = image_size
        if height % stride or width_of_image % stride:
            fitting = [max(stride, round(side / stride) * stride) for side in image_size]
            raise ValueError(
                f"stride={stride} does not divide the images of {height}x{width_of_image} pixels (height x "
                f"width): set data.image_size, for example to {fitting}, or another model.stride"
            )
        self.num_classes, self.boxes, self.stride = num_classes, boxes, stride
        self.iou, self.most, self.least_score = iou, most, least_score
        self.grid_size = (height // stride, width_of_image // stride)

        blocks: list[nn.Module] = []
        channels = in_channels
        for block in range(int(math.log2(stride))):
            filters = width * min(2**block, 8)
            blocks += [*_convolution(channels, filters), nn.MaxPool2d(2)]
            channels = filters
        self.features = nn.Sequential(*blocks)
        # Two more, since a cell must see more than itself: an object is often larger than a cell.
        self.neck = nn.Sequential(*_convolution(channels, channels), *_convolution(channels, channels))
        self.head = nn.Conv2d(channels, boxes * 5 + num_classes, 1)
        self._start_head()

    def _start_head(self) -> None:
        """Let the boxes of a cell begin with different sizes, and all of them as background."""
        nn.init.normal_(self.head.weight, std=0.01)
        bias = self.head.bias
        assert bias is not None
        with torch.no_grad():
            of_boxes = bias[: 5 * self.boxes].view(self.boxes, 5)
            # Roots of shares of the image, spread over 0..1: of two boxes 1/3 and 2/3, so 1/9 and 4/9 of the side.
            roots = torch.arange(1, self.boxes + 1) / (self.boxes + 1)
            of_boxes[:, :2] = 0
            of_boxes[:, 2:4] = torch.logit(roots)[:, None]
            of_boxes[:, 4] = torch.logit(torch.tensor(_PRIOR))
            bias[5 * self.boxes :] = 0

    def raw(self, images: Tensor) -> Tensor:
        """The grid as it leaves the head, `[N, B * 5 + K, h, w]`: per box x, y, width, height, confidence."""
        return self.head(self.neck(self.features(images)))

    def grid(self, images: Tensor) -> GridBoxes:
        """The grid of normalised images `[N, C, H, W]`, in pixels and logits, float32."""
        raw = self.raw(images).float().permute(0, 2, 3, 1)
        rows, columns = raw.shape[1:3]
        of_boxes, classes = raw.split([5 * self.boxes, self.num_classes], dim=-1)
        x, y, wide, high, confidence = of_boxes.unflatten(-1, (self.boxes, 5)).unbind(-1)
        column = torch.arange(columns, device=raw.device).view(1, 1, -1, 1)
        row = torch.arange(rows, device=raw.device).view(1, -1, 1, 1)
        x, y = (column + x.sigmoid()) * self.stride, (row + y.sigmoid()) * self.stride
        half_width, half_height = (
            (_LEAST_SIDE + root.sigmoid().square() * (cells * self.stride - _LEAST_SIDE)) / 2
            for root, cells in ((wide, columns), (high, rows))
        )
        boxes = torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], -1)
        return GridBoxes(boxes, confidence, classes, self.stride)

    def forward(self, images: Tensor) -> Tensor:
        """Detections `[N, most, 6]`, see `Detector`."""
        return self.detections(self.grid(images))

    def detections(self, grid: GridBoxes) -> Tensor:
        """Detections `[N, most, 6]` of a grid; a box's class is the likeliest of its cell."""
        height, width = (cells * grid.stride for cells in grid.confidence.shape[1:3])
        likeliest, classes = grid.classes.sigmoid().max(-1, keepdim=True)
        scores = (grid.confidence.sigmoid() * likeliest).flatten(1)
        limits = grid.boxes.new_tensor([width, height, width, height])
        boxes = grid.boxes.flatten(1, 3).clamp_min(0).minimum(limits)
        classes = classes.expand_as(grid.confidence).flatten(1)
        return best_boxes(boxes, scores, classes, self.iou, self.most, self.least_score)


def _convolution(channels: int, filters: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, filters, 3, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.LeakyReLU(0.1, inplace=True),
    ]
