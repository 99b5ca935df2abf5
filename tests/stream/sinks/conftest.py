"""Inspectors of every kind that say what a test wants, and their results."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inspection.data.geometry import Geometry
from inspection.decide.area import Area
from inspection.decide.boxes import Boxes
from inspection.decide.decisions import AnyOf, Decision, OneOf
from inspection.decide.quantities import Quantities
from inspection.inspector.backends import BOXES, HEATMAPS, PROBABILITIES, QUANTITIES
from inspection.inspector.kinds import answers_of
from inspection.inspector.passport import Passport
from inspection.inspector.verdict import Box, Defect, Verdict
from inspection.stream.frames import Live, Result
from inspection.stream.sink import About
from tests.chromium import browser

__all__ = ["browser"]  # a fixture of the tests here

TIME = 1_795_000_000.25
HIGH, WIDE = 48, 64


@dataclass
class Told:
    """What a sink sees of an inspector."""

    decision: Decision
    window: list[float] | None = None
    gives: tuple[str, ...] = (PROBABILITIES, HEATMAPS, BOXES, QUANTITIES)
    made: dict[str, Any] = field(
        default_factory=lambda: {
            "data": {"synthetic": True},
            "run": "outputs/coil/lenet/x",
            "inspection": "0.1.0",
        }
    )

    def __post_init__(self) -> None:
        self.geometry = Geometry(image_size=(HIGH, WIDE))
        self.backend = SimpleNamespace(name="fake", outputs=frozenset(self.gives))
        self.passport = Passport(
            task="coil",
            question="Is a pin bent?",
            network={},
            decision=self.decision.to_dict(),
            mean=(0.5,),
            std=(0.5,),
            geometry=self.geometry.to_dict(),
            window=self.window,
            made=self.made,
        )
        self.answers = answers_of(self.decision)(self.decision, self.passport, self.geometry)


def classes(defect: str | None = "defect") -> Told:
    return Told(OneOf(["ok", "defect"], defect, threshold=0.4))


def attributes() -> Told:
    return Told(AnyOf(["error", "Bruch"]))


def masks() -> Told:
    return Told(Area(["ok", "defect"], "defect"))


def objects() -> Told:
    return Told(Boxes(["car", "person"]))


def temperatures() -> Told:
    decision = Quantities(["maximum", "mean"], "K", [300, 290], [10, 5], alarm={"maximum": 320.0})
    return Told(decision, window=[280.0, 360.0])


def picture(seed: int = 0, shape: tuple[int, ...] = (HIGH, WIDE, 3), bits: int = 8) -> np.ndarray:
    """Fields of 8 x 8 pixels of any colour: a JPEG keeps them about as they are."""
    coarse = (-(-shape[0] // 8), -(-shape[1] // 8), *shape[2:])
    fields = np.random.default_rng(seed).integers(0, 2**bits, coarse)
    whole = fields.repeat(8, 0).repeat(8, 1)[: shape[0], : shape[1]]
    return np.ascontiguousarray(whole, np.uint8 if bits == 8 else np.uint16)


def said(share: float, heat: bool = False) -> Verdict:
    """The verdict of `classes`."""
    label = "defect" if share >= 0.4 else "ok"
    shares = {"ok": 1 - share, "defect": share}
    spot = np.zeros((HIGH, WIDE), np.float32)
    spot[10:20, 20:30] = 1
    return Verdict(
        label,
        probability=shares[label],
        probabilities=shares,
        called={name: name == label for name in shares},
        heatmaps={"defect": spot} if heat else {},
        method="grad_cam" if heat else None,
    )


def result(number: int = 0, share: float = 0.1, heat: bool = False, **changes: Any) -> Result:
    """Of a frame that was inspected."""
    verdict = said(share, heat)
    given = Result(
        number=number,
        name=f"line_{number:06d}",
        time=TIME + number,
        position=None,
        seconds=0.0061234,
        status="inspected",
        verdict=verdict,
        alarm=verdict.label == "defect",
        image=picture(number),
    )
    return replace(given, **changes)


def lost(number: int, status: str = "dropped", reason: str = "overflow", error: str = "") -> Result:
    """Of a frame without a verdict."""
    return result(number, status=status, reason=reason, error=error, verdict=None, alarm=False, image=None)


def of_kind(kind: str, number: int = 0) -> tuple[Told, Result]:
    """An inspector of a kind and an alarm of it, with its evidence."""
    spot = np.zeros((HIGH, WIDE), np.float32)
    spot[10:20, 20:30] = 1
    if kind == "classes":
        return classes(), result(number, 0.9, heat=True)
    if kind == "attributes":
        verdict = Verdict(
            "error",
            probabilities={"error": 0.75, "Bruch": 0.25},
            called={"error": True, "Bruch": False},
            heatmaps={"error": spot, "Bruch": None},
            method="grad_cam",
        )
        return attributes(), result(number, verdict=verdict, alarm=True)
    if kind == "masks":
        verdict = Verdict(
            "defect",
            called={"ok": False, "defect": True},
            mask=spot > 0,
            boxes=[Defect(20, 10, 30, 20, "defect", 0.875, 100.0, (24.5, 14.5))],
            quantities={"area": 100.0, "called_pixels": 100},
        )
        return masks(), result(number, verdict=verdict, alarm=True)
    if kind == "objects":
        verdict = Verdict(
            "person 1",
            called={"car": False, "person": True},
            boxes=[Box(20.123456, 10, 30, 20, "person", 0.8)],
            quantities={"car": 0, "person": 1},
        )
        return objects(), result(number, verdict=verdict, alarm=True)
    verdict = Verdict(
        "alarm",
        called={"alarm": True},
        boxes=[Box(20, 10, 30, 20, "hot spot", 0.9)],
        quantities={"maximum": 331.23456, "mean": 301.5},
        peak=333.0,
    )
    return temperatures(), result(number, verdict=verdict, alarm=True, image=picture(number, (HIGH, WIDE)))


KINDS = ["classes", "attributes", "masks", "objects", "temperatures"]


def live(**changes: Any) -> Live:
    """Figures of a moment."""
    given = Live(
        state="running",
        source="camera 0",
        started=TIME,
        elapsed=12.0,
        received=1012,
        inspected=1000,
        dropped={"overflow": 7},
        failed={"not decoded": 2},
        waiting=3,
        capacity=16,
        total=None,
        verdicts={"ok": 990, "defect": 10},
        alarms=10,
        rate=98.4,
        mean_rate=90.0,
        median=0.0061,
        p99=0.0142,
        window=1000,
        histogram=((0.005, 100), (0.01, 900), (float("inf"), 1000)),
        seconds=6.5,
    )
    return replace(given, **changes)


@pytest.fixture
def about(tmp_path: Path) -> Callable[..., About]:
    """What a sink is told, its folder below `tmp_path`."""

    def made(inspector: Any = None, rate: float | None = None, figures: Callable[[], Live] = live) -> About:
        output = tmp_path / "stream"
        output.mkdir(exist_ok=True)
        return About(inspector or classes(), "camera 0", rate, output, figures)

    return made
