import threading
import time
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from inspection.data.geometry import Geometry
from inspection.errors import InputError
from inspection.inspector.backends import HEATMAPS, PROBABILITIES
from inspection.stream.frames import Frame
from inspection.stream.judge import Judge
from inspection.stream.pipeline import Policy, Stream
from inspection.stream.replay import Repeated
from inspection.stream.sources import SourceLost
from tests.stream.conftest import (
    PATIENCE,
    FakeInspector,
    FakeSource,
    Gate,
    Kept,
    check,
    picture,
    run_stream,
    settled,
)


def of(results, status):
    return [result.number for result in results if result.status == status]


def test_every_frame_of_a_file_is_inspected_in_order():
    inspector = FakeInspector()
    made = run_stream(FakeSource([picture(value) for value in range(100)]), inspector, queue=8, batch=4)
    assert (made.ended, made.overflow, made.stuck) == ("source ended", "block", [])
    assert [result.verdict.label for result in made.kept] == ["ok", "defect"] * 50
    assert [result.alarm for result in made.kept] == [False, True] * 50
    assert list(chain(*inspector.batches[3:])) == list(range(100))  # after three to warm up
    assert made.summary()["verdicts"] == {"ok": 50, "defect": 50}
    assert made.summary()["alarms"] == 50


def test_the_account_says_who_judged():
    summary = run_stream(FakeSource([picture(0)])).summary()
    assert (summary["task"], summary["backend"]) == ("coil", "fake")
    assert summary["operating_point"] == "defect from 0.5 on"
    assert (summary["decision"], summary["made"]) == ({"kind": "one_of"}, {"torch": "2.15"})
    assert "version" in summary


def test_while_the_network_is_busy_the_next_batch_gathers(gate):
    """So a lone frame waits for no other, and at full load the batches are full."""
    inspector = FakeInspector()
    given = [picture(100), gate.wait, *(picture(value) for value in range(9))]
    inspector.before = lambda values: gate() if values == [100] else None
    apply = inspector.geometry.apply

    def applied(image, name):
        if name == "fake_000009":  # so all before are prepared
            gate.open()
        return apply(image, name)

    inspector.geometry = SimpleNamespace(shape=(1, 4, 4), crop=None, image_size=(4, 4), apply=applied)
    made = run_stream(FakeSource(given), inspector, queue=16, batch=4)
    first, *later = inspector.batches[3:]  # after three to warm up
    assert first == [100]
    assert list(chain(*later)) == list(range(9))
    assert len(later[0]) == 4
    assert of(made.kept, "inspected") == list(range(10))


def test_a_live_source_drops_the_oldest_and_the_newest_get_their_verdict(gate):
    inspector = FakeInspector()

    def before(values):
        if values == [1]:
            gate()

    def wait_for_network():
        assert gate.reached.wait(PATIENCE)

    given = [picture(1), wait_for_network, *(picture(2 * value) for value in range(1, 31)), gate.open]
    inspector.before = before
    made = run_stream(FakeSource(given, live=True), inspector, queue=4, batch=2, reconnect=0)
    assert made.overflow == "drop_oldest"
    assert made.summary()["dropped"] == {"overflow": 26}
    assert of(made.kept, "inspected") == [0, 27, 28, 29, 30]
    assert all(result.reason == "overflow" and result.image is None for result in made.kept[1:27])
    assert (made.ended, made.why) == ("source lost", "unplugged")


def test_a_frame_that_cant_be_decoded_fails_alone():
    made = run_stream(FakeSource([picture(0), "torn", picture(2)]))
    assert [(result.status, result.reason, result.error) for result in made.kept] == [
        ("inspected", "", ""),
        ("failed", "not decoded", "torn"),
        ("inspected", "", ""),
    ]
    assert made.summary()["failed"] == {"not decoded": 1}


def test_a_frame_of_another_size_is_resized_or_refused():
    geometry = Geometry(image_size=(4, 4), crop=(0, 0, 8, 8))
    sizes = [(8, 8), (6, 8), (16, 20), (8, 8)]
    made = run_stream(FakeSource([picture(0, size) for size in sizes]), FakeInspector(geometry=geometry))
    assert of(made.kept, "failed") == [1]
    assert made.kept[1].reason == "not prepared"
    assert "fake_000001: the image is 8 x 6 pixels (width x height), smaller than" in made.kept[1].error


def test_another_depth_than_the_inspectors_is_said():
    deep = np.zeros((4, 4), np.uint16)
    made = run_stream(FakeSource([deep, picture(0)]), FakeInspector(geometry=Geometry((4, 4), depth=8)))
    assert "has 16 bits a pixel; expected 8" in made.kept[0].error
    assert of(made.kept, "inspected") == [1]


