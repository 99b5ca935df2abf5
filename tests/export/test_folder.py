"""The folder of an export: files take each other's place whole, and failures leave it as it was."""

import os
import time

import pytest

from inspection.errors import InputError
from inspection.export.folder import FAILED, written_aside


def put(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_json", ".json").replace("__", ".")).write_text(text)


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def output(tmp_path):
    """With an earlier export, of another format, and a failure."""
    folder = tmp_path / "run" / "export"
    folder.mkdir(parents=True)
    put(folder, inspector__onnx="old", inspector__xml="old", parity_json="old", mine__txt="mine")
    (folder / FAILED).write_text("old")
    return folder


def test_new_files_replace_old_ones_and_nothing_else(output, monkeypatch):
    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda one, other: (moved.append(other.name), replace(one, other)))
    with written_aside(output) as folder:
        put(folder, parity_json="new", inspector__xml="new", inspector__bin="new", inspector_json="new")
        assert content(output.parent / "export" / folder.name)["inspector.xml"] == "new"
        assert (output / "inspector.onnx").read_text() == "old"
    names = ["inspector.bin", "inspector.xml", "inspector.json", "parity.json"]
    assert moved == names
    assert content(output) == {**dict.fromkeys(names, "new"), "mine.txt": "mine"}


def test_a_failure_lies_beside_the_earlier_export(output):
    with written_aside(output) as folder:
        put(folder, inspector__onnx="wrong", parity_failed_json="new")
    assert content(output) == {
        "inspector.onnx": "old",
        "inspector.xml": "old",
        "parity.json": "old",
        "parity_failed.json": "new",
        "mine.txt": "mine",
    }


def test_of_a_block_that_raises_nothing_stays_nor_an_empty_folder(tmp_path):
    (tmp_path / "run").mkdir()

    def fail():
        with written_aside(tmp_path / "run" / "export" / "onnx") as folder:
            put(folder, inspector__onnx="half")
            raise OSError("an image is gone")  # no fault of the folder

    with pytest.raises(OSError, match="an image is gone"):
        fail()
    assert list((tmp_path / "run").iterdir()) == []


def test_left_over_folders_go_when_they_are_old(output):
    for name, age in ((".partial-killed", 2), (".partial-running", 0)):
        (output / name).mkdir()
        (output / name / "inspector.onnx").touch()
        os.utime(output / name, (time.time() - age * 86400,) * 2)
    with written_aside(output) as folder:
        put(folder, parity_json="new")
    assert [path.name for path in output.glob(".partial-*")] == [".partial-running"]


def test_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"output=.*file.*could not be written"),
        written_aside(tmp_path / "file"),
    ):
        pass
