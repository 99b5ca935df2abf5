"""Whether an exported inspector says what the trained one says, from the raw file to the decision."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from inspection.data.images import CameraImage
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import Decision
from inspection.decide.located import Located
from inspection.decide.quantities import Quantities
from inspection.errors import InputError
from inspection.inspector import Inspector, Verdict
from inspection.inspector.backends import BOXES, HEATMAPS, QUANTITIES, Said
from inspection.tasks.box_metrics import match_boxes

SAME = 1e-4
"""Largest difference of an inspector that was exported in float32."""
SEEN = 0.1
"""Difference of heatmaps that a person sees."""
SHOWN = 20
"""Changed verdicts that are listed."""
NOTHING = "nothing was compared: neither finds a box on any of these images, of whatever score"


@dataclass(frozen=True)
class Difference:
    """How far two inspectors are apart in one thing.

    Attributes:
        what: The thing.
        of: What a difference of 1 is.
        mean: Over all values of all images.
        most: The largest.
        bounded: What must be small where nothing may change: the largest; of heatmaps the largest median over what
            is hot in a map, since single places jump where a rounding decides which of two equal maxima a gradient
            goes to; of boxes that do not count the largest median, since a rounding may decide which of two stays.
        file: The image that has it.
    """

    what: str
    of: str
    mean: float
    most: float
    bounded: float
    file: str


@dataclass(frozen=True)
class Change:
    """A verdict that an exported inspector changes, in words."""

    file: str
    trained: str
    exported: str


@dataclass(frozen=True)
class Allowed:
    """What an export in bf16 or int8 may cost.

    Attributes:
        max_drop: Of the main figure; of an error (`min`), as a share of the trained one's.
        max_changed: Share of the compared verdicts that may change, 0..1; None: any.
    """

    max_drop: float
    max_changed: float | None = None


@dataclass(frozen=True)
class Parity:
    """What two inspectors say of the same files.

    Attributes:
        images: How many files.
        differences: Of what verdicts and evidence are made of.
        changed: Verdicts that are not the same, see `changes`.
        unmatched: Boxes of one of the two that the other does not have; None: there are no boxes.
        boxes: How many the trained one shows in its verdicts; None: it shows none.
        changed_boxes: Boxes in verdicts of one of the two that the other's do not have, or not there; as `boxes`.
        compared: How many pairs of numbers; 0: a detector that finds no box at all can't be compared.
    """

    images: int
    differences: list[Difference]
    changed: list[Change]
    unmatched: int | None
    boxes: int | None
    changed_boxes: int | None
    compared: int


@dataclass(frozen=True)
class Figure:
    """The main figure of a run on its images, of both inspectors; NaN where undefined.

    Attributes:
        name: As `metrics.json` has it.
        mode: `max` or `min`: which way it gets better.
        trained: Of the inspector as it was trained.
        exported: Of the exported one.
        images: Of how many images it is; None: of the compared ones.
    """

    name: str
    mode: Literal["max", "min"]
    trained: float
    exported: float
    images: int | None = None

    @property
    def lost(self) -> float:
        """How much worse the exported one is; of an error (`min`), as a share of the trained one's.

        Example:
            >>> Figure("f1", "max", 0.9, 0.87).lost, Figure("mae", "min", 2.0, 2.1).lost
            (0.030000000000000027, 0.050000000000000044)
        """
        if self.mode == "max":
            return self.trained - self.exported
        worse = self.exported - self.trained
        return worse / self.trained if self.trained > 0 else (math.inf if worse > 0 else worse)


@dataclass
class _Gap:
    """Differences of one thing, gathered over images."""

    of: str
    total: float = 0.0
    values: int = 0
    most: float = -1.0
    bounded: float = -1.0
    file: str = ""

    def add(
        self, differences: NDArray[np.floating], file: str, typical: Callable[[NDArray[np.floating]], Any]
    ) -> None:
        if not differences.size:
            return
        self.total += float(differences.sum(dtype=np.float64))
        self.values += differences.size
        most, bounded = (_number(value) for value in (differences.max(), typical(differences)))
        self.most = max(self.most, most)
        if bounded > self.bounded:
            self.bounded, self.file = bounded, file


def _number(value: float) -> float:
    return math.inf if math.isnan(value) else float(value)


_SURE = "score of a box", "corner of a box"
_UNSURE = "score of a box that does not count", "corner of a box that does not count"


@dataclass
class _Comparison:
    decision: Decision
    size: tuple[int, int]
    gaps: dict[str, _Gap] = field(default_factory=dict)
    changed: list[Change] = field(default_factory=list)
    unmatched: int = 0
    boxes: int = 0
    changed_boxes: int = 0

    def gap(
        self,
        what: str,
        of: str,
        differences: NDArray[np.floating],
        file: str,
        typical: Callable[[NDArray[np.floating]], Any] = np.max,
    ) -> None:
        self.gaps.setdefault(what, _Gap(of)).add(np.abs(differences), file, typical)

    def see(self, file: str, verdicts: tuple[Verdict, Verdict], said: tuple[Said, Said]) -> None:
        """Take in one image: the verdicts, and the outputs without their first axis."""
        trained, exported = said
        for name in trained:
            if name == BOXES:
                self.see_boxes(file, trained[name], exported[name])
            elif name == QUANTITIES:
                assert isinstance(self.decision, Quantities)
                scale = np.asarray(self.decision.scale)
                unit = f"the scale of each quantity ({', '.join(f'{each:.3g}' for each in scale)} "
                unit += f"{self.decision.unit})"
                self.gap("quantity", unit, (exported[name] - trained[name]) / scale, file)
            elif name == HEATMAPS:
                for maps in zip(trained[name], exported[name], strict=True):
                    self.see_heatmap(file, *maps)
            else:
                self.gap("probability", "1", exported[name].astype(np.float64) - trained[name], file)
        if isinstance(self.decision, (Boxes, Located)):
            shown = [_rows_of(verdict, self.decision) for verdict in verdicts]
            self.boxes += len(shown[0])
            self.changed_boxes += _alone(*shown)
        judged = [judged_of(verdict, self.decision) for verdict in verdicts]
        self.changed += changes([file], judged[:1], judged[1:])

    def see_heatmap(self, file: str, trained: NDArray[np.floating], exported: NDArray[np.floating]) -> None:
        """Where there is heat, most of it must be the same: one place of a small map is a large part of it."""
        hot = (trained > 0) | ~(exported <= 0)
        self.gap(
            "heatmap",
            "1",
            exported.astype(np.float64) - trained,
            file,
            lambda apart: np.median(apart[hot]) if hot.any() else 0.0,
        )

    def see_boxes(self, file: str, trained: NDArray[np.floating], exported: NDArray[np.floating]) -> None:
        """Of each box the one of the other that lies over it; those that count, and the surest, must have one."""
        trained, exported = (each[each[:, 4] > 0] for each in (trained, exported))  # zeros are no boxes
        sure, other = self._counting(trained), _counterparts(trained, exported)
        for (score, corner), some, typical in ((_SURE, sure, np.max), (_UNSURE, ~sure, np.median)):
            paired = some & (other >= 0)
            gaps = np.abs(exported[other[paired]] - trained[paired])
            self.gap(score, "1", gaps[:, 4], file, typical)
            self.gap(corner, "the longer side of the image", gaps[:, :4] / max(self.size), file, typical)
        back = _counterparts(exported, trained)
        self.unmatched += int((other[sure] < 0).sum() + (back[self._counting(exported)] < 0).sum())

    def _counting(self, found: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which boxes count, or are the surest."""
        assert isinstance(self.decision, Boxes)
        counts: NDArray[np.bool_] = self.decision.called(found)
        counts[:1] = True
        return counts


