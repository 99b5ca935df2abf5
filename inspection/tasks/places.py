"""What a localisation said of each image of a part: classes, and where the defects are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inspection.data.splits import Samples
from inspection.decide.located import Located
from inspection.explain.boxes import HotBox, find_boxes
from inspection.explain.class_maps import Grid, resized, to_heat
from inspection.explain.regions import find_regions
from inspection.tasks import resampled
from inspection.tasks.defects import BOX_COLUMNS, BOXES, Camera, box_cells
from inspection.tasks.metrics import UNDEFINED
from inspection.tasks.name_outcomes import ClassOutcome
from inspection.tasks.outcomes import Outcome, Table, Told, positions_of, write_rows
from inspection.tasks.place_metrics import CoarseScores, PixelScores, match_boxes, points_inside
from inspection.tasks.resampled_pixels import of_pixels

PLACE_FIGURES = ("pointing", "pixel_auroc", "aupro", "box_iou", "hit_rate")
OF_ALL = (*PLACE_FIGURES, "box_precision")
_BESIDE = -2.0  # below the wrongness of any wrong verdict
_AT_A_TIME = 64  # images: maps as large as the images are not kept


@dataclass(frozen=True)
class Place:
    """Where an image was said to have defects, and where it has them.

    Attributes:
        boxes: What was found; none in an image that was called good.
        ious: Of the box of each connected defect, how well it was found, see `match_boxes`.
        found: Of each box in `boxes`, its intersection over union with its partner; none where nobody
            knows where the defects are.
        points: Whether the hottest pixel lies on a defect; None where there is none.
        pixels: The scores of the pixels; None where nobody knows where the defects are.
    """

    boxes: list[HotBox]
    ious: list[float]
    found: list[float]
    points: bool | None
    pixels: CoarseScores | None = None


@dataclass(frozen=True)
class PlaceOutcome(ClassOutcome):
    """One class an image, and where the defects are.

    Attributes:
        maps: Class activation maps of the defect, signed and of one scale, float32 `[N, h, w]`.
        places: One an image.
        kinds: What each image is, more finely than its class (the type of defect), or None.
        hit_iou: Intersection over union from which on a box has hit.
        camera: Where the images come from; None: not known.
    """

    decision: Located
    maps: Tensor
    places: list[Place]
    kinds: Sequence[str] | None
    hit_iou: float
    camera: Camera | None = None

    headlines = (*ClassOutcome.headlines[:-1], *OF_ALL, "loss")

    @classmethod
    def locate(
        cls,
        decision: Located,
        rows: Tensor,
        logits: Tensor,
        targets: Tensor,
        maps: Tensor,
        masks: Tensor | None,
        size: tuple[int, int],
        grid: Grid | None,
        kinds: Sequence[str] | None,
        hit_iou: float,
        camera: Camera | None = None,
    ) -> "PlaceOutcome":
        """The outcome with all its figures.

        Args:
            decision: How a verdict and its boxes are made.
            rows: int64 `[N]`.
            logits: float32 `[N, K]`.
            targets: int64 `[N]`.
            maps: Class activation maps of the defect, `[N, h, w]`.
            masks: Where the defects are, bits of `[N, H * W]`, see `packed`; None: not known.
            size: (H, W).
            grid: Where the maps lie over the images, see `resized`.
            kinds: Of each image, or None.
            hit_iou: Intersection over union from which on a box has hit.
            camera: Where the images come from; None: not known.
        """
        plain = ClassOutcome.of(decision, rows, logits, targets)
        called = plain.called[:, decision.defect]
        scores: dict[str, PixelScores] = defaultdict(PixelScores)
        places: list[Place] = []
        names = kinds if kinds is not None else [decision.names[target] for target in targets.tolist()]
        for start in range(0, len(rows), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            raw = resized(maps[part], size, grid).numpy()
            heat = to_heat(maps[part], size, grid).numpy()
            true = None if masks is None else unpacked(masks[part], size)
            for row, kind in enumerate(names[part]):
                boxes = find_boxes(heat[row], decision.box_threshold) if called[start + row] else []
                # A defect whose mask is empty lies nobody knows where: none of its pixels is a good one.
                if true is None or (targets[start + row] == decision.defect and not true[row].any()):
                    places.append(Place(boxes, [], [], None))
                    continue
                own = PixelScores()
                own.add(raw[row : row + 1], true[row : row + 1])
                scores[kind] += own
                places.append(replace(_compare(boxes, raw[row], true[row]), pixels=own.coarse()))
        of_place = place_figures(places, scores, names, hit_iou)
        if kinds is not None:
            of_place |= _recalls(called.tolist(), targets == decision.defect, kinds)
        figures = plain.figures | of_place
        return cls(
            decision, rows, figures, logits, targets, plain.counts, maps, places, kinds, hit_iou, camera
        )

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Also of the boxes and the pixels."""
        figures = resampled.of_places(
            weights,
            [each.points for each in self.places],
            [each.ious for each in self.places],
            [each.found for each in self.places],
            self.hit_iou,
        )
        pixels = of_pixels(
            weights,
            [each.pixels for each in self.places],
            self.figures["pixel_auroc"],
            self.figures["aupro"],
        )
        return super().resampled(weights) | figures | pixels

    def shares(self) -> dict[str, np.ndarray]:
        """Also of the places: images with a defect whose place is known, or with a box."""
        return super().shares() | {
            "pointing": np.array([each.points is not None for each in self.places], bool),
            "hit_rate": np.array([len(each.ious) > 0 for each in self.places], bool),
            "box_precision": np.array([len(each.found) > 0 for each in self.places], bool),
        }

    def tables(self, outcomes: Mapping[str, Outcome]) -> list[Table]:
        """Figures of the classes, and of each type of defect."""
        tables = super().tables(outcomes)
        kinds = sorted({key.partition("/")[2] for key in self.figures if key.startswith("pointing/")})
        if self.kinds is None or not kinds:  # of one type of defect the headline says it all
            return tables
        names = ("recall", *PLACE_FIGURES)
        rows: list[Sequence[str | int | float]] = [["", "images", *names]]
        for kind in kinds:
            images = sum(own == kind for own in self.kinds)
            rows.append([kind, images, *(self.figures[f"{name}/{kind}"] for name in names)])
        return [*tables, Table("each type of defect", rows)]

    def details(self) -> dict[str, Any]:
        """The confusion matrix, and what the boxes are made and counted by."""
        return super().details() | {"box_threshold": self.decision.box_threshold, "hit_iou": self.hit_iou}

    def columns(self) -> list[str]:
        """As of classes; then the kind, the number of boxes, whether the heatmap points at a defect."""
        return [*super().columns(), *["kind"][: self.kinds is not None], "boxes", "pointing"]

    def cells(self) -> list[list[str]]:
        """In words."""
        rows = []
        for number, (cells, place) in enumerate(zip(super().cells(), self.places, strict=True)):
            kind = [] if self.kinds is None else [self.kinds[number]]
            rows.append(
                [*cells, *kind, str(len(place.boxes)), "" if place.points is None else str(place.points)]
            )
        return rows

    def told(self, position: int) -> Told:
        """Its class, its type of defect, and what the boxes and the heatmap say."""
        told, place = super().told(position), self.places[position]
        facts = [*told.facts, *([] if self.kinds is None else [("type", self.kinds[position])])]
        if place.boxes:
            facts.append(("boxes", str(len(place.boxes))))
        if place.points is not None:
            facts.append(("heatmap points", "at the defect" if place.points else "beside the defect"))
        return told._replace(facts=facts)

    def wrongness(self) -> np.ndarray:
        """Wrong verdicts as of any classes; behind them defects that were called for another place."""
        wrong = super().wrongness()
        wrong[self.misplaced] = _BESIDE
        return wrong

    @property
    def misplaced(self) -> np.ndarray:
        """The heatmap points beside the defect."""
        beside = np.array([place.points is False for place in self.places], bool)
        return beside & self.right.numpy()

    def examples(self) -> dict[str, np.ndarray]:
        """Of each kind the positions of its images; of each class, where there are no kinds."""
        if self.kinds is None:
            return super().examples()
        return positions_of(self.kinds)

    @classmethod
    def write_files(cls, run: Path, outcomes: Mapping[str, Outcome], samples: Samples) -> dict[str, str]:
        """Write `boxes.csv`: the boxes of the images that were called defective, as a prediction has them."""
        write_rows(run / BOXES, BOX_COLUMNS, outcomes, samples, cls.box_rows)
        return {BOXES: "boxes around the defects that were called, in pixels of the camera image"}

    def box_rows(self, position: int, file: str) -> list[list[str]]:
        """The boxes of one image in the columns of `BOX_COLUMNS`, the surest first."""
        boxes = self.places[position].boxes
        if not boxes or self.camera is None:
            return []
        sides = np.asarray([box.box for box in boxes], np.float64)
        corners = self.camera.geometry.boxes_to_camera(sides, self.camera.shape(file)).tolist()
        defect = self.decision.defect
        sure = float(self.probabilities[position, defect])
        return [
            box_cells(corner, self.decision.names[defect], sure * box.score)
            for corner, box in zip(corners, boxes, strict=True)
        ]


