"""The audit as a whole: sets with faults on purpose, and what it says of them."""

import csv
import json

import cv2
import numpy as np
import pytest

from inspection.config.saved import plain
from inspection.data.images import read_image
from inspection.errors import InputError
from inspection.runs.audit import audit

TINY = ["task=coil", "data.crop=null", "data.image_size=[40,48]"]


def rough(seed, size=(60, 80)):
    """A rough surface, uint8; another one for each seed."""
    noise = np.random.default_rng(seed).normal(0, 1, size).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return (120 + 40 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)


def write(root, name, image):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, image)
    assert done
    path.write_bytes(data.tobytes())
    return path


@pytest.fixture
def images(tmp_path):
    """60 different surfaces, two thirds of them good."""
    root = tmp_path / "Bilder ä"
    for number in range(60):
        folder = "1_io" if number % 3 else "0_nio"
        write(root, f"{folder}/{number:03d}.png", rough(number))
    return root


@pytest.fixture
def look(compose, tmp_path, capsys):
    """Audits a folder; exit status, findings by name, and what was printed."""

    def run(root, *overrides, task=TINY):
        output = tmp_path / "audit"
        words = [
            *task,
            f"data.root='{root}'",
            f"output={output}",
            f"paths.data={tmp_path / 'data'}",
            *overrides,
        ]
        status = audit(plain(compose("audit", words)))
        report = json.loads((output / "audit.json").read_text(encoding="utf-8"))
        return status, {found["check"]: found for found in report["findings"]}, capsys.readouterr().out

    return run


def texts(finding):
    return [case["text"] for case in finding["cases"]]


def files(finding):
    return sorted(file for case in finding["cases"] for file in case["files"])


def test_a_sound_set_has_no_error(images, look):
    status, found, said = look(images)
    assert status == 0
    assert not [name for name, finding in found.items() if finding["severity"] == "error"]
    assert "60 images" in said
    assert "0 errors" in said


