"""Labels that an audit doubts are put right where they are, and a training reads them."""

import csv
import json

import cv2
import numpy as np
import pytest

from inspection.data.attributes import read_attributes
from inspection.data.corrections import CORRECTIONS
from inspection.errors import InputError
from inspection.labelling.keys import action_of, assign_keys
from inspection.labelling.relabel import ListedImages, read_doubted, store_of
from inspection.labelling.screen import draw
from inspection.labelling.session import Session

SEAM = ["good", "error", "break", "length"]


def write_images(root, files):
    for number, file in enumerate(files):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(number).integers(0, 255, (20, 24)).astype(np.uint8)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def write_list(folder, root, kind, names, tables, rows, pictures="."):
    folder.mkdir(exist_ok=True)
    with (folder / "relabel.csv").open("w", newline="", encoding="utf-8") as stream:
        head = ["file", "attribute", "given", "suggested", "confidence", "margin"]
        csv.writer(stream).writerows([head, *rows])
    about = {
        "root": str(root),
        "pictures": pictures,
        "kind": kind,
        "names": names,
        "tables": list(map(str, tables)),
    }
    (folder / "relabel.json").write_text(json.dumps(about))
    return folder / "relabel.csv"


class Desk:
    """A session that gets keys."""

    def __init__(self, path):
        self.doubted = read_doubted(path)
        self.store = store_of(self.doubted)
        self.names = list(self.doubted.names)
        self.keys = assign_keys(self.names)
        reels = [(ListedImages(self.doubted), self.store)]
        self.session = Session(reels, self.names, resume=False, exclusive=self.doubted.exclusive)

    def type(self, keys):
        for key in keys:
            goes_on = self.session.apply(action_of(ord(key), self.keys))
        return goes_on

    @property
    def on(self):
        view = self.session.view()
        return view.file, [name for name, value in zip(self.names, view.values, strict=True) if value]


@pytest.fixture
def coils(tmp_path):
    root = tmp_path / "images"
    write_images(root, ["0_nio/a.png", "0_nio/b ä.png", "1_io/c.png", "1_io/d.png"])
    rows = [
        ["1_io/c.png", "", "ok", "defect", "0.97", "0.94"],
        ["0_nio/b ä.png", "", "defect", "ok", "0.8", "0.6"],
    ]
    listed = write_list(tmp_path / "audit", root, "class", ["ok", "defect"], [root / CORRECTIONS], rows)
    desk = Desk(listed)
    yield desk
    desk.store.close()


@pytest.fixture
def seams(tmp_path):
    root = tmp_path / "seams"
    write_images(root / "pics", ["a_000000.png", "a_000001.png", "b_000000.png"])
    # As pandas writes it, with an index, a column of somebody else, and another one with semicolons and 0 or 1.
    (root / "a_data.csv").write_text(
        ",name,good,error,break,length,operator\n"
        "0,a_000000.png,True,False,False,True,Müller\n"
        "1,a_000001.png,False,True,False,True,Müller\n"
    )
    (root / "b_data.csv").write_text("name;length;good;error;break\nb_000000.png;1;1;0;0\n")
    rows = [
        ["pics/b_000000.png", "good", "True", "False", "0.95", "0.9"],
        ["pics/a_000000.png", "break", "False", "True", "0.9", "0.8"],
        ["pics/b_000000.png", "error", "False", "True", "0.8", "0.6"],
    ]
    tables = [root / "a_data.csv", root / "b_data.csv"]
    desk = Desk(write_list(tmp_path / "audit", root, "attribute", SEAM, tables, rows, "pics"))
    yield desk
    desk.store.close()


class TestClasses:
    def test_listed_images_are_shown_in_their_order_with_their_labels(self, coils):
        assert coils.on == ("1_io/c.png", ["ok"])
        view = coils.session.view()
        assert view.hint == "networks: defect (0.97)"
        assert view.frame == "0 / 1"
        assert view.saved
        coils.type("n")
        assert coils.on == ("0_nio/b ä.png", ["defect"])

    def test_a_key_chooses_the_class_and_s_writes_it(self, coils):
        (key,) = (key for key, name in zip(coils.keys, coils.names, strict=True) if name == "defect")
        coils.type(key)
        assert coils.on == ("1_io/c.png", ["defect"])  # and not ok any more
        assert not coils.store.table.exists()
        coils.type("s")
        assert coils.store.table.read_text() == "name,class\n1_io/c.png,defect\n"
        coils.type("n" + coils.keys[0] + "s")
        assert "0_nio/b ä.png,ok" in coils.store.table.read_text(encoding="utf-8")

    def test_u_takes_it_back(self, coils):
        coils.type(coils.keys[1] + "s" + "u")
        assert coils.on == ("1_io/c.png", ["ok"])
        assert coils.store.table.read_text() == "name,class\n1_io/c.png,ok\n"

    def test_nothing_is_deleted(self, coils):
        coils.type("d")
        view = coils.session.view()
        assert view.refused
        assert "not deleted" in view.message
        assert (coils.doubted.root / "1_io" / "c.png").is_file()

    def test_a_training_reads_the_corrections(self, coils, module):
        data = module(split=[0.5, 0.25, 0.25])
        before = data.find()
        assert before.targets.tolist() == [1, 1, 0, 0]
        coils.type(coils.keys[1] + "s")
        data = module()
        after = data.find()
        assert dict(zip(after.files, after.targets.tolist(), strict=True))["1_io/c.png"] == 1
        assert after.targets.tolist() == [1, 1, 1, 0]
        assert "1 image is of another class than the folder says (corrections.csv)" in data.notes

    def test_a_session_goes_on_with_what_was_corrected_before(self, coils, tmp_path):
        coils.type(coils.keys[1] + "s")
        coils.store.close()
        again = Desk(tmp_path / "audit" / "relabel.csv")
        assert again.on == ("1_io/c.png", ["defect"])
        again.store.close()

    def test_one_tool_at_a_time(self, coils, tmp_path):
        with pytest.raises(InputError, match="open"):
            Desk(tmp_path / "audit" / "relabel.csv")

    def test_the_hint_is_drawn(self, coils):
        view = coils.session.view()
        picture = draw(view, coils.names, coils.keys, (640, 400))
        assert picture.shape == (400, 640, 3)


