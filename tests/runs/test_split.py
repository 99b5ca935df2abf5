import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.data.attributes import read_attributes
from inspection.errors import InputError
from inspection.runs.split import split
from tests.conftest import write_image


@pytest.fixture
def folder(tmp_path):
    """Twelve videos of five frames, with a table."""
    lines = ["name,good,error"]
    for video in range(12):
        for frame in range(5):
            name = f"v{video:02d}_{frame:06d}.png"
            write_image(tmp_path / "set" / "pics" / name, np.full((6, 6, 3), frame, np.uint8))
            lines.append(f"{name},{frame < 3},{frame >= 3 and video % 2 == 0}")
    (tmp_path / "set" / "all_data.csv").write_text("\n".join(lines))
    return tmp_path / "set"


@pytest.fixture
def config(compose):
    def build(*overrides):
        return plain(compose("split", ["data.classes=[good,error]", *overrides]))

    return build


def test_tables_of_the_parts(folder, config, capsys):
    assert split(config(f"data.root={folder}", "data.split=[0.5,0.25,0.25]")) == 0
    names = {}
    for part in ("train", "valid", "test"):
        names[part] = read_attributes([folder / f"{part}.csv"], ["good", "error"]).names
    assert {part: len(own) for part, own in names.items()} == {"train": 30, "valid": 15, "test": 15}
    videos = [{name[:3] for name in own} for own in names.values()]
    assert sum(map(len, videos)) == len(set.union(*videos)) == 12
    output = capsys.readouterr().out
    assert "in 12 groups that stay together" in output
    assert f"use it:   data.splits={folder}" in output


def test_a_split_in_use_is_not_replaced_unasked(folder, config):
    split(config(f"data.root={folder}", "data.split=[0.5,0.25,0.25]"))
    before = (folder / "train.csv").read_bytes()
    with pytest.raises(InputError, match=r"train\.csv is there already.*output=<folder>.*overwrite=true"):
        split(config(f"data.root={folder}", "data.split=[0.5,0.25,0.25]", "data.split_seed=5"))
    assert (folder / "train.csv").read_bytes() == before
    split(config(f"data.root={folder}", "data.split=[0.5,0.25,0.25]", "data.split_seed=5", "overwrite=true"))
    assert (folder / "train.csv").read_bytes() != before


def test_class_folders_get_one_table(images, config, compose, tmp_path):
    chosen = plain(compose("split", ["data=coil", f"data.root={images}", f"output={tmp_path}"]))
    split(chosen)
    lines = (tmp_path / "splits.csv").read_text().splitlines()
    assert lines[0] == "file,split,class,group"
    assert len(lines) == 97


@pytest.mark.slow
def test_the_command(script, folder):
    done = script("split", f"data.root={folder}", "data.classes=[good,error]", "output=elsewhere")
    assert (done.returncode, done.stderr) == (0, "")
    again = script("split", f"data.root={folder}", "data.classes=[good,error]", "output=elsewhere")
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
