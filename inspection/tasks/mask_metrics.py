"""Figures of masks: from pixels counted image by image."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from inspection.tasks.metrics import UNDEFINED, share_of


def mask_counts(called: Tensor, masks: Tensor) -> Tensor:
    """Count right and wrong pixels of each image.

    Args:
        called: `[N, ...]`, what is not 0 was called a defect.
        masks: Of the same shape, what is not 0 is one.

    Returns:
        Int64 `[N, 3]`: true positives, false positives, false negatives.

    Example:
        >>> mask_counts(torch.tensor([[1, 1, 1, 0]]), torch.tensor([[1, 0, 0, 1]])).tolist()
        [[1, 2, 1]]
    """
    called, masks = called.flatten(1).bool(), masks.flatten(1).bool()
    return torch.stack([(called & masks).sum(1), (called & ~masks).sum(1), (~called & masks).sum(1)], 1)


def pixel_figures(counts: Tensor) -> dict[str, Tensor]:
    """Dice, IoU, precision and recall of the pixels.

    Args:
        counts: `[..., 3]`, see `mask_counts`; of an image, or added up over several.

    Returns:
        Float64 `[...]` by name. Without a true and without a called pixel Dice and IoU are 1: that is how a good
        part should come out. Precision without a called pixel and recall without a true one are NaN.

    Example:
        >>> figures = pixel_figures(torch.tensor([[3, 1, 1], [0, 0, 0]]))
        >>> figures["dice"].tolist(), figures["iou"].tolist(), figures["pixel_recall"].tolist()
        ([0.75, 1.0], [0.6, 1.0], [0.75, nan])
    """
    counts = counts.float() if counts.device.type == "mps" else counts.double()
    hits, alarms, missed = counts.unbind(-1)
    called, true, either = hits + alarms, hits + missed, hits + alarms + missed
    return {
        "dice": torch.where(either > 0, share_of(2 * hits, called + true), 1.0),
        "iou": torch.where(either > 0, share_of(hits, either), 1.0),
        "pixel_precision": share_of(hits, called),
        "pixel_recall": share_of(hits, true),
    }


def set_figures(counts: Tensor) -> dict[str, float]:
    """Figures of the pixels over a set of images, in both ways that are in use.

    Args:
        counts: `[N, 3]`, see `mask_counts`.

    Returns:
        `dice`, `iou`, `pixel_precision`, `pixel_recall`: means over the images that have a value;
        `dice/defects`, `iou/defects`: means over the images with a defect, where calling nothing earns nothing;
        `dice/set` and so on: of the pixels of all images together, in which large defects count more. NaN where
        there is nothing to count.
    """
    each = pixel_figures(counts)
    figures = {name: float(values.nanmean()) for name, values in each.items()}
    defective = counts[:, 0] + counts[:, 2] > 0
    figures |= {f"{name}/defects": float(each[name][defective].mean()) for name in ("dice", "iou")}
    for name, value in pixel_figures(counts.sum(0)).items():
        figures[f"{name}/set"] = float(value) if len(counts) else UNDEFINED
    return figures


def figures_of_kinds(
    counts: Tensor, called: Tensor, kinds: Sequence[str], known: Tensor | None = None
) -> Mapping[str, dict[str, int | float]]:
    """Figures of each type of defect.

    Args:
        counts: `[N, 3]`, see `mask_counts`.
        called: Bool `[N]`: whether an image was judged to have a defect.
        kinds: Type of each image, N.
        known: Bool `[N]`: whether the true mask of an image is known; None: of all.

    Returns:
        By type, in alphabetical order: `images`, means of `dice`, `iou`, `pixel_precision` and `pixel_recall` over
        those whose mask is known, and `called`: the share of them that was judged to have a defect.

    Example:
        >>> counts = torch.tensor([[3, 1, 2], [0, 0, 5], [0, 0, 0]])
        >>> figures = figures_of_kinds(counts, torch.tensor([True, False, False]), ["crack", "crack", "good"])
        >>> round(figures["crack"]["dice"], 3), figures["crack"]["called"], figures["good"]["dice"]
        (0.333, 0.5, 1.0)
    """
    result: dict[str, dict[str, int | float]] = {}
    for kind in sorted(set(kinds)):
        rows = torch.tensor([name == kind for name in kinds])
        figures = set_figures(counts[rows if known is None else rows & known])
        result[kind] = {
            "images": int(rows.sum()),
            **{name: figures[name] for name in ("dice", "iou", "pixel_precision", "pixel_recall")},
            "called": float(called[rows].double().mean()),
        }
    return result
