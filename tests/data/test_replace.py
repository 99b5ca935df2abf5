import pytest

from inspection.data import replace
from inspection.data.replace import replace_file


@pytest.mark.parametrize("synced", [True, False])
def test_a_new_file_takes_the_place_of_the_old(tmp_path, synced):
    path = tmp_path / "folder" / "a.png"
    for content in (b"old", b"new"):
        replace_file(path, content, synced)
        assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch, fails):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(replace.os, fails, broken)
    with pytest.raises(OSError, match="Input/output"):
        replace_file(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"


def test_a_link_goes_on_to_point_to_the_file(tmp_path):
    path, link = tmp_path / "a.csv", tmp_path / "link.csv"
    path.write_bytes(b"old")
    link.symlink_to(path)
    replace_file(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
