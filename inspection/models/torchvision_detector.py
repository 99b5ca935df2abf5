"""Detectors of torchvision behind the one interface: SSDlite and Faster R-CNN."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import detection, get_model, list_models
from torchvision.models.detection.faster_rcnn import FasterRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD

from inspection.models.detector import Detector, check_decoding, padded, unknown_where
from inspection.models.pretrained import (
    Normalisation,
    fit_pretrained,
    matching_normalisation,
    read_state_dict,
    weights_file,
)

COCO = "coco"
_SSD_TERMS = ("bbox_regression", "classification")
_FASTER_TERMS = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")


class TorchvisionDetector(Detector):
    """A detector of torchvision by name, with a head for our classes and the loss that it brings.

    torchvision's own normalisation and resizing are taken out: images come normalised and in their final size, so
    that nothing is done twice, and boxes need no way back. Its class 0, the background, stays inside.

    Args:
        name: `ssdlite320_mobilenet_v3_large` or one of `fasterrcnn_*`; despite the 320, for images of any size.
        num_classes: Classes of objects, K.
        weights: `coco` (torchvision's, of photographs of 80 kinds of everyday objects), the path of a state
            dict or checkpoint of this detector, or None for random ones. A head for another number of classes is
            left out.
        download: Whether `coco` may be fetched; without it, it has to be in torch hub's cache.
        freeze_batch_norm: Whether batch norms keep their statistics and factors: for pretrained weights and
            batches of a few images.
        mean: Normalisation that the weights were trained with, three values for images in 0..1. None: that of
            torchvision's weights of this detector.
        std: Likewise.
        iou: Of two boxes of a class that overlap by more (0..1), the one with the better score stays.
        most: Boxes that are given of an image.
        least_score: Boxes with a lower score are not given; far below any score that counts.

    Attributes:
        mean, std: Normalisation that the weights were trained with, three values each, or None where the weights
            are random and the data's own does.
        notes: What a person should know, a sentence each.
        terms: Names of the terms of the loss.

    Raises:
        ValueError: If there is no such detector, or an argument is out of its range.
        InputError: If the weights are not there, are damaged or another network's.

    Example:
        >>> network = TorchvisionDetector("ssdlite320_mobilenet_v3_large", 4).eval()
        >>> network(torch.zeros(1, 3, 320, 320)).shape
        torch.Size([1, 100, 6])
    """

    terms: tuple[str, ...]

    def __init__(
        self,
        name: str,
        num_classes: int,
        weights: str | None = None,
        download: bool = False,
        freeze_batch_norm: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        iou: float = 0.5,
        most: int = 100,
        least_score: float = 0.01,
    ) -> None:
        super().__init__()
        _check_name(name)
        if num_classes < 1:
            raise ValueError(f"num_classes={num_classes}: expected 1 or more")
        check_decoding(iou, most, least_score)
        self.name, self.num_classes, self.most = name, num_classes, most
        self.freeze_batch_norm = freeze_batch_norm
        self.net: SSD | FasterRCNN = get_model(
            name, weights=None, weights_backbone=None, num_classes=num_classes + 1
        )
        self.mean: tuple[float, ...] | None = None
        self.std: tuple[float, ...] | None = None
        normalisation = _normalisation(name, weights, mean, std)
        if normalisation is not None:
            self.mean, self.std = normalisation
        self.notes = [f"the loss is that of torchvision's {name}; the config group loss is not used"]
        if weights is not None:
            file = weights_file(name, weights, download, torchvision=COCO)
            what = f"model.weights={weights}" + (f" ({file})" if weights == COCO else "")
            taken, with_head = fit_pretrained(self.net, self._classifier(), read_state_dict(file), what)
            head = "the classifier too" if with_head else f"the classifier ({self._classifier()}) is new"
            self.notes.append(f"weights of {file}: {taken} tensors, {head}")
        self.net.transform = _AsTheyAre()
        self.terms = _SSD_TERMS if isinstance(self.net, SSD) else _FASTER_TERMS
        decoder = self.net if isinstance(self.net, SSD) else self.net.roi_heads
        decoder.score_thresh, decoder.nms_thresh, decoder.detections_per_img = least_score, iou, most
        if freeze_batch_norm:
            for norm in self._batch_norms():
                norm.requires_grad_(False)
        self.train()

    @staticmethod
    def without_weights_file(arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of a `TorchvisionDetector` that is normalised alike, but reads no file of weights.

        For a training that is gone on with: the checkpoint holds all weights, and the file that they once came
        from may be gone.
        """
        weights = arguments.get("weights")
        normalisation = _normalisation(
            arguments["name"], weights, arguments.get("mean"), arguments.get("std")
        )
        if weights is None or normalisation is None:
            return dict(arguments)
        mean, std = normalisation
        return {**arguments, "weights": None, "mean": mean, "std": std}

    def _classifier(self) -> str:
        return "head.classification_head" if isinstance(self.net, SSD) else "roi_heads.box_predictor"

    def _batch_norms(self) -> list[nn.Module]:
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]

    def train(self, mode: bool = True) -> "TorchvisionDetector":
        """Set the mode of everything but frozen batch norms, which stay in eval mode."""
        super().train(mode)
        if self.freeze_batch_norm:
            for norm in self._batch_norms():
                norm.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Detections `[N, most, 6]`, see `Detector`; in eval mode only."""
        # Scores that are NaN would be dropped on the way: a diverged network would see no objects.
        broken = torch.zeros((), dtype=torch.bool, device=images.device)

        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            nonlocal broken
            for each in output.values() if isinstance(output, dict) else output:
                broken = broken | ~each.isfinite().all()

        last = self.net.head if isinstance(self.net, SSD) else self.net.roi_heads.box_predictor
        handles = [module.register_forward_hook(note) for module in (self.net.backbone, last)]
        try:
            found = self.net(_colour(images))
        finally:
            for handle in handles:
                handle.remove()
        rows = [
            torch.cat([one["boxes"], one["scores"][:, None], one["labels"][:, None].float() - 1], 1)
            for one in found
        ]
        # Faster R-CNN gives them class by class where scores are equal, SSD may give more than asked for.
        detections = torch.stack([padded(_by_score(row)[: self.most], self.most) for row in rows])
        return unknown_where(broken, detections)

    def losses(self, images: Tensor, boxes: Tensor, box_class: Tensor) -> dict[str, Tensor]:
        """The terms of the detector's own loss; their sum is to be minimised. In training mode only.

        Args:
            images: Normalised, `[N, C, H, W]`.
            boxes: Left, top, right, bottom in pixels of the image, float32 `[N, M, 4]`.
            box_class: int64 `[N, M]`, -1 where there is none.
        """
        there = box_class >= 0
        targets = [
            {"boxes": boxes[row][there[row]], "labels": box_class[row][there[row]] + 1}
            for row in range(len(images))
        ]
        terms: dict[str, Tensor] = self.net(_colour(images), targets)
        return terms


class _AsTheyAre(nn.Module):
    """In the place of `GeneralizedRCNNTransform`: images come normalised, of one size, and as one tensor."""

    def forward(self, images: Tensor, targets: Any = None) -> tuple[ImageList, Any]:
        size = (images.shape[-2], images.shape[-1])
        return ImageList(images, [size] * len(images)), targets

    def postprocess(self, found: list[dict[str, Tensor]], *sizes: Any) -> list[dict[str, Tensor]]:
        return found


def _normalisation(
    name: str, weights: str | None, mean: Sequence[float] | None, std: Sequence[float] | None
) -> Normalisation | None:
    """Mean and std of the images; None: whatever the data have."""
    if weights is None or mean is not None or std is not None:
        return matching_normalisation(name, None, mean, std)
    _check_name(name)
    with torch.device("meta"):  # torchvision keeps them in the network that it builds
        built = get_model(name, weights=None, weights_backbone=None).transform
    return tuple(built.image_mean), tuple(built.image_std)


def _colour(images: Tensor) -> Tensor:
    """Grey images are shown to all three channels."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def _by_score(detections: Tensor) -> Tensor:
    return detections[detections[:, 4].argsort(dim=0, descending=True, stable=True)]


def _check_name(name: str) -> None:
    known = [one for one in list_models(module=detection) if one.startswith(("ssdlite", "fasterrcnn"))]
    if name not in known:
        close = difflib.get_close_matches(str(name).lower(), known, n=3)
        meant = f"did you mean {' or '.join(close)}?" if close else f"expected one of {', '.join(known)}"
        raise ValueError(f"name={name}: no such detector; {meant}")
