"""The live page as a person has it: in headless Chromium. Skipped where there is no browser."""

import json
import urllib.parse
from dataclasses import replace

import numpy as np
import pytest

from inspection.decide.decisions import OneOf
from inspection.inspector.backends import PROBABILITIES
from inspection.stream.frames import SinkFigures
from inspection.stream.sinks import web
from inspection.stream.sinks.web import WebSink
from tests.stream.conftest import PATIENCE
from tests.stream.sinks.conftest import Told, classes, live, lost, of_kind, result

pytestmark = pytest.mark.slow  # a browser

NASTY = "</script><img src=x onerror=alert(1)>.png"
TOO_WIDE = """[...document.querySelectorAll('body *')]
    .filter((each) => !each.closest('#defects, .spoken, .shapes'))
    .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
    .map((each) => each.outerHTML.slice(0, 80))"""
ASKED = "performance.getEntriesByType('resource')"
ROWS = """Object.fromEntries([...document.querySelectorAll('#{} > div')]
    .map((row) => [...row.children].map((each) => each.textContent)))"""


@pytest.fixture
def stage(browser, about, monkeypatch):
    """A page of a sink that a test writes to; in the end nobody has complained, and nobody else was asked."""
    for name in ("LATE", "WATCHED"):  # a browser on a busy machine may take long
        monkeypatch.setattr(web, name, PATIENCE)

    class Stage:
        figures = live()

        def open(self, inspector=None):
            self.sink = WebSink(port=0)
            self.sink.open(about(inspector, figures=lambda: self.figures))
            self.page = browser
            browser.size(1280, 900)
            browser.visit(self.sink.where)
            self.until("connection-words", "running")
            return self

        def show(self, *results, **figures):
            self.figures = live(**figures)
            self.sink.write(results)

        def until(self, identity, text):
            self.page.until(
                f"document.getElementById({json.dumps(identity)}).textContent === {json.dumps(text)}"
            )

        def text(self, identity):
            return self.page.text(f"#{identity}")

        def run(self, code):
            return self.page.run(code)

    staged = Stage()
    yield staged
    staged.run("localStorage.clear()")
    said, asked = list(browser.said), list(browser.asked)
    browser.call("Page.navigate", url="about:blank")
    staged.sink._watched_at = -np.inf
    staged.sink.close()
    assert said == staged.__dict__.get("expected", [])
    assert {urllib.parse.urlsplit(each).netloc for each in asked} == {
        urllib.parse.urlsplit(staged.sink.where).netloc
    }


def test_what_is_shown_follows_the_stream(stage):
    stage.open()
    assert stage.text("verdict-word") == "no frame yet"
    assert stage.text("task") == "coil"
    assert stage.run("document.getElementById('synthetic').offsetParent !== null")

    stage.show(result(41, 0.12, name="line/teil_ä.png"))
    stage.until("verdict-word", "ok")
    assert stage.text("verdict-figures") == "P(defect) 0.1200"
    assert stage.run("document.getElementById('verdict').dataset.role") == "good"
    assert stage.run("document.getElementById('verdict-shape').getAttribute('href')") == "#shape-good"
    assert stage.text("picture-words") == "line/teil_ä.png"
    assert stage.text("verdict-when").split("\n")[::2] == ["frame 41", "6.1 ms"]
    assert stage.run("document.title") == "ok · coil"
    image = "document.getElementById('picture-image')"
    assert stage.run(f"[{image}.naturalWidth, {image}.naturalHeight, {image}.offsetWidth > 300]") == [
        64,
        48,
        True,
    ]

    stage.show(
        result(42, 0.97, heat=True),
        received=2000,
        inspected=1986,
        verdicts={"ok": 1975, "defect": 11},
        rate=7.26,
    )
    stage.until("verdict-word", "defect")
    assert stage.run("document.getElementById('verdict').dataset.role") == "defect"
    assert stage.text("spoken") == "Alarm: defect"
    assert stage.text("rate") == "7.3"
    assert stage.run(ROWS.format("counts")) == {
        "received": "2,000", "inspected": "1,986", "dropped": "7", "overflow": "7", "failed": "2",
        "not decoded": "2", "running for": "12 s",
    }  # fmt: skip
    assert stage.run(ROWS.format("verdicts")) == {"ok": "1,975 · 99.4 %", "defect": "11 · 0.6 %"}
    assert stage.text("latency-median") == "6.1 ms"
    assert stage.text("latency-p99") == "14 ms"
    assert stage.text("waiting") == "3 room 16"


