import os

import cv2
import numpy as np
import pytest

from inspection.errors import InputError
from inspection.labelling.source import ImageFrames, open_source


def write(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, np.full((8, 9), value, np.uint8))[1].tobytes())
    return path


def test_images_keep_their_names_and_bytes(tmp_path):
    for number, name in enumerate(["b.png", "sub/a.jpg", "sub/a.png"]):
        write(tmp_path / "line 3" / name, number)
    (frames,) = open_source(str(tmp_path / "line 3"))
    names = [frames.file_name(number) for number in range(frames.count)]
    assert names == ["line 3_b.png", "line 3_sub_a.jpg", "line 3_sub_a.png"]
    assert [frames.number_of(name) for name in names] == [0, 1, 2]
    assert frames.number_of("line 3_c.png") is None
    assert frames.file_bytes(1) == (tmp_path / "line 3" / "sub" / "a.jpg").read_bytes()
    assert frames.picture(2).tolist() == np.full((8, 9), 2).tolist()
    assert (frames.reach(7), frames.reach(-1)) == (2, 0)


def test_image_names_that_clash(tmp_path):
    write(tmp_path / "x" / "a" / "1.png")
    write(tmp_path / "x" / "a_1.png")
    with pytest.raises(InputError, match=r"would both be saved as x_a_1\.png"):
        open_source(str(tmp_path / "x"))


def test_videos_of_a_folder_one_by_one(write_video, tmp_path):
    write_video(tmp_path / "b.avi", 2)
    write_video(tmp_path / "day" / "a.avi", 2)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.avi").write_text("x")
    assert [frames.name for frames in open_source(str(tmp_path))] == ["b", "a"]
    assert [frames.name for frames in open_source(str(tmp_path / "b.avi"))] == ["b"]
    assert [frames.name for frames in open_source(str(tmp_path / "*.avi"))] == ["b"]
    assert [frames.name for frames in open_source(str(tmp_path / "**" / "*.avi"))] == ["b", "a"]


def test_a_pattern_of_images(tmp_path):
    for name in ("line/1/a.png", "line/2/a.png", "line/2/b.txt"):
        write(tmp_path / name) if name.endswith("png") else (tmp_path / name).write_text("x")
    (frames,) = open_source(str(tmp_path / "line" / "*" / "*"))
    assert isinstance(frames, ImageFrames)
    assert [frames.file_name(n) for n in range(frames.count)] == ["line_1_a.png", "line_2_a.png"]


def test_saved_frames_are_left_out(write_video, tmp_path):
    write(tmp_path / "frames" / "a.png")
    saved = tmp_path / "frames" / "labels" / "pics"
    write(saved / "frames_a.png")
    write(tmp_path / "frames" / "labels" / "own.png")
    for source in ("frames", "frames/**/*.png", "frames/../frames"):
        (frames,) = open_source(str(tmp_path / source), saved)
        names = [frames.file_name(number) for number in range(frames.count)]
        assert names == ["frames_a.png", "frames_labels_own.png"]
    write_video(tmp_path / "videos" / "v.avi", 2)
    write(tmp_path / "videos" / "data" / "labels" / "pics" / "v_000000.png")
    (video,) = open_source(str(tmp_path / "videos"), tmp_path / "videos" / "data" / "labels" / "pics")
    assert video.name == "v"


@pytest.mark.parametrize(
    "name",
    [b"line/a\xff.png", b"line/a\\b.png", b"line/day\xff/a.png", b" line/a.png", b"a\xff.avi", b" a.avi",
     b"day\xff/a.avi"],
)  # fmt: skip
def test_names_that_a_table_or_a_decoder_does_not_take(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    except OSError:
        pytest.skip("this disk does not have such names")
    source = tmp_path / os.fsdecode(name.split(b"/")[0])
    with pytest.raises(InputError, match="rename the file or its folder") as caught:
        open_source(str(source))
    str(caught.value).encode()  # can be printed


def test_one_of_several_videos_is_read_when_it_is_its_turn(tmp_path):
    (tmp_path / "a.avi").write_bytes(b"nothing")
    with pytest.raises(InputError, match="OpenCV can't read this"):
        open_source(str(tmp_path / "a.avi"))
    (tmp_path / "b.avi").write_bytes(b"nothing")
    assert [frames.name for frames in open_source(str(tmp_path))] == ["a", "b"]


def test_what_is_no_source(write_video, tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        open_source(str(tmp_path / "gone.avi"))
    with pytest.raises(InputError, match="no video and no image there; looked for 3gp avi"):
        open_source(str(tmp_path))
    write_video(tmp_path / "a.avi", 2)
    write(tmp_path / "a.png")
    with pytest.raises(InputError, match="1 images beside 1 videos"):
        open_source(str(tmp_path))
    (tmp_path / "a.png").unlink()
    write_video(tmp_path / "day" / "A.avi", 2)
    with pytest.raises(InputError, match="have one name"):
        open_source(str(tmp_path))
