"""Textile strips filmed while they are sewn, drawn: sound seams, widened strings, cut strings, two stitch lengths.

A video is one strip under one lamp. It is drawn once, as a long canvas in the strip's own frame: millimetres, x
across the strip with the seam near 0, s along it. Each frame is that canvas, fed on a little, seen through the
camera's pose of that moment. Colours are linear shares of white, RGB, until the last step.
"""

import csv
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from inspection.data.synthetic.paint import FloatArray, Image, Points, blur, fixed, noise, write_png
from inspection.data.synthetic.sets import prepare_set
from inspection.errors import InputError

VERSION = 1  # raised whenever the pictures change, so that sets on disk are drawn anew
SIDE = 200  # pixels, height and width of a frame
ATTRIBUTES = ("good", "error", "break", "length")
WIDENED_FROM, CUT_FROM = 1.5, 1.5  # times the usual width, and mm: from here on it is an error, a break
SHORT_STITCH, LONG_STITCH = 2.0, 4.0  # mm

_PIXELS_PER_MM = 12.0  # in a frame, before the camera's own scale
_FINE = 16  # canvas pixels per mm
_HALF_CANVAS = 11.0  # mm of canvas to either side of the seam's nominal line
_MARGIN = 4.0  # mm of canvas before and behind what the camera passes over
_VIEW = SIDE / _PIXELS_PER_MM  # mm that a frame shows
_SEEN_WIDENED, _SEEN_CUT = 1.5, 1.0  # mm of a fault that must be in view before it is labelled


@dataclass(frozen=True)
class Fault:
    """A stretch of the seam where the string is widened or cut.

    Attributes:
        kind: what is wrong.
        start: where it begins, mm along the strip.
        end: where it ends, mm.
        size: the string's width there as a multiple of the usual (widened), or mm of missing string (cut).
    """

    kind: Literal["widened", "cut"]
    start: float
    end: float
    size: float

    @property
    def counts(self) -> bool:
        """Whether it is large enough to be labelled `error` or `break`."""
        return self.size >= (WIDENED_FROM if self.kind == "widened" else CUT_FROM)


@dataclass(frozen=True)
class SeenFault:
    """A fault in one frame: its box is left, top, right, bottom in pixels; `labelled` says if it sets a label."""

    fault: Fault
    box: tuple[float, float, float, float]
    labelled: bool


@dataclass(frozen=True)
class SeamFrame:
    """A drawn frame, RGB uint8 [200, 200, 3], its labels by attribute, and the truth about its faults."""

    image: Image
    labels: dict[str, bool]
    faults: tuple[SeenFault, ...]


