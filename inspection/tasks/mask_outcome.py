"""What a network said of each pixel, image by image, and how that is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inspection.data.splits import Samples
from inspection.decide.area import Area
from inspection.decide.scores import Scored
from inspection.explain.regions import Region
from inspection.pictures.charts import confusion_matrix
from inspection.tasks import resampled
from inspection.tasks.defects import AREA, CALLED_PIXELS, DEFECT_COLUMNS, DEFECTS, Camera, defect_cells
from inspection.tasks.mask_metrics import figures_of_kinds, pixel_figures, set_figures
from inspection.tasks.metrics import UNDEFINED, confusion_counts, figures_of_confusion
from inspection.tasks.outcomes import (
    MATRIX,
    Axis,
    Cell,
    Confusion,
    Outcome,
    Table,
    Told,
    positions_of,
    shares_of_calls,
    write_rows,
)

POOR = 0.5  # a Dice below this is a mistake, even where the verdict is right


@dataclass(frozen=True)
class MaskOutcome(Outcome):
    """Right and wrong pixels of each image, and the verdict on it.

    Attributes:
        pixels: Int64 `[N, 3]`, see `mask_counts`.
        targets: Class indices int64 `[N]`.
        regions: The connected defects of each image, in pixels of the image after the geometry.
        kinds: Type of defect (or `good`) of each image; the class name where the data do not say more.
        camera: Where the images come from; None: not known.
    """

    decision: Area
    pixels: Tensor
    targets: Tensor
    regions: list[list[Region]]
    kinds: list[str]
    camera: Camera | None

    headlines = (
        "dice",
        "iou",
        "pixel_precision",
        "pixel_recall",
        "dice/defects",
        "dice/set",
        "iou/set",
        "f1",
        "precision",
        "recall",
        "accuracy",
        "loss",
    )

    @classmethod
    def of(
        cls,
        decision: Area,
        rows: Tensor,
        pixels: Tensor,
        targets: Tensor,
        losses: Tensor,
        regions: list[list[Region]],
        kinds: Sequence[str] | None,
        camera: Camera | None,
    ) -> "MaskOutcome":
        """The outcome with all its figures.

        Args:
            decision: How logits become a mask and a mask a verdict.
            rows: int64 `[N]`.
            pixels: As above.
            targets: As above.
            losses: Of each image, `[N]`.
            regions: As above.
            kinds: As above, or None.
            camera: As above.
        """
        told = kinds is not None
        if kinds is None:
            kinds = [decision.names[target] for target in targets.tolist()]
        outcome = cls(decision, rows, {}, pixels, targets, regions, list(kinds), camera)
        outcome.figures.update(set_figures(pixels[outcome.known]))
        outcome.figures.update(figures_of_confusion(outcome.counts, decision.names, decision.defect))
        outcome.figures["loss"] = float(losses.double().mean())
        if told:  # behind all others: a kind may be called `set`
            outcome.figures.update(outcome.figures_of_kinds() | outcome.figures)
        return outcome

    @cached_property
    def areas(self) -> Tensor:
        """Called pixels of each image, int64 `[N]`."""
        return self.pixels[:, 0] + self.pixels[:, 1]

    @cached_property
    def verdicts(self) -> Tensor:
        """Class indices, int64 `[N]`."""
        return self.decision.labels(self.areas)

    @cached_property
    def right(self) -> Tensor:
        """Whether the verdict on each image is right, bool `[N]`."""
        return self.verdicts == self.targets

    def scored(self) -> list[Scored]:
        """The called pixels of each image; one pixel at least makes a defect."""
        truth = (self.targets == self.decision.defect).numpy()
        return [
            Scored(
                "min_area", self.areas.double().numpy(), truth, np.arange(len(self.rows)), low=1.0, high=None
            )
        ]

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Of pixels, where the mask is known, and of verdicts."""
        known = self.known.numpy()
        figures = {
            **resampled.of_masks(weights[:, known], self.pixels[self.known]),
            **resampled.of_verdicts(weights, self.targets, self.verdicts, 2, self.decision.defect),
        }
        return {name: figures[name] for name in self.headlines if name in figures}

    def shares(self) -> dict[str, np.ndarray]:
        """Of verdicts."""
        defect = self.decision.defect
        calls = shares_of_calls(self.verdicts == defect, self.targets == defect)
        return calls | {"accuracy": np.ones(len(self.rows), bool)}

    @cached_property
    def counts(self) -> Tensor:
        """Confusion matrix of the verdicts, int64 `[2, 2]`, rows are targets."""
        called, answers = (
            torch.nn.functional.one_hot(each, 2).bool() for each in (self.verdicts, self.targets)
        )
        return confusion_counts(called, answers)

    @cached_property
    def known(self) -> Tensor:
        """Whether the true mask of an image is known, bool `[N]`: a defect whose mask is empty lies nowhere."""
        return (self.targets != self.decision.defect) | (self.pixels[:, 0] + self.pixels[:, 2] > 0)

    @cached_property
    def each(self) -> dict[str, Tensor]:
        """Dice, IoU, precision and recall of each image, float64 `[N]`; NaN where the mask is not known."""
        return {
            name: torch.where(self.known, values, UNDEFINED)
            for name, values in pixel_figures(self.pixels).items()
        }

    @cached_property
    def defects(self) -> list[list[Region]]:
        """The regions of the images that were judged defective; none of the others."""
        judged = (self.verdicts == self.decision.defect).tolist()
        return [each if defective else [] for each, defective in zip(self.regions, judged, strict=True)]

    def by_kind(self) -> Mapping[str, dict[str, int | float]]:
        """Figures of each type of defect."""
        called = self.verdicts == self.decision.defect
        return figures_of_kinds(self.pixels, called, self.kinds, self.known)

    def figures_of_kinds(self) -> dict[str, float]:
        """`dice/<kind>` and `iou/<kind>`, and of defects `recall/<kind>`: the share that was called one."""
        figures: dict[str, float] = {}
        defects = {
            kind
            for kind, target in zip(self.kinds, self.targets.tolist(), strict=True)
            if target == self.decision.defect
        }
        for kind, own in self.by_kind().items():
            figures |= {f"{name}/{kind}": float(own[name]) for name in ("dice", "iou")}
            if kind in defects:
                figures[f"recall/{kind}"] = float(own["called"])
        return figures

    def tables(self, outcomes: Mapping[str, Outcome]) -> list[Table]:
        """Figures, those of each type of defect, and the confusion matrix of the verdicts."""
        names, least = self.decision.names, self.decision.min_area
        of = (
            f"dice to pixel_recall: mean over images; f1, precision, recall: of {names[self.decision.defect]!r}, "
            f"judged so from {least} called {'pixel' if least == 1 else 'pixels'} on"
        )
        kinds = self.by_kind()
        columns = list(next(iter(kinds.values()), {}))
        report: list[Sequence[Cell]] = [["", *columns]]
        report += [[kind, *figures.values()] for kind, figures in kinds.items()]
        matrix: list[Sequence[Cell]] = [["", *names]]
        matrix += [[name, *row] for name, row in zip(names, self.counts.tolist(), strict=True)]
        return [
            self.headline(outcomes, of),
            Table(f"each type; called: share judged {names[self.decision.defect]!r}", report),
            Table(MATRIX, matrix),
        ]

    def details(self) -> dict[str, Any]:
        """The confusion matrix, and the figures of each type of defect."""
        return {
            "confusion_matrix": self.counts.tolist(),
            "kinds": self.by_kind(),
            "decision": self.decision.to_dict(),
        }

    def columns(self) -> list[str]:
        """Target, verdict, and what the pixels say."""
        return ["target", "kind", "verdict", AREA, CALLED_PIXELS, "defects", *self.each]

    def cells(self) -> list[list[str]]:
        """In words and figures; a figure that is undefined is empty, and the area where no camera is known."""
        camera, names = self.camera, self.decision.names
        figures = zip(*(values.tolist() for values in self.each.values()), strict=True)
        return [
            [
                names[target],
                kind,
                names[verdict],
                "" if camera is None else f"{camera.area(row, called):.1f}",
                str(called),
                str(len(defects)),
                *map(_decimals, values),
            ]
            for row, target, kind, verdict, called, defects, values in zip(
                self.rows.tolist(),
                self.targets.tolist(),
                self.kinds,
                self.verdicts.tolist(),
                self.areas.tolist(),
                self.defects,
                figures,
                strict=True,
            )
        ]

    def confusions(self) -> dict[str, Confusion]:
        """Of the verdicts on images."""
        return {"": Confusion(self.decision.names, self.counts.numpy())}

    def axis(self, name: str) -> Axis:
        """An area."""
        return Axis("called pixels", self.decision.names[self.decision.defect])

    def told(self, position: int) -> Told:
        """Its class, and how well the mask fits."""
        names, number = self.decision.names, len(self.defects[position])
        facts = [("type", self.kinds[position]), ("called pixels", f"{int(self.areas[position])}")]
        facts += [("defects found", str(number))] * (number > 0)
        if bool(self.known[position]):
            facts.append(("Dice", f"{float(self.each['dice'][position]):.3f}"))
        return Told(names[int(self.targets[position])], names[int(self.verdicts[position])], facts)

    def charts(self) -> dict[str, np.ndarray]:
        """The confusion matrix of the verdicts."""
        return {"confusion_matrix": confusion_matrix(self.counts.numpy(), self.decision.names)}

    def wrongness(self) -> np.ndarray:
        """By the Dice, of wrong verdicts and behind them of masks with a Dice below 0.5."""
        dice, wrong = self.each["dice"].nan_to_num(1.0), ~self.right
        poor = 2 * wrong.double() - dice
        return poor.masked_fill(~wrong & (dice >= POOR), -torch.inf).numpy()

    def examples(self) -> dict[str, np.ndarray]:
        """Of each type of defect the positions of its images."""
        return positions_of(self.kinds)

    @classmethod
    def write_files(cls, run: Path, outcomes: Mapping[str, Outcome], samples: Samples) -> dict[str, str]:
        """Write `defects.csv`: the connected defects of the images that were judged defective."""
        write_rows(run / DEFECTS, DEFECT_COLUMNS, outcomes, samples, cls.defect_rows)
        return {DEFECTS: "each defect: area, box and centre in pixels of the camera image"}

    def defect_rows(self, position: int, file: str) -> list[list[str]]:
        """The defects of one image in the columns of `DEFECT_COLUMNS`."""
        if self.camera is None:
            return []
        placed = self.camera.place(file, self.defects[position])
        return [defect_cells(number, region) for number, region in enumerate(placed, 1)]


def _decimals(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6f}"
