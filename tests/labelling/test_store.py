import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inspection.data.attributes import read_attributes
from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.labelling.store import Labels

SEAM = ["good", "error"]


@pytest.fixture
def labels(tmp_path):
    opened = Labels(tmp_path, "v", SEAM)
    yield opened
    opened.close()


def table(tmp_path):
    read = read_attributes([tmp_path / "v_data.csv"], SEAM)
    return dict(zip(read.names, map(tuple, read.values.tolist()), strict=True))


def test_put_again_and_remove(labels, tmp_path):
    assert not (tmp_path / "v_data.csv").exists()
    labels.put("v_2.png", (True, False), lambda: b"two")
    labels.put("v_1.png", (False, False), lambda: b"one")
    labels.put("v_2.png", (True, True), lambda: pytest.fail("the picture is there"))
    assert table(tmp_path) == {"v_1.png": (False, False), "v_2.png": (True, True)}
    assert (tmp_path / "v_data.csv").read_text().splitlines()[1:] == [
        "v_1.png,False,False",
        "v_2.png,True,True",
    ]
    assert (tmp_path / "pics" / "v_2.png").read_bytes() == b"two"
    assert labels.remove("v_2.png") == ((True, True), b"two")
    assert list(table(tmp_path)) == ["v_1.png"]
    assert not (tmp_path / "pics" / "v_2.png").exists()
    assert (len(labels), labels.get("v_2.png"), labels.names) == (1, None, ["v_1.png"])
    labels.remove("v_1.png")
    labels.close()
    assert len(Labels(tmp_path, "v", SEAM)) == 0


def test_a_picture_without_a_row_is_written_anew(labels, tmp_path):
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "v_1.png").write_bytes(b"cut off by a ki")
    labels.put("v_1.png", (True, False), lambda: b"whole")
    assert (tmp_path / "pics" / "v_1.png").read_bytes() == b"whole"
    (tmp_path / "pics" / "v_1.png").unlink()
    labels.put("v_1.png", (True, False), lambda: b"again")
    assert (tmp_path / "pics" / "v_1.png").read_bytes() == b"again"


def test_what_others_write_meanwhile_is_kept(labels, tmp_path):
    labels.put("v_1.png", (True, False), lambda: b"")
    (tmp_path / "v_data.csv").write_text("name,good,error\nv_1.png,0,1\nv_9.png,1,0\n")
    labels.put("v_2.png", (False, False), lambda: b"")
    assert table(tmp_path) == {"v_1.png": (False, True), "v_2.png": (False, False), "v_9.png": (True, False)}
    (tmp_path / "v_data.csv").unlink()
    labels.put("v_3.png", (True, True), lambda: b"")
    assert len(table(tmp_path)) == 4
    (tmp_path / "v_data.csv").write_text("name,good,error\nv_1.png,maybe,1\n")
    with pytest.raises(InputError, match="'maybe'; expected True or False"):
        labels.put("v_3.png", (True, True), lambda: b"")
    assert "maybe" in (tmp_path / "v_data.csv").read_text()


def test_what_others_write_is_kept_when_a_label_is_removed(labels, tmp_path):
    labels.put("v_1.png", (True, False), lambda: b"")
    (tmp_path / "v_data.csv").write_text("name,good,error\nv_1.png,0,1\nv_9.png,1,0\n")
    assert labels.remove("v_1.png") == ((False, True), b"")
    assert table(tmp_path) == {"v_9.png": (True, False)}