def compare(
    trained: Inspector,
    exported: Inspector,
    read: Callable[[str], CameraImage],
    files: Sequence[str],
    heatmaps: bool = True,
    batch_size: int = 8,
    progress: Callable[[str, int, int], None] | None = None,
) -> Parity:
    """Show two inspectors the same files, each on its own way from the camera's pixels to the verdict.

    Args:
        trained: As it was trained.
        exported: The other one.
        read: Gives a file's image as the camera took it.
        files: Their names.
        heatmaps: Whether to compare the evidence, too, where both have it.
        batch_size: Images at a time.
        progress: Called with what is done, how many images are, and of how many.

    Raises:
        InputError: If a file can't be read, or an inspector gives no number for it.
    """
    seen = _Comparison(trained.decision, trained.geometry.image_size)
    further = [HEATMAPS] if heatmaps and _both(trained, exported, HEATMAPS) else []
    for start in range(0, len(files), batch_size):
        some = files[start : start + batch_size]
        images = [read(file) for file in some]
        answers = [_look(each, images, further) for each in (trained, exported)]
        for row, file in enumerate(some):
            verdicts, said = zip(
                *(
                    (own[row], {name: values[row] for name, values in outputs.items()})
                    for own, outputs in answers
                ),
                strict=True,
            )
            seen.see(file, verdicts, said)
        if progress is not None:
            progress("compared", start + len(some), len(files))
    differences = [
        Difference(what, gap.of, gap.total / gap.values, gap.most, gap.bounded, gap.file)
        for what, gap in seen.gaps.items()
        if gap.values
    ]
    detects = isinstance(trained.decision, Boxes)
    boxed = detects or isinstance(trained.decision, Located)
    return Parity(
        images=len(files),
        differences=differences,
        changed=seen.changed,
        unmatched=seen.unmatched if detects else None,
        boxes=seen.boxes if boxed else None,
        changed_boxes=seen.changed_boxes if boxed else None,
        compared=sum(gap.values for gap in seen.gaps.values()),
    )