def test_a_defect_stays_a_moment(stage):
    stage.open()
    stage.show(result(1, 0.9))
    stage.until("verdict-word", "defect")
    stage.run(
        "new MutationObserver(() => { window.gone ??= performance.now(); }).observe("
        "document.getElementById('verdict-word'), {childList: true, subtree: true, characterData: true})"
    )
    shown = stage.run(f"{ASKED}.find((each) => each.name.includes('/pictures/')).responseEnd")
    stage.show(result(2, 0.1))
    stage.until("verdict-word", "ok")
    assert stage.run("window.gone") - shown > 1400


def test_verdict_and_evidence_of_the_same_frame(stage):
    stage.open()
    stage.show(result(7, 0.9, heat=True))
    stage.until("verdict-word", "defect")
    address = "document.getElementById('picture-image').src"
    assert stage.run(address).endswith("/evidence.jpg")
    assert stage.run("document.getElementById('evidence').getAttribute('aria-pressed')") == "true"

    stage.page.focus("#evidence")
    stage.page.press("Enter")
    stage.page.until(f"{address}.endsWith('/plain.jpg')")
    assert stage.run("document.getElementById('evidence').getAttribute('aria-pressed')") == "false"
    wishes = f"{ASKED}.map((each) => each.name).filter((each) => each.includes('state.json'))"
    for _ in range(2):
        stage.sink._wanted_at = -np.inf
        stage.run("performance.clearResourceTimings()")
        # One wish without it is answered: so are all before it, which may have been with it.
        stage.page.until(f"{wishes}.some((each) => !each.includes('evidence'))")
    assert not stage.run(f"{wishes}.some((each) => each.includes('evidence'))")
    assert stage.sink.evidence == "none"  # nobody wants to see it


def test_without_heatmaps_there_is_nothing_to_switch(stage):
    stage.open(Told(OneOf(["ok", "defect"], "defect"), gives=(PROBABILITIES,)))
    stage.show(result(7, 0.9))
    stage.until("verdict-word", "defect")
    assert stage.run("document.getElementById('evidence').hidden")


def test_nothing_speaks_for_a_good_part(stage):
    stage.open()
    _, given = of_kind("classes")
    verdict = type(given.verdict)(
        "ok",
        probability=0.9,
        probabilities={"ok": 0.9, "defect": 0.1},
        heatmaps={"defect": None},
        method="cam",
    )
    stage.show(result(3, verdict=verdict, alarm=False, name="part"))
    stage.until("picture-words", "part · nothing in the picture speaks for it")


def test_last_defects_with_real_keys(stage):
    stage.open()
    for number in range(4):
        stage.sink._shots._kept_at = -np.inf  # as if some time had passed
        stage.show(result(number, 0.9 + number / 100, heat=number != 1), alarms=number + 1)
    stage.until("last-words", "4 since the start, the newest first")
    cards = (
        "[...document.querySelectorAll('#defects li')].map((each) => each.querySelector('span').textContent)"
    )
    assert stage.run(cards) == [f"P(defect) {0.9 + number / 100:.4f}" for number in (3, 2, 1, 0)]
    stage.page.until("[...document.querySelectorAll('#defects img')].every((each) => each.naturalWidth > 0)")

    stage.page.focus("#defects li:nth-child(2) button")
    stage.page.press("Enter")
    facts = ROWS.format("large-facts") + "['frame']"
    assert stage.run("document.getElementById('large').open")
    assert stage.run(facts) == "2"
    stage.page.press("ArrowRight")
    assert stage.run(facts) == "1"
    assert stage.run("document.getElementById('large-evidence').disabled")
    assert (
        stage.run(ROWS.format("large-facts") + "['evidence']")
        == "not computed: some a second are, while somebody looks"
    )
    assert stage.run("document.getElementById('large-image').src").endswith("/plain.jpg")
    stage.page.press("ArrowLeft", "ArrowLeft")
    assert stage.run(facts) == "3"
    assert stage.run("document.getElementById('large-newer').disabled")
    stage.page.until("document.getElementById('large-image').naturalWidth === 64")

    stage.sink._shots._kept_at = -np.inf
    stage.show(result(9, 0.99), alarms=5)  # one more comes while somebody looks
    stage.until("last-words", "5 since the start, the newest first")
    assert stage.run(facts) == "3"
    assert not stage.run("document.getElementById('large-newer').disabled")
    stage.page.press("Escape")
    assert not stage.run("document.getElementById('large').open")


