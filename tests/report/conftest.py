"""A headless Chromium that is spoken to over a pipe, and a report to look at."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspection.report import Report, thumbnail
from inspection.report.contents import (
    Calibration,
    Card,
    Confusion,
    Figure,
    Gallery,
    Gathering,
    LineChart,
    Reliability,
    Scores,
    Series,
    Table,
    Titled,
)

NASTY = "<img src=x onerror=alert(1)>.png"
CLASS = "</script><b>bold"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Page:
    """One page in Chromium, by its DevTools protocol: JSON with a zero byte behind each message.

    Attributes:
        said: Errors and warnings of the page's console, exceptions, and refusals of its policy.
    """

    def __init__(self, program: str, folder: str) -> None:
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]
        options += ["--remote-debugging-pipe", "--hide-scrollbars", "--force-color-profile=srgb"]
        # Chromium reads commands from 3 and writes answers to 4: the shell makes them of our two pipes.
        connected = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null'
        self._process = subprocess.Popen(
            ["sh", "-c", connected, program, *options, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._write, self._read = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._rest, self._number, self._session = b"", 0, ""
        self.said: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.size(1280, 900)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self, patience: float = 60.0) -> dict[str, Any]:
        until = time.monotonic() + patience
        while b"\0" not in self._rest:
            ready = select.select([self._read], [], [], max(0.0, until - time.monotonic()))[0]
            part = os.read(self._read, 1 << 20) if ready else b""
            assert part, "Chromium does not answer"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        answer = json.loads(line)
        of = answer.get("params", {})
        if answer.get("method") == "Runtime.exceptionThrown":
            self.said.append(json.dumps(of["exceptionDetails"]))
        elif answer.get("method") == "Runtime.consoleAPICalled" and of["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.said.append(json.dumps(of["args"]))
        elif answer.get("method") == "Log.entryAdded":
            self.said.append(of["entry"]["text"])
        return answer

    def open(self, path: Path) -> None:
        """Load a file and wait until it stands."""
        self.said.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        ready = (
            f"document.readyState === 'complete' && location.href === {json.dumps(path.resolve().as_uri())}"
        )
        until = time.monotonic() + 60
        while not self.run(ready):
            assert time.monotonic() < until
            time.sleep(0.02)

    def run(self, code: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait until events that the browser has queued are dealt with."""
        self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")

    def text(self, selector: str) -> str:
        """What an element says."""
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def choose(self, selector: str, value: str) -> None:
        """A value of a select, as by hand."""
        place = f"document.querySelector({json.dumps(selector)})"
        self.run(
            f"{place}.value = {json.dumps(value)}; {place}.dispatchEvent(new Event('change', {{bubbles: true}}))"
        )

    def focus(self, selector: str) -> None:
        """Where keys go."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")

    def press(self, *keys: str) -> None:
        """Real key strokes: names of keys, or single letters."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38}
        codes |= {"ArrowRight": 39, "ArrowDown": 40, "PageUp": 33, "PageDown": 34}
        for key in keys:
            if len(key) == 1:
                self.call("Input.dispatchKeyEvent", type="char", key=key, text=key)
                continue
            named = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
            typed = {"text": "\r"} if key == "Enter" else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", **named, **typed)
            self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, text: str) -> None:
        """Letter by letter, over what is marked."""
        self.run("document.activeElement.select()")
        self.press(*text)

    def size(self, width: int, height: int) -> None:
        """Of the window, in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, **features: str) -> None:
        """What the system prefers: `prefers_color_scheme="dark"`."""
        given = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=given)
        self.settle()

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """PNG of the window, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self, path: Path) -> None:
        """As it would be printed."""
        answer = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """End the browser that was started here."""
        try:
            self._session = ""
            self.call("Browser.close")
        except (AssertionError, OSError):
            self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Page]:
    """A page in headless Chromium; without one the tests are skipped."""
    program = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Page(program, folder)
        yield page
        page.close()


@pytest.fixture
def show(browser: Page, tmp_path: Path) -> Callable[[str], Page]:
    """Opens a page in Chromium as a file."""

    def opened(html: str) -> Page:
        path = tmp_path / "report.html"
        path.write_text(html, encoding="utf-8", newline="\n")
        browser.open(path)
        return browser

    return opened


def part_picture(random: np.random.Generator, defect: bool) -> np.ndarray:
    """A drawn part, RGB uint8 [120, 180, 3]."""
    picture = random.normal(120, 8, (120, 180, 3))
    if defect:
        picture[40:70, 60:90] += 60
    return picture.clip(0, 255).astype(np.uint8)


def scores_of(name: str, part: str, count: int, seed: int) -> Scores:
    """Scores of two decimals, so that many tie."""
    random = np.random.default_rng(seed)
    truth = random.random(count) < 0.25
    scores = 1 / (1 + np.exp(-random.normal(np.where(truth, 1.2, -1.6), 1.4)))
    return Scores(name, part, scores.round(2), truth, stored=0.5, what=f"P({name})")


