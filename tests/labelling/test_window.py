"""The window, with real key presses on a screen of its own."""

import contextlib
import ctypes
import ctypes.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from inspection.config.entry import CONF
from inspection.data.attributes import read_attributes
from inspection.data.images import read_image
from inspection.labelling.screen import FIELD

SEAM = ["good", "error", "break", "length"]
missing = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed"),
    pytest.mark.skipif(cv2.currentUIFramework() != "QT", reason="this OpenCV opens no window"),
]


@pytest.fixture
def display(monkeypatch):
    """A virtual screen."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as stream:
        number = stream.readline().strip()
    if not number:
        pytest.skip("Xvfb does not start here")
    monkeypatch.setenv("DISPLAY", f":{number}")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    yield f":{number}"
    server.terminate()
    server.wait()


def xdotool(*arguments):
    done = subprocess.run(["xdotool", *arguments], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


class Tool:
    """`scripts/label.py` in a process of its own, and its window."""

    def __init__(self, folder, given="source=v.avi"):
        self.table = folder / "data" / "labels" / "v_data.csv"
        command = [sys.executable, str(CONF.parent / "scripts" / "label.py"), given]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
        self.process = subprocess.Popen(command, cwd=folder, env=environment, **pipes)
        self.window = self.find_window()
        xdotool("windowfocus", "--sync", self.window)
        time.sleep(1)  # until the tool, too, knows that its window has the keyboard

    def find_window(self):
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            # It fails, too, when some window closes while it looks.
            with contextlib.suppress(subprocess.CalledProcessError):
                return xdotool("search", "--onlyvisible", "--name", "^label$").splitlines()[-1]
            time.sleep(0.1)
        pytest.fail(f"no window: {self.end() if self.process.poll() is not None else 'and still at work'}")

    def type(self, *keys):
        xdotool("key", "--delay", "250", *keys)  # a busy machine loses keys that come faster

    def rows(self):
        read = read_attributes([self.table], SEAM)
        on = [[a for a, value in zip(SEAM, row, strict=True) if value] for row in read.values]
        return dict(zip(read.names, on, strict=True))

    def wait_for(self, rows):
        """The labels that the keys typed so far are to leave."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(ValueError):
                if self.rows() == rows:
                    return
            time.sleep(0.05)
        assert self.rows() == rows

    def end(self):
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@contextlib.contextmanager
def xlib(display):
    """The X library and a connection."""
    name = ctypes.util.find_library("X11")
    if name is None:
        pytest.skip("there is no libX11")
    x11 = ctypes.CDLL(name)
    x11.XOpenDisplay.restype = x11.XGetImage.restype = ctypes.c_void_p
    x11.XInternAtom.restype = x11.XGetPixel.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    yield x11, connection
    x11.XCloseDisplay(connection)


def colour_at(display, window, x, y):
    """What is really painted, RGB."""
    with xlib(display) as (x11, connection):
        place = (ctypes.c_ulong(window), x, y, 1, 1, ctypes.c_ulong(0xFFFFFF), 2)
        pixel = x11.XGetPixel(ctypes.c_void_p(x11.XGetImage(connection, *place)), 0, 0)
    return tuple(pixel.to_bytes(4, "big")[1:])


def close_by_its_button(display, window):
    """What a window manager sends when a person clicks the X: WM_DELETE_WINDOW."""

    class ClientMessage(ctypes.Structure):
        _fields_ = (
            ("type", ctypes.c_int),
            ("serial", ctypes.c_ulong),
            ("send_event", ctypes.c_int),
            ("display", ctypes.c_void_p),
            ("window", ctypes.c_ulong),
            ("message_type", ctypes.c_ulong),
            ("format", ctypes.c_int),
            ("data", ctypes.c_long * 5),
            ("padding", ctypes.c_long * 24),
        )

    with xlib(display) as (x11, connection):
        atoms = (x11.XInternAtom(connection, name, False) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
        protocols, delete = atoms
        message = ClientMessage(type=33, window=window, message_type=protocols, format=32)
        message.data[0] = delete
        x11.XSendEvent(connection, ctypes.c_ulong(window), False, ctypes.c_long(0), ctypes.byref(message))


@pytest.fixture
def start(display, write_video, tmp_path):
    write_video(tmp_path / "v.avi", 250)
    tools = []

    def begin(*given):
        tools.append(Tool(tmp_path, *given))
        return tools[-1]

    yield begin
    for tool in tools:
        if tool.process.poll() is None:
            tool.process.kill()
            tool.process.communicate()


def test_keys_a_kill_and_going_on(start, read_number, display, tmp_path):
    tool = start()
    assert colour_at(display, int(tool.window), 5, 5) == FIELD
    # At the pace of a person who knows the keys; no key gets lost while a frame is drawn or written.
    tool.type(*"glsn", "s", "n", "plus", "period", "period", "E", "b", "s", "n", "g")
    labels = {"v_000000.png": ["good", "length"], "v_000001.png": [], "v_000122.png": ["error", "break"]}
    tool.wait_for(labels)
    for name in labels:
        assert read_number(read_image(tool.table.parent / "pics" / name)) == int(name[2:8])
    tool.process.send_signal(signal.SIGKILL)
    tool.end()
    assert tool.rows() == labels

    tool = start()
    tool.type("e", "s", "p", "comma", "g", "s", "d", "u", "q")
    status, out, err = tool.end()
    assert tool.rows() == {**labels, "v_000122.png": ["break"], "v_000111.png": ["good"]}
    assert (err, status) == ("", 0)
    assert out.splitlines() == ["4 labelled frames in data/labels/v_data.csv", "pictures in data/labels/pics"]

    tool = start()
    tool.type("e", "s", "b")
    tool.wait_for({**labels, "v_000111.png": ["good"]})
    close_by_its_button(display, int(tool.window))
    status, out, err = tool.end()
    assert (err, status) == ("", 0)
    assert out.splitlines()[0] == "v_000122.png: changed and not saved"


def test_doubted_labels_of_a_data_set(start, module, tmp_path):
    """A key and s, and the next training has another class."""
    root, audit = tmp_path / "images", tmp_path / "audit"
    for number, file in enumerate(("0_nio/a.png", "1_io/b.png", "1_io/c.png")):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((60, 80), 80 * number, np.uint8)
        (root / file).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    audit.mkdir()
    head = "file,attribute,given,suggested,confidence,margin"
    (audit / "relabel.csv").write_text(
        f"{head}\n1_io/c.png,,ok,defect,0.9,0.8\n0_nio/a.png,,defect,ok,0.8,0.6\n"
    )
    table = root / "corrections.csv"
    about = {
        "root": str(root),
        "pictures": ".",
        "kind": "class",
        "names": ["ok", "defect"],
        "tables": [str(table)],
    }
    (audit / "relabel.json").write_text(json.dumps(about))
    tool = start("relabel=audit/relabel.csv")
    tool.type("e", "s", "n", "o", "s", "q")  # d deletes, so defect has e
    status, out, err = tool.end()
    assert (err, status) == ("", 0)
    assert out.splitlines() == [f"2 of 2 images have another label now: {table}"]
    found = module().find()
    assert dict(zip(found.files, found.targets.tolist(), strict=True)) == {
        "0_nio/a.png": 0,
        "1_io/b.png": 0,
        "1_io/c.png": 1,
    }
