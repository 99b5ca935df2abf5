"""The report of a run: what was found of its images becomes one page."""

import csv
import math
import shlex
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection.callbacks.charts import has_curve
from inspection.callbacks.panels import PanelLogger
from inspection.callbacks.samples import spread
from inspection.config.saved import read_overrides
from inspection.data.module import ImageDataModule
from inspection.decide.rules import Cost
from inspection.models.modes import evaluating
from inspection.report import Report, render, thumbnail
from inspection.report.contents import (
    Calibration,
    Card,
    Cell,
    Confusion,
    Figure,
    Gallery,
    Gathering,
    Kind,
    LineChart,
    Picture,
    Reliability,
    Scores,
    Series,
    Table,
    Titled,
)
from inspection.runs import console
from inspection.runs.checkpoints import trainable_and_total
from inspection.runs.folder import CONFIG, REPORT
from inspection.tasks import outcomes as found
from inspection.tasks.module import InspectionTask
from inspection.tasks.name_outcomes import NameOutcome
from inspection.tasks.operating import in_words
from inspection.tasks.outcomes import Outcome

MISTAKES, UNSURE = 40, 20
"""Images in the gallery: wrong ones of all parts together, and of the others those nearest to a threshold."""
_EXAMPLES = 2  # pictures of each kind of image
_MOST_EXAMPLES = 12
_HIGHLIGHTS = 4
_THUMBNAIL, _EVIDENCE, _SHEET = 240, 720, 1400  # px, longer side
_PARTS = {"train": "training", "val": "validation", "test": "test", "new": "new"}


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


def write_report(
    folder: Path,
    run: Path,
    config: Mapping[str, Any],
    task: InspectionTask,
    data: ImageDataModule,
    outcomes: Mapping[str, Outcome],
    made: Mapping[str, Any],
    callbacks: Iterable[Any],
) -> None:
    """Write `report.html`; where that fails the run stays as it is, and a line says why.

    Args:
        folder: Of the run, or of an evaluation.
        run: That was trained.
        config: The composed config.
        task: As it was evaluated.
        data: The images.
        outcomes: Of the parts; the last one is shown first.
        made: What `metrics.json` says of the making.
        callbacks: Of the trainer: those that draw panels give the evidence.
    """
    place = folder / REPORT
    place.unlink(missing_ok=True)  # of an earlier operating point
    try:
        drawers = [each for each in callbacks if isinstance(each, PanelLogger)]
        report = report_of(run, config, task, data, outcomes, made, drawers)
        place.write_text(render(report), encoding="utf-8", newline="\n")
    except Exception as error:
        # All else of the run is written: hours of training are not lost for a page about it.
        where = traceback.extract_tb(error.__traceback__)[-1]
        print(
            f"note: {REPORT} could not be written ({type(error).__name__}: {error}; {where.name})", flush=True
        )


def report_of(
    run: Path,
    config: Mapping[str, Any],
    task: InspectionTask,
    data: ImageDataModule,
    outcomes: Mapping[str, Outcome],
    made: Mapping[str, Any],
    drawers: Sequence[PanelLogger],
) -> Report:
    """What the report of a run shows; arguments as of `write_report`."""
    part, last = list(outcomes.items())[-1]
    tables = [_table(each) for each in last.tables(outcomes)]
    record = task.record_of_operating()
    confidence = record.get("confidence")
    with evaluating(task.model):
        gallery = gallery_of(task, data, outcomes, drawers)
        gatherings = _gatherings(run, task, data, part, last, drawers)
    return Report(
        task=config["task"]["name"],
        question=config["task"]["question"],
        synthetic=data.is_synthetic,
        facts=_facts(run, task, data, made),
        notes=data.notes,
        highlights=[
            (name, Figure(value, *last.intervals.get(name, ())))
            for name, value in list(last.main_figures().items())[:_HIGHLIGHTS]
        ],
        highlights_of=f"{_PARTS[part]} images{_meant(last, confidence)}",
        operating_point=in_words(record),
        split=_split(data),
        headline=tables[0],
        tables=[
            Table(f"{_PARTS[part]} images: {each.title}", each.rows)
            for each in tables[1:]
            if each.title != found.MATRIX
        ],
        confusions=[
            Confusion(
                f"{f'{name}, ' if name else ''}{_PARTS[own]} images", each.names, each.counts, (name, own)
            )
            for own, outcome in reversed(list(outcomes.items()))
            for name, each in outcome.confusions().items()
        ],
        scores=_scores(outcomes),
        costs=(task.rule.missed, task.rule.false_alarm) if isinstance(task.rule, Cost) else (1.0, 1.0),
        calibrations=_calibrations(outcomes),
        gallery=gallery,
        gatherings=gatherings,
        training=training_charts(
            _history(run / "history.csv"), made.get("monitor"), made.get("best_epoch"), last
        ),
        command=_command(run),
        config=(run / CONFIG).read_text(encoding="utf-8") if (run / CONFIG).is_file() else "",
        part_names=_PARTS,
    )