class SyntheticSeams:
    """A synthetic set of sewing footage in the folders of the real set: `pics/*.png`, a table a video.

    Args:
        folder: where the set lies or shall lie.
        videos: number of videos, each with a fabric, thread, lamp and camera of its own.
        frames: frames of each video; they are near copies of one another.
        seed: video i depends on the seed, on i and on `frames` alone, so a larger set holds the smaller one.
    """

    def __init__(self, folder: str, videos: int = 300, frames: int = 3, seed: int = 0) -> None:
        if videos < 1:
            raise InputError(f"data.synthetic.videos: expected at least 1 video, found {videos}")
        if frames < 1:
            raise InputError(f"data.synthetic.frames: expected at least 1 frame a video, found {frames}")
        if seed < 0:
            raise InputError(f"data.synthetic.seed: expected 0 or more, found {seed}")
        self.folder = Path(folder)
        self.videos = videos
        self.frames = frames
        self.seed = seed

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Draw the set unless it is there already.

        Args:
            progress: called with (frames drawn, frames in all) while the set is drawn.

        Returns:
            The folder with `pics/<video>_<frame>.png`, `<video>_data.csv`, and `truth.csv` (one row a fault in
            view: kind, size, whether it sets its label, and box in pixels).

        Raises:
            InputError: the folder holds something else than a synthetic set.
        """
        parameters = {"videos": self.videos, "frames": self.frames, "seed": self.seed}
        return prepare_set(
            self.folder, "seam", VERSION, parameters, lambda place: self._draw(place, progress)
        )

    def _draw(self, place: Path, progress: Callable[[int, int], None] | None) -> None:
        (place / "pics").mkdir()
        with (
            (place / "truth.csv").open("w", newline="") as file,
            ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        ):
            rows = csv.writer(file)
            rows.writerow(["file", "fault", "size", "labelled", "left", "top", "right", "bottom"])
            jobs = [pool.submit(self._draw_one, place, index) for index in range(self.videos)]
            try:
                for done, job in enumerate(jobs, start=1):
                    rows.writerows(job.result())
                    if progress is not None:
                        progress(done * self.frames, self.videos * self.frames)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _draw_one(self, place: Path, index: int) -> list[list[str]]:
        video = f"seam_{index:03d}"
        truth = []
        with (place / f"{video}_data.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["", "name", *ATTRIBUTES])
            for number, frame in enumerate(
                draw_video(np.random.default_rng([self.seed, index]), self.frames)
            ):
                name = f"{video}_{number:06d}.png"
                write_png(place / "pics" / name, frame.image)
                table.writerow([number, name, *(frame.labels[attribute] for attribute in ATTRIBUTES)])
                truth += [
                    [f"pics/{name}", seen.fault.kind, f"{seen.fault.size:.3f}", str(seen.labelled)]
                    + [f"{side:.1f}" for side in seen.box]
                    for seen in frame.faults
                ]
        return truth


# -------------------------------------------------------------------------------------------- the video


def draw_video(rng: np.random.Generator, frames: int) -> list[SeamFrame]:
    """Draw one video.

    `error` is a string widened to 1.5 times its width or more, `break` one with 1.5 mm or more missing, `length`
    is True for stitches of 2 mm and False for 4 mm. `good` is a judgement: never together with `error` or
    `break`, but not always without them. How much wander, slackness or thinning passes is up to who labelled
    the video.

    Args:
        rng: source of all randomness.
        frames: how many frames, at least 1.
    """
    sewing, look, filming, judging = rng.spawn(4)
    steps = filming.uniform(0.4, 1.0) * np.clip(filming.normal(1, 0.25, frames), 0.2, 2)
    fed = np.cumsum(steps) - steps[0]  # mm that the strip has moved since the first frame
    seam = _sew(sewing, fed[-1])
    foot = float(look.uniform(0.8, 3.2)) if look.random() < 0.4 else -_MARGIN
    machine, strip = _paint_machine(look, foot), _paint_strip(look, seam)
    camera = _Camera.drawn(filming)
    strictness = judging.uniform(0.6, 0.95)
    drawn = []
    for moved, pose in zip(fed, _poses(filming, frames), strict=True):
        faults, roughness = _look_at(seam, pose, moved, foot)
        wrong = {seen.fault.kind for seen in faults if seen.labelled}
        labels = {
            "good": not wrong and bool(roughness < strictness + judging.normal(0, 0.03)),
            "error": "widened" in wrong,
            "break": "cut" in wrong,
            "length": seam.stitch == SHORT_STITCH,
        }
        scene = _lay(machine, strip, pose, moved, seam.first)
        drawn.append(SeamFrame(camera.photograph(filming, scene), labels, faults))
    return drawn


@dataclass(frozen=True)
class _Seam:
    """The string along the strip.

    Attributes:
        s: samples along the strip, mm, every 0.1 mm.
        x: centre line at the samples, mm.
        width: width at the samples as a multiple of the usual.
        half_width: half the usual width, mm.
        holes: where the needle went in, mm along the strip.
        stitch: nominal stitch length, mm.
        faults: where it is widened or cut, large enough for a label or not.
    """

    s: Points
    x: Points
    width: Points
    half_width: float
    holes: Points
    stitch: float
    faults: tuple[Fault, ...]

    @property
    def first(self) -> float:
        return float(self.s[0])


def _sew(rng: np.random.Generator, fed: float) -> _Seam:
    """Sew a strip long enough to be fed on by `fed` mm; the first frame looks at s = 0 to `_VIEW`."""
    first, last = -fed - _MARGIN, _VIEW + _MARGIN
    s = np.arange(first, last, 0.1)
    stitch = SHORT_STITCH if rng.random() < 0.5 else LONG_STITCH
    untidy = rng.beta(1.1, 1.6)
    spread = 0.02 + 0.06 * untidy
    lengths = stitch * np.clip(rng.normal(1, spread, int((last - first) / stitch * 1.5) + 6), 0.7, 1.3)
    holes = first - rng.uniform(1, 2) * stitch + np.cumsum(lengths)

    waves, phases, parts = rng.uniform(9, 26, 3), rng.uniform(0, 2 * np.pi, 3), rng.dirichlet(np.ones(3))
    x = 0.7 * untidy * (np.sin(2 * np.pi * s[:, None] / waves + phases) @ parts)

    faults = []
    for _ in range(rng.choice(3, p=[0.46, 0.42, 0.12])):
        slight = rng.random() < 0.25
        size = rng.uniform(1.12, 1.45) if slight else WIDENED_FROM + 1.4 * rng.beta(1.1, 1.6)
        start = rng.uniform(first + _MARGIN - 3, last - _MARGIN - 1)
        faults.append(Fault("widened", start, start + rng.uniform(3, 9), float(size)))
    for _ in range(rng.choice(3, p=[0.45, 0.42, 0.13])):
        slight = rng.random() < 0.25
        size = rng.uniform(0.4, 1.3) if slight else CUT_FROM + 4.5 * rng.beta(1.2, 1.6)
        start = rng.uniform(first + _MARGIN, last - _MARGIN)
        faults.append(Fault("cut", start, start + float(size), float(size)))

    width = np.ones_like(s)
    for fault in faults:
        if fault.kind == "widened":
            ramp = np.clip(np.minimum(s - fault.start, fault.end - s) / 0.8 + 0.5, 0, 1)
            width = np.maximum(width, 1 + (fault.size - 1) * ramp * ramp * (3 - 2 * ramp))
    return _Seam(s, x, width, rng.uniform(0.30, 0.42), holes, stitch, tuple(faults))


def _poses(rng: np.random.Generator, frames: int) -> list[Points]:
    """Where the camera hangs at each frame: affine maps [2, 3] from mm over the needle plate to pixels.

    It hangs differently in each video, and is not quite steady within one.
    """
    scale, angle = _PIXELS_PER_MM * rng.uniform(0.96, 1.04), rng.normal(0, 1.5)
    shift = rng.uniform(-0.8, 0.8, 2)
    drift = rng.normal(0, 0.02, 3)
    poses = []
    for _ in range(frames):
        angle, shift = angle + drift[2] + rng.normal(0, 0.03), shift + drift[:2] + rng.normal(0, 0.02, 2)
        cos, sin = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
        turn = np.array([[cos, -sin], [sin, cos]])
        poses.append(np.column_stack([turn, SIDE / 2 + scale * shift - turn @ (0, _VIEW / 2)]))
    return poses


def _look_at(seam: _Seam, pose: Points, fed: float, foot: float) -> tuple[tuple[SeenFault, ...], float]:
    """The faults in view, and how rough the seam looks otherwise: 0 (perfect) to 1 (at a border) and beyond."""
    place = seam.s + fed  # mm over the needle plate
    line = np.stack([seam.x, place], 1) @ pose[:, :2].T + pose[:, 2]
    in_view = ((line >= 0) & (line < SIDE)).all(1) & (place > foot)
    faults = []
    s, x = seam.s[in_view], seam.x[in_view]
    wander = x - np.polyval(np.polyfit(s, x, 1), s)
    roughness = float(np.sqrt(np.mean(wander**2))) / 0.33
    for fault in seam.faults:
        seen = in_view & (seam.s >= fault.start) & (seam.s <= fault.end)
        if not seen.any():
            continue
        enough = min(_SEEN_WIDENED if fault.kind == "widened" else _SEEN_CUT, fault.end - fault.start)
        labelled = fault.counts and 0.1 * seen.sum() >= enough - 0.05
        border = (WIDENED_FROM - 1, fault.size - 1) if fault.kind == "widened" else (CUT_FROM, fault.size)
        roughness = max(roughness, border[1] / border[0])
        half = seam.half_width * seam.width[seen].max() * np.hypot(*pose[:, 0])
        low, high = line[seen].min(0), line[seen].max(0)
        corners = np.clip([low[0] - half, low[1], high[0] + half, high[1]], 0, SIDE)
        faults.append(SeenFault(fault, (corners[0], corners[1], corners[2], corners[3]), bool(labelled)))
    return tuple(faults), roughness


# --------------------------------------------------------------------------------------------- painting


def _cloud(rng: np.random.Generator, width: int, height: int, grain: int) -> FloatArray:
    """Smooth noise [height, width] of about unit spread, its lumps `grain` pixels wide."""
    small = noise(rng, (height // grain + 3, width // grain + 3))
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _colour(rng: np.random.Generator, hue: float, saturation: float, value: float) -> FloatArray:
    """RGB [3] in 0..1 of a hue in degrees, a little off in each video."""
    value = np.clip(value + rng.normal(0, 0.02), 0.03, 0.97)
    hsv = np.array([[[hue % 360, np.clip(saturation, 0, 1), value]]], np.float32)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0], np.float32)


def _colours(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Colours of fabric and of string, which is the lighter one: clearly, or only just."""
    while True:
        fabric = _colour(rng, rng.uniform(0, 360), 0.6 * rng.beta(1.2, 2.2), rng.uniform(0.10, 0.50))
        if rng.random() < 0.7:  # white, ecru
            thread = _colour(rng, rng.uniform(30, 60), rng.uniform(0, 0.12), rng.uniform(0.82, 0.95))
        else:
            thread = _colour(rng, rng.uniform(0, 360), rng.uniform(0.15, 0.45), rng.uniform(0.75, 0.92))
        if float((thread - fabric).mean()) > 0.25:
            return fabric, thread