class TestAttributes:
    def test_an_image_with_several_doubts_is_shown_once(self, seams):
        assert seams.on == ("pics/b_000000.png", ["good", "length"])
        assert seams.session.view().hint == "networks: good: False (0.95), error: True (0.80)"
        seams.type("n")
        assert seams.on == ("pics/a_000000.png", ["good", "length"])

    def test_a_key_changes_the_row_and_nothing_else(self, seams):
        root = seams.doubted.root
        seams.type("ge" + "s" + "n" + "b" + "s")
        assert (root / "b_data.csv").read_text() == "name;length;good;error;break\nb_000000.png;1;0;1;0\n"
        assert (root / "a_data.csv").read_text().splitlines() == [
            ",name,good,error,break,length,operator",
            "0,a_000000.png,True,False,True,True,Müller",
            "1,a_000001.png,False,True,False,True,Müller",
        ]
        table = read_attributes([root / "a_data.csv", root / "b_data.csv"], SEAM)
        assert table.values.tolist()[0] == [True, False, True, True]

    def test_a_row_that_was_taken_away_is_said(self, seams):
        (seams.doubted.root / "b_data.csv").write_text("name;length;good;error;break\n")
        seams.type("gs")
        assert seams.session.view().refused


class TestLists:
    def test_what_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match="is missing"):
            read_doubted(tmp_path / "relabel.csv")

    def test_nothing_in_doubt(self, tmp_path):
        path = write_list(
            tmp_path / "audit", tmp_path, "class", ["ok", "defect"], [tmp_path / CORRECTIONS], []
        )
        with pytest.raises(InputError, match="no label is in doubt"):
            read_doubted(path)

    def test_a_set_whose_labels_no_table_can_change(self, tmp_path):
        row = ["a.png", "", "ok", "defect", "0.9", "0.8"]
        path = write_list(tmp_path / "audit", tmp_path, "class", ["ok", "defect"], [], [row])
        with pytest.raises(InputError, match="move the files"):
            read_doubted(path)


ROW = ["1_io/a.png", "", "ok", "defect", "0.9", "0.8"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([*ROW[:4], "0,9", "0.8"], "line 2: confidence '0,9'"),
        ([*ROW[:4], "nan", "0.8"], "line 2: confidence 'nan'"),
        (ROW[:3], "line 2: 3 fields, the header has 6"),
        ([*ROW[:2], "good", *ROW[3:]], "line 2: label 'good'; expected one of ok, defect"),
        ([ROW[0], "hole", *ROW[2:]], "line 2: attribute 'hole'"),
        (["../a.png", *ROW[1:]], "line 2: '../a.png'"),
    ],
)
def test_a_row_that_no_audit_writes_is_named(tmp_path, row, message):
    path = write_list(tmp_path, tmp_path, "class", ["ok", "defect"], [tmp_path / CORRECTIONS], [row])
    with pytest.raises(InputError, match=r"relabel\.csv, ") as caught:
        read_doubted(path)
    assert message in str(caught.value)


def test_a_list_in_another_encoding_and_one_that_was_saved_with_semicolons(tmp_path):
    row = ["1_io/\u00fc.png", *ROW[1:]]
    path = write_list(tmp_path, tmp_path, "class", ["ok", "defect"], [tmp_path / CORRECTIONS], [row])
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(",", ";"), encoding="utf-8")
    assert read_doubted(path).files == ("1_io/\u00fc.png",)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_doubted(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "can't be read"),
        (lambda text: text.replace('"names"', '"klassen"'), "names is None"),
        (lambda text: "[1, 2]", "root is None"),
        (
            lambda text: json.dumps(json.loads(text) | {"root": "/nowhere at all"}),
            "does not exist; was it moved",
        ),
    ],
)
def test_what_lies_beside_a_list_must_be_whole(tmp_path, change, message):
    path = write_list(tmp_path, tmp_path, "class", ["ok", "defect"], [tmp_path / CORRECTIONS], [ROW])
    place = tmp_path / "relabel.json"
    place.write_text(change(place.read_text()))
    with pytest.raises(InputError, match=r"relabel\.json") as caught:
        read_doubted(path)
    assert message in str(caught.value)
