import cv2
import numpy as np
import pytest

from inspection.audit.quick import quick_findings


def rough(seed, size=(60, 80)):
    noise = np.random.default_rng(seed).normal(0, 1, size).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return (120 + 40 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)


@pytest.fixture
def set_up(module, tmp_path):
    """A data module over different surfaces and what else is written."""

    def build(extra, count=60, **settings):
        for number in range(count):
            extra[f"{'1_io' if number % 3 else '0_nio'}/{number:04d}.png"] = rough(number)
        for file, image in extra.items():
            path = tmp_path / "images" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        data = module(image_size=[60, 80], memory_budget=100, **settings)
        data.setup()
        return data

    return build


def test_different_pictures(set_up):
    assert quick_findings(set_up({})) == []


def test_copies_near_copies_and_contradictions(set_up):
    dark = (rough(2) * 0.6).astype(np.uint8)
    notes = quick_findings(
        set_up({"0_nio/again.png": rough(1), "1_io/dark.png": dark, "1_io/darker.png": dark // 2})
    )
    text = " ".join(notes)
    assert (
        "1 picture has several files with different labels (for example 0_nio/again.png = 1_io/0001.png)"
        in text
    )
    assert "scripts/audit.py" in text


def test_colour(set_up):
    data = set_up({"1_io/again.png": rough(3)}, channels=3, mean=[0.5] * 3, std=[0.5] * 3)
    parts = dict(zip(data.samples.files, data.samples.parts, strict=True))
    said = [note for note in quick_findings(data) if "1 picture" in note and "different labels" in note]
    assert len(said) == 1  # 0003 is a defect
    assert parts["1_io/again.png"] in ("train", "val", "test")


def test_copies_that_stay_in_one_part_are_not_worth_a_word(set_up, tmp_path):
    table = tmp_path / "groups.csv"
    names = [f"{'1_io' if n % 3 else '0_nio'}/{n:04d}.png" for n in range(60)]
    groups = "".join(f"{file},{file}\n" for file in names) + "1_io/again.png,1_io/0001.png\n"
    table.write_text(f"file,group\n{groups}")
    assert quick_findings(set_up({"1_io/again.png": rough(1)}, group=str(table))) == []


def test_a_look_that_takes_too_long_is_cut_short_and_says_so(set_up):
    (note,) = quick_findings(set_up({}, count=200), seconds=0)
    assert note.startswith("copies were looked for among 64 of 200 images")


def test_the_search_ends_with_the_time_too(set_up):
    extra = {"1_io/dark.png": (rough(2) * 0.6).astype(np.uint8)}
    (note,) = quick_findings(set_up(extra), seconds=0)
    assert note.startswith("the time was over before all pairs were compared")
