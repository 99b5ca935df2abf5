"""The threshold slider: what is missed and what is a false alarm at each threshold, and what that costs."""

from inspection.report import charts
from inspection.report.contents import Report, Scores
from inspection.report.histogram import score_histogram
from inspection.report.markup import Html, data_block, element, together
from inspection.report.sections import confusion, facts
from inspection.report.thresholds import Steps

_TILES = (
    ("missed", "missed"),
    ("alarms", "false alarms"),
    ("found", "found"),
    ("recall", "recall"),
    ("precision", "precision"),
    ("f1", "F1"),
    ("cost", "cost"),
)


def operating(report: Report) -> Html:
    """The stored operating point, a slider for others, and the curves of each name and part."""
    steps = [Steps.of(each.scores, each.truth, each.unscored, keep=each.stored) for each in report.scores]
    first = _first(report)
    curves = [
        _curves(each, own, report, shown=number == first)
        for number, (each, own) in enumerate(zip(report.scores, steps, strict=True))
    ]
    return together(
        facts(report.operating_point),
        element(
            "div",
            _chooser(report, first),
            _slider(),
            element("p", id="spoken", class_="spoken", role="status", aria_live="polite"),
            _tiles(),
            _costs(report),
            class_="panel slider",
        ),
        curves,
        data_block("scores", _data(report, steps, first)),
    )


def _first(report: Report) -> int:
    """Validation scores of the first name: what is chosen on test images has no honest test figures."""
    of_first = [n for n, each in enumerate(report.scores) if each.name == report.scores[0].name]
    return next((n for n in of_first if report.scores[n].part == "val"), of_first[0])


def _chooser(report: Report, first: int) -> Html:
    called = {each.name: each.called or each.name for each in report.scores}
    parts = list(dict.fromkeys(each.part for each in report.scores))
    chosen = report.scores[first]
    return element(
        "div",
        element(
            "label",
            "Threshold of ",
            element(
                "select",
                [
                    element("option", words, value=n, selected=name == chosen.name)
                    for n, (name, words) in enumerate(called.items())
                ],
                id="slider-name",
            ),
        ),
        element(
            "label",
            "counted on ",
            element(
                "select",
                [
                    element(
                        "option", f"{report.part_names.get(p, p)} images", value=n, selected=p == chosen.part
                    )
                    for n, p in enumerate(parts)
                ],
                id="slider-part",
            ),
        ),
        element("button", "Its images in the gallery", type="button", id="to-gallery", hidden=True),
        element(
            "p",
            "A threshold that is chosen on test images makes the test figures too good to be true. Choose on "
            "validation images, then look here once.",
            id="test-warning",
            class_="warning",
            role="alert",
            hidden=True,
        ),
        class_="chooser",
    )


def _slider() -> Html:
    return element(
        "div",
        element("label", "Threshold", for_="threshold-number"),
        element(
            "input",
            type="number",
            id="threshold-number",
            step="any",
            autocomplete="off",
            aria_describedby="threshold-keys",
        ),
        element("button", "Back to the stored point", type="button", id="to-stored"),
        element("button", "Lowest cost", type="button", id="to-cheapest"),
        element(
            "input",
            type="range",
            id="threshold-range",
            min=0,
            max=1,
            step=1,
            value=0,
            aria_label="threshold, from score to score",
        ),
        element("span", "Arrow keys go from score to score.", id="threshold-keys", class_="spoken"),
        class_="moved",
    )


def _tiles() -> Html:
    tiles = [
        element(
            "div",
            element("dt", words),
            element(
                "dd",
                element("span", "–", id=f"count-{name}"),
                element("span", id=f"of-{name}", class_="of"),
                class_="value",
            ),
            element("dd", id=f"stored-{name}", class_="between"),
            class_=name,
        )
        for name, words in _TILES
    ]
    return element("dl", tiles, class_="tiles counts")


def _costs(report: Report) -> Html:
    fields = []
    for name, words, cost in zip(
        ("missed", "alarm"), ("a missed one costs", "a false alarm costs"), report.costs, strict=True
    ):
        box = element("input", type="number", id=f"cost-{name}", min=0, step="any", value=f"{cost:g}")
        fields.append(element("label", f"{words} ", box))
    return element("div", fields, element("p", id="cheapest", class_="quiet"), class_="costs")


def _curves(scores: Scores, steps: Steps, report: Report, shown: bool) -> Html:
    part = report.part_names.get(scores.part, scores.part)
    drawn = [
        score_histogram(
            scores.scores,
            scores.truth,
            scores.stored,
            scores.what,
            scores.called or scores.name,
            scores.counted,
        ),
        charts.precision_recall(steps, scores.stored, scores.countable),
    ]
    if scores.countable:
        drawn.append(charts.roc(steps, scores.stored))
    of = (scores.name, scores.part)
    drawn += [charts.reliability(each) for each in report.calibrations if (each.name, each.part) == of]
    matrices = [confusion(each) for each in report.confusions if each.of == of]
    return element(
        "div",
        element("h3", element("bdi", scores.called or scores.name), f", {part} images"),
        element("div", drawn, class_=f"charts of{len(drawn)}"),
        element("div", matrices, class_="matrices") if matrices else None,
        class_="curves" + " elsewhere" * (not shown),
    )


def _data(report: Report, steps: list[Steps], first: int) -> dict[str, object]:
    names = list(dict.fromkeys(each.name for each in report.scores))
    parts = list(dict.fromkeys(each.part for each in report.scores))
    sets = [
        own.packed()
        | {
            "name": names.index(each.name),
            "part": parts.index(each.part),
            "what": f"{each.called or each.name}, {report.part_names.get(each.part, each.part)} images",
            "stored": each.stored,
            "low": each.low,
            "high": each.high,
            "counted": each.counted,
            "countable": each.countable,
        }
        for each, own in zip(report.scores, steps, strict=True)
    ]
    return {"names": names, "parts": parts, "sets": sets, "first": first}
