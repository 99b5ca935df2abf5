"""What all detectors share: from candidates to a fixed number of boxes an image."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torchvision.ops import nms

LEFT, TOP, RIGHT, BOTTOM, SCORE, CLASS = range(6)
"""Columns of detections."""


class Detector(nn.Module, ABC):
    """A network that finds objects in images, with the decoding of its raw output inside.

    What ships is one graph from pixels to boxes: nobody has to repeat the decoding, and nobody can do it
    differently. A score near 0 is let through on purpose: from which score on a box counts is a decision, and
    average precision needs the whole curve.

    Attributes:
        most: Boxes that are given of an image, D.
    """

    most: int

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Detections float32 `[N, D, 6]` of normalised images `[N, C, H, W]`.

        The columns are left, top, right, bottom (pixels of the image, right and bottom exclusive), score (0..1)
        and class index, with falling scores. An image with fewer than D has rows of zeros at the end: no box has
        a score of 0. One for which the network gives no numbers has scores of NaN.
        """


def best_boxes(
    boxes: Tensor, scores: Tensor, classes: Tensor, iou: float, most: int, least_score: float
) -> Tensor:
    """Non-maximum suppression of each image by itself; see `Detector.forward` for what comes out.

    Of boxes of one class that overlap by more than `iou` the one with the best score stays.

    Args:
        boxes: Left, top, right, bottom, float `[N, P, 4]`.
        scores: 0..1, `[N, P]`.
        classes: int64 `[N, P]`.
        iou: Intersection over union, 0..1.
        most: Boxes that stay of an image, D.
        least_score: Boxes below it are dropped.

    Returns:
        Detections float32 `[N, D, 6]`.

    Example:
        >>> boxes = torch.tensor([[[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]]).float()
        >>> found = best_boxes(boxes, torch.tensor([[0.6, 0.9, 0.7]]), torch.zeros(1, 3), 0.5, 3, 0.01)
        >>> found[0, :, LEFT].tolist(), [round(score, 1) for score in found[0, :, SCORE].tolist()]
        ([0.0, 20.0, 0.0], [0.9, 0.7, 0.0])
    """
    boxes, scores = boxes.float(), scores.float()
    broken = ~(scores.isfinite().all(1) & boxes.flatten(1).isfinite().all(1))
    # More candidates only cost time: behind the first few hundred there is noise.
    number = min(scores.shape[1], max(10 * most, 300))
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    scores, order = scores[:, :number], order[:, :number]
    boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4))
    classes = classes.gather(1, order).to(boxes)
    # Boxes of different classes are moved apart, so that they do not overlap.
    apart = classes * (boxes.flatten(1).amax(1, keepdim=True) + 1)
    stays = without_overlaps(boxes + apart[..., None], scores, iou)
    stays = stays & (scores >= max(least_score, torch.finfo(torch.float32).tiny))
    columns = torch.cat([boxes, scores[..., None], classes[..., None]], 2)
    columns = torch.where(stays[..., None], columns, torch.zeros_like(columns))
    # They are sorted by score already: what stays moves to the front.
    falling = torch.arange(number, 0, -1, device=scores.device)
    front = torch.where(stays, falling, 0).topk(min(number, most), dim=1).indices
    return unknown_where(broken, padded(columns.gather(1, front[..., None].expand(-1, -1, 6)), most))


@torch.library.custom_op("inspection::without_overlaps", mutates_args=())
def without_overlaps(boxes: Tensor, scores: Tensor, iou: float) -> Tensor:
    """Greedy non-maximum suppression of each image by itself, whatever the class.

    One operation, so that a graph of any number of images can hold it: `NonMaxSuppression` of ONNX.

    Args:
        boxes: Left, top, right, bottom, float32 `[N, P, 4]`.
        scores: `[N, P]`; of equal ones the first is the better one.
        iou: A box that overlaps a better one by more goes.

    Returns:
        Which boxes stay, bool `[N, P]`.
    """
    # An image at a time: all at once, torchvision would tell images apart by large offsets, whose rounding lets
    # an image's boxes depend on its neighbours in the batch.
    stays = torch.zeros_like(scores, dtype=torch.bool)
    for row in range(len(scores)):
        stays[row, nms(boxes[row], scores[row], iou)] = True
    return stays


@without_overlaps.register_fake
def _(boxes: Tensor, scores: Tensor, iou: float) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


def unknown_where(broken: Tensor, detections: Tensor) -> Tensor:
    """Detections with NaN for scores where the network gave no numbers, which is not the same as no box.

    Args:
        broken: Bool `[N]`, or one for all.
        detections: `[N, D, 6]`.
    """
    score = torch.arange(6, device=detections.device) == SCORE
    empty = torch.zeros_like(detections).masked_fill(score, torch.nan)
    return torch.where(broken.view(-1, 1, 1), empty, detections)


def padded(detections: Tensor, most: int) -> Tensor:
    """Rows of zeros behind detections `[..., P, 6]`, P at most `most`, up to `[..., most, 6]`."""
    return nn.functional.pad(detections, (0, 0, 0, most - detections.shape[-2]))


def check_decoding(iou: float, most: int, least_score: float) -> None:
    """Raise a ValueError unless these can be arguments of `best_boxes`."""
    if not 0 < iou <= 1:
        raise ValueError(f"iou={iou}: expected more than 0, at most 1")
    if most < 1:
        raise ValueError(f"most={most}: expected 1 or more boxes an image")
    if not 0 <= least_score < 1:
        raise ValueError(f"least_score={least_score}: expected 0 or more, less than 1")
