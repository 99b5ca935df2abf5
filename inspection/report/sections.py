"""The parts of a page that only show: head, tables, matrices, diagrams, pictures."""

import base64
import math
from collections.abc import Sequence

import numpy as np

from inspection.report import charts
from inspection.report.contents import (
    Calibration,
    Cell,
    Confusion,
    Figure,
    Gathering,
    LineChart,
    Picture,
    Report,
    Table,
    figure_text,
)
from inspection.report.glossary import glossary, title_of, titles_in
from inspection.report.markup import Html, element, together

_SHADES = 10
_SLANTED = 6  # classes: the names of more do not fit side by side


def head(report: Report) -> Html:
    """What was inspected, on which data and with what."""
    badge = element("strong", "SYNTHETIC images", class_="badge synthetic") if report.synthetic else None
    return element(
        "header",
        element("p", element("span", report.task, class_="task"), badge, class_="eyebrow"),
        element("h1", report.question),
        highlights(report),
        facts(report.facts),
        [element("p", element("strong", "Note: "), note, class_="note") for note in report.notes],
        class_="head",
    )


def highlights(report: Report) -> Html | None:
    """What matters most, in large letters."""
    if not report.highlights:
        return None
    tiles = []
    for name, figure in report.highlights:
        between = None
        if figure.low is not None and figure.high is not None and not math.isnan(figure.low + figure.high):
            between = element(
                "dd", f"{figure_text(figure.low)} to {figure_text(figure.high)}", class_="between"
            )
        tiles.append(
            element(
                "div",
                element("dt", title_of(name)),
                element("dd", figure_text(figure.value), class_="value"),
                between,
            )
        )
    of = element("p", report.highlights_of, class_="of") if report.highlights_of else None
    return element("div", element("dl", tiles, class_="tiles"), of, class_="highlights")


def facts(pairs: Sequence[tuple[str, str]]) -> Html | None:
    """Names and values."""
    if not pairs:
        return None
    items = [element("div", element("dt", name), element("dd", value)) for name, value in pairs]
    return element("dl", items, class_="facts")


def figures(report: Report) -> Html:
    """Main figures in rows with a column a part, further ones in columns, and what they all mean."""
    shown: list[Html] = []
    if report.headline is not None:
        (corner, *parts), *rows = report.headline.rows
        columns = [corner, *(report.part_names.get(str(part), part) for part in parts)]
        named = [columns, *([title_of(str(row[0])), *row[1:]] for row in rows)]
        shown.append(table(Table(titles_in(report.headline.title), named)))
    for each in report.tables:
        header, *rows = each.rows
        shown.append(table(Table(each.title, [[title_of(str(name)) for name in header], *rows])))
    main = [row[0] for row in report.headline.rows[1:]] if report.headline else []
    names = [*main, *(name for each in report.tables for name in each.rows[0])]
    return together(shown, glossary(map(str, names)))


def table(given: Table) -> Html:
    """A table that scrolls by itself where the page is narrow."""
    names, *rows = given.rows
    top = element("tr", [element("th", str(name), scope="col") for name in names])
    body = [
        element("tr", element("th", str(row[0]), scope="row"), [_cell(cell) for cell in row[1:]])
        for row in rows
    ]
    return scrolled(
        given.title,
        element(
            "table",
            element("caption", given.title),
            element("thead", top),
            element("tbody", body),
        ),
    )


def _cell(cell: Cell) -> Html:
    if isinstance(cell, Figure):
        text = str(cell)
        value, _, between = text.partition(" (")
        range_ = element("span", f" ({between}", class_="between") if between else None
        return element("td", value, range_)
    if isinstance(cell, float):
        return element("td", figure_text(cell))
    return element("td", f"{cell:,}" if isinstance(cell, int) else cell)


def scrolled(name: str, content: Html) -> Html:
    """What may be wider than the page; reached and scrolled by keys."""
    return element("div", content, class_="scroll", tabindex=0, role="region", aria_label=name)