@dataclass(frozen=True)
class Judged:
    """Of a verdict what must be the same for it to be the same.

    Attributes:
        words: Of quantities without an alarm none: they are numbers, not a verdict.
        boxes: Of a detector the boxes that count, `[D, 6]` in pixels of the camera image, since it is asked which
            objects are where; None: of other questions, whose boxes are evidence.
    """

    words: str
    boxes: NDArray[np.float64] | None


def only_measures(decision: Decision) -> bool:
    """Whether there are no verdicts that could change: quantities without an alarm."""
    return isinstance(decision, Quantities) and decision.alarm is None


def judged_of(verdict: Verdict, decision: Decision) -> Judged:
    """What must be the same of a verdict."""
    words = "" if only_measures(decision) else verdict.label
    return Judged(words, _rows_of(verdict, decision) if isinstance(decision, Boxes) else None)


def judge(
    inspector: Inspector, read: Callable[[str], CameraImage], files: Sequence[str], batch_size: int = 8
) -> list[Judged]:
    """Verdicts of an inspector alone, from the camera's pixels on; the arguments are those of `compare`."""
    judged: list[Judged] = []
    for start in range(0, len(files), batch_size):
        verdicts, _ = _look(inspector, [read(file) for file in files[start : start + batch_size]], [])
        judged += [judged_of(verdict, inspector.decision) for verdict in verdicts]
    return judged


def changes(files: Sequence[str], trained: Sequence[Judged], exported: Sequence[Judged]) -> list[Change]:
    """Verdicts on some files that are not the same: other words, or boxes of a detector at other places."""
    changed = []
    for file, one, other in zip(files, trained, exported, strict=True):
        if one.words != other.words:
            changed.append(Change(file, one.words, other.words))
        elif one.boxes is not None and other.boxes is not None and _alone(one.boxes, other.boxes):
            changed.append(Change(file, one.words, f"{other.words}, elsewhere"))
    return changed


def exceeded(changed: int, images: int, figure: Figure | None, allowed: Allowed) -> list[str]:
    """What of an export in bf16 or int8 is more than it may cost.

    Args:
        changed: Number of changed verdicts.
        images: Of how many.
        figure: The main figure, or None: there is none.
        allowed: The bounds.
    """
    found = []
    if figure is not None and math.isfinite(figure.trained):
        if not figure.lost <= allowed.max_drop:
            found.append(
                f"{figure.name} {figure.trained:.4f} as trained, {figure.exported:.4f} exported: "
                f"{figure.lost:.4f} is lost, max_drop={allowed.max_drop:g} is allowed"
                f"{_worth(changed, images, figure, allowed.max_drop)}"
            )
    elif changed > _whole(allowed.max_drop, images):  # the figure is undefined: the verdicts stand for it
        found.append(
            f"{changed} of {images} verdicts changed, and a share of max_drop={allowed.max_drop:g} is allowed "
            f"(no figure is defined on these images)"
        )
    if allowed.max_changed is not None:
        # There are no parts of verdicts: a share above 0 is one at least.
        may = max(_whole(allowed.max_changed, images), int(allowed.max_changed > 0))
        if changed > may:
            found.append(
                f"{changed} of {images} verdicts changed, max_changed={allowed.max_changed:g} allows {may}"
            )
    return found


def _whole(share: float, images: int) -> int:
    """How many images a share is: 0.29 of 100 are 29, though as floats it is 28.999999999999996."""
    return math.floor(share * images + 1e-9)


