"""A report to look at, in headless Chromium."""

from collections.abc import Callable
from pathlib import Path

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
from tests.chromium import Page, browser

__all__ = ["browser"]  # a fixture of the tests here

NASTY = "<img src=x onerror=alert(1)>.png"
CLASS = "</script><b>bold"


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
