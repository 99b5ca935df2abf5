import os
from pathlib import Path

import numpy as np
import pytest

from inspection.data.attributes import (
    can_be_named,
    find_tables,
    read_attributes,
    read_columns,
    read_rows,
    write_attributes,
)
from inspection.errors import InputError

SEAM = ["good", "error"]


@pytest.fixture
def table(tmp_path):
    def write(text, name="a_data.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_a_table_as_pandas_writes_it(table):
    path = table(",name,error,good,length\n0,v_000001.png,False,True,True\n1,v_000002.png,True,False,\n")
    read = read_attributes([path], SEAM)
    assert read.attributes == ("good", "error")
    assert read.names == ("v_000001.png", "v_000002.png")
    assert read.values.dtype == bool
    assert read.values.tolist() == [[True, False], [False, True]]
    assert read.where == ((path, 2), (path, 3))
    assert read.repeated == 0


@pytest.mark.parametrize(
    "text",
    [
        "name,good,error\r\nsub/a.png,TRUE,false\r\n",
        "name;good;error\nsub/a.png;true;0\n",
        "name\tgood\terror\nsub/a.png\t1\tFalse\n",
        "\ufeffname,good,error\nsub/a.png,True,False\n",
        '"name",good , error\n\n"./sub/a.png", True , False \n,,\n',
        "Unnamed: 0,error,name,good\n7,False,sub\\a.png,True\n",
        "name,good,error\rsub/a.png,True,False\r",
    ],
)
def test_ways_to_write_the_same(table, text):
    read = read_attributes([table(text)], SEAM)
    assert (read.names, read.values.tolist()) == (("sub/a.png",), [[True, False]])


def test_any_letters(table):
    read = read_attributes([table("name,naht ä,開\nü/ö.png,0,1\n")], ["naht ä", "開"])
    assert (read.names, read.values.tolist()) == (("ü/ö.png",), [[False, True]])


def test_tables_are_merged_and_repeated_rows_counted(table):
    first = table("name,good,error\na.png,1,0\nb.png,0,1\n", "a_data.csv")
    second = table("name,error,good\nb.png,True,False\nc.png,False,False\n", "b_data.csv")
    read = read_attributes([first, second], SEAM)
    assert read.names == ("a.png", "b.png", "c.png")
    assert read.values.tolist() == [[True, False], [False, True], [False, False]]
    assert read.where[1:] == ((first, 3), (second, 3))
    assert read.repeated == 1
    assert len(read_rows(second, SEAM)) == 2


def test_different_labels_of_one_name(table):
    first = table("name,good,error\na.png,1,0\nb.png,0,1\n", "a_data.csv")
    second = table("name,good,error\na.png,0,1\nb.png,0,1\n./b.png,1,1\n", "b_data.csv")
    with pytest.raises(InputError) as caught:
        read_attributes([first, second], SEAM)
    assert str(caught.value).splitlines() == [
        f"{first}, line 2 and {second}, line 2: 'a.png' differs in good, error; keep one of the rows",
        f"{first}, line 3 and {second}, line 4: 'b.png' differs in good; keep one of the rows",
    ]


def test_many_faults_are_counted(table):
    path = table("name,good\n" + "".join(f"{n}.png,ja\n" for n in range(5)))
    with pytest.raises(InputError) as caught:
        read_attributes([path], ["good"])
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}, line 2, column 'good': 'ja'; expected True or False: mend or remove the row"
    assert lines[3:] == ["... 3 of 5 rows that can't be used"]


@pytest.mark.parametrize("value", ["", "yes", "2", "nan", "1.0", "TrueFalse"])
def test_neither_true_nor_false(table, value):
    path = table(f"name,good,error\na.png,True,{value}\n")
    with pytest.raises(InputError, match=r"line 2, column 'error': '.*'; expected True or False"):
        read_attributes([path], SEAM)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected the columns name, good, error"),
        ("\n\n", "is empty"),
        ("name,good,error\n", "no image in the attribute tables"),
        ("file,good,error\na,1,0\n", "no column 'name'; columns found: file, good, error"),
        (
            ",name,Good,error\n0,a,1,0\n",
            r"no column 'good' \(did you mean 'Good'\?\); columns found: name, Go",
        ),
        ("name,good,eror\na,1,0\n", r"no column 'error' \(did you mean 'eror'\?\)"),
        ("name,good,error,good\na,1,0,1\n", "the column 'good' is there twice"),
        ("name,good,error\na,1\n", "line 2: 2 fields, the header has 3"),
        ("name,good,error\na,1,0,0\n", "line 2: 4 fields, the header has 3"),
        ("name,good,error\n,1,0\n", "line 2, column 'name': ''; expected the path of an image below"),
        ("name,good,error\n../a.png,1,0\n", "line 2, column 'name'"),
        ("name,good,error\n/a.png,1,0\n", "line 2, column 'name'"),
        ("name,good,error\nC:\\a.png,1,0\n", "line 2, column 'name'"),
        ('name,good,error\n"a.png,1,0\n', "is the file a CSV table"),
    ],
)
def test_what_can_not_be_used(table, text, message):
    with pytest.raises(InputError, match=message):
        read_attributes([table(text)], SEAM)


