"""Where a part is defective, pixel by pixel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspection.data.masks import mask_to_camera
from inspection.decide.area import Area
from inspection.explain.regions import Region, find_regions
from inspection.inspector.answers import Answers, Row
from inspection.inspector.backends import PROBABILITIES, Said
from inspection.inspector.verdict import Defect, Verdict
from inspection.pictures.mask_panel import mask_panel
from inspection.tasks.defects import AREA, CALLED_PIXELS, DEFECT_COLUMNS, DEFECTS, defect_cells, to_camera


class MaskAnswers(Answers):
    """Mask, connected defects and area in pixels of the camera image; the verdict follows from the area."""

    decision: Area
    answer = PROBABILITIES

    def verdicts(
        self,
        said: Said,
        pixels: NDArray[np.uint8],
        camera_shapes: Sequence[tuple[int, int]],
        evidence: bool,
    ) -> list[Verdict]:
        """Masks are the verdict and its evidence in one."""
        probabilities = said[PROBABILITIES][:, 0]
        masks = self.decision.called(probabilities)
        judged = self.decision.labels(masks.sum((1, 2))).tolist()
        return [
            self._verdict(mask, heat, label, shape)
            for mask, heat, label, shape in zip(masks, probabilities, judged, camera_shapes, strict=True)
        ]

    def _verdict(
        self, mask: np.ndarray, probabilities: np.ndarray, label: int, shape: tuple[int, int]
    ) -> Verdict:
        names, defect = self.decision.names, self.decision.defect
        regions = [to_camera(region, self.geometry, shape) for region in find_regions(mask, probabilities)]
        area = sum(region.area for region in regions)
        if label != defect:
            regions = []  # too little to be one
        return Verdict(
            label=names[label],
            called={name: index == label for index, name in enumerate(names)},
            mask=mask_to_camera(self.geometry, mask, shape),
            boxes=[
                Defect(*region.box, names[defect], region.score, region.area, region.centre)
                for region in regions
            ],
            quantities={AREA: area, CALLED_PIXELS: int(mask.sum())},
        )

    def operating_point(self) -> str:
        """Probability of a pixel, and number of pixels."""
        names, least = self.decision.names, self.decision.min_area
        height, width = self.geometry.image_size
        return (
            f"a pixel is defective at a probability of {self.decision.threshold:g} or more, a part is "
            f"{names[self.decision.defect]!r} from {least} such {'pixel' if least == 1 else 'pixels'} on (of "
            f"{width} x {height}); areas and places are given in pixels of the camera image"
        )

    def columns(self) -> Row:
        """Verdict, area in pixels of the camera and of the network, and number of defects."""
        return ["verdict", AREA, CALLED_PIXELS, "defects"]

    def cells(self, verdict: Verdict) -> Row:
        """In words and numbers."""
        area, called = verdict.quantities[AREA], verdict.quantities[CALLED_PIXELS]
        return [verdict.label, f"{area:.1f}", f"{called:.0f}", str(len(verdict.boxes))]

    def headings(self) -> Row:
        """Area and number of defects."""
        return [AREA, "defects"]

    def figures(self, verdict: Verdict) -> Row:
        """Whole pixels."""
        return [f"{verdict.quantities[AREA]:.0f}", str(len(verdict.boxes))]

    def tally(self, verdict: Verdict) -> list[str]:
        """The verdict."""
        return [verdict.label]

    def alarming(self) -> list[str]:
        """The defect."""
        return [self.decision.names[self.decision.defect]]

    def overlay(self, title: str, picture: np.ndarray, verdict: Verdict) -> np.ndarray:
        """Image and mask."""
        assert verdict.mask is not None
        area, number = self.figures(verdict)
        said = f"{verdict.label} · {area} px in {number} {'place' if number == '1' else 'places'}"
        return mask_panel(picture, verdict.mask, None, [title, said], width=480)

    def tables(self) -> dict[str, Row]:
        """Of the single defects."""
        return {DEFECTS: DEFECT_COLUMNS}

    def rows(self, verdict: Verdict) -> dict[str, list[Row]]:
        """The connected defects; none of a part that was judged to be in order."""
        defects = [each for each in verdict.boxes if isinstance(each, Defect)]
        return {
            DEFECTS: [
                defect_cells(
                    number,
                    Region(
                        each.area, (each.left, each.top, each.right, each.bottom), each.centre, each.score
                    ),
                )
                for number, each in enumerate(defects, 1)
            ]
        }