def test_a_picture_that_can_not_be_deleted_is_left(labels, tmp_path, monkeypatch):
    labels.put("v_1.png", (True, False), lambda: b"one")
    labels.put("v_2.png", (True, False), lambda: b"two")

    def unlink(path, missing_ok=False, original=Path.unlink):
        if path.name == "v_1.png":
            raise PermissionError(13, "The process cannot access the file")
        original(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    assert labels.remove("v_1.png") == ((True, False), b"one")
    assert list(table(tmp_path)) == ["v_2.png"]
    assert labels.get("v_1.png") is None
    assert (tmp_path / "pics" / "v_1.png").exists()


def test_a_write_that_fails_changes_nothing(labels, tmp_path, monkeypatch):
    labels.put("v_1.png", (True, False), lambda: b"")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspection.labelling.store.write_attributes", full)
    for change in (
        lambda: labels.put("v_1.png", (False, True), lambda: b""),
        lambda: labels.remove("v_1.png"),
    ):
        with pytest.raises(OSError, match="No space"):
            change()
    assert labels.get("v_1.png") == (True, False)
    assert (tmp_path / "pics" / "v_1.png").exists()
    assert table(tmp_path) == {"v_1.png": (True, False)}


def test_tables_that_can_not_be_gone_on_with(tmp_path):
    path = tmp_path / "v_data.csv"
    path.write_text(",name,good,error,remark\n0,v_1.png,1,0,look again\n")
    with pytest.raises(InputError, match="saving would lose the column 'remark'"):
        Labels(tmp_path, "v", SEAM)
    path.write_text("name,good\nv_1.png,1\n")
    with pytest.raises(InputError, match="no column 'error'"):
        Labels(tmp_path, "v", SEAM)
    path.write_text("name,good,error\nv_1.png,1,0\nv_1.png,0,0\n")
    with pytest.raises(InputError, match=r"line 2 and line 3: 'v_1\.png' differs in good"):
        Labels(tmp_path, "v", SEAM)
    path.write_text(",name,good,error\n0,v_1.png,1,0\n1,v_1.png,1,0\n")
    assert Labels(tmp_path, "v", SEAM).get("v_1.png") == (True, False)


def test_one_tool_at_a_time(labels, tmp_path):
    refused = pytest.raises(
        InputError, match=r"v_data\.csv: another labelling tool has this table open \(process"
    )
    other, third = Labels(tmp_path, "v", SEAM), Labels(tmp_path, "w", SEAM)
    labels.put("v_1.png", (True, False), lambda: b"one")  # a change takes the lock, `hold` does without one
    third.hold()
    third.close()
    with refused:
        other.hold()
    with refused:
        other.put("v_2.png", (True, False), lambda: b"two")
    with refused:
        other.remove("v_1.png")
    assert list(table(tmp_path)) == ["v_1.png"]
    labels.close()
    labels.close()
    other.hold()
    other.hold()
    with refused:
        labels.put("v_1.png", (False, False), lambda: b"")
    other.close()
    labels.hold()


DRIVER = """
import sys
from pathlib import Path
from inspection.labelling.keys import Command, Step, Toggle
from inspection.labelling.session import Session
from inspection.labelling.store import Labels
from inspection.labelling.video import VideoFrames

folder, attributes = Path(sys.argv[1]), ["good", "error"]
session = Session([(VideoFrames(folder / "v.avi"), Labels(folder / "set", "v", attributes))], attributes)
while True:
    for action in (Step(1), Toggle(session.view().labelled % 2), Command.SAVE):
        session.apply(action)
    print(session.view().file, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on this system")
def test_a_killed_process_loses_at_most_the_frame_on_the_screen(write_video, tmp_path):
    write_video(tmp_path / "v.avi", 300)
    said: list[str] = []
    for seconds in (0.05, 0.12, 0.2):
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert driver.stdout is not None
        said.append(driver.stdout.readline().strip())  # it is at work: resumed, and not stopped by a lock
        time.sleep(seconds)
        driver.kill()
        said += driver.stdout.read().split()
        driver.wait()
        read = read_attributes([tmp_path / "set" / "v_data.csv"], SEAM)
        assert read.repeated == 0
        # The save that was being made when it was killed may be in the table or not.
        assert set(said) <= set(read.names)
        for name, values in zip(read.names, read.values, strict=True):
            assert read_image(tmp_path / "set" / "pics" / name).shape == (64, 160, 3)
            assert values.sum() == 1
        said = list(read.names)
    # Each run went on behind the last frame: nothing twice, nothing left out.
    assert sorted(said) == [f"v_{number:06d}.png" for number in range(1, len(said) + 1)]