def test_what_was_not_inspected(stage):
    stage.open()
    stage.show(lost(5, "failed", "not decoded", "half a picture"))
    stage.until("verdict-word", "not inspected: not decoded")
    assert stage.text("verdict-figures") == "half a picture"
    assert stage.run("document.getElementById('verdict').dataset.role") == "failed"
    assert stage.text("picture-none") == "no picture"


def test_a_line_that_stands_is_not_taken_for_one_that_runs(stage):
    stage.open()
    stage.show(result(5, 0.1))
    stage.until("verdict-word", "ok")
    assert not stage.run("document.querySelector('main').classList.contains('old')")

    stage.sink._came_at -= 65
    stage.until("connection-words", "no frames")
    assert stage.text("verdict-when").split("\n")[3].startswith("1 min ")
    assert stage.run("document.querySelector('main').classList.contains('old')")
    stage.show(result(6, 0.1), state="reconnecting", reconnects=2)
    stage.until("connection-words", "source lost")
    assert stage.run(ROWS.format("counts"))["source opened again"] == "2 times"
    stage.show(result(7, 0.1))
    stage.until("connection-words", "running")
    assert not stage.run("document.querySelector('main').classList.contains('old')")


@pytest.mark.slow
def test_a_stream_that_has_gone_is_told_and_found_again(stage, about):
    stage.open()
    stage.show(result(5, 0.9), alarms=1)
    stage.until("verdict-word", "defect")
    session, port = stage.sink._facts["session"], int(stage.sink.where.rstrip("/").rpartition(":")[2])
    stage.sink._server.close()  # as a process that is killed

    stage.until("connection-words", "connection lost")
    assert stage.text("lost").startswith("Connection lost. No answer from the stream since ")
    assert stage.run("document.getElementById('lost').getAttribute('role')") == "alert"
    assert stage.run("document.querySelector('main').classList.contains('old')")

    stage.figures = live(alarms=0)
    again = WebSink(port=port)
    again.open(about(classes(), figures=lambda: stage.figures))
    stage.sink = again
    stage.until("connection-words", "running")
    assert again._facts["session"] != session
    stage.until("verdict-word", "no frame yet")
    assert stage.run("document.querySelectorAll('#defects li').length") == 0
    assert stage.run("document.getElementById('lost').hidden")
    stage.expected = [
        each for each in stage.page.said if "ERR_" in each
    ]  # what the browser says of no answer


def test_the_end_is_told(stage):
    stage.open()
    stage.show(result(5, 0.1), state="ended")
    stage.until("connection-words", "ended")
    assert stage.text("verdict-when").split("\n")[3] == "the last one"


def test_drift_and_a_sink_that_fails_are_told(stage):
    stage.open()
    failing = {"csv": SinkFigures(1, 2, 3, 4, "No space left on device"), "web": SinkFigures(1, 0, 0, 4)}
    stage.show(result(5, 0.1), drifted=True, drift=("DRIFT: the images are darker", "more"), sinks=failing)
    stage.until("drift-word", "▲ drift")
    assert stage.text("drift-words") == "DRIFT: the images are darker"
    assert stage.text("sinks") == "csv can't write: No space left on device"
    stage.show(result(6, 0.1), drifted=False)
    stage.until("drift-word", "✓ none seen")
    assert stage.run("document.getElementById('sinks').hidden")


