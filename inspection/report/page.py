"""A report as one HTML file: no address outside of it, nothing of it is markup that was not written here."""

import base64
import hashlib
from importlib.resources import files

from inspection.report import sections
from inspection.report.contents import Report
from inspection.report.gallery import gallery
from inspection.report.markup import Html, element, together
from inspection.report.operating import operating


def render(report: Report) -> str:
    """The page of a report; write it with UTF-8."""
    style, script = _part("style.css"), _part("report.js")
    policy = (
        "default-src 'none'; img-src data:; "
        f"style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    shown = [(key, title, content) for key, title, content in _sections(report) if content]
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=policy),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{report.task}: {report.question}"),
            element("style", style),
        ),
        element(
            "body",
            element("a", "To the report", href="#report", class_="skip"),
            _navigation([(key, title) for key, title, _ in shown]),
            element(
                "main",
                sections.head(report),
                element(
                    "noscript",
                    element(
                        "p",
                        "Without scripts, slider and filters do nothing. All else is here.",
                        class_="warning",
                    ),
                ),
                [
                    element(
                        "section",
                        element("h2", title, id=f"{key}-title"),
                        content,
                        id=key,
                        aria_labelledby=f"{key}-title",
                    )
                    for key, title, content in shown
                ],
                id="report",
                tabindex=-1,
            ),
            element("script", script),
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _sections(report: Report) -> list[tuple[str, str, Html | None]]:
    pictures = together(sections.gathering(each) for each in report.gatherings)
    # What belongs to scores is shown with them.
    with_scores = {(each.name, each.part) for each in report.scores}
    matrices = [sections.confusion(each) for each in report.confusions if each.of not in with_scores]
    alone = [each for each in report.calibrations if (each.name, each.part) not in with_scores]
    calibrated = sections.calibrations(alone, dict(report.part_names))
    training = sections.training(report.training)
    return [
        ("figures", "Figures", sections.figures(report)),
        ("data", "Data", sections.table(report.split) if report.split else None),
        (
            "matrices",
            "What was taken for what",
            element("div", matrices, class_="matrices") if matrices else None,
        ),
        (
            "threshold",
            "Operating point",
            operating(report) if report.scores else sections.facts(report.operating_point),
        ),
        ("calibration", "Calibration", calibrated if alone else None),
        (
            "gallery",
            "Mistakes and least certain images",
            gallery(report, report.gallery) if report.gallery else None,
        ),
        ("pictures", "Pictures", pictures),
        ("training", "Training", training if report.training else None),
        ("again", "To make it again", sections.reproduce(report)),
    ]


def _navigation(links: list[tuple[str, str]]) -> Html:
    items = [element("li", element("a", title, href=f"#{key}")) for key, title in links]
    return element(
        "nav",
        element("a", "Inspection report", href="#report", class_="brand"),
        element("ul", items),
        element("button", "Dark theme", type="button", id="theme", aria_pressed="false"),
        aria_label="Sections",
    )


def _part(name: str) -> Html:
    """A file of the page; `</` in it would end its element."""
    content = files("inspection.report").joinpath(name).read_text(encoding="utf-8")
    assert "</" not in content, name
    return Html(content)


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode('utf-8')).digest()).decode('ascii')}'"
