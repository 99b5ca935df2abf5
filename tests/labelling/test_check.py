import pytest

from inspection.errors import InputError
from inspection.labelling.check import check_labels, in_words

ATTRIBUTES = ["good", "error", "break"]
RULES = [["good", "error"], ["good", "break"]]


@pytest.fixture
def labelled(tmp_path):
    """Writes tables of `name good error break` lines, and a picture for each name but those of `without`."""

    def write(tables, without=(), extra=(), contents=None):
        names = set(extra)
        for table, lines in tables.items():
            rows = [line.split() for line in lines]
            names |= {row[0] for row in rows}
            text = "\n".join(",".join(row) for row in [["name", *ATTRIBUTES], *rows])
            (tmp_path / table).write_text(text + "\n")
        (tmp_path / "pics").mkdir(exist_ok=True)
        for name in names - set(without):
            (tmp_path / "pics" / name).write_bytes((contents or {}).get(name, name.encode()))
        return tmp_path

    return write


def test_counts(labelled):
    folder = labelled(
        {"a_data.csv": ["a1.png 1 0 0", "a2.png 0 1 1"], "b_data.csv": ["b1.png 0 1 0", "b2.png 0 0 0"]}
    )
    report = check_labels(folder, ATTRIBUTES, RULES)
    assert report.counts == {"good": 1, "error": 2, "break": 1}
    assert report.combinations == {(): 1, ("error",): 1, ("error", "break"): 1, ("good",): 1}
    assert (report.faults, report.notes) == ({}, {})
    text = in_words(report)
    assert "4 images in 4 rows" in text
    assert "  error           2  50.0 %" in text
    assert "error + break" in text
    assert text.endswith("nothing wrong")


def test_each_fault_with_its_rows(labelled):
    folder = labelled(
        {
            "a_data.csv": ["a1.png 1 1 0", "a2.png 1 0 1", "a3.png 0 0 0", "a3.png 0 0 0"],
            "b_data.csv": ["a2.png 1 0 0", "b1.png 0 1 0", "b2.png 0 1 0", "b3.png 1 0 0"],
        },
        without=["b1.png"],
        extra=["left.png"],
        contents={"a1.png": b"same", "b2.png": b"same", "b3.png": b"twin", "a3.png": b"twin"},
    )
    (folder / "c_data.csv").write_text("name,good\nc.png,1\n")
    a, b = folder / "a_data.csv", folder / "b_data.csv"
    report = check_labels(folder, ATTRIBUTES, RULES)
    faults = report.faults
    assert faults.pop("contradictions") == [
        f"{a}, line 2: a1.png is good and error",
        f"{a}, line 3: a2.png is good and break",
    ]
    assert faults.pop("labelled twice, differently") == [f"{a}, line 3 and {b}, line 2: a2.png"]
    assert faults.pop("labelled twice, the same") == [f"{a}, line 4 and line 5: a3.png"]
    assert faults.pop(f"rows without a picture in {folder / 'pics'}") == [f"{b}, line 3: b1.png"]
    assert faults.pop("identical pictures with different labels") == ["a1.png = b2.png", "a3.png = b3.png"]
    assert len(faults.pop("tables that can't be used")) == 1
    assert not faults
    assert report.notes == {f"pictures without a row in {folder / 'pics'}": ["left.png"]}


def test_bad_rows_are_counted_and_the_others_used(labelled):
    bad = ["a1.png 1 0 maybe", *(f"b{n}.png 1 0 yes" for n in range(5))]
    folder = labelled({"a_data.csv": [*bad, "a2.png 1 1 0", "a3.png 0 0 0"]})
    report = check_labels(folder, ATTRIBUTES, RULES)
    faults = report.faults["rows that can't be used"]
    assert len(faults) == 6
    assert faults[0] == (
        f"{folder / 'a_data.csv'}, line 2, column 'break': 'maybe'; expected True or False: mend or remove the row"
    )
    assert report.rows == 2
    assert report.counts == {"good": 1, "error": 1, "break": 0}
    assert list(report.faults) == ["rows that can't be used", "contradictions"]
    assert in_words(report).endswith("7 wrong")


def test_identical_pictures_of_one_label_are_a_note(labelled):
    folder = labelled(
        {"a_data.csv": ["a1.png 1 0 0", "a2.png 1 0 0"]}, contents={"a1.png": b"x", "a2.png": b"x"}
    )
    report = check_labels(folder, ATTRIBUTES, RULES)
    assert report.notes == {"identical pictures, labels the same": ["a1.png = a2.png"]}
    assert not report.faults
    assert "note: identical pictures" in in_words(report)


def test_many_identical_pictures_are_counted(labelled):
    names = [f"a{n}.png" for n in range(6)]
    folder = labelled(
        {"a_data.csv": [f"{name} 1 0 0" for name in names]}, contents=dict.fromkeys(names, b"x")
    )
    (case,) = check_labels(folder, ATTRIBUTES, RULES).notes["identical pictures, labels the same"]
    assert case == "a0.png = a1.png = a2.png = ... (6 pictures)"


def test_one_table_is_not_asked_about_the_pictures_of_others(labelled):
    folder = labelled({"a_data.csv": ["a_1.png 1 0 0"], "b_data.csv": ["b_1.png 1 0 0"]}, extra=["a_2.png"])
    report = check_labels(folder / "a_data.csv", ATTRIBUTES, RULES)
    assert report.notes == {f"pictures without a row in {folder / 'pics'}": ["a_2.png"]}
    assert sum(report.combinations.values()) == 1


def test_many_cases_are_counted(labelled):
    folder = labelled({"a_data.csv": [f"a{n}.png 1 1 0" for n in range(25)]})
    text = in_words(check_labels(folder, ATTRIBUTES, RULES))
    assert "WRONG: contradictions: 25" in text
    assert "... 15 more" in text
    assert text.endswith("25 wrong")


def test_nothing_to_check(tmp_path):
    with pytest.raises(InputError, match="no table"):
        check_labels(tmp_path, ATTRIBUTES, RULES)
    with pytest.raises(InputError, match="does not exist"):
        check_labels(tmp_path / "gone", ATTRIBUTES, RULES)