def confusion(given: Confusion) -> Html:
    """A matrix whose shade is the share of the row, by the root: a few mistakes in a hundred are seen."""
    counts = np.asarray(given.counts)
    totals = counts.sum(1)
    rows = []
    for row, name in enumerate(given.names):
        cells = []
        for column, count in enumerate(counts[row].tolist()):
            share = count / totals[row] if totals[row] else 0.0
            shade = math.ceil(math.sqrt(share) * _SHADES)
            style = f"{'hit' if row == column else 'miss'} shade{shade}"
            share_text = element("span", _percent(share), class_="share") if count else None
            cells.append(element("td", f"{count:,}", share_text, class_=style))
        rows.append(
            element(
                "tr",
                element("th", name, element("span", f" n = {totals[row]:,}", class_="share"), scope="row"),
                cells,
            )
        )
    right, every = int(np.trace(counts)), int(counts.sum())
    said = f"{right:,} of {every:,} right" if every else "no images"
    if given.nothing:  # a box where nothing is, is no object that could have been found
        said = f"{right:,} of {totals[:-1].sum():,} objects found, {totals[-1]:,} boxes where nothing is"
    top = element(
        "tr",
        element("td", "target ↓ verdict →", class_="corner"),
        [element("th", element("span", name), scope="col") for name in given.names],
    )
    slanted = " slanted" if len(given.names) > _SLANTED else ""
    return scrolled(
        given.title,
        element(
            "table",
            element("caption", f"{given.title}: {said}"),
            element("thead", top),
            element("tbody", rows),
            class_=f"confusion{slanted}",
        ),
    )


def _percent(share: float) -> str:
    """Rounded, but never up to 100 % nor down to 0 % what is not."""
    if 0.9995 <= share < 1:
        return ">99.9 %"
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{share:.0%}".replace("%", " %") if share in (0.0, 1.0) else f"{100 * share:.1f} %"


def calibrations(given: Sequence[Calibration], parts: dict[str, str]) -> Html:
    """Diagrams side by side."""
    drawn = []
    for each in given:
        title = f"{each.name}, {parts.get(each.part, each.part)} images"
        text = element("p", each.text, class_="quiet") if each.text else None
        drawn.append(element("div", element("h3", title), charts.reliability(each), text))
    return element("div", drawn, class_="charts")


def training(given: Sequence[LineChart]) -> Html:
    """Curves over the epochs."""
    return element("div", [charts.lines(chart) for chart in given], class_="charts wide")


def gathering(given: Gathering) -> Html:
    """Titled pictures; of many each in its own row, as they are wide."""
    figures = [
        element("figure", image(each.picture, each.title), element("figcaption", each.title))
        for each in given.pictures
    ]
    text = element("p", given.text, class_="quiet") if given.text else None
    style = "pictures" + " wide" * given.wide
    shown = element("ul", [element("li", figure) for figure in figures], class_=style)
    return together(element("h3", given.title), text, shown)


def image(picture: Picture, words: str, **attributes: str) -> Html:
    """A picture within the page."""
    kind = "png" if picture.data.startswith(b"\x89PNG") else "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(picture.data).decode('ascii')}"
    return element(
        "img",
        src=Html(source),
        alt=words,
        width=picture.width,
        height=picture.height,
        **attributes,
    )


def reproduce(report: Report) -> Html:
    """The command and the config that make the run again, and what was decided since."""
    command = None
    if report.command:
        command = element(
            "div",
            element("pre", element("code", report.command, id="command"), tabindex=0),
            element("button", "Copy the command", type="button", class_="copy", data_of="command"),
            class_="copied",
        )
    config = None
    if report.config:
        config = element(
            "details",
            element("summary", "The composed config"),
            element(
                "div",
                element("button", "Copy the config", type="button", class_="copy", data_of="config"),
                element("pre", element("code", report.config, id="config"), tabindex=0),
            ),
        )
    later = None
    if report.later:
        said = "Since then the operating point was chosen anew (scripts/decide.py); the command does not do that:"
        later = together(element("p", said), facts(report.later))
    return together(command, later, config)