def bins_of(scores: Scores, heat: float) -> Reliability:
    """Ten bins of equal width."""
    logits = np.log(scores.scores.clip(1e-3, 1 - 1e-3) / (1 - scores.scores.clip(1e-3, 1 - 1e-3)))
    sure = 1 / (1 + np.exp(-logits / heat))
    place = np.minimum((sure * 10).astype(int), 9)
    count = np.bincount(place, minlength=10)
    safe = np.maximum(count, 1)
    confidence = np.bincount(place, sure, 10) / safe
    frequency = np.bincount(place, scores.truth, 10) / safe
    error = float((np.abs(confidence - frequency) * count).sum() / count.sum())
    return Reliability(confidence, frequency, count, error)


def example_report(
    images: int = 400, cards: int = 24, names: tuple[str, ...] = ("scratch", "dent")
) -> Report:
    """A report with something of everything, and markup in the names."""
    random = np.random.default_rng(0)
    parts = ("val", "test")
    pairs = [(name, part) for name in names for part in parts]
    every = [scores_of(name, part, images, seed) for seed, (name, part) in enumerate(pairs)]
    shown = []
    for number in range(cards):
        name = names[number % len(names)]
        kind = ("missed", "false alarm", "right")[number % 3]
        drawn = part_picture(random, kind == "missed")
        shown.append(
            Card(
                file=NASTY if number == 0 else f"line_{number % 4}/part_{number:04d}.png",
                part=parts[number % 2],
                target=name if kind == "missed" else "none",
                verdict=name if kind == "false alarm" else "none",
                kinds=[(name, kind)],
                wrongness=random.random(),
                certainty=random.random(),
                score=float(random.random()),
                facts=[(f"P({other})", f"{random.random():.3f}") for other in names],
                picture=thumbnail(drawn),
                evidence=thumbnail(np.concatenate([drawn, drawn[..., ::-1]], 1), longest=360),
            )
        )
    epochs = list(range(1, 21))
    fall = [1.2 * 0.85**epoch + 0.1 for epoch in epochs]
    rise = [0.95 - 0.6 * 0.8**epoch for epoch in epochs]
    return Report(
        task="housing",
        question="Is the surface of the housing free of scratches and dents?",
        synthetic=True,
        facts=[
            ("data", "SYNTHETIC images in data/synthetic/housing: 1,200"),
            ("network", "small_cnn, 61,250 parameters"),
            ("trained", "2026-11-21 12:00, 20 epochs, best: 14"),
            ("seen as", "3x120x180"),
        ],
        notes=["frames of one video are in several parts: the figures flatter the network"],
        highlights=[
            ("F1", Figure(0.914, 0.871, 0.947)),
            ("recall", Figure(0.95, 0.9, 0.98)),
            ("precision", Figure(0.88, 0.83, 0.92)),
        ],
        highlights_of="test images; below each figure, where 95 % of them lie when the images are drawn anew",
        operating_point=[
            ("rule", "precision at a recall of at least 0.95, on validation images"),
            ("threshold", "0.500 (0.410 to 0.620)"),
        ],
        split=Table(
            "Images of each part",
            [["", "train", "val", "test"], *[[name, 120, 60, 60] for name in names], [CLASS, 700, 220, 220]],
        ),
        headline=Table(
            "Main figures",
            [
                ["", "val", "test"],
                ["f1", Figure(0.93, 0.9, 0.96), Figure(0.914, 0.871, 0.947)],
                ["auroc", Figure(0.97), Figure(float("nan"))],
            ],
        ),
        tables=[Table("Each attribute", [["", "f1", "missed"], *[[name, 0.9, 3] for name in names]])],
        confusions=[
            Confusion("test images", ["ok", CLASS], np.array([[212, 8], [3, 57]])),
            Confusion(
                "four classes",
                ["a", "b", "c", "d"],
                np.array([[40, 1, 0, 9], [0, 50, 0, 0], [2, 0, 48, 0], [0, 7, 0, 43]]),
            ),
        ],
        scores=every,
        costs=(20.0, 1.0),
        calibrations=[
            Calibration(every[0].name, "val", bins_of(every[0], 0.5), bins_of(every[0], 1.0), "T = 2.00")
        ],
        gallery=Gallery(shown, images * 2, "Mistakes first; predictions.csv has all.", "P(defect)"),
        gatherings=[
            Gathering("Samples", [Titled("a part as it is seen", thumbnail(part_picture(random, True)))] * 3)
        ],
        training=[
            LineChart(
                "Loss",
                "epoch",
                "loss",
                [Series("train/loss", epochs, fall, dashed=True), Series("val/loss", epochs, fall[::-1])],
                (14, "best epoch"),
            ),
            LineChart(
                "Metrics",
                "epoch",
                "metric",
                [Series("val/f1", epochs, rise, strong=True)],
                (14, "best epoch"),
                True,
            ),
        ],
        command="python scripts/train.py task=housing model=small_cnn seed=1",
        config="task:\n  name: housing\nclasses: ['ok', '</script>']\n",
    )


@pytest.fixture(scope="session")
def example() -> Callable[..., Report]:
    """Builds a report with something of everything."""
    return example_report