def complaints(parity: Parity, figure: Figure | None, allowed: Allowed | None) -> list[str]:
    """Why an export can't be used; empty: it can.

    Args:
        parity: What was compared.
        figure: The main figure, or None: there is none.
        allowed: What it may cost; None: nothing may change, by more than `SAME` (float32).
    """
    changed = len(parity.changed)
    if allowed is None:
        found = [
            f"{each.what}: {each.bounded:.2g} apart ({each.file}), at most {SAME:g} is allowed"
            for each in parity.differences
            if not each.bounded <= SAME
        ]
        if not parity.compared:
            found.append(NOTHING)
        if parity.unmatched:
            found.append(f"{parity.unmatched} boxes of one have no counterpart in the other")
        if changed:
            first = parity.changed[0]
            found.append(
                f"{changed} of {parity.images} verdicts changed: {first.file} was {first.trained!r}, "
                f"is {first.exported!r}"
            )
        return found
    return exceeded(changed, parity.images, figure, allowed)


def warnings(parity: Parity, allowed: Allowed | None) -> list[str]:
    """What no bound holds, and a person should look at: evidence.

    Args:
        parity: What was compared.
        allowed: As in `complaints`.
    """
    nothing = [] if parity.compared or allowed is None else [NOTHING]
    return nothing + [
        f"heatmaps differ by up to {each.most:.2f} of 1 (mean {each.mean:.2g}): look at both before you show them"
        for each in parity.differences
        if each.what == "heatmap" and not each.most <= SEEN
    ]


def _worth(changed: int, images: int, figure: Figure, max_drop: float) -> str:
    """What one image is worth where that alone is more than may be lost."""
    whole = figure.images is None or figure.images == images
    if figure.mode == "min" or not changed or not whole or not figure.lost / changed > max_drop:
        return ""
    about = "" if changed == 1 else "about "
    return f" (one image is worth {about}{figure.lost / changed:.2g} of {figure.name})"


def report(parity: Parity, figure: Figure | None, allowed: Allowed | None) -> dict[str, Any]:
    """Plain values for `parity.json`."""
    return {
        "held": not complaints(parity, figure, allowed),
        "images": parity.images,
        "compared": parity.compared,
        "bounds": {"difference": SAME, "changed_verdicts": 0} if allowed is None else asdict(allowed),
        "differences": [
            {
                "what": each.what,
                "of": each.of,
                "mean": each.mean,
                "max": each.most,
                "bounded": each.bounded,
                "file": each.file,
            }
            for each in parity.differences
        ],
        "boxes": None
        if parity.boxes is None
        else {
            "trained": parity.boxes,
            "changed": parity.changed_boxes,
            "unmatched": parity.unmatched,
        },
        "changed_verdicts": {
            "number": len(parity.changed),
            "first": [
                {"file": each.file, "trained": each.trained, "exported": each.exported}
                for each in parity.changed[:SHOWN]
            ],
        },
        "figure": None
        if figure is None
        else {
            "name": figure.name,
            "mode": figure.mode,
            "trained": figure.trained,
            "exported": figure.exported,
            "lost": figure.lost,
            "images": parity.images if figure.images is None else figure.images,
        },
        "warnings": warnings(parity, allowed),
    }


def _look(
    inspector: Inspector, images: Sequence[NDArray[Any]], further: Collection[str]
) -> tuple[list[Verdict], Said]:
    """Verdicts and outputs."""
    pixels = [inspector.geometry.apply(image) for image in images]
    shapes = [(image.shape[0], image.shape[1]) for image in images]
    try:
        own = inspector.answers.wanted(False)
        return inspector.observe_pixels(pixels, shapes, further=[name for name in further if name not in own])
    except InputError as error:
        raise InputError(f"{inspector.backend.name}: {error}") from None


def _both(one: Inspector, other: Inspector, output: str) -> bool:
    return output in one.backend.outputs and output in other.backend.outputs


def _rows_of(verdict: Verdict, decision: Decision) -> NDArray[np.float64]:
    """Boxes of a verdict, `[D, 6]` in pixels of the camera image."""
    rows = [[*box.sides, box.score, decision.names.index(box.label)] for box in verdict.boxes]
    return np.asarray(rows, np.float64).reshape(-1, 6)


def _alone(some: NDArray[np.floating], others: NDArray[np.floating]) -> int:
    """How many boxes of one of the two the other does not have."""
    return sum(int((_counterparts(*pair) < 0).sum()) for pair in ((some, others), (others, some)))


def _counterparts(some: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.int64]:
    """Of each box `[D, 6]` the place of the other over it, the surest chosen first; -1: there is none."""
    objects, found = (torch.from_numpy(np.ascontiguousarray(each)) for each in (some, others))
    places = np.full(len(some), -1, np.int64)
    for row, place in enumerate(match_boxes(found, objects[:, :4], objects[:, 5].long())):
        if place >= 0:
            places[place] = row
    return places