@pytest.mark.parametrize(
    ("error", "said"), [(RuntimeError("no\nmemory"), "RuntimeError: no memory"), (InputError("NaN"), "NaN")]
)
def test_of_a_batch_that_fails_only_the_culprit_does(error, said):
    def before(values):
        if 13 in values:
            raise error

    given = [picture(value) for value in [*range(30), 13]]
    made = run_stream(FakeSource(given), FakeInspector(before), batch=8)
    assert of(made.kept, "failed") == [13, 30]
    assert (made.kept[13].reason, made.kept[13].error) == ("not inspected", said)
    assert made.summary()["failed"] == {"not inspected": 2}
    assert made.summary()["first_failed"] == {"not inspected": f"fake_000013: {said}"}


def test_a_network_that_always_fails_fails_every_frame_and_the_stream_goes_on():
    broken = FakeInspector()
    warm = []

    def before(values):
        warm.append(values)
        if len(warm) > 4:
            raise RuntimeError("gone")

    broken.before = before
    made = run_stream(FakeSource([picture(value) for value in range(20)]), broken)
    assert made.summary()["failed"] == {"not inspected": 20}
    assert made.live().median is None


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1]), (8, [8, 4, 2, 1]), (25, [25, 16, 8, 4, 2, 1])])
def test_few_sizes_of_batches_are_warmed_up(batch, sizes):
    inspector = FakeInspector()
    Judge(inspector).warm_up(batch, False)
    assert [len(values) for values in inspector.batches] == sizes


def test_a_network_that_does_not_work_at_all_is_found_before_the_first_frame():
    def before(_):
        raise InputError("no number")

    source, sink = FakeSource([picture(0)]), Kept()
    made = Stream(source, Judge(FakeInspector(before)), [sink], Policy(), Path("."))
    with pytest.raises(InputError, match="no number"):
        made.open()
    assert (source.opened, source.closed, sink.closed) == (1, 1, 0)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("the port is taken"), "the port is taken"),
        (
            PermissionError(13, "Permission denied", "out/frames.csv"),
            r"sinks\.kept: can't write there \(.*frames\.csv",
        ),
    ],
)
def test_a_sink_that_cant_be_opened_leaves_nothing_open(error, said):
    class Taken(Kept):
        def open(self, about):
            raise error

    source, sink = FakeSource([picture(0)]), Kept()
    made = Stream(source, Judge(FakeInspector()), [sink, Taken()], Policy(), Path("."))
    with pytest.raises(InputError, match=said):
        made.open()
    assert (source.closed, sink.closed) == (1, 1)


def test_after_enough_frames_it_ends():
    made = run_stream(FakeSource([picture(value) for value in range(50)]), frames=7)
    assert (made.ended, made.summary()["received"]) == ("enough frames", 7)
    assert made.live().total == 7


def test_a_stop_finishes_what_waits(gate):
    """The network is at its first frame, eight wait: all nine get their verdict."""
    hold = Gate()

    def before(values):
        if values == [100]:
            gate()

    def tick(made):
        if hold.reached.is_set() and not made._requests:
            made.stop()
        if made._requests and made.ended:
            gate.open()
            hold.open()

    given = [picture(100), gate.wait, *(picture(value) for value in range(8)), hold, picture(50)]
    made = run_stream(FakeSource(given), FakeInspector(before), tick=tick, queue=8, stop_within=PATIENCE)
    assert made.ended == "stopped"
    assert made.summary()["dropped"] == {}
    assert made.summary()["inspected"] == 9


@pytest.mark.usefixtures("hanging")
def test_what_a_stop_can_t_finish_in_time_is_dropped(gate):
    """The network never answers: in the network and before it, all count as dropped, and the end comes in time."""

    def before(values):
        if 100 in values:
            gate()

    def tick(made):
        if made.live().received == 9 and not made._requests:
            made.stop()

    hold = Gate()
    given = [picture(100), gate.wait, *(picture(value) for value in range(8)), hold]
    made = run_stream(FakeSource(given), FakeInspector(before), tick=tick, queue=8, stop_within=0.3)
    assert made.summary()["dropped"] == {"stopped": 9}
    assert {"capture", "infer"} <= set(made.stuck)  # nobody has waited for them
    gate.open()  # a verdict that comes too late changes nothing
    hold.open()
    assert settled(lambda: not made.stuck)
    check(made, made.handed)


@pytest.mark.usefixtures("hanging")
def test_a_second_stop_does_not_wait(gate):
    def tick(made):
        if gate.reached.is_set():
            made.stop()
            made.stop(0.0)

    given = [picture(100)]
    inspector = FakeInspector(lambda values: gate() if values == [100] else None)
    made = run_stream(FakeSource(given), inspector, tick=tick, stop_within=10 * PATIENCE)
    assert "infer" in made.stuck  # the gate is still closed, which it is not for `PATIENCE`
    assert made.summary()["dropped"] == {"stopped": 1}
    gate.open()