def test_marks_of_the_last_frames(stage):
    stage.open()
    stage.show(
        *(result(number, 0.9 if number == 3 else 0.1) for number in range(10)), lost(10), lost(11, "failed")
    )
    stage.until(
        "history-words",
        "12 frames, the newest on the right: 1 defect (tall), 1 failed (floating), 1 dropped (gaps)",
    )
    count = "document.querySelector('#tape .{}').getAttribute('d').split('M').length - 1"
    assert [stage.run(count.format(name)) for name in ("good", "defect", "failed", "other")] == [9, 1, 1, 0]


def test_objects_are_counted_not_shared_out(stage):
    inspector, given = of_kind("objects")
    stage.open(inspector)
    stage.show(given, inspected=10, verdicts={"car": 31, "person": 2})
    stage.until("verdict-word", "person 1")
    assert stage.run(ROWS.format("verdicts")) == {"car": "31", "person": "2"}
    assert stage.text("last-title-words") == "alarms"


def test_markup_in_names_does_nothing(stage):
    stage.open()
    verdict = result(0, 0.9).verdict
    nasty = type(verdict)(NASTY, probability=0.9, probabilities={"ok": 0.1, "defect": 0.9})
    stage.show(
        result(5, verdict=nasty, alarm=True, name=NASTY, unlike=(NASTY,)),
        verdicts={NASTY: 3}, drift=(NASTY,), drifted=True, sinks={NASTY: SinkFigures(0, 0, 0, 1, NASTY)}, alarms=1,
    )  # fmt: skip
    stage.until("verdict-word", NASTY)
    stage.until("last-words", "1 since the start, the newest first")
    stage.run("document.querySelector('#defects button').click()")
    assert stage.text("large-title") == NASTY
    assert stage.run("document.querySelectorAll('[onerror], main script').length") == 0
    assert stage.run(TOO_WIDE) == []


@pytest.mark.parametrize("name", [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "' onclick='alert(1)",
    "javascript:alert(1)", "R&D &amp; &lt;b&gt;", "Größe „ß“ 日本", "__proto__", "constructor",
])  # fmt: skip
def test_names_of_classes_and_files_are_shown_as_they_are_and_nothing_runs(stage, name):
    """Through the inspector: its headings, its operating point and its counts tell the names, too."""
    inspector = Told(OneOf(["good & <ok>", name], name, threshold=0.4))
    inspector.passport = replace(inspector.passport, task=name, question=name)
    stage.open(inspector)
    stage.run("window.ran = 0; for (const way of ['alert', 'eval']) window[way] = () => { window.ran += 1; }")
    elements = "[...new Set([...document.querySelectorAll('*')].map((each) => each.localName))].sort().join()"
    _, given = of_kind("classes")
    verdict = type(given.verdict)(
        name,
        probability=0.9,
        probabilities={"good & <ok>": 0.1, name: 0.9},
        heatmaps={name: given.verdict.heatmaps["defect"]},
        method="cam",
    )
    file = f"line/{name}.png"

    def show(number, **changes):
        stage.show(
            result(number, verdict=verdict, alarm=True, name=file, **changes),
            verdicts={"good & <ok>": 1, name: 3}, source=name, alarms=1,
        )  # fmt: skip

    show(5)
    stage.until("verdict-word", name)
    stage.until("last-words", "1 since the start, the newest first")
    assert stage.text("verdict-figures") == f"P({name}) 0.9000"
    assert stage.text("picture-words") == file
    assert stage.text("task") == stage.text("question") == name
    assert stage.text("point").startswith(f"Operating point: a part is {name!r} ")
    assert stage.run("document.title") == f"{name} · {name}"
    rows = "[...document.querySelectorAll('#verdicts dt')].map((each) => each.textContent)"
    assert stage.run(rows) == ["good & <ok>", name]
    assert stage.page.text("#defects li strong") == name
    known = stage.run(elements)

    stage.page.focus("#defects button")
    stage.page.press("Enter")
    assert stage.text("large-title") == name
    assert file in stage.run("document.getElementById('large-facts').textContent")
    stage.page.settle()
    assert stage.run(elements) == known
    assert stage.run("document.querySelectorAll('[onerror], [onload], [onclick], main script').length") == 0
    assert stage.run("window.ran") == 0
    assert stage.run(TOO_WIDE) == []


