import cv2
import numpy as np
import pytest

from inspection.errors import InputError
from inspection.labelling.video import VideoFrames

# MPEG-2 as cv2 writes it has B-frames: in .mpg some seeks land beside the frame, in .avi time stamps fall.
KINDS = [
    ("MJPG", ".avi"),
    ("mp4v", ".mp4"),
    ("XVID", ".avi"),
    ("MPG2", ".mpg"),
    ("MPG2", ".avi"),
    ("MPG2", ".mkv"),
]


@pytest.mark.parametrize(("codec", "suffix"), KINDS)
def test_each_frame_by_its_number_in_any_order(write_video, read_number, tmp_path, codec, suffix):
    count = 200
    path = write_video(tmp_path / f"v{suffix}", count, codec)
    capture, truth = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        truth.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    assert [read_number(frame) for frame in truth] == list(range(count))

    frames = VideoFrames(path, cache_bytes=1)
    order = np.random.default_rng(0).integers(0, count, 30).tolist()
    for number in [0, 1, 150, 149, 148, 3, *order, count - 1, count - 2]:
        assert frames.reach(number) == number
        np.testing.assert_array_equal(frames.picture(number), truth[number], err_msg=f"frame {number}")


def test_where_it_ends_is_known_once_somebody_was_there(write_video, tmp_path):
    frames = VideoFrames(write_video(tmp_path / "v.avi", 12))
    assert (frames.count, frames.announced, frames.note) == (None, None, "")
    assert frames.reach(5) == 5
    assert (frames.count, frames.announced, frames.note) == (None, 12, "")
    assert frames.reach(500) == 11
    assert (frames.count, frames.note) == (12, "")
    assert frames.reach(-3) == 0
    with pytest.raises(InputError, match="has no frame 12; the last one is 11"):
        frames.picture(12)


def test_a_video_without_a_frame_count(write_video, read_number, tmp_path):
    whole = write_video(tmp_path / "v.mkv", 40, "MJPG").read_bytes()
    stream = tmp_path / "cut.mkv"
    stream.write_bytes(whole[: len(whole) * 3 // 4])  # the end, where Matroska keeps its duration, is gone
    frames = VideoFrames(stream)
    last = frames.reach(10**9)
    assert 20 < last < 39
    assert frames.count == last + 1
    assert read_number(frames.picture(last)) == last


def test_a_truncated_video_names_its_last_readable_frame(write_video, read_number, tmp_path):
    path = write_video(tmp_path / "v.avi", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = VideoFrames(path)
    last = frames.reach(39)
    assert 10 < last < 30
    assert f"frame {last} is the last readable one, the header announces 40 frames" in frames.note
    assert read_number(frames.picture(last)) == last


@pytest.mark.parametrize("content", [b"", b"not a video" * 100])
def test_no_video(tmp_path, content):
    path = tmp_path / "v.avi"
    path.write_bytes(content)
    frames = VideoFrames(path)
    assert frames.count is None
    with pytest.raises(InputError, match=r"v\.avi: OpenCV can't read this as a video"):
        frames.reach(0)
    assert frames.count == 0


class Astray:
    """A capture whose seeks land 7 frames early, and whose time stamps are as a file may have them."""

    def __init__(self, stamp):
        self.stamp = stamp

    def open(self, *arguments, original=cv2.VideoCapture):
        self.real = original(*arguments)
        return self

    def get(self, what):
        value = self.real.get(what)
        return self.stamp(round(value / 40)) if what == cv2.CAP_PROP_POS_MSEC else value

    def set(self, what, value):
        return self.real.set(what, max(0, value - 7))

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest.mark.parametrize(
    "stamp", [lambda frame: 0.0, lambda frame: float(frame % 7), lambda frame: -frame % 7]
)
def test_time_stamps_that_do_not_rise_say_nothing(write_video, read_number, tmp_path, monkeypatch, stamp):
    path = write_video(tmp_path / "v.avi", 150)
    monkeypatch.setattr("inspection.labelling.video.cv2.VideoCapture", Astray(stamp).open)
    frames = VideoFrames(path, cache_bytes=1)
    last = frames.reach(149)
    for number in (last, 0, last, 3, 120, last):
        assert read_number(frames.picture(number)) == number


def test_a_seek_that_lands_beside_is_noticed(write_video, read_number, tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.avi", 150)
    monkeypatch.setattr("inspection.labelling.video.cv2.VideoCapture", Astray(float).open)
    frames = VideoFrames(path, cache_bytes=1)
    frames.reach(149)
    assert [read_number(frames.picture(number)) for number in (0, 149, 60, 5)] == [0, 149, 60, 5]


def test_a_video_is_open_while_it_is_looked_at(write_video, read_number, tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.avi", 90)
    captures = []

    def opened(*arguments, original=cv2.VideoCapture):
        captures.append(original(*arguments))
        return captures[-1]

    monkeypatch.setattr("inspection.labelling.video.cv2.VideoCapture", opened)
    frames = VideoFrames(path)
    assert (captures, frames.announced, frames.file_name(3)) == ([], None, "v_000003.png")
    first = frames.picture(70)
    assert len(captures) == 1
    frames.release()
    assert not captures[0].isOpened()
    frames.release()
    assert frames.announced == 90
    assert frames.reach(60) == 60
    assert len(captures) == 1  # that is known
    again = frames.picture(70)
    assert again is not first
    assert [read_number(picture) for picture in (again, frames.picture(2))] == [70, 2]
    frames.release()
    assert frames.reach(500) == 89
    assert read_number(frames.picture(89)) == 89


def test_decoded_frames_are_kept_up_to_a_size(write_video, tmp_path):
    path = write_video(tmp_path / "v.avi", 10)
    small, large = VideoFrames(path, cache_bytes=2 * 64 * 160 * 3), VideoFrames(path)
    for frames, kept in ((small, False), (large, True)):
        first = frames.picture(0)
        for number in range(1, 5):
            frames.picture(number)
        assert (frames.picture(0) is first) == kept


def test_names_and_content(write_video, tmp_path):
    frames = VideoFrames(write_video(tmp_path / "Naht (1)+.avi", 3))
    assert frames.file_name(2) == "Naht (1)+_000002.png"
    assert frames.number_of("Naht (1)+_000002.png") == 2
    assert frames.number_of("other_000002.png") is None
    assert frames.number_of("Naht (1)+_2.png") is None
    saved = cv2.imdecode(np.frombuffer(frames.file_bytes(2), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(saved[..., ::-1], frames.picture(2))
