import copy
import json

import numpy as np
import pytest

from inspection.data.coco import cut_boxes, read_coco, write_results
from inspection.errors import InputError

GOOD = {
    "images": [
        {"id": 7, "file_name": "a.png", "width": 64, "height": 48},
        {"id": 3, "file_name": "line/b.png", "width": 32, "height": 32},
        {"id": 9, "file_name": "empty.png"},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 5, "bbox": [10, 8, 20.5, 12], "area": 246, "iscrowd": 0},
        {"id": 2, "image_id": 3, "category_id": 2, "bbox": [0, 0, 32, 32]},
        {"id": 3, "image_id": 7, "category_id": 2, "bbox": [-0.4, 40, 10, 8.7]},
        {"id": 4, "image_id": 7, "category_id": 2, "bbox": [0, 0, 60, 40], "iscrowd": 1},
    ],
    "categories": [{"id": 2, "name": "valve"}, {"id": 5, "name": "motor"}, {"id": 8, "name": "unused"}],
}


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "annotations.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def changed(key, place, **values):
    content = copy.deepcopy(GOOD)
    content[key][place].update(values)
    return content


def test_reads_corners_in_the_wanted_order_of_classes(write):
    found = read_coco(write(GOOD), ["motor", "valve"])
    assert found.names == ("motor", "valve")
    assert found.category_ids == (5, 2)
    assert [image.file for image in found.images] == ["a.png", "line/b.png", "empty.png"]
    assert [image.size for image in found.images] == [(48, 64), (32, 32), None]
    # Rounding of the tool that drew the box is cut off.
    np.testing.assert_allclose(found.images[0].boxes, [[10, 8, 30.5, 20], [0, 40, 9.6, 48]])
    assert [image.classes.tolist() for image in found.images] == [[0, 1], [1], []]
    assert found.images[2].boxes.shape == (0, 4)
    assert found.crowds == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{not", "is no JSON"),
        ("\xff", "is no JSON"),
        ([{"image_id": 1}], "is a list; expected COCO's annotations"),
        ({"images": [], "annotations": []}, "has no list 'categories'"),
        (changed("annotations", 0, image_id=99), "annotation 1: there is no image 99"),
        (changed("annotations", 1, category_id=99), "annotation 2: there is no category 99"),
        (changed("annotations", 2, id=1), "id 1 stands 2 times in annotations"),
        (changed("images", 1, id=7), "id 7 stands 2 times in images"),
        (changed("images", 1, file_name="a.png"), "file_name 'a.png' stands in 2 entries"),
        (changed("images", 1, file_name=None), r"images\[1\] has no file_name"),
        (
            changed("annotations", 1, image_id=[3]),
            r"annotations\[1\]: image_id is \[3\], no whole number and no text",
        ),
        (changed("annotations", 0, id=1.5), r"annotations\[0\]: id is 1.5, no whole number and no text"),
        (GOOD | {"images": ["a.png"]}, r"images\[0\] is 'a.png', not an entry with id, file_name"),
        (changed("images", 1, file_name="./a.png"), "file_name 'a.png' stands in 2 entries"),
        (changed("images", 1, file_name="line/../a.png"), "file_name 'a.png' stands in 2 entries"),
        (changed("images", 1, file_name="line/../../a.png"), "image 3: file_name '../a.png' leads out of"),
        (changed("images", 1, file_name="/pics/a.png"), "image 3: file_name '/pics/a.png' leads out of"),
        (changed("images", 0, width=64.5), "image 7: width 64.5 and height 48 are no whole pixels"),
        (changed("images", 0, height="48"), "image 7: width 64 and height '48' are no whole pixels"),
        (changed("images", 0, height=0), "image 7: width 64 and height 0 are no whole pixels"),
        (changed("annotations", 0, bbox=[-1, 2, 1, 5]), "lies outside of the image of 64x48 pixels"),
        (changed("annotations", 0, bbox=[64, 2, 1, 5]), "lies outside of the image of 64x48 pixels"),
        (changed("annotations", 0, bbox=[1, 2, 0, 5]), r"annotation 1, image 'a.png': bbox .* has no size"),
        (changed("annotations", 0, bbox=[60, 2, 6, 5]), "lies outside of the image of 64x48 pixels"),
        (changed("annotations", 0, bbox=[1, 2, 5]), r"is not \[left, top, width, height\]"),
        (changed("annotations", 0, bbox=[1, 2, "5", 5]), r"is not \[left, top, width, height\]"),
        (changed("categories", 2, name="valve"), "category 'valve' has 2 ids"),
        (changed("categories", 1, name="pump"), r"no category 'motor' .* there is valve, pump, unused"),
        (changed("annotations", 0, category_id=8), r"not in data.classes=.*: unused \(1\)"),
    ],
)
def test_what_is_wrong_is_named(write, content, says):
    with pytest.raises(InputError, match=says) as caught:
        read_coco(write(content), ["motor", "valve"])
    assert "annotations.json" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_whole_floats_are_numbers(write):
    """A table with a gap in a column writes 7.0 for 7, for sizes as for ids."""
    content = json.loads(json.dumps(GOOD), parse_int=float)
    found = read_coco(write(content), ["motor", "valve"])
    expected = read_coco(write(GOOD), ["motor", "valve"])
    assert [(i.id, i.file, i.size) for i in found.images] == [(i.id, i.file, i.size) for i in expected.images]
    assert str(found.images[0].id) == "7"
    assert str(found.category_ids) == "(5, 2)"
    assert [i.classes.tolist() for i in found.images] == [i.classes.tolist() for i in expected.images]
    content["annotations"][0]["bbox"] = [60.0, 2.0, 6.0, 5.0]
    with pytest.raises(InputError, match="lies outside of the image of 64x48 pixels"):
        read_coco(write(content), ["motor", "valve"])


