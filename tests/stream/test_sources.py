import contextlib
import http.server
import threading
import time

import cv2
import numpy as np
import pytest

from inspection.errors import InputError
from inspection.stream.sources import Camera, Images, SourceLost, Video, find_source
from tests.conftest import write_image
from tests.stream.conftest import picture, read_all


def write_video(path, count, size=(48, 64)):
    """Frames of one shade each, 8 apart, all of them orange."""
    codec = {".avi": "MJPG", ".mp4": "mp4v"}[path.suffix]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25, size[::-1])
    assert writer.isOpened()
    for number in range(count):
        writer.write(np.full((*size, 3), (20, 8 * number, 220), np.uint8))  # BGR
    writer.release()
    return path


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_video_gives_all_its_frames_in_rgb(tmp_path, suffix):
    source = find_source(str(write_video(tmp_path / f"reel{suffix}", 20)))
    assert isinstance(source, Video)
    assert not source.named
    frames = read_all(source)
    assert [frame.number for frame in frames] == list(range(20))
    assert [frames[0].name, frames[19].name] == ["reel_000000", "reel_000019"]
    assert frames[10].position == pytest.approx(0.4)
    assert (source.total, source.rate, source.live, source.note) == (20, 25, False, "")
    for number, frame in enumerate(frames):
        np.testing.assert_allclose(frame.image.mean((0, 1)), (220, 8 * number, 20), atol=6)
    assert [frame.captured_at for frame in frames] == sorted(frame.captured_at for frame in frames)


