from pathlib import Path

import cv2
import numpy as np
import pytest

from inspection.data.attributes import read_attributes
from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.labelling.keys import Command, action_of, assign_keys
from inspection.labelling.session import Session
from inspection.labelling.source import ImageFrames, open_source
from inspection.labelling.store import Labels

SEAM = ["good", "error", "break", "length"]
RULES = [["good", "error"], ["good", "break"]]
KEYS = assign_keys(SEAM)


class Desk:
    """A session that gets keys, and what it leaves on disk."""

    def __init__(self, source, folder, **settings):
        self.folder = folder
        videos = open_source(str(source))
        self.labels = [Labels(folder, video.name, SEAM) for video in videos]
        try:
            self.session = Session(list(zip(videos, self.labels, strict=True)), SEAM, RULES, **settings)
        except InputError:
            self.close()
            raise

    def type(self, keys):
        for key in keys:
            goes_on = self.session.apply(action_of(ord(key), KEYS))
        return goes_on

    @property
    def view(self):
        return self.session.view()

    def table(self, video="v"):
        path = self.folder / f"{video}_data.csv"
        if not path.exists() or len(path.read_text().splitlines()) == 1:
            return {}
        read = read_attributes([path], SEAM)
        on = [[a for a, value in zip(SEAM, row, strict=True) if value] for row in read.values]
        return dict(zip(read.names, on, strict=True))

    def pictures(self):
        return sorted(path.name for path in (self.folder / "pics").iterdir())

    def close(self):
        for labels in self.labels:
            labels.close()


@pytest.fixture
def desk(write_video, tmp_path):
    source = write_video(tmp_path / "v.avi", 250)
    opened = []

    def sit_down(source=source, folder=tmp_path / "set", **settings):
        for other in opened:
            other.close()
        opened.append(Desk(source, folder, **settings))
        return opened[-1]

    yield sit_down
    for other in opened:
        other.close()


def test_frames_are_gone_through(desk, read_number):
    seat = desk()
    for keys, number in [
        ("n", 1),
        ("..", 21),
        ("+", 121),
        ("p", 120),
        (",", 110),
        ("-", 10),
        ("--", 0),
        ("=++", 249),
    ]:
        seat.type(keys)
        assert read_number(seat.view.picture) == number
        assert seat.view.file == f"v_{number:06d}.png"
    assert seat.view.frame == "249 / 249"
    seat.type("n")
    assert (seat.view.message, seat.view.refused) == ("this is the last frame", True)
    seat.type("---p")
    assert (seat.view.message, seat.view.frame) == ("this is the first frame", "0 / 249")


def test_toggle_save_and_save_again(desk, read_number):
    seat = desk()
    assert seat.view.frame == "0 / ~249"  # what the header says, until somebody was at the end
    seat.type(".gL")
    assert seat.view.values == (True, False, False, True)
    assert seat.view.changed == (True, False, False, True)
    assert not seat.view.saved
    assert seat.table() == {}
    seat.type("s")
    assert (seat.view.saved, any(seat.view.changed), seat.view.message) == (True, False, "saved")
    assert seat.table() == {"v_000010.png": ["good", "length"]}
    saved = read_image(seat.folder / "pics" / "v_000010.png")
    assert read_number(saved) == 10
    np.testing.assert_array_equal(saved, seat.view.picture)  # nothing is drawn on it
    seat.type("ggls")
    assert seat.table() == {"v_000010.png": ["good"]}
    seat.type("s")
    assert seat.table() == {"v_000010.png": ["good"]}
    assert seat.view.labelled == 1


def test_a_changed_frame_is_not_left(desk):
    seat = desk()
    seat.type("gn")
    assert (seat.view.file, seat.view.refused) == ("v_000000.png", True)
    assert "s saves, u takes the change back" in seat.view.message
    seat.type("un")
    assert (seat.view.file, seat.view.values[0]) == ("v_000001.png", False)
    seat.type("eep")  # back as it was: nothing is changed
    assert seat.view.file == "v_000000.png"


def test_quit(desk):
    seat = desk()
    assert seat.type("n")
    assert not seat.type("q")
    assert seat.type("gq")
    assert seat.view.message == "changed and not saved: s saves; q again quits without"
    assert seat.type("e")
    assert seat.type("q")
    assert not seat.type("q")
    assert seat.type("s")
    assert not seat.type("q")


