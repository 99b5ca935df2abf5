"""What was seen and said, as a film, read again by OpenCV."""

import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace

import cv2
import numpy as np
import pytest

from inspection.errors import InputError
from inspection.pictures.text import text_width
from inspection.stream.sinks import video
from inspection.stream.sinks.video import VideoSink, letterboxed
from tests.stream.sinks.conftest import KINDS, lost, of_kind, picture, result

SHAPE = (120, 160, 3)


def grey(value, shape=SHAPE):
    return np.full(shape, value, np.uint8)


def frames_of(path):
    film = cv2.VideoCapture(str(path))
    frames = []
    while (read := film.read())[0]:
        frames.append(read[1][..., ::-1])
    return frames, film.get(cv2.CAP_PROP_FPS)


def filmed(about, results, told=None, **settings):
    sink = VideoSink(**settings)
    sink.open(about() if told is None else told)
    sink.write([result for result in results if sink.takes(result)])
    sink.close()
    return sorted(path for path in about().output.iterdir() if path.name.startswith("video_"))


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_each_inspected_frame_is_in_the_film(about, suffix):
    given = [result(number, 0.1 + 0.8 * (number % 2), image=grey(40 * number)) for number in range(6)]

    (path,) = filmed(about, given, about(rate=12.5), suffix=suffix)
    frames, rate = frames_of(path)

    assert path.suffix == suffix
    assert rate == 12.5
    assert len(frames) == 6
    for number, frame in enumerate(frames):
        assert frame.shape == (154, 160, 3)
        assert np.abs(frame[10:110, 10:150].astype(int) - 40 * number).mean() < 6
        bar = frame[150, 80].astype(int)
        assert (bar[0] > bar[1]) == bool(number % 2)  # vermilion, else green


def test_what_was_not_inspected(about):
    given = [
        lost(0, "failed", "not decoded", "half a picture"),  # before anybody knows how large the film is
        result(1, image=grey(200)),
        lost(2),
        lost(3, "failed", "not decoded", "half a picture"),
        result(4, image=grey(200)),
    ]
    (path,) = filmed(about, given)
    frames, _ = frames_of(path)

    assert [round(float(frame[10:110].mean()), -1) for frame in frames] == [200, 20, 200]


def test_frames_of_another_size_are_fitted_into_the_first(about):
    given = [
        result(0, image=grey(200)),
        result(1, image=grey(200, (240, 160, 3))),
        result(2, image=grey(99, (60, 80))),
    ]
    (path,) = filmed(about, given)
    _, tall, small = frames_of(path)[0]

    assert tall[5:115, 55:105].mean() > 190
    assert tall[:118, :35].mean() < 12  # black beside it
    assert abs(small[5:115, 5:155].mean() - 99) < 4


def test_letterbox_by_hand():
    picture = np.arange(1, 7, dtype=np.uint8).reshape(2, 3, 1).repeat(3, 2)
    film = letterboxed(picture, (3, 6))
    assert (film[2:4] == picture).all()
    assert not film[:2].any()
    assert not film[4:].any()
    assert (letterboxed(picture, (2, 2)) == picture[:, :2]).all()  # to even sides


def test_long_films_are_cut_and_the_newest_kept(about):
    given = [result(number, image=grey(9)) for number in range(10)]
    paths = filmed(about, given, minutes=3 / 60 / 25, keep=2)

    assert [path.name for path in paths] == ["video_003.mkv", "video_004.mkv"]
    assert [len(frames_of(path)[0]) for path in paths] == [3, 1]


def test_no_film_is_written_over(about):
    given = [result(0, image=grey(9))]
    filmed(about, given)
    assert [path.name for path in filmed(about, given)] == ["video_001.mkv", "video_002.mkv"]