def test_a_stop_does_not_wait_for_a_camera_that_is_away():
    def tick(made):
        if made.live().state == "reconnecting":
            made.stop()

    given = [picture(0), SourceLost("unplugged"), *[SourceLost("still")] * 1000]
    made = run_stream(FakeSource(given, live=True), tick=tick)
    assert (made.ended, made.summary()["inspected"]) == ("stopped", 1)


def test_a_camera_that_comes_back_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr("inspection.stream.reconnect.FIRST", 0.001)
    source = FakeSource([picture(0), SourceLost("unplugged"), picture(2), picture(4)], live=True)
    made = run_stream(source, frames=3)
    assert [result.number for result in made.kept] == [0, 1, 2]
    assert made.summary()["reconnects"] == 1
    assert [message.split(" ", 2)[2].split(" after ")[0] for message in made.messages] == [
        "fake: unplugged; trying to reach it again",
        "fake: back",
    ]


def test_a_source_that_breaks_ends_the_stream_and_what_it_gave_is_inspected(tmp_path):
    noticed = Gate()
    inspector = FakeInspector(lambda values: noticed() if values == [100] else None)
    source = FakeSource([picture(100), picture(2), ZeroDivisionError("bug")])

    def tick(made):
        if made.ended:
            noticed.open()

    made = run_stream(source, inspector, tick=tick, batch=1, output=tmp_path)
    assert (made.ended, made.why) == ("broke", "ZeroDivisionError: bug")
    assert made.summary()["inspected"] == 2
    path = tmp_path / "traceback.txt"
    assert made.messages[-1].split(" ", 2)[2] == f"capture broke: ZeroDivisionError: bug (see {path})"
    assert "Traceback (most recent call last)" in path.read_text(encoding="utf-8")


def test_files_that_are_gone_when_they_are_read_again_are_lost_and_nothing_broke(tmp_path):
    class Taken(FakeSource):
        def open(self):
            super().open()
            if self.opened > 1:
                raise InputError("reel.avi: OpenCV can't read this")

    made = run_stream(Repeated(Taken([picture(0), picture(2)]), None), output=tmp_path)
    assert (made.ended, made.why) == ("source lost", "reel.avi: OpenCV can't read this")
    assert made.summary()["inspected"] == 2
    assert list(tmp_path.iterdir()) == []  # no traceback


def test_a_part_of_ours_that_breaks_does_not_hang():
    inspector = FakeInspector()
    inspector.answers.tally = lambda verdict: 1 / 0
    made = run_stream(FakeSource([picture(0)] * 5), inspector)
    assert (made.ended, made.why) == ("broke", "ZeroDivisionError: division by zero")
    assert made.summary()["dropped"] == {"stopped": made.summary()["received"]}


@pytest.mark.usefixtures("hanging")
def test_a_part_that_breaks_while_a_sink_hangs_lets_a_stop_end_it(gate, monkeypatch):
    """The network's thread waits for the sink, and then nobody does."""
    monkeypatch.setattr("inspection.stream.outlet.CAPACITY", 2)

    def apply(image, name):
        if name == "fake_000007":
            gate.wait()
            assert settled(lambda: made._outlets[0].figures().queued > 2 and made._emit.locked())
            raise ZeroDivisionError("bug")
        return image[None]

    inspector = FakeInspector()
    inspector.geometry = SimpleNamespace(shape=(1, 4, 4), crop=None, image_size=(4, 4), apply=apply)
    source, hung = FakeSource([picture(0)] * 9), Kept(gate, name="hung")
    made = Stream(source, Judge(inspector), [hung], Policy(batch=1), Path("nowhere"))
    made.open()
    made.run(lambda: made.stop(0.0) if made.live().state == "ended" else None)
    assert made.ended == "broke"
    assert settled(lambda: made.stuck == ["sink hung"])
    summary = made.summary()
    assert summary["inspected"] + summary["dropped"]["stopped"] == summary["received"]
    gate.open()


@pytest.mark.parametrize(
    ("wanted", "explained"), [("none", []), ("alarms", [1, 3, 5]), ("all", [0, 1, 2, 3, 4, 5])]
)
def test_evidence_is_found_for_those_that_a_sink_asks_for(wanted, explained):
    inspector, sink = FakeInspector(), Kept(evidence=wanted, pictures=True, name="shown")
    made = run_stream(FakeSource([picture(value) for value in range(6)]), inspector, [sink])
    assert sorted(inspector.explained[9:]) == explained  # nine to warm up
    assert [result.number for result in sink.results if result.verdict.heatmaps] == explained
    assert all(not result.verdict.heatmaps for result in made.kept)  # who takes no pictures holds none
    assert [result.image is not None for result in sink.results] == [True] * 6
    assert [result.image is not None for result in made.kept] == [False] * 6