def test_delete_and_undo(desk):
    seat = desk()
    seat.type("gs")
    before = (seat.folder / "pics" / "v_000000.png").read_bytes()
    seat.type("d")
    assert (seat.table(), seat.pictures(), seat.view.saved) == ({}, [], False)
    assert seat.view.values == (False,) * 4
    seat.type("n")
    seat.type("u")
    assert seat.table() == {"v_000000.png": ["good"]}
    assert (seat.folder / "pics" / "v_000000.png").read_bytes() == before
    assert (seat.view.file, seat.view.saved, seat.view.values[0]) == ("v_000000.png", True, True)
    seat.type("u")  # the save before it
    assert (seat.table(), seat.pictures()) == ({}, [])
    seat.type("u")
    assert (seat.view.message, seat.view.refused) == ("nothing to undo", True)
    seat.type("d")
    assert (seat.view.message, seat.view.refused) == ("this frame has no label to delete", True)


def test_a_save_that_changes_nothing_is_not_undone(desk):
    seat = desk()
    seat.type("gsss")
    seat.type("u")
    assert (seat.table(), seat.pictures()) == ({}, [])


def test_what_others_do_to_the_table_is_seen(desk):
    seat = desk()
    path = seat.folder / "v_data.csv"
    header = "name,good,error,break,length\n"
    seat.type("gsnesp")
    path.write_text(header + "v_000000.png,0,1,0,0\nv_000001.png,0,0,1,1\n")
    seat.type("n")  # stepping shows it
    assert seat.view.values == (False, False, True, True)
    seat.type("gs")
    assert seat.table() == {"v_000000.png": ["error"], "v_000001.png": ["good", "break", "length"]}
    seat.type("u")  # what was replaced is theirs
    assert seat.table()["v_000001.png"] == ["break", "length"]

    # On the screen it is shown before it is written over; what was toggled stays.
    path.write_text(header + "v_000000.png,0,1,0,0\nv_000001.png,1,0,0,0\n")
    seat.type("es")
    assert "another program changed this row" in seat.view.message
    assert seat.view.values == (False, True, True, True)
    assert seat.view.changed == (True, True, True, True)
    assert seat.table()["v_000001.png"] == ["good"]
    seat.type("s")
    assert seat.table()["v_000001.png"] == ["error", "break", "length"]
    path.write_text(header + "v_000001.png,1,0,0,0\n")
    seat.type("s")
    assert (seat.view.values, seat.view.refused) == ((True, False, False, False), True)
    seat.type("p")
    assert (seat.view.saved, seat.view.values) == (False, (False,) * 4)


def test_rows_that_others_remove(desk):
    seat = desk()
    path = seat.folder / "v_data.csv"
    seat.type("gsnes")
    path.write_text("name,good,error,break,length\n")
    assert seat.type("d")
    assert (seat.view.message, seat.view.values) == ("this frame has no label to delete", (False,) * 4)
    seat.type("ls")
    path.write_text("name,good,error,break,length\n")
    assert seat.type("uu")  # the rows are gone as it is
    assert seat.view.message == "label and picture removed again"
    path.write_text("name,good,error,break,length\nv_000000.png,1,0,0,perhaps\n")
    seat.type("n")
    assert "'perhaps'; expected True or False" in seat.view.message
    assert seat.view.refused


