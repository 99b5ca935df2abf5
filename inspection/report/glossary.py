"""What the figures of a page are called and what they mean, for those who have not read the papers."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from inspection.report.markup import Html, element


class Term(NamedTuple):
    """A figure in words; its meaning is the end of a sentence."""

    title: str
    meaning: str


TERMS = {
    "f1": Term("F1", "harmonic mean of precision and recall; 1 is the best"),
    "precision": Term("precision", "share of what was called that was called rightly"),
    "recall": Term("recall", "share of what should have been called that was"),
    "accuracy": Term("accuracy", "share of all verdicts that are right"),
    "balanced_accuracy": Term(
        "balanced accuracy",
        "mean over the classes of the share judged rightly, so that rare ones count as much",
    ),
    "kappa": Term(
        "weighted kappa",
        "how well steps of a scale agree, beyond chance: 0 is chance, 1 the best; a step that is far off counts "
        "more (quadratic)",
    ),
    "exact_match": Term("exact match", "share of the images whose attributes are all right"),
    "auroc": Term(
        "area under ROC",
        "how often a defective image scores higher than a good one, at any threshold: 0.5 is chance, 1 the best",
    ),
    "average_precision": Term(
        "average precision", "precision on the average over all recalls, at any threshold; 1 is the best"
    ),
    "ece": Term(
        "calibration error",
        "by how much the probabilities that the network gives are off from how often it is right, on the average",
    ),
    "loss": Term("loss", "what training makes small; only for comparing runs of one kind"),
    "dice": Term("Dice", "overlap of the found and the true area: twice the common part by the sum of both"),
    "iou": Term("IoU", "overlap of the found and the true area: the common part by what both cover together"),
    "dice/defects": Term("Dice of defects", "Dice, mean over the images with a defect alone"),
    "dice/set": Term("Dice of all pixels", "Dice of the pixels of all images together"),
    "iou/set": Term("IoU of all pixels", "IoU of the pixels of all images together"),
    "pixel_precision": Term("pixel precision", "share of the called pixels that lie on a defect"),
    "pixel_recall": Term("pixel recall", "share of the defects' pixels that was called"),
    "pixel_auroc": Term(
        "area under ROC of pixels", "how often a pixel on a defect is hotter than a good one: 0.5 is chance"
    ),
    "aupro": Term(
        "AUPRO",
        "share of each defect that is covered, large or small alike, up to 30 % of good pixels covered too",
    ),
    "pointing": Term(
        "hottest pixel hits", "share of the defective images whose hottest pixel lies on a defect"
    ),
    "box_iou": Term("IoU of boxes", "overlap of the true boxes with those found, 0 for one that was not"),
    "hit_rate": Term("boxes hit", "share of the defects whose box was found well enough"),
    "box_precision": Term("box precision", "share of the found boxes that fit a defect well enough"),
    "map_50": Term(
        "mean AP, IoU 0.5", "average precision of boxes that overlap by half, mean over the classes"
    ),
    "map_75": Term("mean AP, IoU 0.75", "the same of boxes that overlap by three quarters"),
    "map": Term("mean AP", "the same, mean over overlaps from 0.5 to 0.95: COCO's main figure"),
    "mean_recall": Term("mean recall", "share of the objects found, mean over overlaps from 0.5 to 0.95"),
    "ap_50": Term("AP, IoU 0.5", "average precision of the class's boxes that overlap by half"),
    "ap": Term("AP", "the same, mean over overlaps from 0.5 to 0.95"),
    "mae": Term("mean error", "of the measured values, without their sign"),
    "rmse": Term("RMS error", "root of the mean squared error: large errors count more"),
    "worst": Term("largest error", "of all images"),
    "r2": Term(
        "R²", "share of the spread that the network explains; 0: no better than always saying the mean"
    ),
    "mae_of_mean": Term(
        "mean error of the mean", "if the mean of the training images were said of each image"
    ),
    "mae_of_pixels": Term("mean error by pixels", "if a simple statistic of the pixels were said instead"),
    "alarm_recall": Term("alarms: recall", "share of the images that deserve an alarm that got one"),
    "alarm_precision": Term("alarms: precision", "share of the alarms that were deserved"),
}
"""By the name in `metrics.json`."""


def title_of(name: str) -> str:
    """A figure's name for people; other names stay as they are.

    Example:
        >>> title_of("balanced_accuracy"), title_of("mae of training mean"), title_of("scratch")
        ('balanced accuracy', 'mean error of training mean', 'scratch')
    """
    first, of, rest = name.partition(" of ")
    return f"{TERMS[first].title}{of}{rest}" if first in TERMS else name


def titles_in(text: str) -> str:
    """A table's title with the names of figures before its first colon for people; behind it are names of classes.

    Example:
        >>> titles_in("f1, average_precision: of 'ece'")
        "F1, average precision: of 'ece'"
    """
    names, colon, rest = text.partition(":")
    return re.sub(r"[\w/]+", lambda found: title_of(found[0]), names) + colon + rest


def glossary(names: Iterable[str]) -> Html | None:
    """What those of the names mean that are figures, each once."""
    terms = {first: TERMS[first] for first in (name.partition(" of ")[0] for name in names) if first in TERMS}
    if not terms:
        return None
    rows = [
        element(
            "div",
            element("dt", term.title, None if term.title.lower() == name else element("code", f" {name}")),
            element("dd", term.meaning),
        )
        for name, term in terms.items()
    ]
    return element(
        "details",
        element("summary", "What these figures mean"),
        element("dl", rows, class_="facts"),
        class_="glossary",
    )
