"""Which objects are where."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.decide.boxes import Boxes
from inspection.inspector import backends
from inspection.inspector.answers import Answers, Row
from inspection.inspector.backends import Said
from inspection.inspector.verdict import Box, Verdict
from inspection.pictures.box_panel import DrawnBox, found_panel
from inspection.tasks.defects import BOX_COLUMNS, BOXES, box_cells

ANNOTATIONS = "annotations.json"


def as_coco(
    names: Sequence[str], boxes: Sequence[tuple[str, tuple[int, int], Sequence[Box]]]
) -> dict[str, Any]:
    """Images and boxes as COCO has them, with the score of each box beside it.

    Args:
        names: Of the classes.
        boxes: File, height and width, and boxes of each image.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for key, (file, (height, width), found) in enumerate(boxes, 1):
        images.append({"id": key, "file_name": file, "width": width, "height": height})
        for box in found:
            wide, high = box.right - box.left, box.bottom - box.top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": key,
                    "category_id": list(names).index(box.label) + 1,
                    "bbox": [round(value, 2) for value in (box.left, box.top, wide, high)],
                    "area": round(wide * high, 2),
                    "iscrowd": 0,
                    "score": round(box.score, 5),
                }
            )
    categories = [{"id": key, "name": name} for key, name in enumerate(names, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


class BoxAnswers(Answers):
    """Objects with their boxes in pixels of the camera image; the verdict counts them."""

    decision: Boxes
    answer = backends.BOXES

    def verdicts(
        self,
        said: Said,
        pixels: NDArray[np.uint8],
        camera_shapes: Sequence[tuple[int, int]],
        evidence: bool,
    ) -> list[Verdict]:
        """Boxes are the verdict and its evidence in one."""
        detections = said[backends.BOXES]
        called = self.decision.called(detections)
        return [
            self._verdict(found[counting].astype(np.float64), shape)
            for found, counting, shape in zip(detections, called, camera_shapes, strict=True)
        ]

    def _verdict(self, found: np.ndarray, shape: tuple[int, int]) -> Verdict:
        names = self.decision.names
        places = self.geometry.boxes_to_camera(found[:, :4], shape)
        boxes = [
            Box(left, top, right, bottom, names[int(which)], score)
            for (left, top, right, bottom), (score, which) in zip(
                places.tolist(), found[:, 4:].tolist(), strict=True
            )
        ]
        counts = Counter(box.label for box in boxes)
        return Verdict(
            label=self.decision.words([names.index(box.label) for box in boxes]),
            called={name: counts[name] > 0 for name in names},
            boxes=boxes,
            quantities={name: counts[name] for name in names},
        )

    def operating_point(self) -> str:
        """The scores."""
        return f"a box counts with {self.decision.limits()}; boxes are given in pixels of the camera image"

    def columns(self) -> Row:
        """The verdict, and how many of each class there are."""
        return ["verdict", *(f"number_{name}" for name in self.decision.names)]

    def cells(self, verdict: Verdict) -> Row:
        """In words and numbers."""
        return [verdict.label, *self.figures(verdict)]

    def headings(self) -> Row:
        """The classes."""
        return list(self.decision.names)

    def figures(self, verdict: Verdict) -> Row:
        """How many of each there are."""
        return [f"{verdict.quantities[name]:.0f}" for name in self.decision.names]

    def tally(self, verdict: Verdict) -> list[str]:
        """Each object."""
        return [box.label for box in verdict.boxes]

    def alarming(self) -> list[str]:
        """Anything that is found."""
        return list(self.decision.names)

    def overlay(self, title: str, picture: np.ndarray, verdict: Verdict) -> np.ndarray:
        """The camera image with its boxes."""
        boxes = [DrawnBox(box.sides, f"{box.label} {box.score:.2f}", "found") for box in verdict.boxes]
        return found_panel(picture, boxes, [title, verdict.label])

    def files(self, boxes: Sequence[tuple[str, tuple[int, int], Sequence[Box]]]) -> dict[str, Any]:
        """All boxes as a COCO JSON, as labelling tools take it to begin from and `data.annotations` reads it."""
        return {ANNOTATIONS: as_coco(self.decision.names, boxes)}

    def tables(self) -> dict[str, Row]:
        """Of the single boxes."""
        return {BOXES: BOX_COLUMNS}

    def rows(self, verdict: Verdict) -> dict[str, list[Row]]:
        """The surest first, in pixels of the camera image."""
        return {BOXES: [box_cells(box.sides, box.label, box.score) for box in verdict.boxes]}
