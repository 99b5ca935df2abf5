"""The figures of a stream as Prometheus reads them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from inspection.stream.frames import Live, State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DROPPED, FAILED = ("overflow", "stopped"), ("not decoded", "not prepared", "not inspected")
_PREFIX = "inspection_"

Sample = tuple[str, Mapping[str, str], float]
"""Suffix of the name, labels, value."""


def exposition(live: Live, facts: Mapping[str, str]) -> str:
    """The text format 0.0.4, see https://prometheus.io/docs/instrumenting/exposition_formats/.

    Args:
        live: The figures of the moment.
        facts: Who inspects: labels of `inspection_info`.
    """
    counts = {"dropped": _reasons(live.dropped, DROPPED), "failed": _reasons(live.failed, FAILED)}
    parts = [
        _metric("info", "gauge", "What is inspected, and by what.", [("", facts, 1)]),
        _metric(
            "start_time_seconds",
            "gauge",
            "When the stream was started, since 1970.",
            [("", {}, live.started)],
        ),
        _metric(
            "state",
            "gauge",
            "1 for what the stream is doing.",
            [("", {"state": name}, name == live.state) for name in get_args(State)],
        ),
        _metric("frames_received_total", "counter", "Frames that came.", [("", {}, live.received)]),
        _metric(
            "frames_inspected_total", "counter", "Frames that have a verdict.", [("", {}, live.inspected)]
        ),
        *(
            _metric(
                f"frames_{what}_total", "counter", f"Frames that {words}, by reason.", _by("reason", reasons)
            )
            for (what, reasons), words in zip(counts.items(), ("were dropped", "failed"), strict=True)
        ),
        _metric("frames_waiting", "gauge", "Frames that wait for their verdict.", [("", {}, live.waiting)]),
        _metric("frames_waiting_limit", "gauge", "Frames that can wait.", [("", {}, live.capacity)]),
        _metric("verdicts_total", "counter", "Verdicts, by what was said.", _by("verdict", live.verdicts)),
        _metric("alarms_total", "counter", "Verdicts that somebody is to act on.", [("", {}, live.alarms)]),
        _metric(
            "frames_per_second", "gauge", "Verdicts a second, over the last seconds.", [("", {}, live.rate)]
        ),
        _metric(
            "latency_seconds",
            "histogram",
            "From capture to verdict.",
            [
                *(("_bucket", {"le": _number(edge)}, count) for edge, count in live.histogram),
                ("_sum", {}, live.seconds),
                ("_count", {}, live.histogram[-1][1] if live.histogram else 0),
            ],
        ),
        _metric(
            "latency_recent_seconds",
            "gauge",
            f"Quantiles of the latency of the last {live.window} verdicts at most.",
            [
                ("", {"quantile": name}, value)
                for name, value in (("0.5", live.median), ("0.99", live.p99))
                if value is not None
            ],
        ),
        _metric(
            "source_reconnects_total",
            "counter",
            "How often the source was opened again.",
            [("", {}, live.reconnects)],
        ),
        _metric(
            "drifted",
            "gauge",
            "1 when the images have moved away from validation's; absent while that is not known.",
            [] if live.drifted is None else [("", {}, live.drifted)],
        ),
        *(
            _metric(
                f"sink_{what}", kind, words, [("", {"sink": n}, get(each)) for n, each in live.sinks.items()]
            )
            for what, kind, words, get in (
                ("written_total", "counter", "Results that a sink has written.", lambda each: each.written),
                ("missed_total", "counter", "Results that a sink has not written.", lambda each: each.missed),
                ("waiting", "gauge", "Results that wait for a sink.", lambda each: each.queued),
                ("failing", "gauge", "1 for a sink that can't write now.", lambda each: bool(each.error)),
            )
        ),
    ]
    return "".join(parts)


def _metric(name: str, kind: str, words: str, samples: Sequence[Sample]) -> str:
    """One metric with its samples; nothing where there are none."""
    if not samples:
        return ""
    full = _PREFIX + name
    lines = [f"# HELP {full} {words}", f"# TYPE {full} {kind}"]
    for suffix, labels, value in samples:
        given = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(
            f"{full}{suffix}{{{given}}} {_number(value)}" if given else f"{full}{suffix} {_number(value)}"
        )
    return "\n".join(lines) + "\n"


def _by(label: str, values: Mapping[str, int]) -> list[Sample]:
    return [("", {label: name}, value) for name, value in values.items()]


def _reasons(counts: Mapping[str, int], known: Iterable[str]) -> dict[str, int]:
    """Also those that have not come: a rate needs a counter that was 0."""
    return {**dict.fromkeys(known, 0), **counts}


def _number(value: float) -> str:
    """As Go reads it.

    Example:
        >>> [_number(value) for value in (3, 0.25, float("inf"), float("nan"), True)]
        ['3', '0.25', '+Inf', 'NaN', '1']
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    shown = text.encode("utf-8", "replace").decode("utf-8")
    return shown.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
