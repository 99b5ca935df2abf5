"""What all detectors share: from candidates to a fixed number of boxes an image."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

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
    scores, order = scores.topk(number, dim=1)
    boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4))
    classes = classes.gather(1, order)
    # An image at a time: all at once, torchvision would tell images apart by large offsets, whose rounding lets
    # an image's boxes depend on its neighbours in the batch.
    stays = torch.stack(
        [
            torch.zeros_like(scores[row], dtype=torch.bool).index_fill(
                0, batched_nms(boxes[row], scores[row], classes[row], iou), True
            )
            for row in range(len(scores))
        ]
    ) & (scores >= max(least_score, torch.finfo(torch.float32).tiny))
    columns = torch.cat([boxes, scores[..., None], classes[..., None].float()], 2)
    columns = torch.where(stays[..., None], columns, torch.zeros_like(columns))
    # They are sorted by score already: what stays moves to the front.
    front = stays.long().argsort(dim=1, descending=True, stable=True)[:, :most]
    return unknown_where(broken, padded(columns.gather(1, front[..., None].expand(-1, -1, 6)), most))


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
