"""The text format of Prometheus, read strictly and by hand."""

import math
import re

import pytest

from inspection.stream.frames import SinkFigures
from inspection.stream.sinks.metrics import exposition
from tests.stream.sinks.conftest import TIME, live

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([^ ]+)")
BEHIND = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def parsed(text):
    """Kinds and samples; fails on all that the format does not allow."""
    assert text.endswith("\n")
    kinds, samples, helped, current = {}, {}, set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            assert re.fullmatch(NAME, name)
            assert words
            assert name not in helped  # all lines of a metric stand together
            helped.add(name)
            current = name
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            assert name not in kinds
            assert kind in BEHIND
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            assert name in {current + suffix for suffix in BEHIND[kinds[current]]}
            given = {}
            for key, raw in re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', labels or ""):
                assert key not in given
                given[key] = re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), raw)
            key = (name, tuple(sorted(given.items())))
            assert key not in samples
            samples[key] = {"+Inf": math.inf, "NaN": math.nan}.get(value) or float(value)
    assert set(kinds) == helped
    return kinds, samples


def value(samples, name, **labels):
    return samples[f"inspection_{name}", tuple(sorted(labels.items()))]


def test_all_figures_by_hand():
    figures = live(
        sinks={"csv": SinkFigures(900, 12, 3, 1000, "disk full"), "web": SinkFigures(7, 0, 0, 32)},
        drifted=True,
    )
    kinds, samples = parsed(exposition(figures, {"task": "coil"}))

    assert value(samples, "info", task="coil") == 1
    assert value(samples, "start_time_seconds") == TIME
    assert value(samples, "state", state="running") == 1
    assert value(samples, "state", state="ended") == 0
    assert value(samples, "frames_received_total") == 1012
    assert value(samples, "frames_inspected_total") == 1000
    assert value(samples, "frames_dropped_total", reason="overflow") == 7
    assert value(samples, "frames_dropped_total", reason="stopped") == 0  # a rate begins with a 0
    assert value(samples, "frames_failed_total", reason="not decoded") == 2
    assert value(samples, "frames_failed_total", reason="not inspected") == 0
    assert value(samples, "frames_waiting") == 3
    assert value(samples, "verdicts_total", verdict="defect") == 10
    assert value(samples, "alarms_total") == 10
    assert value(samples, "frames_per_second") == 98.4
    assert value(samples, "latency_recent_seconds", quantile="0.99") == 0.0142
    assert value(samples, "drifted") == 1
    assert value(samples, "sink_missed_total", sink="csv") == 12
    assert value(samples, "sink_failing", sink="csv") == 1
    assert value(samples, "sink_failing", sink="web") == 0
    assert {name for name, kind in kinds.items() if kind == "counter"} == {
        name for name in kinds if name.endswith("_total")
    }


def test_the_histogram_is_one():
    _, samples = parsed(exposition(live(), {}))
    buckets = {float(dict(labels)["le"].replace("+Inf", "inf")): count
               for (name, labels), count in samples.items() if name.endswith("_bucket")}  # fmt: skip

    assert buckets == {0.005: 100, 0.01: 900, math.inf: 1000}
    assert value(samples, "latency_seconds_count") == 1000
    assert value(samples, "latency_seconds_sum") == 6.5


def test_received_is_the_sum():
    _, samples = parsed(exposition(live(), {}))
    parts = [
        count for (name, _), count in samples.items()
        if re.fullmatch(r"inspection_frames_(inspected_total|dropped_total|failed_total|waiting)", name)
    ]  # fmt: skip
    assert sum(parts) == value(samples, "frames_received_total")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "日本", "a\\nb", "}", "a\udcff"])
def test_any_name_of_a_class(name):
    _, samples = parsed(exposition(live(verdicts={name: 3}), {"source": name}))
    shown = name.replace("\udcff", "?")
    assert value(samples, "verdicts_total", verdict=shown) == 3
    assert value(samples, "info", source=shown) == 1


def test_before_the_first_frame():
    nothing = live(
        received=0, inspected=0, dropped={}, failed={}, waiting=0, verdicts={}, alarms=0, rate=0.0, median=None,
        p99=None, histogram=((0.01, 0), (math.inf, 0)), seconds=0.0,
    )  # fmt: skip
    kinds, samples = parsed(exposition(nothing, {}))
    assert value(samples, "frames_received_total") == 0
    assert "inspection_drifted" not in kinds
    assert "inspection_latency_recent_seconds" not in kinds


def test_what_is_no_number():
    _, samples = parsed(exposition(live(rate=math.nan), {}))
    assert math.isnan(value(samples, "frames_per_second"))
