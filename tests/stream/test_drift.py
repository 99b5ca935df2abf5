from types import SimpleNamespace

import numpy as np
import pytest

from inspection.decide.decisions import OneOf
from inspection.drift.reference import Reference
from inspection.errors import InputError
from inspection.inspector.backends import FEATURES
from inspection.inspector.verdict import Verdict
from inspection.inspector.watching import Watch, good_verdict
from inspection.stream.drift import StreamWatch
from tests.stream.conftest import FakeInspector, FakeSource, passport, run_stream


def pictures(count, light=100, seed=0):
    """Noise whose brightness varies a little, as of a line; no two are the same."""
    random = np.random.default_rng(seed)
    return [
        random.normal(random.normal(light, 4), 12, (16, 16)).clip(0, 255).astype(np.uint8)
        for _ in range(count)
    ]


class Watched(FakeInspector):
    """Calls everything good, and knows what usual pictures look like.

    Args:
        group: Expression that finds what belongs together in a name.
        layer: Where features would be taken.
    """

    def __init__(self, group=None, layer=None):
        super().__init__()
        self.geometry = SimpleNamespace(
            shape=(1, 16, 16), crop=None, image_size=(16, 16), apply=lambda image, name: image[None]
        )
        self.decision = OneOf(["ok", "defect"], "defect")
        self.backend = SimpleNamespace(name="fake", outputs=frozenset())
        watch = Watch(self)
        said = [Verdict("ok", probabilities={"ok": 0.9, "defect": 0.1})]
        observed = [
            watch.measured(said * 300, None, [image[None] for image in pictures(300, seed=seed)])
            for seed in (1, 2)
        ]
        reference = Reference.of(*observed, layer=layer, verdict=good_verdict(self.decision)).to_dict()
        self.passport = passport(reference=reference | {"group": group})

    def observe_pixels(self, pixels, shapes, heatmaps=False, further=()):
        return [Verdict("ok", probabilities={"ok": 0.9, "defect": 0.1}) for _ in pixels], {}


def watched(images, inspector=None, **settings):
    inspector = inspector or Watched()
    watch = StreamWatch(inspector, **settings)
    return run_stream(FakeSource(images), inspector, watch=watch), watch.looks


def test_each_window_is_looked_at_once():
    usual = pictures(150, seed=3)
    made, looks = watched(usual, live=False, window=50)
    assert (looks.windows, looks.drifted) == (3, 0)
    assert made.live().drifted is False
    made, looks = watched([*usual, *pictures(100, light=60, seed=4)], live=False, window=50)
    assert (looks.windows, looks.drifted) == (5, 2)
    assert made.live().drifted is True
    assert made.live().drift[0].startswith("DRIFT: the images have changed")
    assert made.live().drift[-1] == "drift was seen in 2 of 5 windows; said above: the last one"
    summary = made.summary()["drift"]
    assert (summary["windows"], summary["drifted"], summary["drift"]) == (5, 2, True)


def test_a_batch_over_several_windows_is_split_at_their_edges(monkeypatch):
    judged = []
    monkeypatch.setattr(StreamWatch, "_look", lambda _, monitor: judged.append(monitor.report().judged))
    inspector = Watched()
    watch = StreamWatch(inspector, live=False, window=8)
    for batch in (5, 20, 7):
        images = [image[None] for image in pictures(batch)]
        verdicts, said = inspector.observe_pixels(images, [(16, 16)] * batch)
        assert len(watch.see(watch.rows(batch), ["f"] * batch, verdicts, said, images)) == batch
    assert judged == [8] * 4


def test_too_few_for_a_window_are_looked_at_at_the_end():
    made, looks = watched(pictures(30, light=60), live=False, window=200)
    assert (looks.windows, looks.drifted, looks.report.judged) == (1, 1, 30)
    made, looks = watched(pictures(3), live=False)
    assert (looks.windows, made.live().drifted) == (1, None)  # not known
    unwatched = run_stream(FakeSource(pictures(3)), Watched())
    assert unwatched.live().drift == ("not watched",)


def test_of_a_camera_so_many_a_second_are_looked_at(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("inspection.stream.drift.time.perf_counter", lambda: now[0])
    watch = StreamWatch(Watched(), rate=20)
    chosen = []
    for _ in range(100):  # batches of 4, every 10 ms
        chosen.append(len(watch.rows(4)))
        now[0] += 0.01
    assert sum(chosen) == 20
    assert StreamWatch(Watched(), rate=None).rows(4) == range(4)
    assert StreamWatch(Watched(), rate=20, live=False).rows(4) == range(4)


def test_single_images_that_are_unlike_are_named():
    inspector = Watched()
    images = [*pictures(10, seed=5), np.full((16, 16), 3, np.uint8), *pictures(5, seed=6)]
    made = run_stream(FakeSource(images), inspector, watch=StreamWatch(inspector, live=False))
    assert "brightness" in made.kept[10].unlike
    assert sum(bool(result.unlike) for result in made.kept) == 1


def test_of_a_group_only_the_first_is_judged_together_with_others():
    inspector = Watched(group="fake_0000(.)")  # ten frames of a kind
    _, looks = watched(pictures(100), inspector, live=False, by_name=True, window=100)
    assert (looks.report.images, looks.report.judged) == (100, 10)
    _, looks = watched(pictures(100), inspector, live=False, window=100)  # names of a camera tell nothing
    assert looks.report.judged == 100


@pytest.mark.parametrize("where", ["measured", "see", "report"])
def test_a_watch_that_breaks_costs_no_verdict_and_is_said_once(monkeypatch, where):
    def broken(*_):
        raise ValueError("NaN in\nfeatures")

    inspector = Watched()
    watch = StreamWatch(inspector, live=False, window=8)
    if where == "report":
        monkeypatch.setattr("inspection.stream.drift.DriftMonitor.report", broken)
    else:
        monkeypatch.setattr(watch.watch if where == "measured" else watch, where, broken)
    made = run_stream(FakeSource(pictures(30)), inspector, watch=watch)
    assert (made.ended, made.summary()["inspected"]) == ("source ended", 30)
    assert [message.split(" ", 2)[2] for message in made.messages] == [
        "drift is not watched any more (ValueError: NaN in features)"
    ]
    assert made.summary()["drift"] is None


def test_where_nothing_is_known_nothing_is_said():
    ignorant = Watched()
    ignorant.passport.reference = None
    made, looks = watched(pictures(10), ignorant)
    assert looks.report is None
    assert made.live().drift == ("not watched: the inspector knows no validation images",)
    assert (made.live().drifted, made.summary()["drift"]) == (None, None)
    assert StreamWatch(ignorant).note == "the inspector knows no validation images"
    exported = Watched(layer="head")
    watch = StreamWatch(exported)
    assert watch.note == "the inspector was exported without its features"
    assert watch.rows(4) == range(0)
    exported.backend.outputs = frozenset({FEATURES})
    assert StreamWatch(exported).note == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rate": 0.0}, r"drift\.rate=0\.0"),
        ({"window": 7}, r"drift\.window=7: expected 8 or more"),
        ({"false_alarms": 0.0}, r"drift\.false_alarms=0\.0"),
    ],
)
def test_settings_that_cannot_be(settings, said):
    with pytest.raises(InputError, match=said):
        StreamWatch(Watched(), **settings)