def _weave(rng: np.random.Generator, x: FloatArray, s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Height 0..1 and tone (about 1) of a fabric at x and s [h, w], mm."""
    kind, pitch = rng.choice(4, p=[0.35, 0.3, 0.2, 0.15]), rng.uniform(0.32, 0.62)
    bent = 0.12 * _cloud(rng, x.shape[1], x.shape[0], 90)
    u, v = (x + bent) / pitch, (s + np.roll(bent, 37, 1)) / (pitch * rng.uniform(0.85, 1.15))
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    across, along = u - column - 0.5, v - row - 0.5
    spread = rng.uniform(0.02, 0.08)
    warp, weft = (rng.normal(1, spread, 256).astype(np.float32)[index % 256] for index in (column, row))
    if kind == 3:  # fleece: no yarn to be seen
        height = (
            0.5 + 0.2 * blur(noise(rng, x.shape), 2.2) * 2.2 + 0.12 * _cloud(rng, x.shape[1], x.shape[0], 9)
        )
        return np.clip(height, 0, 1), np.ones_like(x)
    if kind == 2:  # knit: columns of V
        leg = (np.abs(across) - 0.25) * 4
        inside = (v + 0.9 * np.abs(across)) % 1 - 0.5
        height = np.sqrt(np.clip(1 - leg**2, 0, 1)) * (0.55 + 0.45 * np.cos(2 * np.pi * inside))
        return height.astype(np.float32), warp
    # Plain weave or twill: yarn over yarn.
    over = (column + row) % 2 == 0 if kind == 0 else (column + row) % 3 > 0
    round_u, round_v = (np.sqrt(np.clip(1 - (1.9 * part) ** 2, 0, 1)) for part in (across, along))
    height = np.where(over, round_u * np.cos(2.6 * along), round_v * np.cos(2.6 * across))
    pale = np.float32(rng.uniform(1.05, 1.35) if kind == 1 else 1.0)  # a paler weft, as in denim
    return height.astype(np.float32), np.where(over, warp, weft * pale)


def _paint_strip(rng: np.random.Generator, seam: _Seam) -> FloatArray:
    """The strip with its seam, [h, w, 4]: RGB times cover, and cover. Row 0 is at the seam's first sample."""
    height, width = round((seam.s[-1] - seam.s[0]) * _FINE), round(2 * _HALF_CANVAS * _FINE)
    columns = ((np.arange(width) + 0.5) / _FINE - _HALF_CANVAS).astype(np.float32)
    rows = ((np.arange(height) + 0.5) / _FINE + seam.first).astype(np.float32)
    x, s = np.meshgrid(columns, rows)
    fabric, thread = _colours(rng)
    light = rng.uniform(0, 2 * np.pi)
    towards = np.float32(np.cos(light)), np.float32(np.sin(light))

    relief, tone = _weave(rng, x, s)
    depth = np.float32(rng.uniform(0.08, 0.25))
    shade = tone * (1 - depth + depth * relief) * (1 + 0.03 * noise(rng, (height, width)))
    shade += 0.05 * _cloud(rng, width, height, 60)
    # The string pulls the fabric together: a trough along the seam, puckers at its stitches.
    centre = np.interp(s[:, 0], seam.s, seam.x).astype(np.float32)[:, None]
    off = x - centre
    pucker = (
        _cloud(rng, width, height, 22) * np.exp(-((off / 2.6) ** 2)) * np.float32(rng.uniform(0.02, 0.09))
    )
    trough = -off / 0.8 * np.exp(-((off / 1.1) ** 2)) * np.float32(rng.uniform(0.05, 0.14))
    shade += pucker + trough * towards[0]
    colour = fabric * np.clip(shade, 0.1, 2)[..., None]

    _paint_string(rng, colour, seam, (x, s), thread, towards)
    _paint_lint(rng, colour)
    edges = rng.uniform(5.0, 9.0, 2) * (-1, 1)
    fray = 0.10 * _cloud(rng, 2, height, 7) + 0.15 * _cloud(rng, 2, height, 90)
    cover = np.clip((x - edges[0] - fray[:, :1]) * _FINE / 2 + 0.5, 0, 1)
    cover *= np.clip((edges[1] + fray[:, 1:] - x) * _FINE / 2 + 0.5, 0, 1)
    # Finer than a frame's pixels: blurred once here, so that no frame aliases.
    return blur(np.dstack([colour * cover[..., None], cover]).astype(np.float32), 0.6)


def _paint_string(
    rng: np.random.Generator,
    colour: FloatArray,
    seam: _Seam,
    grid: tuple[FloatArray, FloatArray],
    thread: FloatArray,
    towards: tuple[np.float32, np.float32],
) -> None:
    """Paint needle holes, the string's shadow, the string and the frayed ends of its cuts, in place."""
    reach = 3.5
    band = slice(round((_HALF_CANVAS - reach) * _FINE), round((_HALF_CANVAS + reach) * _FINE))
    x, rows = grid[0][:, band], grid[1][:, 0].astype(np.float64)
    number = np.maximum(np.searchsorted(seam.holes, rows) - 1, 0)
    begin, end = seam.holes[number], seam.holes[number + 1]
    t = (rows - begin) / (end - begin)
    to_hole = np.minimum(rows - begin, end - rows)
    slant = rng.choice([-1, 1]) * rng.uniform(0.1, 0.35)
    side = rng.normal(0, 0.03, len(seam.holes))
    centre = (
        np.interp(rows, seam.s, seam.x) + slant * (t - 0.5) + side[number] * (1 - t) + side[number + 1] * t
    )
    dip = np.clip(to_hole / 0.5, 0, 1)
    width = np.interp(rows, seam.s, seam.width)
    half = seam.half_width * width * (0.5 + 0.5 * np.sqrt(1 - (1 - dip) ** 2))
    left = np.ones_like(rows)  # what is left of the string
    for fault in seam.faults:
        if fault.kind == "cut":
            left *= np.clip(np.maximum(fault.start - rows, rows - fault.end) * _FINE + 0.5, 0, 1)
    lines = (centre, half, left, dip, np.clip(width - 1, 0, 1.2), to_hole)
    middle, radius, uncut, full, loose, hole = (line.astype(np.float32)[:, None] for line in lines)

    off = x - middle
    around = off / radius
    cover = np.clip((radius - np.abs(off)) * _FINE + 0.5, 0, 1) * uncut
    # A widened string is slack: its strands part, and the fabric shows between them.
    strand = np.sin(np.float32(2 * np.pi) * (around * 1.6 + 0.25 * _cloud(rng, x.shape[1], x.shape[0], 24)))
    cover *= 1 - np.clip(loose * 1.2, 0, 0.8) * np.clip(strand * 1.5 - 0.3, 0, 1)
    pitch, gloss = rng.uniform(0.7, 1.1), np.float32(rng.uniform(0.05, 0.25))
    ply = np.sin(np.float32(2 * np.pi) * (grid[1][:, band] / np.float32(pitch) + 0.3 * around))
    body = 0.62 + 0.38 * np.sqrt(np.clip(1 - around**2, 0, 1)) + 0.05 * ply
    body *= 0.62 + 0.38 * full
    shine = gloss * np.exp(-(((around - 0.45 * towards[0]) / 0.3) ** 2)) * (0.6 + 0.4 * ply)

    region = colour[:, band]
    region *= 1 - 0.6 * np.exp(-((np.hypot(off, hole) / 0.28) ** 2))[..., None]
    fall = (round(-0.22 * towards[0] * _FINE), round(-0.22 * towards[1] * _FINE))
    shadow = blur(np.roll(cover, (fall[1], fall[0]), (0, 1)), 2.5)
    region *= 1 - 0.38 * shadow[..., None]
    painted = thread * body[..., None] + shine[..., None]
    region += cover[..., None] * (painted - region)
    for fault in seam.faults:
        if fault.kind == "cut":
            _paint_frayed(rng, region, seam, fault, thread, reach)


def _paint_frayed(
    rng: np.random.Generator, region: FloatArray, seam: _Seam, cut: Fault, thread: FloatArray, reach: float
) -> None:
    """Paint the strands that stick out at both ends of a cut into the band [h, w, 3] round the seam, in place."""
    strands = np.zeros(region.shape[:2], np.uint8)
    for end, way in ((cut.start, 1), (cut.end, -1)):
        for _ in range(rng.integers(4, 9)):
            length, lean, curl = rng.uniform(0.25, 0.75), rng.normal(0, 0.8), rng.normal(0, 0.8)
            t = np.linspace(0, 1, 8)
            turned = lean + curl * t
            along = end + way * (length * t * np.cos(turned) - 0.15)
            across = np.interp(end, seam.s, seam.x) + rng.normal(0, 0.4 * seam.half_width)
            points = np.stack([across + length * t * np.sin(turned) + reach, along - seam.first], 1) * _FINE
            cv2.polylines(strands, [fixed(points)], False, 255, int(rng.integers(1, 4)), cv2.LINE_AA, 3)
    region += (strands.astype(np.float32) / 255 * 0.8)[..., None] * (0.9 * thread - region)


def _paint_lint(rng: np.random.Generator, colour: FloatArray) -> None:
    """Paint a few fibres that lie anywhere on the strip [h, w, 3], in place."""
    lint = np.zeros(colour.shape[:2], np.uint8)
    for _ in range(rng.poisson(4)):
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.3, 12))
        steps = rng.uniform(1, 3) * np.stack([np.cos(heading), np.sin(heading)], 1)
        start = rng.uniform((0, 0), (colour.shape[1], colour.shape[0]))
        cv2.polylines(lint, [fixed(start + np.cumsum(steps, 0))], False, 255, 1, cv2.LINE_AA, 3)
    colour += 0.6 * (lint.astype(np.float32) / 255)[..., None] * (np.float32(rng.uniform(0.2, 0.9)) - colour)