def test_a_video_that_is_cut_short_says_so(tmp_path):
    path = write_video(tmp_path / "reel.avi", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = Video(path)
    count = len(read_all(source))
    assert 0 < count < 40
    assert source.missing == 40 - count
    assert source.note == f"{path}: {count} of 40 frames could be read: it is cut short or damaged"


@pytest.mark.parametrize("name", ["2024", "0"])
def test_a_folder_or_file_that_is_called_by_a_number_is_no_camera(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert isinstance(find_source(int(name)), Camera)
    write_image(tmp_path / name / "1.png", picture(7))
    assert isinstance(find_source(name), Images)
    assert [frame.name for frame in read_all(find_source(int(name)))] == ["1.png"]


@pytest.mark.parametrize(("said", "believed"), [(240, 240), (1000, 1000), (90000, None), (0, None)])
def test_a_rate_that_cannot_be_is_not_known(tmp_path, monkeypatch, said, believed):
    source = Video(write_video(tmp_path / "reel.avi", 3))
    monkeypatch.setattr("inspection.stream.sources.cv2.VideoCapture", _Rated)
    _Rated.rate = said
    source.open()
    assert source.rate == believed


class _Rated:
    """A video that says any rate."""

    rate = 0.0

    def __init__(self, *_):
        pass

    def isOpened(self):  # noqa: N802
        return True

    def get(self, key):
        return self.rate if key == cv2.CAP_PROP_FPS else 3.0


def test_no_video(tmp_path):
    path = tmp_path / "reel.mp4"
    path.write_bytes(b"text")
    with pytest.raises(InputError, match="OpenCV can't read this as a video"):
        find_source(str(path)).open()


def test_images_come_as_people_count_and_as_they_are(tmp_path):
    for name in ("b/1.png", "a/10.png", "a/9.png", "a/x2.png", "a/x10.png"):
        write_image(tmp_path / name, np.full((3, 4), 40000, np.uint16))
    (tmp_path / "a" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    frames = read_all(find_source(str(tmp_path)))
    assert [frame.name for frame in frames] == [
        "a/9.png",
        "a/10.png",
        "a/torn.png",
        "a/x2.png",
        "a/x10.png",
        "b/1.png",
    ]
    assert frames[2].image is None
    assert "torn.png" in frames[2].error
    assert "\n" not in frames[2].error
    for frame in frames[:2]:
        np.testing.assert_array_equal(frame.image, np.full((3, 4), 40000, np.uint16))


def test_a_pattern_and_a_single_image(tmp_path):
    for name in ("a/1.png", "a/2.jpg", "b/3.png"):
        write_image(tmp_path / name, picture(7))
    (tmp_path / "a" / "notes.txt").write_text("")
    assert [frame.name for frame in read_all(find_source(f"{tmp_path}/a/*"))] == ["1.png", "2.jpg"]
    assert [frame.name for frame in read_all(find_source(f"{tmp_path}/**/*.png"))] == ["a/1.png", "b/3.png"]
    source = find_source(str(tmp_path / "a" / "1.png"))
    assert isinstance(source, Images)
    assert source.named
    assert [frame.name for frame in read_all(source)] == ["1.png"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("missing", "no such file or folder, and no file matches it as a pattern; a camera has a number"),
        ("empty", "the folder holds no images"),
        ("*.txt", "matches 1 files or folders, but no image"),
        ("bad\udcff.avi", "this path is not UTF-8"),
    ],
)
def test_nothing_to_read(tmp_path, given, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match=said):
        find_source(f"{tmp_path}/{given}")


@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_source_is_not_the_folder_that_one_is_in(given):
    """As of `source=$VIDEO` in a script where there is no such variable."""
    with pytest.raises(InputError, match=r"source: expected a camera.* but it is empty"):
        find_source(given)


def test_settings_of_a_camera_are_for_a_camera(tmp_path):
    with pytest.raises(InputError, match="is no camera"):
        find_source(str(tmp_path), size=(480, 640))
    with pytest.raises(InputError, match=r"rtsp://10\.0\.0\.7/main is to be set where it is"):
        find_source("rtsp://user:secret@10.0.0.7/main", rate=30.0)


def test_a_camera_that_is_not_there_is_said_at_once():
    for given in (99, "99"):
        source = find_source(given)
        assert isinstance(source, Camera)
        with pytest.raises(InputError, match="source=99: no camera answers; is it plugged in"):
            source.open()
    with pytest.raises(
        InputError, match=r"source=rtsp://127.0.0.1:9/x: no camera answers; is the address right"
    ):
        find_source("rtsp://user:secret@127.0.0.1:9/x").open()


class _Broadcast(http.server.BaseHTTPRequestHandler):
    """A camera as many are: JPEGs one after the other, and gone after ten of them."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(10):
            data = cv2.imencode(".jpg", np.full((48, 64, 3), (20, 8 * number, 220), np.uint8))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
        self.server.served += 1

    def log_message(self, *_):
        pass


class _Download(http.server.BaseHTTPRequestHandler):
    """Gives the first part of a file and is gone."""

    def do_GET(self):
        data = self.server.data
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : max(start, self.server.whole)])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_video_from_a_server_that_breaks_off_says_so(tmp_path, share):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Download)
    server.data = write_video(tmp_path / "reel.avi", 100, (240, 320)).read_bytes()
    server.whole = int(share * len(server.data))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = find_source(f"http://127.0.0.1:{server.server_address[1]}/reel.avi?part=1")
        count = len(read_all(source))
    finally:
        server.shutdown()
        server.server_close()
    assert count == 100 if share == 1 else 10 < count < 90
    assert source.missing == 100 - count
    assert ("it is cut short or damaged" in source.note) == (share < 1)


def or_none(source, number):
    with contextlib.suppress(SourceLost):
        return source.read(number)


def test_a_camera_in_the_network_is_lost_and_found():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Broadcast)
    server.served = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = find_source(f"http://127.0.0.1:{server.server_address[1]}/live.mjpg")
    frames = []
    try:
        for _ in range(2):
            source.open()
            assert source.live
            while (frame := or_none(source, len(frames))) is not None:
                frames.append(frame)
    finally:
        source.close()
        server.shutdown()
        server.server_close()
    assert len(frames) >= 18  # ffmpeg keeps the last one of a connection that ends within it
    assert frames[0].name == f"http_127_0_0_1_{server.server_address[1]}_live_mjpg_000000"
    np.testing.assert_allclose(frames[0].image.mean((0, 1)), (220, 0, 20), atol=6)


def test_a_camera_in_the_network_that_says_nothing_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("inspection.stream.sources.OPEN_WITHIN", 0.3)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"waited at most 0\.3 s"):
        find_source("udp://127.0.0.1:50999").open()
    assert time.monotonic() - began < 25  # of itself ffmpeg waits for 30
