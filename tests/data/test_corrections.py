import pytest

from inspection.data.corrections import correct_attributes, read_corrections, write_corrections
from inspection.errors import InputError

CLASSES = ["ok", "defect"]


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "corrections.csv"
    corrections = {"1_io/ä b.png": "defect", "0_nio/c.png": "ok"}
    write_corrections(path, corrections)
    assert read_corrections(path, CLASSES) == corrections
    write_corrections(path, {})
    assert not path.exists()
    assert read_corrections(path, CLASSES) == {}


def test_what_a_spreadsheet_makes_of_it(tmp_path):
    path = tmp_path / "corrections.csv"
    path.write_bytes("\ufeffname;class;why\r\n1_io\\a.png; defect;scratch\r\n".encode())
    assert read_corrections(path, CLASSES) == {"1_io/a.png": "defect"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,class\na.png,bad\n", "line 2: class 'bad'; expected one of ok, defect"),
        ("name,class\n../a.png,ok\n", "expected the path of an image below"),
        ("name,class\na.png,ok\na.png,defect\n", "'a.png' is 'ok' in an earlier line"),
        ("name,class\na.png\n", "1 fields, the header has 2"),
        ("name,label\na.png,ok\n", "no column 'class'"),
    ],
)
def test_faults_are_named(tmp_path, text, said):
    path = tmp_path / "corrections.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_corrections(path, CLASSES)


def test_one_row_of_a_table_is_changed(tmp_path):
    path = tmp_path / "a_data.csv"
    path.write_bytes('\ufeffname,good,note\n"a, b.png",True,"says ""fine"""\nc.png,False,x\n'.encode())
    assert correct_attributes(path, "a, b.png", {"good": False})
    assert (
        path.read_bytes().decode()
        == '\ufeffname,good,note\n"a, b.png",False,"says ""fine"""\nc.png,False,x\n'
    )
    assert not correct_attributes(path, "d.png", {"good": False})