@pytest.mark.parametrize(
    ("wanted", "explained"),
    [
        ({"none"}, []),
        ({"newest"}, [3, 4]),
        ({"newest", "alarms"}, [1, 3, 4]),
        ({"alarms", "all"}, [0, 1, 2, 3, 4]),
    ],
)
def test_evidence_of_a_batch_is_what_any_sink_asks_for(wanted, explained):
    inspector = FakeInspector()
    frames = [Frame(value, f"fake_{value}", 0.0, 0.0, picture(value)) for value in range(5)]
    pixels = [picture(value)[None] for value in range(5)]
    judged = Judge(inspector).judge(frames, pixels, wanted)
    assert inspector.explained == explained
    assert [row for row, each in enumerate(judged) if each.verdict.heatmaps] == explained
    assert [each.verdict.label for each in judged] == ["ok", "defect", "ok", "defect", "ok"]


@pytest.mark.parametrize(
    "explains",
    [
        [PROBABILITIES],  # of a mask, say: evidence is the verdict itself
        [PROBABILITIES, HEATMAPS],  # which this one was exported without
    ],
)
@pytest.mark.parametrize("wanted", [{"alarms"}, {"newest", "none"}])
def test_evidence_that_is_no_work_takes_no_pass_of_its_own(explains, wanted):
    inspector = FakeInspector(gives=[PROBABILITIES], explains=explains)
    frames = [Frame(value, f"fake_{value}", 0.0, 0.0, picture(value)) for value in range(3)]
    pixels = [picture(value)[None] for value in range(3)]
    Judge(inspector).judge(frames, pixels, wanted)
    assert inspector.batches == [[0, 1, 2]]
    assert inspector.explained == [0, 1, 2]  # which it may, or not
    Judge(inspector).judge(frames, pixels, {"none"})
    assert inspector.explained == [0, 1, 2]


def test_evidence_that_fails_costs_no_verdict():
    inspector = FakeInspector()
    plain = inspector.observe_pixels

    def observe_pixels(pixels, shapes, heatmaps=False, further=()):
        if heatmaps:
            raise RuntimeError("no gradient")
        return plain(pixels, shapes)

    inspector.observe_pixels = observe_pixels
    made = run_stream(FakeSource([picture(1)]), inspector, [Kept(evidence="alarms", name="shown")])
    assert of(made.kept, "inspected") == [0]


def test_latencies_are_from_capture_to_verdict():
    inspector = FakeInspector(lambda values: time.sleep(0.02))
    made = run_stream(FakeSource([picture(0)] * 5), inspector, batch=1)
    live = made.live()
    assert 0.02 <= live.median <= live.p99
    assert made.summary()["latency"]["median"] == pytest.approx(live.median, rel=0.06)
    assert live.histogram[-1] == (float("inf"), 5)
    assert dict(live.histogram)[0.015] == 0
    assert live.seconds == pytest.approx(sum(result.seconds for result in made.kept))


@pytest.fixture
def counted_meanwhile(monkeypatch):
    """Three frames; a verdict comes just when the account is asked for some of its figures."""

    def made(figures):
        stream = run_stream(FakeSource([picture(0)] * 3))
        asked = getattr(stream.account, figures)

        def meanwhile():
            more = [(stream.handed[0], ("ok",), 0.0)]
            thread = threading.Thread(target=stream.account.add, args=(more,), daemon=True)
            thread.start()
            thread.join(0.05)  # waits
            return asked()

        monkeypatch.setattr(stream.account, figures, meanwhile)
        return stream

    return made


def test_figures_of_a_moment_belong_together(counted_meanwhile):
    """A verdict that comes while they are gathered is in all of them or in none."""
    live = counted_meanwhile("lately").live()
    assert live.histogram[-1][1] == live.inspected == sum(live.verdicts.values()) == 3


def test_an_account_is_of_one_moment(counted_meanwhile):
    """A verdict that comes between the counts and the figures beside them is in both or in none."""
    summary = counted_meanwhile("latency").summary()
    assert summary["inspected"] + summary["waiting"] == summary["received"] == 3


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"batch": 0}, "batch=0: expected 1 to 256"),
        ({"batch": 257, "queue": 300}, "batch=257: expected 1 to 256"),
        ({"queue": 4, "batch": 8}, r"queue=4: expected room for a batch \(batch=8\)"),
        ({"within": -1}, "deadline=-1000: expected 0 or more milliseconds"),
        ({"stop_within": float("nan")}, "stop_within=nan"),
        ({"frames": 0}, "frames=0: expected 1 or more, or null"),
        ({"reconnect": -1}, "reconnect=-1: expected 0 or more, or null"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(policy, said):
    with pytest.raises(InputError, match=said):
        Policy(**policy)