def _meant(outcome: Outcome, confidence: float | None) -> str:
    if not outcome.intervals or not confidence:
        return ""
    return f"; below each figure, where {confidence:.0%} of them lie when the images are drawn anew"


def _split(data: ImageDataModule) -> Table:
    rows = console.split_rows(data, data.samples)
    return Table(
        "Images of each part", [[int(cell) if cell.isdigit() else cell for cell in row] for row in rows]
    )


def _facts(
    run: Path, task: InspectionTask, data: ImageDataModule, made: Mapping[str, Any]
) -> list[tuple[str, str]]:
    kind = "SYNTHETIC images" if data.is_synthetic else "images"
    total = trainable_and_total(task.model.network)[1]
    facts = [
        ("data", f"{len(data.samples.files):,} {kind} in {data.root}"),
        ("seen as", f"{'x'.join(map(str, data.geometry.shape))} (channels, height, width)"),
        ("split", data.split_by),
        ("network", f"{console.network_name(task.model.network)}, {total:,} parameters"),
    ]
    if (run / CONFIG).is_file():
        began = time.localtime((run / CONFIG).stat().st_mtime)
        facts.append(("trained", time.strftime("%Y-%m-%d %H:%M", began)))
    trained_on = made.get("trained_on")
    if trained_on:
        kind = "SYNTHETIC images" if trained_on["synthetic"] else "images"
        facts.append(("trained on", f"{trained_on['images']:,} {kind} in {trained_on['root']}"))
    words = {"best_epoch": "best epoch", "monitor": "chosen by", "seed": "seed", "precision": "precision"}
    facts += [(word, str(made[name])) for name, word in words.items() if made.get(name) is not None]
    if made.get("minutes") is not None:
        facts.append(("took", f"{made['minutes']:g} minutes"))
    return facts


def _table(given: found.Table) -> Table:
    return Table(given.title, [[_cell(cell) for cell in row] for row in given.rows])


def _cell(cell: found.Cell) -> Cell:
    if isinstance(cell, found.Sure):
        return Figure(cell.value, *(cell.interval or ()))
    return cell


def _scores(outcomes: Mapping[str, Outcome]) -> list[Scores]:
    scores = []
    for part, outcome in outcomes.items():
        points = outcome.decision.points()
        scores += [
            Scores(
                name=each.name,
                part=part,
                scores=each.scores,
                truth=each.truth,
                unscored=len(each.unscored),
                stored=points[each.name],
                low=each.low,
                high=each.high,
                what=outcome.axis(each.name).score,
                called=outcome.axis(each.name).called,
                counted="images" if each.countable_negatives else "boxes",
                countable=each.countable_negatives,
            )
            for each in _scored(outcome)
        ]
    return scores


def _scored(outcome: Outcome) -> list[Any]:
    try:
        return list(outcome.scored())
    except ValueError:  # a network that has diverged: there is nothing to move a threshold over
        return []


def _calibrations(outcomes: Mapping[str, Outcome]) -> list[Calibration]:
    return [
        Calibration(name or "the most probable class", part, _bins(before), _bins(after))
        for part, outcome in outcomes.items()
        for name, (before, after) in outcome.reliabilities().items()
    ]


def _bins(given: Any) -> Reliability:
    return Reliability(given.confidence, given.right, given.counts, given.error)


# ---- gallery ----------------------------------------------------------------------------------------------------


def judged(outcome: Outcome) -> Judged:
    """How each image came off, by what is called from a score on."""
    count = len(outcome.rows)
    points = outcome.decision.points()
    kinds: list[list[tuple[str, Kind]]] = [[] for _ in range(count)]
    margin, score = np.full(count, np.nan), np.full(count, np.nan)
    scored = _scored(outcome)
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
    right = outcome.right
    for place, own in enumerate(kinds):
        wrong = right is not None and not bool(right[place])
        if wrong and all(kind == "right" for _, kind in own):  # another class than the one it has
            kinds[place] = [(name, "wrong") for name, _ in own] or [("", "wrong")]
        elif not own and right is not None:
            kinds[place] = [("", "right")]
    return Judged(kinds, margin, score)


def gallery_of(
    task: InspectionTask,
    data: ImageDataModule,
    outcomes: Mapping[str, Outcome],
    drawers: Sequence[PanelLogger],
    mistakes: int = MISTAKES,
    unsure: int = UNSURE,
) -> Gallery | None:
    """The worst mistakes and the least certain of the other images, with pictures.

    Args:
        task: In evaluation mode.
        data: The images.
        outcomes: Of the parts.
        drawers: Draw the evidence.
        mistakes: Of all parts together at most.
        unsure: As many others, and as many more as there are fewer mistakes.
    """
    cards: list[Card] = []
    every = {part: outcome.mistakes(len(outcome.rows)) for part, outcome in outcomes.items()}
    worst = {part: every[part][:count] for part, count in _shares(every, mistakes).items()}
    others = {part: _least_certain(outcome, worst[part]) for part, outcome in outcomes.items()}
    free = mistakes + unsure - sum(map(len, worst.values()))
    for part, outcome in reversed(list(outcomes.items())):
        came_off = judged(outcome)
        nearest = others[part][: _shares(others, free)[part]]
        chosen = np.concatenate([worst[part], nearest]).astype(np.int64)
        evidence = _evidence(task, data, outcome, chosen, drawers)
        for rank, position in enumerate(chosen.tolist()):
            place = rank if rank < len(worst[part]) else None
            cards.append(_card(data, part, outcome, came_off, position, place, evidence.get(position)))
    if not cards:
        return None
    total = sum(len(outcome.rows) for outcome in outcomes.values())
    return Gallery(cards, total, _chosen_how(outcomes), _score_of_cards(outcomes))


