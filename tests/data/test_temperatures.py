import pytest

from inspection.data.temperatures import read_quantities
from inspection.errors import InputError

COLUMNS = ("max_k", "min_k")


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "temperatures.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_columns_in_the_wanted_order_and_others_left_out(tmp_path):
    found = read_quantities(
        table(tmp_path, "min_k,note,name,max_k\n250,x,ä.png,300.5\n\n251,y,sub/b.png,301\n"), COLUMNS
    )
    assert found.names == ("ä.png", "sub/b.png")
    assert found.values.tolist() == [[300.5, 250], [301, 251]]
    assert found.lines == (2, 4)


def test_a_spreadsheets_table(tmp_path):
    text = "name;max_k;min_k\na.png;300,5;250,25\n"
    assert read_quantities(table(tmp_path, text, "utf-8-sig"), COLUMNS).values.tolist() == [[300.5, 250.25]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected the columns name, max_k, min_k"),
        ("name,max_k,min_k\n", "has no row"),
        ("name,max_K,min_k\na.png,1,2\n", r"no column 'max_k' \(did you mean 'max_K'\?\)"),
        (
            "name,max_k,min_k\na.png,nan,2\n",
            "line 2, column 'max_k': 'nan'; expected a number: mend or remove",
        ),
        ("name,max_k,min_k\na.png,1,\n", "line 2, column 'min_k': ''; expected a number"),
        ("name,max_k,min_k\na.png,1,inf\n", "line 2, column 'min_k': 'inf'; expected a number"),
        ("name,max_k,min_k\na.png,1\n", "line 2: 2 fields, the header has 3"),
        ("name,max_k,min_k\n../a.png,1,2\n", r"line 2, column 'name': '\.\./a\.png'; expected the path"),
        ("name,max_k,min_k\na.png,1,2\nb.png,1,2\na.png,1,2\n", "line 4: 'a.png' stands in line 2, too"),
    ],
)
def test_what_is_wrong_names_table_and_line(tmp_path, text, message):
    with pytest.raises(InputError, match=f"temperatures.csv.*{message}"):
        read_quantities(table(tmp_path, text), COLUMNS)


def test_many_faults_are_counted(tmp_path):
    rows = "".join(f"{number}.png,hot,1\n" for number in range(9))
    with pytest.raises(InputError) as caught:
        read_quantities(table(tmp_path, f"name,max_k,min_k\n{rows}"), COLUMNS)
    assert "... 3 of 9 rows that can't be used" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 4


def test_no_table(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_quantities(tmp_path / "nothing.csv", COLUMNS)
