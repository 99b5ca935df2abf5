"""One class an image, and boxes around a defect."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inspection.decide.located import Located
from inspection.explain.boxes import find_boxes
from inspection.inspector.answers import Row
from inspection.inspector.backends import HEATMAPS, PROBABILITIES, Said
from inspection.inspector.naming import ClassAnswers
from inspection.inspector.verdict import Box, Verdict
from inspection.pictures.place_panel import place_panel
from inspection.tasks.defects import BOX_COLUMNS, BOXES, box_cells


class LocatedAnswers(ClassAnswers):
    """As of classes; verdict, boxes and heatmap are of one forward pass. What is called good has no box."""

    decision: Located

    def wanted(self, evidence: bool) -> list[str]:
        """Heatmaps in any case: they say where the boxes are."""
        return [PROBABILITIES, HEATMAPS]

    def verdicts(
        self,
        said: Said,
        pixels: NDArray[np.uint8],
        camera_shapes: Sequence[tuple[int, int]],
        evidence: bool,
    ) -> list[Verdict]:
        """Classes, boxes in the camera image and, as evidence, heatmaps of the defect."""
        results = []
        for verdict, (heat,), shape in zip(
            self.named(said[PROBABILITIES]), said[HEATMAPS], camera_shapes, strict=True
        ):
            found = find_boxes(heat, self.decision.box_threshold) if verdict.called[self.name] else []
            corners = self.geometry.boxes_to_camera(np.asarray([box.box for box in found], float), shape)
            sure = verdict.probabilities[self.name]
            boxes = [
                Box(left, top, right, bottom, label=self.name, score=sure * place.score)
                for (left, top, right, bottom), place in zip(corners.tolist(), found, strict=True)
            ]
            shown: dict[str, np.ndarray | None] = {}
            if evidence:
                shown[self.name] = self.geometry.heatmap_to_camera(heat, shape) if heat.any() else None
            method = "cam" if evidence else None
            results.append(replace(verdict, boxes=boxes, heatmaps=shown, method=method))
        return results

    @property
    def name(self) -> str:
        """Of the defect class."""
        return self.decision.names[self.decision.defect]

    def operating_point(self) -> str:
        """Also that of the boxes."""
        return (
            f"{super().operating_point()}; its boxes are where the heat is {self.decision.box_threshold:g} "
            "of the greatest or more"
        )

    def columns(self) -> Row:
        """As of classes, and the number of boxes."""
        return [*super().columns(), "boxes"]

    def cells(self, verdict: Verdict) -> Row:
        """In words and decimals."""
        return [*super().cells(verdict), str(len(verdict.boxes))]

    def headings(self) -> Row:
        """The defect's probability and the number of boxes."""
        return [*super().headings(), "boxes"]

    def figures(self, verdict: Verdict) -> Row:
        """Two numbers."""
        return [*super().figures(verdict), str(len(verdict.boxes))]

    def overlay(self, title: str, picture: np.ndarray, verdict: Verdict) -> np.ndarray:
        """Image, heatmap, and overlay with boxes."""
        words = f"{verdict.label} {verdict.probability:.2f} · CAM for {self.name}"
        boxes = [(box.sides, box.score) for box in verdict.boxes]
        return place_panel(picture, verdict.heatmaps[self.name], boxes, None, [title, words], width=480)

    def tables(self) -> dict[str, Row]:
        """The boxes, in pixels of the camera image."""
        return {BOXES: BOX_COLUMNS}

    def rows(self, verdict: Verdict) -> dict[str, list[Row]]:
        """A row a box, the surest first."""
        return {BOXES: [box_cells(box.sides, box.label, box.score) for box in verdict.boxes]}
