"""Which images of a run are worth a look, and how they came off."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.callbacks.panels import PanelLogger
from inspection.data.module import ImageDataModule
from inspection.decide.scores import Scored
from inspection.report import thumbnail
from inspection.report.contents import Card, Gallery, Kind, Picture
from inspection.tasks.module import InspectionTask
from inspection.tasks.name_outcomes import NameOutcome
from inspection.tasks.outcomes import Outcome

MISTAKES, UNSURE = 40, 20
"""Images in the gallery: wrong ones of all parts together, and of the others those nearest to a threshold."""
_RIGHT = -1e6  # below the wrongness of any mistake, by how far each is from becoming one
_THUMBNAIL, _EVIDENCE = 240, 720  # px, longer side


@dataclass(frozen=True)
class Judged:
    """How the images of a part came off, each by its position in the outcome.

    Attributes:
        kinds: What each image is to the names that are called.
        margin: How far it is from being judged otherwise, in the spread of the scores; NaN: not known.
        score: What it was judged by; NaN: nothing, or several scores.
    """

    kinds: list[list[tuple[str, Kind]]]
    margin: NDArray[np.float64]
    score: NDArray[np.float64]


def scored_of(outcome: Outcome) -> list[Scored]:
    """What is called from a score on; nothing of a network that has diverged."""
    try:
        return outcome.scored()
    except ValueError:  # scores that are no numbers
        return []


def judged(outcome: Outcome, scored: Sequence[Scored]) -> Judged:
    """How each image came off, by what is called from a score on.

    Args:
        outcome: Of a part.
        scored: What it gives of `scored_of`.
    """
    count = len(outcome.rows)
    points = outcome.decision.points()
    kinds: list[list[tuple[str, Kind]]] = [[] for _ in range(count)]
    margin, score = np.full(count, np.nan), np.full(count, np.nan)
    for each in scored:
        called = each.scores >= points[each.name]
        states: list[dict[Kind, bool]] = [{} for _ in range(count)]
        for place, said, true in zip(each.images.tolist(), called.tolist(), each.truth.tolist(), strict=True):
            states[place]["right" if said == true else "missed" if true else "false alarm"] = True
        for place in each.unscored.tolist():
            states[place]["missed"] = True
        for own, state in zip(kinds, states, strict=True):
            own += [(each.name, kind) for kind in state if kind != "right" or len(state) == 1]
        spread_of = float(each.scores.std()) if len(each.scores) else 0.0
        far = np.abs(each.scores - points[each.name]) / (spread_of or 1.0)
        np.fmin.at(margin, each.images, far)
        if len(scored) == 1 and each.countable_negatives:
            score[each.images] = each.scores
    if not scored and isinstance(outcome, NameOutcome) and len(outcome.decision.names) > 1:
        first, second = outcome.probabilities.topk(2, 1).values.T.numpy()  # the most probable class wins
        margin = first - second
    right, misplaced = outcome.right, outcome.misplaced
    for place, own in enumerate(kinds):
        wrong = right is not None and not bool(right[place])
        if wrong and all(kind == "right" for _, kind in own):  # another class than the one it has
            kinds[place] = [(name, "wrong") for name, _ in own] or [("", "wrong")]
        elif not own and right is not None:
            kinds[place] = [("", "right")]
        if misplaced[place]:
            kinds[place] = [(name, "wrong place") for name, _ in kinds[place]]
    return Judged(kinds, margin, score)


def gallery_of(
    task: InspectionTask,
    data: ImageDataModule,
    outcomes: Mapping[str, Outcome],
    scored: Mapping[str, Sequence[Scored]],
    drawers: Sequence[PanelLogger],
    mistakes: int = MISTAKES,
    unsure: int = UNSURE,
) -> Gallery | None:
    """The worst mistakes and the least certain of the other images, with pictures.

    Args:
        task: In evaluation mode.
        data: The images.
        outcomes: Of the parts.
        scored: What they give of `scored_of`.
        drawers: Draw the evidence.
        mistakes: Of all parts together at most.
        unsure: As many others, and as many more as there are fewer mistakes.
    """
    cards: list[Card] = []
    came_off = {part: judged(outcome, scored[part]) for part, outcome in outcomes.items()}
    every = {part: outcome.mistakes(len(outcome.rows)) for part, outcome in outcomes.items()}
    worst = {part: every[part][:count] for part, count in _shares(every, mistakes).items()}
    others = {
        part: _least_certain(outcome, came_off[part], worst[part]) for part, outcome in outcomes.items()
    }
    free = mistakes + unsure - sum(map(len, worst.values()))
    for part, outcome in reversed(list(outcomes.items())):
        nearest = others[part][: _shares(others, free)[part]]
        chosen = np.concatenate([worst[part], nearest]).astype(np.int64)
        evidence = evidence_of(task, data, outcome, chosen, drawers)
        wrongness = outcome.wrongness()
        for position in chosen.tolist():
            wrong = float(wrongness[position])
            cards.append(_card(data, part, outcome, came_off[part], position, wrong, evidence.get(position)))
    if not cards:
        return None
    total = sum(len(outcome.rows) for outcome in outcomes.values())
    return Gallery(cards, total, _chosen_how(outcomes), _score_of_cards(outcomes, scored))


def _least_certain(outcome: Outcome, came_off: Judged, without: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the other images that are judged rightly, those nearest to another verdict first."""
    if outcome.right is None:
        return np.zeros(0, np.int64)
    others = np.setdiff1d(np.flatnonzero(outcome.right.numpy()), without)
    return others[np.argsort(came_off.margin[others], kind="stable")]  # NaN comes last