def _least_certain(outcome: Outcome, without: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the other images that are judged rightly, those nearest to another verdict first."""
    if outcome.right is None:
        return np.zeros(0, np.int64)
    others = np.setdiff1d(np.flatnonzero(outcome.right.numpy()), without)
    return others[np.argsort(judged(outcome).margin[others], kind="stable")]  # NaN comes last


def _chosen_how(outcomes: Mapping[str, Outcome]) -> str:
    rights = [outcome.right for outcome in outcomes.values()]
    known = [right for right in rights if right is not None]
    wrong = sum(int((~right).sum()) for right in known)
    counted = f"{wrong:,} of all were judged wrongly. " if known else ""
    return (
        f"{counted}Here are the worst, and of the others those nearest to another verdict; predictions.csv has "
        "all. Verdicts are those at the stored operating point."
    )


def _score_of_cards(outcomes: Mapping[str, Outcome]) -> str:
    first = next(iter(outcomes.values()))
    scored = _scored(first)
    return first.axis(scored[0].name).score if len(scored) == 1 else "score"


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
    rank: int | None,
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
        wrongness=float(len(outcome.rows) - rank) if rank is not None else -margin if known else -1e9,
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


def _evidence(
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


def _gatherings(
    run: Path,
    task: InspectionTask,
    data: ImageDataModule,
    part: str,
    outcome: Outcome,
    drawers: Sequence[PanelLogger],
) -> list[Gathering]:
    """Examples of each kind of image, and the charts of a task that has others than a matrix."""
    kinds = {name: positions for name, positions in outcome.examples().items() if len(positions)}
    each = max(1, min(_EXAMPLES, _MOST_EXAMPLES // max(1, len(kinds))))
    chosen = [(name, int(p)) for name, own in kinds.items() for p in spread(own, each)][:_MOST_EXAMPLES]
    # An image may be an example of several attributes; it is drawn once.
    positions = np.array(list(dict.fromkeys(position for _, position in chosen)), np.int64)
    pictures = _evidence(task, data, outcome, positions, drawers)
    titles = {
        position: ", ".join(name for name, own in chosen if own == position)
        for position in positions.tolist()
    }
    gatherings = []
    if pictures:
        titled = [
            Titled(f"{titles[position]}: {data.samples.files[int(outcome.rows[position])]}", picture)
            for position, picture in pictures.items()
        ]
        gatherings.append(
            Gathering(
                f"Examples of {_PARTS[part]} images", titled, "Chosen evenly, not by how they came off."
            )
        )
    charts = [
        Titled(name.replace("_", " "), thumbnail(chart, _SHEET, 90))
        for name, chart in outcome.charts().items()
        if name != "confusion_matrix"
    ]
    if charts:
        gatherings.insert(0, Gathering(f"{_PARTS[part].capitalize()} images together", charts, wide=True))
    return gatherings


# ---- training ---------------------------------------------------------------------------------------------------


def _history(path: Path) -> list[dict[str, float]]:
    """Rows of `history.csv`; empty cells are left out."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            {name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream)
        ]


def training_charts(
    history: Sequence[Mapping[str, float]], monitor: str | None, best_epoch: int | None, outcome: Outcome
) -> list[LineChart]:
    """Losses and figures over the epochs, those that `learning_curves.png` has."""
    epochs = [row["epoch"] for row in history]
    names = sorted({name for row in history for name in row} - {"epoch", "step", "lr"})
    names = [name for name in names if name == monitor or has_curve(name, outcome)]
    charts = []
    for title, own in (
        ("Loss", [name for name in names if name.endswith("loss")]),
        ("Figures", [name for name in names if not name.endswith("loss")]),
    ):
        series = [
            Series(
                name + " (chose the best epoch)" * (name == monitor),
                epochs,
                [row.get(name, math.nan) for row in history],
                strong=name == monitor,
                dashed=name.startswith("train/"),
            )
            for name in own
        ]
        values = [value for each in series for value in each.ys if math.isfinite(value)]
        mark = None if best_epoch is None else (float(best_epoch), f"best epoch, {best_epoch}")
        share = title == "Figures" and all(0 <= value <= 1 for value in values)
        if values:
            charts.append(LineChart(title, "epoch", title.lower(), series, mark, share))
    return charts


def _command(run: Path) -> str:
    """The command line that a run was started with; nothing where Hydra did not start it."""
    overrides = read_overrides(run / ".hydra" / "overrides.yaml")
    return shlex.join(["python", "scripts/train.py", *overrides]) if overrides else ""
