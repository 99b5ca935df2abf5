"""Images that are worth a look: mistakes and least certain ones, filtered and sorted in the page."""

from collections.abc import Iterable

from inspection.report.contents import Card, Gallery, Report, figure_text
from inspection.report.markup import Html, data_block, element, together
from inspection.report.sections import image

_ORDERS = (
    ("given", "as chosen"),
    ("wrong", "most wrong first"),
    ("certain", "least certain first"),
    ("score", "highest score first"),
    ("file", "by file name"),
)
_MOST_CHOICES = 40
"""Different values that a filter offers; of more (measured values, say) it is left out."""


def gallery(report: Report, given: Gallery) -> Html:
    """Filters, cards, and one of them large."""
    cards = given.cards
    names = list(dict.fromkeys(name for card in cards for name, _ in card.kinds))
    parts = list(dict.fromkeys(card.part for card in cards))
    kinds = [kind for kind in _KINDS if any(kind == own for card in cards for _, own in card.kinds)]
    data = {
        "cards": [
            {
                "file": card.file,
                "part": parts.index(card.part),
                "target": card.target,
                "verdict": card.verdict,
                "kinds": [[names.index(name), kind] for name, kind in card.kinds],
                "wrong": card.wrongness,
                "certain": card.certainty,
                "score": card.score,
            }
            for card in cards
        ]
    }
    words = f"{len(cards):,} of {given.total:,} evaluated images are in this file. {given.text}"
    evidence = any(card.evidence for card in cards)
    filters = [
        element("label", "File name ", element("input", type="search", id="find", autocomplete="off")),
        _select("about", "About ", list(enumerate(names))) if len(names) > 1 else None,
        _select("kind", "Result ", [(kind, _KINDS[kind]) for kind in kinds]) if len(kinds) > 1 else None,
        _select("part", "Part ", [(n, report.part_names.get(part, part)) for n, part in enumerate(parts)])
        if len(parts) > 1
        else None,
        _values("target", "Target ", (card.target for card in cards)),
        _values("verdict", "Verdict ", (card.verdict for card in cards)),
        element(
            "label",
            "Order ",
            element("select", [element("option", words, value=key) for key, words in _ORDERS], id="order"),
        ),
        _views() if evidence and any(card.picture for card in cards) else None,
        element("button", "Show all", type="button", id="show-all"),
    ]
    return together(
        element("p", words, class_="quiet"),
        element("div", filters, class_="panel filters", role="group", aria_label="Filter the images"),
        element("p", f"{len(cards):,} shown", id="shown", role="status", aria_live="polite"),
        element(
            "ul",
            [_card(report, given, card, n) for n, card in enumerate(cards)],
            class_="cards both",
            id="cards",
        ),
        _dialog(),
        data_block("gallery-data", data),
    )


_KINDS = {
    "missed": "a missed defect",
    "false alarm": "a false alarm",
    "wrong": "another class",
    "wrong place": "right, at a wrong place",
    "right": "right",
}


def _select(key: str, words: str, choices: Iterable[tuple[object, str]]) -> Html:
    options = [element("option", "any", value="")]
    options += [element("option", label, value=str(value)) for value, label in choices]
    return element("label", words, element("select", options, id=f"filter-{key}"))


def _values(key: str, words: str, values: Iterable[str]) -> Html | None:
    distinct = sorted(set(values))
    if not 1 < len(distinct) <= _MOST_CHOICES:
        return None
    return _select(key, words, [(value, value) for value in distinct])


def _views() -> Html:
    choices = (("both", "image and evidence"), ("image", "image"), ("evidence", "evidence"))
    options = [element("option", words, value=value) for value, words in choices]
    return element("label", "Show ", element("select", options, id="view"))


def _card(report: Report, given: Gallery, card: Card, number: int) -> Html:
    wrong = [(name, kind) for name, kind in card.kinds if kind != "right"]
    several = len({name for each in given.cards for name, _ in each.kinds}) > 1
    badges = [
        element(
            "span",
            f"{kind}: {name}" if several and kind != "wrong" else kind,
            class_=f"badge {kind.replace(' ', '-')}",
        )
        for name, kind in wrong
    ] or [element("span", "right", class_="badge right")]
    pictures = [
        image(picture, f"{words} {card.file}", class_=style)
        for picture, words, style in (
            (card.picture, "image", "image"),
            (card.evidence, "evidence for", "evidence"),
        )
        if picture is not None
    ]
    scored = card.score is not None and given.score not in dict(card.facts)
    rows = [
        ("target", card.target),
        ("verdict", card.verdict),
        *([(given.score, figure_text(card.score or 0.0))] if scored else []),
        *card.facts,
        ("part", report.part_names.get(card.part, card.part)),
    ]
    details = [
        element("div", element("dt", name), element("dd", element("bdi", value))) for name, value in rows
    ]
    button = element("button", pictures, type="button", class_="picture", aria_label=f"Enlarge {card.file}")
    return element(
        "li",
        button if pictures else None,
        element("h3", element("bdi", _breakable(card.file))),
        element("p", badges, class_="badges"),
        element("dl", details),
        class_="card",
        id=f"card-{number}",
    )


def _breakable(file: str) -> Html:
    """A path that is broken between its folders rather than within a name."""
    *folders, name = file.split("/")
    return together([[folder, "/", element("wbr")] for folder in folders], name)


def _dialog() -> Html:
    def button(key: str, words: str) -> Html:
        return element("button", words, type="button", id=f"large-{key}")

    return element(
        "dialog",
        element(
            "div",
            element("h2", element("bdi", id="large-file"), id="large-title"),
            element(
                "div",
                button("before", "Previous"),
                button("next", "Next"),
                button("close", "Close"),
                class_="row",
            ),
            class_="bar",
        ),
        element("p", id="large-badges", class_="badges"),
        element("div", id="large-pictures"),
        element("dl", id="large-facts", class_="facts"),
        id="large",
        aria_labelledby="large-title",
    )