def _chosen_how(outcomes: Mapping[str, Outcome]) -> str:
    rights = [outcome.right for outcome in outcomes.values()]
    known = [right for right in rights if right is not None]
    wrong = sum(int((~right).sum()) for right in known)
    counted = f"{wrong:,} of all were judged wrongly. " if known else ""
    return (
        f"{counted}Here are the worst, and of the others those nearest to another verdict; predictions.csv has "
        "all. Verdicts are those at the stored operating point."
    )


def _score_of_cards(outcomes: Mapping[str, Outcome], scored: Mapping[str, Sequence[Scored]]) -> str:
    part, first = next(iter(outcomes.items()))
    own = scored[part]
    return first.axis(own[0].name).score if len(own) == 1 else "score"


def _shares(available: Mapping[str, Sequence[Any] | NDArray[Any]], number: int) -> dict[str, int]:
    """How many of a number each part gets: two for the last one (test) for each one of the others.

    Example:
        >>> _shares({"val": range(9), "test": range(9)}, 6), _shares({"val": range(9), "test": range(1)}, 6)
        ({'val': 2, 'test': 4}, {'val': 5, 'test': 1})
    """
    dealt = dict.fromkeys(available, 0)
    turns = [*reversed(dealt), *list(dealt)[-1:]]
    while any(dealt[part] < len(own) for part, own in available.items()) and sum(dealt.values()) < number:
        for part in turns:
            if dealt[part] < len(available[part]) and sum(dealt.values()) < number:
                dealt[part] += 1
    return dealt


def _card(
    data: ImageDataModule,
    part: str,
    outcome: Outcome,
    came_off: Judged,
    position: int,
    wrongness: float,
    evidence: Picture | None,
) -> Card:
    row = int(outcome.rows[position])
    told = outcome.told(position)
    margin, score = float(came_off.margin[position]), float(came_off.score[position])
    known = not math.isnan(margin)
    return Card(
        file=data.samples.files[row],
        part=part,
        target=told.target,
        verdict=told.verdict,
        kinds=came_off.kinds[position],
        wrongness=wrongness if math.isfinite(wrongness) else _RIGHT - margin if known else 2 * _RIGHT,
        certainty=margin if known else 1e9,
        score=None if math.isnan(score) else score,
        facts=told.facts,
        picture=thumbnail(_pixels(data, row), _THUMBNAIL),
        evidence=evidence,
    )


def _pixels(data: ImageDataModule, row: int) -> np.ndarray:
    """An image as the network sees it, uint8 [H, W, C]."""
    pixels: np.ndarray = data.images(np.array([row]))[0].permute(1, 2, 0).numpy()
    return pixels


def evidence_of(
    task: InspectionTask,
    data: ImageDataModule,
    outcome: Outcome,
    chosen: NDArray[np.int64],
    drawers: Sequence[PanelLogger],
) -> dict[int, Picture]:
    """Panels of images by their position."""
    for drawer in drawers:
        if isinstance(task, drawer.draws):
            drawn = drawer.drawn(task, data, outcome, chosen)
            return {
                position: thumbnail(panel, _EVIDENCE)
                for position, panel in zip(chosen.tolist(), drawn, strict=True)
            }
    return {}
