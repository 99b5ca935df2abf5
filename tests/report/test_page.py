"""What a page says, without a browser."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from inspection.report import Report, render
from inspection.report.contents import Card, Confusion, Figure, Gallery, Scores, Table
from inspection.report.glossary import TERMS
from inspection.tasks.box_outcome import BoxOutcome
from inspection.tasks.mask_outcome import MaskOutcome
from inspection.tasks.name_outcomes import ClassOutcome, LabelOutcome
from inspection.tasks.places import PlaceOutcome
from inspection.tasks.quantity_outcome import QuantityOutcome

NASTY = "<img src=x onerror=alert(1)>.png"
CLASS = "</script><b>bold"
_VOID = {"meta", "img", "input", "link", "br", "hr", "wbr"}


class Reader(HTMLParser):
    """Elements with their attributes, and whether they are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_it_is_one_file(example):
    page = render(example())
    read = Reader(page)

    assert read.open == []
    sources = [a[key] for _, a in read.elements for key in ("src", "href") if key in a]
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    inside = re.sub(r"data:image/[^\"]*", "", page)
    assert "http:" not in inside
    assert "https:" not in inside
    assert not re.search(r"@import|url\(", inside)


def test_its_policy_allows_its_own_script_and_style_alone(example):
    policy = next(
        a["content"] for a in Reader(render(example())).of("meta") if "content" in a and "http-equiv" in a
    )

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 2


def test_names_that_carry_markup_are_text(example):
    page = render(example(names=(CLASS, NASTY)))
    read = Reader(page)

    assert "<img src=x" not in page
    assert "<b>" not in page
    assert not any("onerror" in attributes for _, attributes in read.elements)
    assert NASTY in "".join(read.words)
    assert len(read.of("script")) == 3  # two blocks of data and the program


@pytest.mark.parametrize(
    "where", ["task", "question", "facts", "notes", "operating_point", "command", "config"]
)
def test_every_text_is_escaped(where):
    given = {"task": "t", "question": "q"}
    pairs = [(NASTY, CLASS)]
    given[where] = pairs if where in ("facts", "operating_point") else [NASTY] if where == "notes" else CLASS

    page = render(Report(**given))

    assert "<img src=x" not in page
    assert "</script><b>" not in page


def test_almost_nothing_is_a_page_too():
    read = Reader(render(Report("coil", "Are the pins straight?")))

    assert read.open == []
    assert [a["id"] for a in read.of("section")] == []


def test_a_run_without_a_defect_class_has_no_slider(example):
    read = Reader(render(Report("cifar10", "What is it?", confusions=example().confusions)))

    assert not [a for a in read.of("input") if a["type"] == "range"]


def test_headings_are_in_order(example):
    levels = [int(name[1]) for name, _ in Reader(render(example())).elements if re.fullmatch("h[1-6]", name)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_identifiers_are_unique_and_labels_point_somewhere(example):
    read = Reader(render(example()))
    identities = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    used = [
        a[key] for _, a in read.elements for key in ("for", "aria-labelledby", "aria-describedby") if key in a
    ]

    assert len(identities) == len(set(identities))
    assert set(used) <= set(identities)
    assert {a["href"][1:] for a in read.of("a")} <= set(identities)


def test_table_heads_have_a_scope(example):
    assert all(a.get("scope") in ("row", "col") for a in Reader(render(example())).of("th"))


def test_synthetic_is_said_in_capitals(example):
    assert "SYNTHETIC images" in "".join(Reader(render(example())).words)


def test_figures_are_words_for_people():
    table = Table(
        "main", [["", "test"], ["f1", Figure(0.912, 0.861, 0.95)], ["auroc", float("nan")], ["images", 5000]]
    )

    words = "".join(Reader(render(Report("t", "q", headline=table))).words)

    assert "0.912 (0.861 to 0.950)" in words
    assert "undefined" in words
    assert "5,000" in words


def test_figures_have_names_that_are_words_and_say_what_they_mean():
    headline = Table(
        "f1, average_precision: of 'ece'", [["", "val"], ["balanced_accuracy", 0.9], ["ece", 0.1]]
    )
    classes = Table("each class", [["", "ap_50", "mae of training mean"], ["ece", 0.5, 1.0]])
    report = Report("t", "q", headline=headline, tables=[classes], highlights=[("auroc", Figure(0.9))])

    read = Reader(render(report))
    words = "\n".join(read.words)

    for said in ("F1, average precision: of 'ece'", "validation", "balanced accuracy", "calibration error"):
        assert f"\n{said}\n" in words
    for said in ("AP, IoU 0.5", "mean error of training mean", "area under ROC", "What these figures mean"):
        assert f"\n{said}\n" in words
    assert TERMS["ap_50"].meaning in words
    assert TERMS["mae"].meaning in words
    assert "\nece\n" in words  # the class of this name
    assert TERMS["f1"].meaning not in words


@pytest.mark.parametrize(
    "kind", [ClassOutcome, LabelOutcome, PlaceOutcome, MaskOutcome, BoxOutcome, QuantityOutcome]
)
def test_every_main_figure_is_explained(kind):
    assert set(kind.headlines) <= set(TERMS)


def test_of_a_measured_area_its_defect_is_said():
    scores = Scores("min_area", "val", np.array([0.0, 9]), np.array([False, True]), called="defect")

    read = Reader(render(Report("t", "q", scores=[scores])))

    assert not [words for words in read.words if words.strip() == "min_area"]


def test_boxes_where_nothing_is_are_no_objects_that_could_be_found():
    counts = np.array([[5, 1, 4], [0, 2, 3], [7, 8, 0]])
    page = render(
        Report("t", "q", confusions=[Confusion("test", ["a", "b", "(nothing)"], counts, nothing=True)])
    )

    assert "test: 7 of 15 objects found, 15 boxes where nothing is" in page


def test_a_matrix_of_no_images():
    page = render(Report("t", "q", confusions=[Confusion("test images", ["a", "b"], np.zeros((2, 2), int))]))

    assert "no images" in page
    assert "nan" not in page.split("<body>")[1].split("<script>")[0].lower()


def test_undefined_and_absent_values_stay_json():
    card = Card("a.png", "test", "ok", "defect", [("defect", "false alarm")], score=None)
    scores = Scores("defect", "val", np.array([np.nan, 0.5, np.inf]), np.array([True, False, False]))

    page = render(Report("t", "q", scores=[scores], gallery=Gallery([card], 1)))

    assert "NaN" not in page.split('id="scores"')[1].split("</script>")[0]
