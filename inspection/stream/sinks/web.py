"""A live web page of the stream."""

import itertools
import json
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any, Literal, cast, get_args

from inspection.data.images import CameraImage
from inspection.errors import InputError
from inspection.inspector.backends import HEATMAPS
from inspection.inspector.plain import as_json
from inspection.inspector.verdict import Verdict
from inspection.stream.alarms import can_alarm
from inspection.stream.frames import Live, Result
from inspection.stream.roles import Role, alarming, role_of
from inspection.stream.sink import About, Evidence, Sink
from inspection.stream.sinks.about import described
from inspection.stream.sinks.drawing import explained, has_evidence, jpeg, shown
from inspection.stream.sinks.lines import iso_time
from inspection.stream.sinks.metrics import CONTENT_TYPE, exposition
from inspection.stream.sinks.server import Answer, Asked, ReadOnlyServer

APART = 0.25
"""Seconds between two pictures, of frames as of defects: however many look, and however fast the line is."""
WATCHED = 3.0
"""Seconds after which somebody who asked for news is taken to have gone."""
LATE = 3.0
"""Seconds without a frame from which on the newest verdict says nothing of what is under the camera now."""
TAPE = 240
"""Newest frames whose verdicts are shown as marks."""
_LARGE, _READABLE, _SMALL = 1280, 640, 300  # px: longer side
_HELD = 6  # newest pictures that can still be asked for
_PARTING = 1.5  # seconds at most that pages are given to hear of the end