_STILL_FINE, _STILL_HALF = 10, 14.0  # canvas pixels per mm, and mm to each side of the middle of the view


def _paint_machine(rng: np.random.Generator, foot: float) -> tuple[FloatArray, FloatArray]:
    """What does not move: needle plate [h, w, 3], and presser foot [h, w, 4] as RGB times cover, and cover.

    The foot reaches down to y = `foot` mm, its two toes to either side of the seam.
    """
    side = round(2 * _STILL_HALF * _STILL_FINE)
    grid = (np.arange(side, dtype=np.float32) + 0.5) / _STILL_FINE - _STILL_HALF
    x, y = grid[None], grid[:, None] + np.float32(_VIEW / 2)
    brushed = blur(noise(rng, (side, side)), 0.6, 9) * 0.06
    plate = np.float32(rng.uniform(0.25, 0.55)) + brushed + 0.04 * _cloud(rng, side, side, 60)
    spacing = rng.choice([2.5, 3.0])
    for guide in np.arange(spacing, _STILL_HALF, spacing) + rng.uniform(0, 1):
        for line in (-guide, guide):
            plate -= 0.25 * np.exp(-(((x - np.float32(line)) / 0.14) ** 2))  # engraved
            plate += 0.12 * np.exp(-(((x - np.float32(line + 0.22)) / 0.10) ** 2))
    tint = np.array([1.0, 1.0, 1.0 + rng.normal(0, 0.04)], np.float32)
    plate = np.clip(plate, 0.02, 1)[..., None] * tint

    toe, slot = rng.uniform(2.2, 3.6), rng.uniform(0.9, 1.4)
    tip = np.float32(foot) - 0.5 * (np.clip(np.abs(x) - slot, 0, 9) / toe) ** 4
    inside = np.minimum(np.minimum(np.abs(x) - slot, toe + slot - np.abs(x)), tip - y)
    cover = np.clip(inside * _STILL_FINE + 0.5, 0, 1)
    metal = np.float32(rng.uniform(0.12, 0.55)) + 0.5 * brushed
    metal = metal + 0.3 * np.exp(-(((inside - 0.3) / 0.18) ** 2)) + 0.12 * np.sin(x * 1.3 + rng.uniform(0, 6))
    shoe = np.clip(metal, 0.02, 1)[..., None] * tint
    return plate.astype(np.float32), np.dstack([shoe * cover[..., None], cover]).astype(np.float32)