def test_a_picture_that_can_not_be_deleted(desk, monkeypatch):
    seat = desk()
    seat.type("gs")

    def unlink(path, missing_ok=False, original=Path.unlink):
        if path.name == "v_000000.png":
            raise PermissionError(13, "The process cannot access the file")
        original(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        seat.type("d")
    assert seat.view.message.startswith("label deleted (u brings it back); the picture could not be")
    assert (seat.table(), seat.view.saved, seat.pictures()) == ({}, False, ["v_000000.png"])
    seat.type("u")
    assert seat.table() == {"v_000000.png": ["good"]}


def test_undo_of_a_save_brings_the_labels_before_it(desk):
    seat = desk()
    seat.type("gsnesngs")
    assert seat.table() == {f"v_00000{n}.png": [a] for n, a in enumerate(["good", "error", "good"])}
    seat.type("pes")
    assert seat.table()["v_000001.png"] == []
    seat.type("..u")
    assert (seat.view.file, seat.table()["v_000001.png"]) == ("v_000001.png", ["error"])
    seat.type("uu")
    assert seat.table() == {"v_000000.png": ["good"]}
    assert seat.pictures() == ["v_000000.png"]


def test_contradictions_are_shown_and_may_be_saved(desk):
    seat = desk()
    seat.type("ge")
    assert seat.view.contradiction == "good and error"
    seat.type("bs")
    assert seat.view.contradiction == "good and error; good and break"
    assert seat.table() == {"v_000000.png": ["good", "error", "break"]}
    seat.type("g")
    assert seat.view.contradiction == ""


def test_resumes_at_the_last_labelled_frame(desk):
    desk().type("+gs..essp" + "-")
    seat = desk()
    assert (seat.view.file, seat.view.values, seat.view.saved) == (
        "v_000120.png",
        (False, True, False, False),
        True,
    )
    assert seat.view.message == "going on at the last labelled frame, 2 have labels"
    seat.type(",,")
    assert (seat.view.values, seat.view.saved) == ((True, False, False, False), True)


def test_carried_labels_are_proposed_and_not_saved(desk):
    seat = desk(carry=True)
    seat.type("glsn")
    assert seat.view.values == (True, False, False, True)
    assert (seat.view.saved, any(seat.view.changed)) == (False, False)
    seat.type("n")
    assert len(seat.table()) == 1
    seat.type("s")
    assert seat.table()["v_000002.png"] == ["good", "length"]
    assert desk(carry=True).type("n")
    assert desk(carry=True).view.values == (True, False, False, True)


def test_another_video_of_the_same_name(desk, write_video, tmp_path):
    desk().type("ngs")
    other = write_video(tmp_path / "tuesday" / "v.avi", 20, first=100)
    with pytest.raises(InputError, match=r"v_000001\.png: does not show frame 1 of .*tuesday"):
        desk(other)
    (tmp_path / "set" / "pics" / "v_000001.png").unlink()
    assert desk(other).view.saved


def test_several_videos_one_after_the_other(desk, write_video, tmp_path):
    write_video(tmp_path / "many" / "a.avi", 5)
    write_video(tmp_path / "many" / "b.avi", 5)
    write_video(tmp_path / "many" / "c.avi", 5)
    seat = desk(tmp_path / "many")
    assert seat.view.video == "a  (1 of 3)"
    seat.type(".gsn")
    assert seat.view.file == "b_000000.png"
    seat.type("p")
    assert (seat.view.file, seat.view.saved) == ("a_000004.png", True)
    seat.type("nesn")
    assert (seat.table("a"), seat.table("b")) == ({"a_000004.png": ["good"]}, {"b_000000.png": ["error"]})
    seat.type(".np")  # into c, and back to the end of b
    assert seat.view.file == "b_000004.png"
    seat.type("uu")
    assert (seat.table("a"), seat.table("b"), seat.view.file) == ({}, {}, "a_000004.png")
    seat.type("nlsq")
    assert desk(tmp_path / "many").view.file == "b_000000.png"


def test_of_many_videos_one_is_open_and_locked(desk, write_video, tmp_path, monkeypatch):
    captures = []

    def opened(*arguments, original=cv2.VideoCapture):
        captures.append(original(*arguments))
        return captures[-1]

    for name in "abc":
        write_video(tmp_path / "many" / f"{name}.avi", 3)
    monkeypatch.setattr("inspection.labelling.video.cv2.VideoCapture", opened)
    seat = desk(tmp_path / "many")
    assert len(captures) == 1
    others = [Labels(seat.folder, name, SEAM) for name in "abc"]
    with pytest.raises(InputError, match="another labelling tool"):
        others[0].hold()
    others[1].hold()
    seat.type("gs..")  # b is somebody else's: it can be looked at
    assert (seat.view.file, seat.view.refused) == ("b_000000.png", True)
    assert "another labelling tool has this table open" in seat.view.message
    assert [capture.isOpened() for capture in captures] == [False, True]
    others[0].hold()
    seat.type("gs")
    assert "another labelling tool has this table open" in seat.view.message
    seat.type("u" + "..")
    assert seat.view.file == "c_000000.png"
    others[1].close()
    others[0].close()
    seat.type("p")
    assert (seat.view.file, seat.view.message) == ("b_000002.png", "")
    seat.type("gs")
    assert seat.table("b") == {"b_000002.png": ["good"]}
    seat.type("uu")  # in a, too
    assert (seat.table("a"), seat.view.file) == ({}, "a_000000.png")
    assert sum(capture.isOpened() for capture in captures) == 1
    seat.type("gs")
    seat.close()
    others[0].hold()
    with pytest.raises(InputError, match="another labelling tool"):
        Desk(tmp_path / "many", seat.folder)
    others[0].close()


def test_a_video_that_can_not_be_read_is_passed_by(desk, write_video, tmp_path):
    for name in "abc":
        write_video(tmp_path / "many" / f"{name}.avi", 3)
    desk(tmp_path / "many").type("..es")
    (tmp_path / "many" / "b.avi").write_bytes(b"damaged")
    seat = desk(tmp_path / "many")
    assert (seat.view.file, seat.view.picture, seat.view.saved) == ("b_000000.png", None, True)
    assert "OpenCV can't read this as a video" in seat.view.message
    for keys, file in [
        ("n", "c_000000.png"),
        ("p", "b_000000.png"),
        ("p", "a_000002.png"),
        ("n", "b_000000.png"),
    ]:
        seat.type(keys)
        assert seat.view.file == file
        assert (seat.view.picture is None) == (file[0] == "b")
    assert seat.view.frame == "0"


def test_it_says_what_it_looks_for(desk, monkeypatch):
    desk().type("+gs")
    said = []
    desk(say=said.append)
    assert said == []
    monkeypatch.setattr("inspection.labelling.session._LONG", 100)
    seat = desk(say=said.append)
    assert said == [f"{seat.folder.parent / 'v.avi'}: looking for frame 100"]
    assert seat.view.file == "v_000100.png"


def test_images_are_copied_byte_for_byte(desk, tmp_path):
    for number, (suffix, shape) in enumerate([(".jpg", (9, 12)), (".png", (9, 12, 3)), (".tif", (9, 12))]):
        path = tmp_path / "strip" / f"{number}{suffix}"
        path.parent.mkdir(exist_ok=True)
        kind = np.uint16 if suffix == ".tif" else np.uint8
        picture = np.full(shape, 40000 if suffix == ".tif" else 90, kind)
        path.write_bytes(cv2.imencode(suffix, picture)[1].tobytes())
    seat = desk(tmp_path / "strip")
    seat.type("gsnesnls")
    assert seat.view.picture.dtype == np.uint8
    assert seat.table("strip") == {
        "strip_0.jpg": ["good"],
        "strip_1.png": ["error"],
        "strip_2.tif": ["length"],
    }
    for path in (tmp_path / "strip").iterdir():
        assert (seat.folder / "pics" / f"strip_{path.name}").read_bytes() == path.read_bytes()
    seat.type("d")
    assert (tmp_path / "strip" / "2.tif").exists()


def test_an_image_that_can_not_be_read(tmp_path, desk):
    (tmp_path / "strip").mkdir()
    (tmp_path / "strip" / "a.png").write_bytes(b"nothing")
    seat = desk(tmp_path / "strip")
    assert seat.view.picture is None
    assert "a.png: is not an image" in seat.view.message
    seat.type("gs")
    assert (seat.view.message, seat.view.refused) == ("a frame that can't be read is not saved", True)
    assert seat.table("strip") == {}


def test_a_labelled_image_that_was_damaged_since(tmp_path, desk):
    (tmp_path / "strip").mkdir()
    path = tmp_path / "strip" / "a.png"
    path.write_bytes(cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes())
    desk(path.parent).type("gs")
    path.write_bytes(path.read_bytes()[:-20])
    seat = desk(path.parent)
    assert (seat.view.picture, seat.view.values[0], seat.view.saved) == (None, True, True)
    assert "a.png: is cut short or corrupt" in seat.view.message


def test_a_save_that_fails_is_said_and_can_be_tried_again(desk, monkeypatch):
    seat = desk()
    seat.type("g")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("inspection.labelling.store.replace_file", full)
        seat.type("s")
    assert "No space left on device" in seat.view.message
    assert (seat.view.refused, seat.view.saved, seat.view.changed[0]) == (True, False, True)
    seat.type("s")
    assert seat.table() == {"v_000000.png": ["good"]}


def test_a_truncated_video_says_where_it_ends(write_video, desk, tmp_path):
    path = write_video(tmp_path / "cut.avi", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seat = desk(path)
    seat.type("+")
    last = int(seat.view.file[4:10])
    assert f"frame {last} is the last readable one" in seat.view.message
    seat.type("gsn")
    assert "is the last readable one" in seat.view.message
    assert desk(path).view.saved


def test_no_action_is_nothing(tmp_path):
    picture = tmp_path / "strip" / "a.png"
    picture.parent.mkdir()
    picture.write_bytes(cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes())
    labels = Labels(tmp_path / "set", "strip", SEAM)
    session = Session([(ImageFrames(picture.parent, [picture.relative_to(picture.parent)]), labels)], SEAM)
    assert session.apply(None)
    assert not session.apply(Command.QUIT)
    labels.close()