def test_byte_order_mark(write):
    assert len(read_coco(write("\ufeff" + json.dumps(GOOD)), ["motor", "valve"]).images) == 3


def test_paths_take_no_detours(write):
    found = read_coco(write(changed("images", 1, file_name="./line//x/../b.png")), ["motor", "valve"])
    assert found.images[1].file == "line/b.png"


def test_boxes_are_cut_at_images_whose_size_the_json_does_not_say(write):
    content = copy.deepcopy(GOOD)
    for image in content["images"]:
        image.pop("width", None)
    path = write(content)
    found = read_coco(path, ["motor", "valve"])
    assert found.images[0].size is None
    cut = cut_boxes(path, found.images, [(48, 64), (32, 32), (8, 8)])
    np.testing.assert_allclose(cut[0], [[10, 8, 30.5, 20], [0, 40, 9.6, 48]])
    assert [boxes.shape for boxes in cut] == [(2, 4), (1, 4), (0, 4)]
    with pytest.raises(
        InputError, match=r"image 3, 'line/b.png': bbox \[0.0, 0.0, 32.0, 32.0\] lies .* of 30x32"
    ):
        cut_boxes(path, found.images, [(48, 64), (32, 30), (8, 8)])


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"no such file; data\.annotations"):
        read_coco(tmp_path / "a.json", ["motor"])


def test_many_faults_in_one_message(write):
    content = copy.deepcopy(GOOD)
    content["annotations"] = [
        {"id": key, "image_id": 70, "category_id": 5, "bbox": [0, 0, 1, 1]} for key in range(20)
    ]
    with pytest.raises(InputError, match="and 15 more"):
        read_coco(write(content), ["motor", "valve"])


def test_results_are_read_by_a_coco_evaluation(write, tmp_path):
    coco = pytest.importorskip("faster_coco_eval").COCO
    found = [np.array([[10, 8, 30.5, 20, 0.9, 0]]), np.zeros((0, 6)), np.array([[1, 2, 3, 4, 0.123456, 1]])]
    write_results(tmp_path / "detections.json", [7, 3, 9], found, [5, 2])
    assert json.loads((tmp_path / "detections.json").read_text()) == [
        {"image_id": 7, "category_id": 5, "bbox": [10.0, 8.0, 20.5, 12.0], "score": 0.9},
        {"image_id": 9, "category_id": 2, "bbox": [1.0, 2.0, 2.0, 2.0], "score": 0.12346},
    ]
    results = coco(str(write(GOOD))).loadRes(str(tmp_path / "detections.json"))
    assert len(results.anns) == 2