def packed(masks: Tensor) -> Tensor:
    """Masks `[N, 1, H, W]` of 0 and 1 as bits, uint8 `[N, ceil(H * W / 8)]`."""
    return torch.from_numpy(np.packbits(masks.cpu().numpy().reshape(len(masks), -1).astype(bool), axis=1))


def unpacked(bits: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Masks bool `[N, H, W]` out of what `packed` gave."""
    return np.unpackbits(bits.numpy(), axis=1, count=size[0] * size[1]).reshape(-1, *size).astype(bool)


def place_figures(
    places: Sequence[Place], scores: Mapping[str, PixelScores], kinds: Sequence[str], hit_iou: float
) -> dict[str, float]:
    """Figures of the places, and `<figure>/<kind>` of each kind that has defects; NaN without any.

    * `pointing`: share of the images with a defect whose hottest pixel lies on it.
    * `pixel_auroc`, `aupro`: see `PixelScores`; of a kind with the images without a defect.
    * `box_iou`: intersection over union of the box of a connected defect with its partner, mean over the defects.
    * `hit_rate`: share of the defects for which that is at least `hit_iou`.
    * `box_precision`: share of the boxes whose own is. Choe et al., "Evaluating Weakly Supervised Object
      Localization Methods Right", CVPR 2020, count from 0.3, 0.5 and 0.7 on.
    """
    with_defects = sorted(
        {kind for kind, place in zip(kinds, places, strict=True) if place.points is not None}
    )
    good = sum((own for kind, own in scores.items() if kind not in with_defects), PixelScores())
    of_kind = {kind: [p for k, p in zip(kinds, places, strict=True) if k == kind] for kind in with_defects}
    figures = _figures(places, sum(scores.values(), PixelScores()), hit_iou)
    found = [iou for place in places for iou in place.found]
    figures["box_precision"] = _share([iou >= hit_iou for iou in found])
    for kind, own in of_kind.items():
        figures |= {
            f"{name}/{kind}": value for name, value in _figures(own, good + scores[kind], hit_iou).items()
        }
    return figures


def _figures(places: Sequence[Place], scores: PixelScores, hit_iou: float) -> dict[str, float]:
    ious = [iou for place in places for iou in place.ious]
    return {
        "pointing": _share([place.points for place in places if place.points is not None]),
        "pixel_auroc": scores.auroc(),
        "aupro": scores.aupro(),
        "box_iou": _share(ious),
        "hit_rate": _share([iou >= hit_iou for iou in ious]),
    }


def _share(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else UNDEFINED


def _recalls(called: Sequence[bool], defective: Tensor, kinds: Sequence[str]) -> dict[str, float]:
    """Share of each kind of defect that was called one."""
    own: dict[str, list[bool]] = defaultdict(list)
    for kind, defect, call in zip(kinds, defective.tolist(), called, strict=True):
        if defect:
            own[kind].append(call)
    return {f"recall/{kind}": _share(calls) for kind, calls in own.items()}


def _compare(boxes: list[HotBox], scores: np.ndarray, mask: np.ndarray) -> Place:
    """The place of one image."""
    true = np.asarray([region.box for region in find_regions(mask)], np.float64).reshape(-1, 4)
    found = np.asarray([box.box for box in boxes], np.float64).reshape(-1, 4)
    return Place(
        boxes,
        match_boxes(found, true).tolist(),
        match_boxes(true, found).tolist(),
        points_inside(scores, mask) if len(true) else None,
    )
