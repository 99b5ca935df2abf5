"""A live web page of the stream."""

import json
import math
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any, cast

from inspection.errors import InputError
from inspection.inspector.backends import HEATMAPS
from inspection.inspector.plain import as_json
from inspection.stream.frames import Live, Result
from inspection.stream.roles import role_of
from inspection.stream.sink import About, Evidence, Sink
from inspection.stream.sinks.about import described
from inspection.stream.sinks.lines import iso_time
from inspection.stream.sinks.metrics import CONTENT_TYPE, exposition
from inspection.stream.sinks.server import Answer, Asked, ReadOnlyServer
from inspection.stream.sinks.shots import APART, KINDS, Kind, Shot, Shots, is_explained

WATCHED = 3.0
"""Seconds after which somebody who asked for news is taken to have gone."""
LATE = 3.0
"""Seconds without a frame from which on the newest verdict says nothing of what is under the camera now."""
_PARTING = 1.5  # seconds at most that pages are given to hear of the end

_PAGE = {
    "/": ("live.html", "text/html; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class WebSink(Sink):
    """A page for a wall screen, a desk or a phone; `/metrics` for Prometheus, `/healthz` for a supervisor.

    Read-only. The stream hands over references and waits for nobody: pictures are drawn in the threads of those
    who look, at most some a second however many look, and evidence is asked for only while somebody does.

    Args:
        host: Address to listen at: `127.0.0.1` for this machine alone, `0.0.0.0` for its network. There is no
            password: whoever reaches it sees the pictures.
        port: 0 for any that is free.
        names: Host names by which it may be asked besides `localhost` and addresses.
        defects: Last ones that are shown.

    Raises:
        InputError: One of these can't be.
    """

    name = "web"
    pictures = True
    lossy = True

    def __init__(
        self, host: str = "127.0.0.1", port: int = 8080, names: Sequence[str] = (), defects: int = 24
    ) -> None:
        if defects < 0:
            raise InputError(f"sinks.web.defects={defects}: expected 0 or more")
        self._host, self._port, self._names = host, port, list(names)
        self._most_defects = defects
        self._watched_at = -math.inf
        self._wanted_at = self._asked_at = -math.inf  # evidence
        self._came_at = 0.0
        self._told: tuple[float, bytes] = (-1.0, b"")
        self._ending = False
        self._end_told = threading.Event()

    @property
    def evidence(self) -> Evidence:  # type: ignore[override]  # it changes
        """While somebody looks: some times a second the newest, in between each alarm that is to be kept."""
        now = time.monotonic()
        if not self._wanted(now):
            return "none"
        if now - self._asked_at >= APART:
            self._asked_at = now
            return "newest"
        return "alarms" if self._shots.keeps(now) else "none"

    def _wanted(self, now: float) -> bool:
        return now - self._wanted_at < WATCHED

    def open(self, about: About) -> None:
        """Begin to serve."""
        self._answers, self._figures = about.inspector.answers, about.live
        self._shots = Shots(about.inspector, self._most_defects)
        self._came_at = time.monotonic()
        self._can_alarm = bool(about.inspector.answers.alarming())
        self._facts = _facts(about)
        self._explains = self._facts["heatmaps"]
        page = files("inspection.stream.sinks") / "page"
        self._page = {path: Answer((page / file).read_bytes(), kind) for path, (file, kind) in _PAGE.items()}
        self._server = ReadOnlyServer(
            self._site, self._host, self._port, self._names, "sinks.web", always=("/healthz", "/metrics")
        )
        self.where = self._server.url

    def write(self, results: Sequence[Result]) -> None:
        """Hand over references; of defects, pictures are made here, some times a second."""
        now = self._came_at = time.monotonic()
        seen = [(result, role_of(result, self._can_alarm)) for result in results]
        self._shots.take(seen, now, now - self._watched_at < WATCHED, self._explains and self._wanted(now))

    def close(self) -> None:
        """Tell those who look that it is over, then serve no more."""
        self._ending = True
        if time.monotonic() - self._watched_at < WATCHED:
            self._end_told.wait(_PARTING)
        self._server.close()

    def _live(self) -> Live:
        """At the end of a stream its sinks are closed first."""
        live = self._figures()
        return replace(live, state="ended") if self._ending else live

    def _site(self, asked: Asked) -> Answer | None:
        if asked.path in self._page:
            return self._page[asked.path]
        if asked.path == "/state.json":
            return self._news("evidence=1" in asked.query.split("&"))
        if asked.path == "/metrics":
            labels = {key: str(self._facts[key]) for key in ("task", "source", "inspector", "version")}
            text = exposition(self._live(), labels)
            return Answer(text.encode("utf-8", "replace"), CONTENT_TYPE)
        if asked.path == "/healthz":
            return self._health()
        return self._picture_at(asked.path)

    def _picture_at(self, path: str) -> Answer | None:
        """`/pictures/12/small.jpg`."""
        match path.split("/"):
            case ["", "pictures", number, name] if name.removesuffix(".jpg") in KINDS:
                content = self._shots.picture(number, cast(Kind, name.removesuffix(".jpg")))
                return None if content is None else Answer(content, "image/jpeg")
        return None

    def _health(self) -> Answer:
        live = self._live()
        ended = live.state == "ended"
        words = {"state": live.state, "received": live.received, "inspected": live.inspected}
        return Answer(json.dumps(words).encode() + b"\n", "application/json", 503 if ended else 200)

    def _news(self, evidence: bool) -> Answer:
        """The same for all who ask within a moment."""
        now = time.monotonic()
        self._watched_at = now
        if evidence:
            self._wanted_at = now
        told_at, content = self._told
        if now - told_at >= APART / 2 or self._ending:
            content = json.dumps(as_json(self._state(now)), ensure_ascii=True, allow_nan=False).encode()
            self._told = (now, content)
        if self._ending:
            self._end_told.set()
        return Answer(content, "application/json")

    def _state(self, now: float) -> dict[str, Any]:
        live, shot, silent = self._live(), self._shots.pinned(now), now - self._came_at
        tape, defects = self._shots.remembered()
        return {
            **self._facts,
            "state": live.state,
            "silent": round(silent, 1),
            "late": live.state == "running" and live.received > 0 and silent > LATE,
            "shown": None if shot is None else self._told_of(shot),
            "tape": tape,
            "defects": [self._told_of(each) for each in defects],
            "elapsed": live.elapsed,
            "total": live.total,
            "rate": live.rate,
            "mean_rate": live.mean_rate,
            "median_ms": None if live.median is None else 1000 * live.median,
            "p99_ms": None if live.p99 is None else 1000 * live.p99,
            "waiting": live.waiting,
            "capacity": live.capacity,
            "received": live.received,
            "inspected": live.inspected,
            "dropped": dict(live.dropped),
            "failed": dict(live.failed),
            "alarms": live.alarms,
            "verdicts": dict(live.verdicts),
            "reconnects": live.reconnects,
            "drifted": live.drifted,
            "drift": list(live.drift),
            "sinks": {name: each.error for name, each in live.sinks.items() if each.error},
        }

    def _told_of(self, shot: Shot) -> dict[str, Any]:
        result, answers = shot.result, self._answers
        verdict = result.verdict
        figures = () if verdict is None else zip(answers.headings(), answers.figures(verdict), strict=True)
        return {
            "id": shot.number,
            "frame": result.number,
            "name": result.name,
            "time": iso_time(result.time),
            "latency_ms": 1000 * result.seconds,
            "role": role_of(result, self._can_alarm),
            "label": f"not inspected: {result.reason}" if verdict is None else verdict.label,
            "error": result.error,
            "figures": list(figures),
            "picture": bool(shot.made) or (result.image is not None and verdict is not None),
            "evidence": shot.evidence,
            "explained": is_explained(result),
            "unlike": list(result.unlike),
            "more": shot.more,
        }


def _facts(about: About) -> dict[str, Any]:
    """What does not change while the stream runs."""
    inspector = about.inspector
    made = inspector.passport.made
    decision = inspector.decision
    defect = getattr(decision, "defect", None)
    possible = inspector.backend.outputs.issuperset(inspector.answers.wanted(True))
    of = [made.get("run"), f"inspection {version}" if (version := made.get("inspection")) else None]
    known = described(about)
    return {
        **{key: known[key] for key in ("task", "question", "operating_point", "source", "version")},
        "inspector": ", ".join(each for each in of if each),
        "synthetic": bool((made.get("data") or {}).get("synthetic")),
        "session": secrets.token_hex(8),
        "alarms_are": "alarms" if defect is None else "defects",
        "alarming": inspector.answers.alarming(),
        "evidence_possible": possible,
        "heatmaps": possible and HEATMAPS in inspector.answers.wanted(True),
        "shares": decision.kind != "boxes",
    }