_MARKS: dict[Role, str] = {"good": "g", "defect": "d", "other": "o", "failed": "f"}
_PAGE = {
    "/": ("live.html", "text/html; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

Kind = Literal["plain", "evidence", "small"]


@dataclass
class _Shot:
    """A result with its pictures, which are made when somebody asks, once."""

    number: int
    result: Result
    evidence: bool  # whether there is something to draw over the image
    made: dict[Kind, bytes] = field(default_factory=dict)
    more: int = 0  # of defects: further ones that came right behind
    lock: threading.Lock = field(default_factory=threading.Lock)


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
        self._lock = threading.Lock()  # held for moments only
        self._numbers = itertools.count(1)
        self._tape: deque[str] = deque(maxlen=TAPE)
        self._next: Result | None = None  # is shown next
        self._next_weight = 0
        self._held: deque[_Shot] = deque(maxlen=_HELD)
        self._defects: deque[_Shot] = deque(maxlen=defects)
        self._kept_at = self._pinned_at = self._watched_at = -math.inf
        self._wanted_at = self._asked_at = self._alarm_at = -math.inf  # evidence
        self._came_at = 0.0
        self._told: tuple[float, bytes] = (-1.0, b"")
        self._ending = False
        self._end_told = threading.Event()

    @property
    def evidence(self) -> Evidence:  # type: ignore[override]  # it changes
        """While somebody looks: some times a second the newest, in between an alarm as soon as there is one."""
        now = time.monotonic()
        if now - self._wanted_at >= WATCHED:
            return "none"
        if now - self._asked_at >= APART:
            self._asked_at = now
            return "newest"
        return "none" if now - self._alarm_at < APART else "alarms"

    def open(self, about: About) -> None:
        """Begin to serve."""
        self._inspector, self._answers, self._figures = about.inspector, about.inspector.answers, about.live
        self._came_at = time.monotonic()
        self._can_alarm = can_alarm(about.inspector)
        self._facts = _facts(about)
        page = files("inspection.stream.sinks") / "page"
        self._page = {path: Answer((page / file).read_bytes(), kind) for path, (file, kind) in _PAGE.items()}
        self._server = ReadOnlyServer(self._site, self._host, self._port, self._names, "sinks.web")
        self.where = self._server.url

    def write(self, results: Sequence[Result]) -> None:
        """Remember the newest, and what must not be lost behind it."""
        now = time.monotonic()
        seen = [(result, role_of(result, self._can_alarm)) for result in results]
        with self._lock:
            self._came_at = now
            watched = now - self._watched_at < WATCHED
            for result, role in seen:
                self._tape.append("-" if result.status == "dropped" else _MARKS[role])
                if result.status == "dropped":
                    continue
                if role == "defect" and _is_explained(result):
                    self._alarm_at = now
                weight = _weight(result, role)
                # Between two looks a defect may come and go; where nobody looks, the newest is as good.
                if self._next is None or weight >= self._next_weight or not watched:
                    self._next, self._next_weight = result, weight
        for result, role in seen:
            if role == "defect":
                self._keep(result, now)

    def close(self) -> None:
        """Tell those who look that it is over, then serve no more."""
        self._ending = True
        if time.monotonic() - self._watched_at < WATCHED:
            self._end_told.wait(_PARTING)
        self._server.close()

    # ---- what is remembered ----------------------------------------------------------------------------------

    def _keep(self, result: Result, now: float) -> None:
        """The small and the large pictures of a defect: not its pixels, which may be many."""
        if not self._defects.maxlen:
            return
        if self._defects and now - self._kept_at < APART:
            self._defects[-1].more += 1
            return
        self._kept_at = now
        shot = self._shot(result)
        for kind in get_args(Kind):
            self._picture(shot, kind)
        shot.result = _bare(result)
        with self._lock:
            self._defects.append(shot)

    def _pinned(self, now: float) -> _Shot | None:
        """The frame that is shown now, the same one for all who look; a newer one after a moment."""
        with self._lock:
            if self._next is not None and now - self._pinned_at >= APART:
                self._pinned_at = now
                self._held.append(self._shot(self._next))
                self._next = None
            return self._held[-1] if self._held else None

    def _shot(self, result: Result) -> _Shot:
        verdict = result.verdict
        return _Shot(next(self._numbers), result, verdict is not None and has_evidence(verdict))

    def _picture(self, shot: _Shot, kind: Kind) -> bytes | None:
        """None: there is none."""
        with shot.lock:
            image, verdict = shot.result.image, shot.result.verdict
            if kind not in shot.made and image is not None and verdict is not None:
                shot.made[kind] = self._drawn(image, verdict, kind)
            return shot.made.get(kind)

    def _drawn(self, image: CameraImage, verdict: Verdict, kind: Kind) -> bytes:
        if kind == "plain":
            return jpeg(shown(self._inspector, image, _LARGE))
        if kind == "small":
            return jpeg(explained(self._inspector, image, verdict, _SMALL, words=False), 80)
        return jpeg(explained(self._inspector, image, verdict, _LARGE, _READABLE))

    def _live(self) -> Live:
        """At the end of a stream its sinks are closed first."""
        live = self._figures()
        return replace(live, state="ended") if self._ending else live

    # ---- what is told ----------------------------------------------------------------------------------------

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
            case ["", "pictures", number, name] if name.removesuffix(".jpg") in get_args(Kind):
                with self._lock:
                    shots = [*self._held, *self._defects]
                shot = next((each for each in shots if str(each.number) == number), None)
                content = None if shot is None else self._picture(shot, cast(Kind, name.removesuffix(".jpg")))
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
        live, shot = self._live(), self._pinned(now)
        with self._lock:
            tape, defects, silent = "".join(self._tape), list(self._defects), now - self._came_at
        return {
            **self._facts,
            "state": live.state,
            "silent": round(silent, 1),
            "late": live.state == "running" and live.received > 0 and silent > LATE,
            "shown": None if shot is None else self._told_of(shot),
            "tape": tape,
            "defects": [self._told_of(each) for each in reversed(defects)],
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

    def _told_of(self, shot: _Shot) -> dict[str, Any]:
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
            "explained": _is_explained(result),
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
    return {
        **described(about),
        "inspector": ", ".join(each for each in of if each),
        "synthetic": bool((made.get("data") or {}).get("synthetic")),
        "session": secrets.token_hex(8),
        "alarms_are": "alarms" if defect is None else "defects",
        "alarming": alarming(inspector),
        "alarm_possible": can_alarm(inspector),
        "evidence_possible": possible,
        "heatmaps": possible and HEATMAPS in inspector.answers.wanted(True),
        "shares": decision.kind != "boxes",
    }


def _weight(result: Result, role: Role) -> int:
    """Of what came since somebody looked the heaviest is shown: a defect, a failure, a frame with its evidence."""
    return {"defect": 4, "failed": 2}.get(role, 0) + _is_explained(result)


def _is_explained(result: Result) -> bool:
    return result.verdict is not None and result.verdict.method is not None


def _bare(result: Result) -> Result:
    """Without what takes much memory."""
    assert result.verdict is not None
    return replace(result, image=None, verdict=replace(result.verdict, heatmaps={}, mask=None))