def test_all_broken_files_are_listed_and_the_others_looked_at(images, look):
    whole = (images / "1_io" / "001.png").read_bytes()
    (images / "1_io" / "abgeschnitten ü.png").write_bytes(whole[: len(whole) // 2])
    (images / "1_io" / "leer.png").write_bytes(b"")
    (images / "0_nio" / "text.png").write_text("not an image")
    status, found, said = look(images)
    assert status == 1
    assert files(found["unreadable"]) == [
        "0_nio/text.png",
        "1_io/abgeschnitten ü.png",
        "1_io/leer.png",
    ]
    assert "3 images of 63 can't be used" in said
    reasons = " ".join(texts(found["unreadable"]))
    assert "is empty" in reasons
    assert "is not an image" in reasons


def test_what_is_not_like_the_rest(images, look):
    write(images, "1_io/sixteen.png", rough(70).astype(np.uint16) * 200)
    write(images, "1_io/colour.png", cv2.merge([rough(71), rough(72), rough(73)]))
    write(images, "1_io/large.png", rough(74, (90, 120)))
    status, found, _ = look(images)
    assert status == 0
    assert texts(found["odd_bits"]) == ["1_io/sixteen.png: 16 bits"]
    assert texts(found["odd_channels"]) == ["1_io/colour.png: colour"]
    assert texts(found["odd_size"]) == ["1_io/large.png: 120x90 pixels"]


def test_a_folder_that_is_not_there_is_a_mistake_of_a_person(look, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        look(tmp_path / "nowhere")


def test_a_set_that_a_training_refuses_is_looked_at_nevertheless(images, look):
    for path in (images / "0_nio").iterdir():
        path.unlink()
    (images / "1_io" / "leer.png").write_bytes(b"")
    status, found, said = look(images)
    assert status == 1
    assert "no image lies in a folder" in texts(found["refused"])[0]
    assert files(found["unreadable"]) == ["1_io/leer.png"]
    assert "a training refuses this set" in said


def test_what_a_refusal_advises_is_a_line_of_its_own(look, tmp_path):
    root = tmp_path / "seams"
    for number in range(3):
        write(root, f"pics/film_{number}.png", rough(number))
    (root / "a_data.csv").write_text("name,good\nfilm_0.png,True\n", encoding="utf-8")
    _, found, said = look(root, task=["task=seam"])
    assert texts(found["refused"])[0].endswith("columns found: name, good")
    assert "         > all that is wrong with the tables: python scripts/label.py check=" in said


def test_equal_pictures_with_different_labels_and_in_two_parts(images, look, tmp_path):
    picture = read_image(images / "1_io" / "001.png")
    write(images, "0_nio/again.bmp", picture)  # the same pixels in another format
    status, found, said = look(images)
    assert status == 1
    pair = ["0_nio/again.bmp", "1_io/001.png"]
    assert files(found["copies"]) == files(found["contradictory_labels"]) == pair
    assert "1 picture has several files with different labels" in said
    assert read_image(tmp_path / "audit" / "contradictory_labels.png").ndim == 3


def parts_of(path):
    with path.open(encoding="utf-8") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


def test_near_copies_in_two_parts_and_a_split_that_mends_it(images, look, tmp_path):
    """Each of twelve parts is there in three exposures."""
    for number in range(100, 112):
        for exposure, gain in enumerate((0.6, 1.2)):
            darker = (rough(number) * gain).clip(0, 255).astype(np.uint8)
            write(images, f"1_io/{number}_{exposure}.png", darker)
    status, found, said = look(images)
    assert status == 1
    assert found["near_copies_across_parts"]["severity"] == "error"
    assert len(found["near_copies"]["cases"]) == 12
    for case in found["near_copies"]["cases"]:
        one, other = case["files"]
        assert one[:8] == other[:8]
    splits = tmp_path / "audit" / "splits.csv"
    assert f"data.splits={splits}" in said
    rows = parts_of(splits)
    for number in range(100, 112):
        pair = [rows[f"1_io/{number}_{exposure}.png"] for exposure in range(2)]
        assert len({row["split"] for row in pair}) == len({row["group"] for row in pair}) == 1
    kept = tmp_path / "kept.csv"
    splits.rename(kept)
    for words in (f"data.splits={kept}", f"data.group={kept}"):
        status, found, _ = look(images, words)
        assert status == 0
        assert "near_copies" in found
        assert "near_copies_across_parts" not in found
    status, found, _ = look(images, f"data.group={kept}", "data.fold=1")
    assert "near_copies_across_parts" not in found


def test_a_single_pair_of_near_copies_in_two_parts_is_a_warning(images, look):
    """Two exposures of one part may be an accident of likeness; they move no figure by much."""
    names = ["1_io/200_0.png", "1_io/200_1.png"]
    for name, gain in zip(names, (1.0, 0.6), strict=True):
        write(images, name, (rough(200) * gain).astype(np.uint8))
    rows = []
    for number in range(60):
        folder, name = ("1_io", "ok") if number % 3 else ("0_nio", "defect")
        rows.append(f"{folder}/{number:03d}.png,{('train', 'val', 'test')[number // 3 % 3]},{name}")
    rows += [f"{names[0]},train,ok", f"{names[1]},test,ok"]
    table = images.parent / "stated.csv"
    table.write_text("\n".join(["file,split,class", *rows]) + "\n")
    copied = images.parent / "images"
    images.rename(copied)  # a path that needs no quotes
    status, found, said = look(copied, f"data.splits={table}", "data.classes=[ok,defect]")
    assert status == 0
    finding = found["near_copies_across_parts"]
    assert finding["severity"] == "warning"
    assert files(finding) == names
    assert "1 pair of near copies lies in two parts; 1 of" in said
    assert "flatter" not in finding["title"]


def test_a_table_of_groups_must_know_every_file(images, look, tmp_path):
    table = tmp_path / "groups.csv"
    table.write_text("file,group\n1_io/001.png,a\n")
    _, found, _ = look(images, f"data.group={table}")
    assert "has no group for 59 files" in texts(found["refused"])[0]


def test_outliers_of_light_and_focus(images, look, tmp_path):
    write(images, "1_io/dark.png", (rough(80) * 0.1).astype(np.uint8))
    write(images, "0_nio/blurred.png", cv2.GaussianBlur(rough(81), (0, 0), 8))
    _, found, _ = look(images)
    assert "1_io/dark.png" in files(found["brightness"])
    assert "darker" in texts(found["brightness"])[0]
    assert files(found["sharpness"])[0] == "0_nio/blurred.png"
    assert found["brightness"]["picture"] == "brightness.png"
    assert (tmp_path / "audit" / "brightness.png").is_file()
    (images / "1_io" / "dark.png").unlink()
    _, found, _ = look(images)
    assert "brightness" not in found
    assert not (tmp_path / "audit" / "brightness.png").exists()


def test_divided_groups(images, look, tmp_path):
    _, found, _ = look(images, "data.group='_(n?io)/'")  # two groups: classes
    assert "refused" in found
    status, found, _ = look(images)
    splits = tmp_path / "by_hand.csv"
    parts = ["train", "val", "test"]
    with splits.open("w") as stream:
        stream.write("file,split,class\n")
        for number in range(60):
            folder, name = ("1_io", "ok") if number % 3 else ("0_nio", "defect")
            stream.write(f"{folder}/{number:03d}.png,{parts[number // 3 % 3]},{name}\n")
    status, found, _ = look(
        images, f"data.splits={splits}", "data.group='/(..).'", "data.classes=[ok,defect]"
    )
    assert status == 1
    assert found["divided_groups"]["severity"] == "error"
    assert len(found["divided_groups"]["cases"]) == 6


def test_names_tell_of_groups(tmp_path, look):
    root = tmp_path / "videos"
    for video in range(8):
        for frame in range(6):
            folder = "1_io" if video % 2 else "0_nio"
            write(root, f"{folder}/cam_{video:02d}_{frame:04d}.png", rough(100 * video + frame))
    _, found, said = look(root)
    assert len(found["named_groups"]["cases"]) == 8
    assert found["named_groups"]["severity"] == "warning"  # also without a near copy: videos in several parts
    assert "groups have images in several parts" in found["named_groups"]["title"]
    pattern = said.split('data.group="')[1].split('"')[0]
    _, found, _ = look(root, f"data.group='{pattern}'")
    assert "named_groups" not in found
    assert "refused" not in found


def test_all_named_groups_are_looked_at(tmp_path, look):
    """60 groups, of which only the last lies in two parts: a note would let the leak pass."""
    root, rows = tmp_path / "pairs", []
    for group in range(60):
        for frame in range(2):
            folder, name = ("1_io", "ok") if group % 2 else ("0_nio", "defect")
            file = f"{folder}/cam_{group:02d}_{frame:04d}.png"
            write(root, file, rough(100 * group + frame))
            part = "test" if group == 59 and frame else ("train", "val", "test")[group // 2 % 3]
            rows.append(f"{file},{'train' if group == 59 and not frame else part},{name}")
    table = tmp_path / "stated.csv"
    table.write_text("\n".join(["file,split,class", *rows]) + "\n")
    _, found, _ = look(root, f"data.splits={table}", "data.classes=[ok,defect]")
    assert found["named_groups"]["severity"] == "warning"
    assert "1 group has images in several parts" in found["named_groups"]["title"]


def test_a_class_whose_name_ends_in_a_bracket_keeps_it(images, look, monkeypatch):
    write(images, "0_nio/again.png", read_image(images / "1_io" / "001.png"))
    seen = {}

    def sheet(finding, read, captions):
        seen.update(captions)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr("inspection.runs.audit.draw_finding", sheet)
    classes = ["data.folders=[[1_io,'Good (A)'],[0_nio,Bad]]", "data.classes=['Good (A)',Bad]"]
    look(images, *classes, "data.defect=Bad")
    assert seen["1_io/001.png"].startswith("Good (A), ")
    assert seen["0_nio/again.png"].startswith("Bad, ")


@pytest.mark.parametrize(
    "words",
    [
        ["task=coil", "data.synthetic.count=120"],
        ["task=seam", "data.synthetic.videos=12", "data.synthetic.frames=3", "data.split=[0.6,0.2,0.2]"],
        ["task=process", "data.synthetic.bursts=24", "data.synthetic.frames=2"],
        ["task=cifar10", "data.synthetic.train=80", "data.synthetic.test=40"],
        ["task=defect", "data.synthetic.train=40", "data.synthetic.val=20", "data.synthetic.test=20"],
    ],
    ids=lambda words: words[0],
)
def test_synthetic_sets_have_no_copies_in_two_parts(words, look):
    _, found, _ = look("", *words[1:], "data.root=null", task=words[:1])
    assert not {"near_copies_across_parts", "copies_across_parts", "contradictory_labels"} & set(found)


def test_few_and_unequal(tmp_path, look):
    root = tmp_path / "few"
    for number in range(84):
        write(root, f"{'1_io' if number >= 4 else '0_nio'}/{number:03d}.png", rough(number))
    _, found, _ = look(root)
    assert "20 to 1" in found["imbalance"]["title"]
    assert "of 'defect': 1 image in the test part" in texts(found["few_to_measure"])
    for number in (0, 1):
        (root / f"0_nio/{number:03d}.png").unlink()
    _, found, _ = look(root)
    assert "of 'defect': 2 images, fewer than there are parts" in texts(found["scarce_class"])


def test_masks(tmp_path, look):
    root = tmp_path / "mvtec"
    for number in range(24):
        write(root, f"train/good/{number:03d}.png", rough(number))
        write(root, f"test/scratch/{number:03d}.png", rough(100 + number))
        mask = np.zeros((60, 80), np.uint8)
        mask[20:30, 30:50] = 255
        write(root, f"ground_truth/scratch/{number:03d}_mask.png", mask)
    write(root, "ground_truth/scratch/001_mask.png", mask[:50])
    write(root, "ground_truth/scratch/002_mask.png", mask * 0)
    write(root, "ground_truth/scratch/003_mask.png", 255 - mask)
    write(root, "ground_truth/scratch/004_mask.png", cv2.GaussianBlur(mask, (0, 0), 2))
    (root / "ground_truth/scratch/005_mask.png").write_bytes(b"")
    (root / "ground_truth/scratch/006_mask.png").write_bytes(b"")
    status, found, _ = look(root, task=["task=surface", "data.image_size=[40,48]"])
    assert status == 1
    assert files(found["mask_size"]) == ["test/scratch/001.png"]
    assert "80x50 pixels" in texts(found["mask_size"])[0]
    assert files(found["empty_masks"]) == ["test/scratch/002.png"]
    assert files(found["large_masks"]) == ["test/scratch/003.png"]
    assert files(found["mask_values"]) == ["test/scratch/004.png"]
    assert files(found["unreadable_masks"]) == ["test/scratch/005.png", "test/scratch/006.png"]
    for number in range(7, 13):
        (root / f"ground_truth/scratch/{number:03d}_mask.png").unlink()
    write(root, "ground_truth/good/000_mask.png", mask)
    status, found, _ = look(root, task=["task=surface", "data.image_size=[40,48]"])
    assert len(found["faults"]["cases"]) == 7  # each of them; a training lists three
    assert "shows a defect in an image that lies in good/" in texts(found["faults"])[-1]
    assert files(found["mask_size"]) == ["test/scratch/001.png"]  # and the others are looked at nevertheless


def coco(root, boxes):
    for number in range(12):
        write(root, f"pics/{number:03d}.png", rough(number))
    content = {
        "images": [{"id": n, "file_name": f"{n:03d}.png", "width": 80, "height": 60} for n in range(12)],
        "categories": [{"id": 1, "name": "motor"}],
        "annotations": [
            {"id": i, "image_id": image, "category_id": 1, "bbox": box}
            for i, (image, box) in enumerate(boxes)
        ],
    }
    (root / "annotations.json").write_text(json.dumps(content))


OBJECTS = ["task=equipment", "data.image_size=[60,80]", "data.classes=[motor]", "data.pictures=pics"]
OBJECTS.append("data.annotations=annotations.json")


def test_boxes(tmp_path, look):
    fine = [(number, [10, 10, 30, 20]) for number in range(12)]
    coco(tmp_path / "a", [*fine, (1, [5, 5, 3, 20]), (2, [10.5, 10, 30, 20])])
    status, found, _ = look(tmp_path / "a", task=OBJECTS)
    assert status == 0
    assert texts(found["tiny_boxes"]) == ["pics/001.png: motor 3x20 pixels at 5, 5"]
    assert files(found["boxes_twice"]) == ["pics/002.png"]
    wrong = [(number, [70, 10, 30, 20]) for number in range(8)] + [(9, [10, 10, 0, 5])]
    coco(tmp_path / "b", [*fine, *wrong])
    status, found, _ = look(tmp_path / "b", task=OBJECTS)
    assert status == 1
    assert len(found["boxes_outside"]["cases"]) == 9  # the reader of the data stops at five
    assert "refused" in found


def test_quantities(tmp_path, look):
    root = tmp_path / "thermal"
    rows = ["name,max_k,mean_k,min_k"]
    for number in range(30):
        raw = (1100 + 4 * rough(number).astype(np.uint16)).astype(np.uint16)
        write(root, f"pics/{number:03d}.png", raw)
        rows.append(f"{number:03d}.png,{320 + number % 7},{300 + number % 5},{285 + number % 3}")
    rows[4] = "003.png,300,320,285"
    rows[8] = "007.png,4000,300,285"
    (root / "temperatures.csv").write_text("\n".join(rows))
    words = ["task=thermal", "data.image_size=[40,48]", "data.columns=[max_k,mean_k,min_k]"]
    words += ["data.pictures=pics", "data.table=temperatures.csv"]
    status, found, _ = look(root, task=words)
    assert status == 1
    assert files(found["order_of_values"]) == ["pics/003.png"]
    assert files(found["outside_window"]) == ["pics/007.png"]
    assert "4000" in texts(found["strange_values"])[0]


def test_a_single_class(tmp_path, look):
    for number in range(10):
        write(tmp_path / "one", f"1_io/{number:03d}.png", rough(number))
    status, found, _ = look(tmp_path / "one")
    assert status == 1
    assert "no image lies in a folder" in texts(found["refused"])[0]


@pytest.mark.slow
def test_the_script(images, script, tmp_path):
    write(images, "0_nio/again.png", read_image(images / "1_io" / "001.png"))
    done = script("audit", *TINY, f"data.root='{images}'")
    assert done.returncode == 1
    assert "ERROR" in done.stdout
    (report,) = tmp_path.glob("outputs/audit/coil/*/audit.json")
    assert json.loads(report.read_text())["images"] == 61
    done = script("audit", *TINY, "data.rot=x")
    assert done.returncode == 2
    assert "did you mean" in done.stderr


def test_rows_without_an_image_are_all_listed(tmp_path, look):
    root = tmp_path / "seams"
    rows = ["name,good,error,break,length"]
    for number in range(24):
        if number % 3:
            write(root, f"pics/v_{number:06d}.png", rough(number))
        rows.append(f"v_{number:06d}.png,{number % 2 == 0},{number % 2 == 1},{number % 5 == 0},True")
    (root / "v_data.csv").write_text("\n".join(rows))
    words = ["task=seam", "data.image_size=[40,48]", "data.group=null", "data.split=[0.5,0.25,0.25]"]
    status, found, said = look(root, task=words)
    assert status == 1
    assert len(found["faults"]["cases"]) == 8  # a training lists five
    assert "16 images" in said


def test_a_set_that_states_its_parts_keeps_their_sizes(tmp_path, look):
    root = tmp_path / "stated"
    for number in range(60):
        part = "test" if number % 5 == 0 else "train"
        write(root, f"{part}/{'ok' if number % 2 else 'defect'}/{number:03d}.png", rough(number))
    write(root, "test/ok/900.png", (rough(1) * 0.6).astype(np.uint8))  # of a training image
    words = ["task=defect", "data.image_size=[40,48]", "data.split=[0.8,0.2,0]"]
    status, found, _ = look(root, task=words)
    assert status == 0  # one pair: a warning
    assert files(found["near_copies_across_parts"]) == ["test/ok/900.png", "train/ok/001.png"]
    rows = parts_of(tmp_path / "audit" / "splits.csv")
    assert rows["test/ok/900.png"]["split"] == rows["train/ok/001.png"]["split"]
    sizes = [sum(row["split"] == part for row in rows.values()) for part in ("train", "val", "test")]
    assert sum(sizes) == 61
    assert abs(sizes[2] - 13) <= 1
    assert abs(sizes[1] - 10) <= 1
