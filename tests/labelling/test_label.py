"""The script's config and what a person may get wrong."""

import shutil
import subprocess

import cv2
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from inspection.config.entry import CONF
from inspection.config.preflight import preflight
from inspection.config.saved import plain
from inspection.data.attributes import write_attributes
from inspection.errors import InputError
from inspection.labelling.keys import action_of
from inspection.labelling.label import label


def call(*overrides):
    preflight("label", list(overrides), CONF)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return label(plain(compose("label", list(overrides))))


@pytest.fixture
def no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")


def test_check(tmp_path, capsys):
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.png").write_bytes(b"x")
    seam = ["good", "error", "break", "length"]
    write_attributes(tmp_path / "v_data.csv", ["a.png"], [[True, False, False, True]], seam)
    assert call(f"check='{tmp_path}'") == 0
    assert "nothing wrong" in capsys.readouterr().out
    write_attributes(tmp_path / "v_data.csv", ["a.png"], [[True, True, False, True]], seam)
    assert call(f"check='{tmp_path / 'v_data.csv'}'") == 1
    assert "line 2: a.png is good and error" in capsys.readouterr().out
    assert call(f"check='{tmp_path}'", "rules=[]") == 0
    assert call(f"check='{tmp_path}'", "attributes=[good,other]", "rules=[]") == 1
    assert "no column 'other'; columns found: name, good, error, break, length" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "source is missing: python scripts/label.py source="),
        (["source=a.avi", "check=b"], "source and check: one thing at a time"),
        (["source=gone.avi"], "source=gone.avi: no such file or folder"),
        (["source=a.avi", "attributes=[open]"], r"rules: 'good' is not in attributes=\[open\]; .*rules=\[\]"),
        (["source=a.avi", "rules=[[good]]"], r"rules: \['good'\] is no rule; expected pairs"),
        (["source=a.avi", "rules=[[good,error,break]]"], "is no rule; expected pairs of attributes"),
        (["check=a", "rules=[[good,good]]"], "is no rule; expected pairs of attributes"),
        (["source=a.avi", "keys={good: s}"], "keys.good=s: that key is a command's"),
        (["source=a.avi", "window=[100,100]"], r"window=\[100, 100\]: expected 640 wide"),
        (["source=a.avi", "window=[100]"], "window=.*expected a list of 2 whole numbers"),
        (["source=a.avi", "rules=[good]"], "rules=.*expected a list"),
        (["sorce=a.avi"], "did you mean source"),
    ],
)  # fmt: skip
def test_mistakes(overrides, message):
    with pytest.raises(InputError, match=message):
        call(*overrides)


def test_without_a_display(write_video, tmp_path, no_display):
    video = write_video(tmp_path / "v.avi", 3)
    with pytest.raises(InputError, match=r"no display .*\(DISPLAY and WAYLAND_DISPLAY are not set\)"):
        call(f"source='{video}'", f"output='{tmp_path / 'set'}'")
    assert not (tmp_path / "set").exists()


@pytest.mark.slow
def test_with_a_display_that_nobody_answers(write_video, tmp_path, no_display, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":77")
    video = write_video(tmp_path / "v.avi", 3)
    with pytest.raises(InputError, match="no window can be opened on DISPLAY=:77"):
        call(f"source='{video}'", f"output='{tmp_path / 'set'}'")


def test_an_opencv_without_windows(write_video, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":77")
    monkeypatch.setattr("cv2.currentUIFramework", lambda: "")
    video = write_video(tmp_path / "v.avi", 3)
    with pytest.raises(InputError, match="replace opencv-python-headless by opencv-python"):
        call(f"source='{video}'", f"output='{tmp_path / 'set'}'")


def test_a_display_that_does_not_answer(write_video, tmp_path, no_display, monkeypatch):
    def hangs(*arguments, timeout=None, **_):
        if timeout is None:
            pytest.fail("waits for ever")
        raise subprocess.TimeoutExpired(arguments, timeout)

    monkeypatch.setenv("DISPLAY", "far:10.0")
    monkeypatch.setattr("inspection.labelling.window.subprocess.run", hangs)
    monkeypatch.setattr("cv2.currentUIFramework", lambda: "QT")
    video = write_video(tmp_path / "v.avi", 3)
    with pytest.raises(InputError, match=r"can be opened on DISPLAY=far:10\.0 \(no answer in 20 s\): run it"):
        call(f"source='{video}'", f"output='{tmp_path / 'set'}'")


@pytest.fixture
def typed(monkeypatch):
    """Keys go to the tool as if there were a window; what it showed last comes back."""

    def begin(keys, *overrides):
        shown = []

        def window(_, session, draw, own):
            for key in keys:
                session.apply(action_of(ord(key), own))
            draw()
            shown.append(session.view())

        with monkeypatch.context() as patch:
            patch.setattr("inspection.labelling.label.check_display", lambda: None)
            patch.setattr("inspection.labelling.label.run_window", window)
            call(*overrides)
        return shown[0]

    return begin


def test_saved_frames_below_the_source_are_no_source(write_video, typed, tmp_path, monkeypatch, capsys):
    (tmp_path / "frames").mkdir()
    for number in range(3):
        picture = cv2.imencode(".png", np.full((8, 8), number, np.uint8))[1]
        (tmp_path / "frames" / f"{number}.png").write_bytes(picture.tobytes())
    for output in (f"output='{tmp_path / 'frames' / 'labels'}'", f"output='{tmp_path / 'frames'}'"):
        images = f"source='{tmp_path / 'frames'}'"
        assert typed("gsnes", images, output).frame == "1 / 2"
        again = typed("", images, output)
        assert (again.frame, again.file, again.labelled) == ("1 / 2", "frames_1.png", 2)
        shutil.rmtree(tmp_path / "frames" / "pics", ignore_errors=True)
        shutil.rmtree(tmp_path / "frames" / "labels", ignore_errors=True)
        (tmp_path / "frames" / "frames_data.csv").unlink(missing_ok=True)

    write_video(tmp_path / "videos" / "v.avi", 3)
    monkeypatch.chdir(tmp_path / "videos")
    typed("ngs", "source=.")
    assert typed("", "source=.").file == "v_000001.png"
    last = capsys.readouterr().out.splitlines()[-2:]
    assert last == ["1 labelled frames in data/labels/v_data.csv", "pictures in data/labels/pics"]


def test_an_output_that_is_no_folder(write_video, typed, tmp_path):
    video = write_video(tmp_path / "v.avi", 3)
    (tmp_path / "set").write_text("a file")
    with pytest.raises(InputError, match=r"output=.*set: can't be written to"):
        typed("", f"source='{video}'", f"output='{tmp_path / 'set'}'")


def test_saved_frames_are_no_source(write_video, tmp_path):
    write_video(tmp_path / "set" / "pics" / "v.avi", 3)
    for source in ("set/pics", "set/pics/v.avi", "set"):
        with pytest.raises(InputError, match="these are the saved frames of output="):
            call(f"source='{tmp_path / source}'", f"output='{tmp_path / 'set'}'")
