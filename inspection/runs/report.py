"""The report of a run: what was found of its images becomes one page."""

import shlex
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inspection.callbacks.panels import PanelLogger
from inspection.config.jobs import first_line, wants_traceback
from inspection.config.saved import read_overrides
from inspection.data.module import ImageDataModule
from inspection.data.replace import replace_file
from inspection.decide.rules import Cost
from inspection.decide.scores import Scored
from inspection.models.modes import evaluating
from inspection.report import Report, render
from inspection.report.contents import (
    Calibration,
    Cell,
    Confusion,
    Figure,
    Reliability,
    Scores,
    Table,
)
from inspection.runs import console
from inspection.runs.checkpoints import trainable_and_total
from inspection.runs.examples import gatherings_of
from inspection.runs.folder import CONFIG, REPORT
from inspection.runs.gallery import gallery_of, scored_of
from inspection.runs.prepare import build_rule
from inspection.runs.results import PARTS_IN_WORDS
from inspection.runs.training_charts import curve_name, read_history, training_charts
from inspection.tasks import outcomes as found
from inspection.tasks.module import InspectionTask
from inspection.tasks.operating import in_words
from inspection.tasks.outcomes import Outcome

_HIGHLIGHTS = 4


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
    """Write `report.html`; where that fails the run stays as it is with the page that it had, and a line says why.

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
    try:
        drawers = [each for each in callbacks if isinstance(each, PanelLogger)]
        report = report_of(run, config, task, data, outcomes, made, drawers)
        replace_file(place, render(report).encode("utf-8"))
    except Exception as error:
        # All else of the run is written: hours of training are not lost for a page about it.
        before = f"; {place} is that of before, at another state of the run" if place.exists() else ""
        print(f"note: {REPORT} could not be written ({first_line(error)}){before}", flush=True)
        if wants_traceback():
            traceback.print_exception(error)
        else:
            print("      HYDRA_FULL_ERROR=1 shows where", flush=True)


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
    scored = {own: scored_of(outcome) for own, outcome in outcomes.items()}
    record = task.record_of_operating()
    confidence = record.get("confidence")
    with evaluating(task.model):
        gallery = gallery_of(task, data, outcomes, scored, drawers)
        gatherings = gatherings_of(task, data, part, last, drawers)
    return Report(
        task=config["task"]["name"],
        question=config["task"]["question"],
        synthetic=data.is_synthetic,
        facts=_facts(task, data, made),
        notes=data.notes,
        highlights=[
            (name, Figure(value, *last.intervals.get(name, ())))
            for name, value in list(last.main_figures().items())[:_HIGHLIGHTS]
        ],
        highlights_of=f"{PARTS_IN_WORDS[part]} images{_meant(last, confidence)}",
        operating_point=in_words(record),
        split=_split(data),
        headline=tables[0],
        tables=[
            Table(f"{PARTS_IN_WORDS[part]} images: {each.title}", each.rows)
            for each in tables[1:]
            if each.title != found.MATRIX
        ],
        confusions=[
            Confusion(
                f"{f'{name}, ' if name else ''}{PARTS_IN_WORDS[own]} images",
                each.names,
                each.counts,
                (name, own),
                each.nothing,
            )
            for own, outcome in reversed(list(outcomes.items()))
            for name, each in outcome.confusions().items()
        ],
        scores=_scores(outcomes, scored),
        costs=(task.rule.missed, task.rule.false_alarm) if isinstance(task.rule, Cost) else (1.0, 1.0),
        calibrations=_calibrations(outcomes),
        gallery=gallery,
        gatherings=gatherings,
        training=training_charts(
            read_history(run / "history.csv"), made.get("monitor"), made.get("best_epoch"), last
        ),
        command=_command(run),
        later=_decided_later(config, task, record),
        config=(run / CONFIG).read_text(encoding="utf-8") if (run / CONFIG).is_file() else "",
        part_names=PARTS_IN_WORDS,
    )


def _meant(outcome: Outcome, confidence: float | None) -> str:
    unit = f"; errors in {outcome.unit}" if outcome.unit else ""
    if not outcome.intervals or not confidence:
        return unit
    return f"{unit}; below each figure, where {confidence:.0%} of them lie when the images are drawn anew"


def _split(data: ImageDataModule) -> Table:
    rows = console.split_rows(data, data.samples)
    return Table(
        "Images of each part", [[int(cell) if cell.isdigit() else cell for cell in row] for row in rows]
    )


def _facts(task: InspectionTask, data: ImageDataModule, made: Mapping[str, Any]) -> list[tuple[str, str]]:
    kind = "SYNTHETIC images" if data.is_synthetic else "images"
    total = trainable_and_total(task.model.network)[1]
    facts = [
        ("data", f"{len(data.samples.files):,} {kind} in {data.root}"),
        ("seen as", f"{'x'.join(map(str, data.geometry.shape))} (channels, height, width)"),
        # Of a run that is looked at again: how it was split at first, not that its table of then was read.
        ("split", data.split_by),
        ("network", f"{console.network_name(task.model.network)}, {total:,} parameters"),
    ]
    if made.get("trained") is not None:
        facts.append(("trained", made["trained"]))
    trained_on = made.get("trained_on")
    if trained_on:
        kind = "SYNTHETIC images" if trained_on["synthetic"] else "images"
        facts.append(("trained on", f"{trained_on['images']:,} {kind} in {trained_on['root']}"))
    if made.get("best_epoch") is not None:
        facts.append(("best epoch", str(made["best_epoch"])))
    if made.get("monitor") is not None:
        facts.append(("chosen by", curve_name(made["monitor"])))
    words = {"seed": "seed", "precision": "numbers"}
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


def _scores(outcomes: Mapping[str, Outcome], scored: Mapping[str, Sequence[Scored]]) -> list[Scores]:
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
            for each in scored[part]
        ]
    return scores


def _calibrations(outcomes: Mapping[str, Outcome]) -> list[Calibration]:
    return [
        Calibration(name or "the most probable class", part, _bins(before), _bins(after))
        for part, outcome in outcomes.items()
        for name, (before, after) in outcome.reliabilities().items()
    ]


def _bins(given: Any) -> Reliability:
    return Reliability(given.confidence, given.right, given.counts, given.error)


def _decided_later(
    config: Mapping[str, Any], task: InspectionTask, record: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """What has been decided since the training, of which neither command nor config know."""
    if not record or not config.get("decide"):
        return []
    trained_by = build_rule(config["decide"], task)
    same = record["rule"] == trained_by.words() and list(record["flips"]) == list(trained_by.flips)
    return [] if same else in_words(record)


def _command(run: Path) -> str:
    """The command line that a run was started with; nothing where Hydra did not start it."""
    overrides = read_overrides(run / ".hydra" / "overrides.yaml")
    return shlex.join(["python", "scripts/train.py", *overrides]) if overrides else ""
