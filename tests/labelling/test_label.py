"""The script's config and what a person may get wrong."""

import pytest
from hydra import compose, initialize_config_dir

from inspection.config.entry import CONF
from inspection.config.preflight import preflight
from inspection.config.saved import plain
from inspection.data.attributes import write_attributes
from inspection.errors import InputError
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
        (["source=a.avi", "rules=[[good]]"], r"rules: \['good'\] is no rule"),
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


def test_saved_frames_are_no_source(write_video, tmp_path):
    write_video(tmp_path / "set" / "pics" / "v.avi", 3)
    for source in ("set/pics", "set/pics/v.avi", "set"):
        with pytest.raises(InputError, match="these are the saved frames of output="):
            call(f"source='{tmp_path / source}'", f"output='{tmp_path / 'set'}'")