# ---------------------------------------------------------------------------------------------- filming


def _lay(
    machine: tuple[FloatArray, FloatArray], strip: FloatArray, pose: Points, fed: float, first: float
) -> FloatArray:
    """Plate, strip and foot one upon the other as the camera sees them, [200, 200, 3]."""
    plate, foot = (
        _seen(layer, pose, _STILL_FINE, (-_STILL_HALF, _VIEW / 2 - _STILL_HALF)) for layer in machine
    )
    cloth = _seen(strip, pose, _FINE, (-_HALF_CANVAS, first + fed))
    scene = plate
    for layer, depth in ((cloth, 1.5), (foot, 2.5)):
        shadow = blur(layer[..., 3], depth)
        scene = scene * (1 - 0.45 * shadow[..., None])
        scene = scene * (1 - layer[..., 3:]) + layer[..., :3]
    return np.asarray(scene, np.float32)


def _seen(layer: FloatArray, pose: Points, fine: int, corner: tuple[float, float]) -> FloatArray:
    """A layer as the camera sees it: `fine` pixels per mm, its corner at `corner`, mm over the plate."""
    turn = pose[:, :2] / fine
    offset = pose[:, :2] @ corner + pose[:, 2] + turn @ (0.5, 0.5) - 0.5  # pixel centres
    matrix = np.column_stack([turn, offset])
    return np.asarray(cv2.warpAffine(layer, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.float32)


@dataclass(frozen=True)
class _Camera:
    """Lamp and camera of one video."""

    light: FloatArray  # [200, 200, 3], what a white sheet would give
    focus: float  # pixels
    motion: int  # pixels along the strip, odd
    noise: float  # grey levels of 8 bits
    quality: int  # of the compressed video

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "_Camera":
        x = np.linspace(-1, 1, SIDE, dtype=np.float32)[None]
        y = x.T
        direction, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.28)
        light = 1 + np.float32(slope * np.cos(direction)) * x + np.float32(slope * np.sin(direction)) * y
        spot, size = rng.uniform(-0.7, 0.7, 2), rng.uniform(0.6, 1.2)
        light += np.float32(rng.uniform(0, 0.3)) * np.exp(
            -((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / size**2
        )
        light *= 1 - np.float32(rng.uniform(0.03, 0.12)) * (x * x + y * y)
        warm = rng.normal(0, 0.06)
        white = np.array([1 + warm, 1, 1 - warm]) * rng.uniform(0.75, 1.1)
        return cls(
            (light[..., None] * white).astype(np.float32),
            float(rng.uniform(0.5, 1.0)),
            int(rng.choice([1, 3, 5], p=[0.5, 0.35, 0.15])),
            float(rng.uniform(1.0, 3.0)),
            int(rng.integers(72, 93)),
        )

    def photograph(self, rng: np.random.Generator, scene: FloatArray) -> Image:
        """A frame of the scene [200, 200, 3]: light, focus, motion, noise, 8 bits and compression."""
        image = scene * self.light * np.float32(rng.normal(1, 0.01))
        image = blur(image, self.focus)
        if self.motion > 1:
            image = np.asarray(cv2.blur(image, (1, self.motion)), np.float32)
        image = np.clip(image, 0, 1) ** np.float32(1 / 1.3) * 255
        image += self.noise * (0.8 * noise(rng, (SIDE, SIDE, 1)) + 0.6 * noise(rng, (SIDE, SIDE, 3)))
        frame = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        packed = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