def test_files_that_can_not_be_read(table, tmp_path):
    with pytest.raises(InputError, match="is not UTF-8"):
        read_rows(table("name,good\nä.png,1\n", encoding="latin-1"), ["good"])
    with pytest.raises(InputError, match=r"gone\.csv: does not exist"):
        read_rows(tmp_path / "gone.csv", ["good"])
    with pytest.raises(InputError, match="is a folder"):
        read_rows(tmp_path, ["good"])


@pytest.mark.parametrize("attributes", [[], ["name"], ["good", "good"], [""], ["a\nb"], [" good"]])
def test_impossible_attributes(table, attributes):
    with pytest.raises(InputError, match="attributes="):
        read_attributes([table("name,good\na,1\n")], attributes)


def test_what_is_written_is_read(tmp_path):
    names = ["v, 1.png", 'sub/"ü".png', "c.png"]
    values = np.array([[1, 0], [0, 1], [0, 0]], dtype=bool)
    path = tmp_path / "new" / "v_data.csv"
    write_attributes(path, names, values, SEAM)
    read = read_attributes([path], SEAM)
    assert read.names == tuple(names)
    np.testing.assert_array_equal(read.values, values)
    assert path.read_text(encoding="utf-8").splitlines()[::3] == ["name,good,error", "c.png,False,False"]
    write_attributes(path, [], [], SEAM)
    assert path.read_text(encoding="utf-8") == "name,good,error\n"
    assert [file.name for file in path.parent.iterdir()] == ["v_data.csv"]


@pytest.mark.parametrize("blank", ["\u202f", "\u00a0", "\u3000", "\u200b"])
def test_names_with_blanks_of_other_kinds(tmp_path, blank):
    name = f"Bildschirmfoto{blank}12.png"  # as macOS and French software write them
    assert can_be_named(name)
    write_attributes(tmp_path / "v_data.csv", [name], [[True, False]], SEAM)
    assert read_attributes([tmp_path / "v_data.csv"], SEAM).names == (name,)


@pytest.mark.parametrize(
    "name",
    ["", " a.png", "a.png ", "\u00a0a.png", "a\nb.png", "\x85.png", "a\udcff.png", "a\\b.png", "./a.png",
     "a//b.png", "../a.png", "/a.png", "C:/a.png"],
)  # fmt: skip
def test_names_that_would_not_be_read_back_are_not_written(tmp_path, name):
    assert not can_be_named(name)
    with pytest.raises(InputError, match=r"v_data\.csv: '.*' can't stand in a table"):
        write_attributes(tmp_path / "v_data.csv", ["b.png", name], [[True, False]] * 2, SEAM)
    assert not (tmp_path / "v_data.csv").exists()


def test_a_write_that_fails_leaves_the_old_table(tmp_path, monkeypatch):
    path = tmp_path / "v_data.csv"
    write_attributes(path, ["a.png"], [[True, False]], SEAM)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_attributes(path, ["b.png"], [[True, False]], SEAM)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["v_data.csv"]


def test_a_write_checks_its_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"values \[1, 2\]"):
        write_attributes(tmp_path / "a.csv", ["a"], [[True]], SEAM)
    with pytest.raises(ValueError, match="each name once"):
        write_attributes(tmp_path / "a.csv", ["a", "a"], [[True, True]] * 2, SEAM)


def test_a_link_stays_a_link(tmp_path):
    real = tmp_path / "elsewhere" / "a_data.csv"
    write_attributes(real, ["a.png"], [[True, False]], SEAM)
    link = tmp_path / "a_data.csv"
    try:
        link.symlink_to(real)
    except OSError:
        pytest.skip("links are not allowed here")
    write_attributes(link, ["b.png"], [[True, False]], SEAM)
    assert link.is_symlink()
    assert read_attributes([real], SEAM).names == ("b.png",)


def test_tables_of_a_folder(tmp_path):
    for name in ("b_data.csv", "a_data.csv", "data.csv", ".a_data.csv", "train.csv"):
        (tmp_path / name).write_text("name,good\n")
    assert [path.name for path in find_tables(tmp_path)] == ["a_data.csv", "b_data.csv", "data.csv"]
    with pytest.raises(InputError, match=r"no table \*x\.csv in this folder; there is"):
        find_tables(tmp_path, "*x.csv")
    with pytest.raises(InputError, match="does not exist"):
        find_tables(Path("nowhere"))


def test_columns(table):
    assert read_columns(table(",name,good,note\n0,a,1,x\n")) == ["good", "note"]
    assert read_columns(table("Unnamed: 0,name,good\n0,a,1\n")) == ["good"]
    assert read_columns(table("")) == []