@pytest.mark.parametrize("size", [(1280, 900), (400, 800), (1920, 1080), (1000, 750), (360, 640)])
def test_it_fits_every_screen(stage, size):
    stage.open()
    for number in range(12):
        stage.sink._shots._kept_at = -np.inf
        stage.show(result(number, 0.9, heat=True), alarms=12)
    stage.page.size(*size)
    stage.until("last-words", "12 since the start, the newest first")
    assert stage.run(TOO_WIDE) == []
    assert stage.run("document.documentElement.scrollWidth <= innerWidth")
    if size[0] >= 1280:  # all at one look
        assert stage.run("document.documentElement.scrollHeight <= innerHeight")
        assert stage.run("document.querySelector('.frame').offsetHeight > innerHeight / 2")


@pytest.mark.slow
def test_letters_stand_out_in_both_themes(stage):
    """WCAG 2.2, AA: a contrast of 4.5 for text."""
    contrast = """(() => {
        const shine = (text) => {
            const channels = text.match(/[\\d.]+/g).slice(0, 3).map(Number).map((value) => value / 255)
                .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
            return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2];
        };
        const ground = (node) => {
            const own = getComputedStyle(node).backgroundColor;
            return own === 'rgba(0, 0, 0, 0)' ? ground(node.parentElement) : own;
        };
        return ['verdict-word', 'verdict-when', 'question', 'origin', 'synthetic', 'connection-words',
            'picture-words', 'evidence', 'rate', 'drift-word', 'drift-words', 'last-words', 'point', 'lost'
        ].map((name) => {
            const node = document.getElementById(name);
            const [light, dark] = [shine(getComputedStyle(node).color), shine(ground(node))].sort((a, b) => b - a);
            return [name, (light + 0.05) / (dark + 0.05)];
        });
    })()"""
    stage.open()
    for theme in ("light", "dark"):
        stage.page.media(prefers_color_scheme=theme)
        for given, word in (
            (result(1, 0.9), "defect"),
            (lost(2, "failed", "not decoded"), None),
            (result(3, 0.1), "ok"),
        ):
            stage.show(given, drifted=given.alarm)
            stage.until("verdict-word", word or "not inspected: not decoded")
            low = {name: ratio for name, ratio in stage.run(contrast) if ratio < 4.5}
            assert not low, (theme, low)
    stage.page.media(prefers_color_scheme="light")


def test_the_theme_is_chosen_and_kept(stage):
    stage.open()
    stage.page.focus("#theme")
    stage.page.press("Enter")
    assert stage.run("document.documentElement.dataset.theme") == "dark"
    stage.page.visit(stage.sink.where)
    assert stage.run("document.documentElement.dataset.theme") == "dark"
    assert stage.run("getComputedStyle(document.body).backgroundColor") == "rgb(13, 16, 20)"


def test_whoever_hears_the_page_has_names_for_all(stage):
    stage.open()
    stage.sink._shots._kept_at = -np.inf
    stage.show(result(1, 0.9, heat=True), alarms=1)
    stage.until("last-words", "1 since the start, the newest first")
    unnamed = """[...document.querySelectorAll('button, img, section, dialog')].filter((each) =>
        !(each.textContent.trim() || each.alt || each.getAttribute('aria-label')
          || each.getAttribute('aria-labelledby') || each.closest('button') || each.id === 'large-image')
    ).map((each) => each.outerHTML.slice(0, 80))"""
    assert stage.run(unnamed) == []
    assert stage.run("document.getElementById('picture-image').alt") == "defect, frame 1"
    assert stage.run("document.getElementById('spoken').getAttribute('aria-live')") == "polite"


@pytest.mark.slow
def test_a_page_that_nobody_sees_asks_rarely(stage):
    stage.open()
    stage.run(
        "window.pauses = []; const wait = window.setTimeout;"
        "window.setTimeout = (work, pause) => { window.pauses.push(pause); return wait(work, pause); };"
    )
    stage.page.until("window.pauses.includes(500)")
    stage.run(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange')); window.pauses = [];"
    )
    stage.page.until("window.pauses.includes(5000)")
    assert not stage.run("window.pauses.includes(500)")