def test_a_service_that_is_started_again_keeps_no_more(about):
    given = [result(0, image=grey(9))]
    (about().output / "video_of_mine.mkv").write_bytes(b"x")
    for start in range(4):
        paths = filmed(about, given, keep=2, suffix=(".mkv", ".avi")[start % 2])
    assert [path.name for path in paths] == ["video_003.mkv", "video_004.avi", "video_of_mine.mkv"]
    (about().output / "video_1000.mkv").write_bytes(b"x")
    paths = filmed(about, given, keep=2)
    assert [path.name for path in paths] == ["video_1000.mkv", "video_1001.mkv", "video_of_mine.mkv"]


def test_large_pictures_are_made_smaller(about):
    (path,) = filmed(about, [result(0, image=grey(9, (1000, 1501, 3)))], height=200)
    assert frames_of(path)[0][0].shape == (234, 300, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_question(about, kind, monkeypatch):
    said, draw = [], video.draw_text

    def drawn(bar, text, *given, **settings):
        said.append(text)
        draw(bar, text, *given, **settings)

    monkeypatch.setattr(video, "draw_text", drawn)
    inspector, given = of_kind(kind)
    (path,) = filmed(about, [replace(given, image=np.zeros((120, 1280), np.uint8))], about(inspector))
    assert len(frames_of(path)[0]) == 1
    answers = inspector.answers
    label, figures = given.verdict.label, answers.figures(given.verdict)
    named = [f"{heading} {figure}" for heading, figure in zip(answers.headings(), figures, strict=True)]
    assert said[0].split(" · ") == [f"✗ {label}", *named]  # a number alone says nothing
    assert said[1].endswith(" · 0")  # when, and which frame
    del said[:]
    filmed(about, [replace(given, image=np.zeros((120, 120), np.uint8))], about(inspector))
    assert [text[:3] for text in said] == [f"✗ {label[0]}"]  # rather than the time


def test_where_there_is_little_room_the_verdict_stays_and_no_number_is_cut():
    words = ["✗ defect", "P(defect) 0.9812", "boxes 2"]
    for count in (1, 2, 3):
        said = " · ".join(words[:count])
        assert video._fitted(words, text_width(said, 20, bold=True) + 5) == said
    long = ["✗ open, short, mousebite, spur", "P(open) 0.9"]
    short = video._fitted(long, text_width(long[0], 20, bold=True) - 5)
    assert (short[:6], "…" in short) == (long[0][:6], True)


def test_a_frame_without_a_verdict_keeps_its_time_and_number(monkeypatch):
    drawn = []
    monkeypatch.setattr(video, "draw_text", lambda bar, text, *_, **__: drawn.append(text))
    sink = VideoSink()
    sink._size, sink._can_alarm = (640, 480), True
    sink._bar(lost(1234, "failed", "not prepared", "ValueError: " + "much to say " * 20))
    assert drawn[0].startswith("! not prepared")
    assert drawn[1].endswith(" · 1234")


def test_a_full_disk_ends_the_film_before_it_is_damaged(about, monkeypatch):
    usage = namedtuple("usage", "total used free")
    sink = VideoSink()
    sink.open(about())
    sink.write([result(0, image=grey(9))])
    with monkeypatch.context() as patched:
        patched.setattr(video.shutil, "disk_usage", lambda _: usage(1, 1, 1_000_000))
        for _ in range(2):
            with pytest.raises(OSError, match="less than 64 MB are free"):
                sink.write([result(1, image=grey(9))])
    sink.write([result(1, image=grey(9)), result(2, image=grey(9))])
    sink.close()

    films = sorted(about().output.glob("video_*"))
    assert [len(frames_of(path)[0]) for path in films] == [1, 2]


@pytest.fixture
def file_limit():
    """Sets how large a file of this process may be."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
@pytest.mark.parametrize("size", [4_000, 300_000])
def test_a_film_that_cannot_grow_is_told(about, file_limit, suffix, size):
    sink = VideoSink(suffix=suffix)
    sink.open(about())
    file_limit(size)
    sink.write([result(number, image=picture(number, (240, 320, 3))) for number in range(25)])
    with pytest.raises(OSError, match=r"the film is not whole.*video_001"):
        sink.close()


def test_a_film_that_does_not_grow_is_ended_long_before_its_time(about, file_limit, monkeypatch):
    monkeypatch.setattr(video, "_STALLED", 20)
    sink = VideoSink()
    sink.open(about())
    file_limit(4_000)
    batch = [result(number, image=picture(number, SHAPE)) for number in range(25)]
    with pytest.raises(OSError, match="the film is not whole"):
        sink.write(batch)
    file_limit(100_000_000)
    sink.write(batch)
    sink.close()
    assert len(frames_of(about().output / "video_002.mkv")[0]) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="there nobody can")
def test_a_film_that_was_taken_away_is_followed_by_the_next(about):
    sink = VideoSink()
    sink.open(about())
    sink.write([result(0, image=grey(9))])
    (about().output / "video_001.mkv").unlink()
    with pytest.raises(OSError, match="the film is not whole"):
        sink.write([result(1, image=grey(9))])
    sink.write([result(1, image=grey(9))])
    sink.close()
    assert [path.name for path in about().output.iterdir()] == ["video_002.mkv"]


@pytest.mark.parametrize("rate", [0.004, 0.7, 12.5, 29.97, 59.94006, 98.437, 200.0])
@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_any_rate_of_a_camera(about, suffix, rate):
    given = [result(number, image=grey(9 * number)) for number in range(7)]
    (path,) = filmed(about, given, about(rate=rate), suffix=suffix)
    assert len(frames_of(path)[0]) == 7
    assert video.is_whole(path, 7)
    assert not video.is_whole(path, 70)


def test_offered_once_more_a_frame_is_filmed_once(about, monkeypatch):
    sink = VideoSink(minutes=2 / 60 / 25)
    sink.open(about())
    batch = [result(number, image=grey(9)) for number in range(5)]
    with monkeypatch.context() as patched:
        opened, calls = sink._opened, []

        def failing(path, size):
            calls.append(path)
            if len(calls) == 2:
                raise OSError(5, "Input/output error")
            return opened(path, size)

        patched.setattr(sink, "_opened", failing)
        with pytest.raises(OSError, match="Input/output"):
            sink.write(batch)
        sink.write(batch)
    sink.close()
    assert sum(len(frames_of(path)[0]) for path in about().output.glob("video_*")) == 5


def test_a_codec_that_is_missing_is_told_before_the_first_frame(about):
    with pytest.raises(InputError, match=r"can't write \.mp4 with the codec 'zzzz' here; take suffix=\.mkv"):
        VideoSink(suffix=".mp4", codec="zzzz").open(about())
    assert list(about().output.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"suffix": ".gif"}, r"suffix=\.gif: expected one of \.mkv, \.avi, \.mp4"),
        ({"codec": "mp4"}, "expected four letters"),
        ({"rate": 0}, "rate=0: expected more than 0"),
        ({"keep": 0}, "keep=0"),
        ({"height": -1}, "height=-1"),
    ],
)
def test_what_cannot_be_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        VideoSink(**settings)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_a_film_of_a_killed_process_can_be_seen(about, suffix):
    """Nearly all of it: the encoder holds a quarter of a megabyte."""
    code = f"""
import sys
from pathlib import Path
from inspection.stream.sink import About
from inspection.stream.sinks.video import VideoSink
from tests.stream.sinks.conftest import classes, picture, result
sink = VideoSink(suffix={suffix!r})
sink.open(About(classes(), "camera", None, Path(sys.argv[1]), lambda: None))
sink.write([result(number, image=picture(number, (480, 640, 3))) for number in range(60)])
print("written", flush=True)
sys.stdin.read()
"""
    folder = about().output
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=os.getcwd(),
    )
    assert process.stdout.readline() == b"written\n"
    process.kill()
    process.wait()

    (path,) = folder.glob("video_*")
    frames, _ = frames_of(path)
    assert len(frames) >= 40
    assert shutil.disk_usage(folder).free > 0
    assert np.abs(frames[0][:480].astype(int) - picture(0, (480, 640, 3))).mean() < 60
