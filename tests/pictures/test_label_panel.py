import numpy as np
import pytest

from inspection.pictures.frame import RIGHT, WRONG
from inspection.pictures.label_panel import LabelVerdict, label_panel
from inspection.pictures.overlay import as_rgb

BLUE, GREEN, RED = (0, 0, 255), (0, 255, 0), (255, 0, 0)
COLOURS = {"error": BLUE, "break": GREEN, "length": RED}
TITLE = ["Naht_äöü_検査_000123.png", "error · target: error, length"]


def photograph(height=320, width=320):
    return np.random.default_rng(0).integers(60, 90, (height, width), dtype=np.uint8)


def corner(height=40, width=40):
    hot = np.zeros((height, width), np.float32)
    hot[: height // 2, : width // 2] = 1
    return hot


def verdicts(**called):
    return {name: LabelVerdict(0.9 if called.get(name) else 0.1, bool(called.get(name))) for name in COLOURS}


def shares(picture, channel):
    """Where one colour channel stands out."""
    others = [index for index in range(3) if index != channel]
    return picture[..., channel].astype(int) - picture[..., others].max(-1).astype(int) > 40


def find(panel, picture):
    """Row and column at which a picture lies in a panel unchanged."""
    windows = np.lib.stride_tricks.sliding_window_view(panel[..., 0], (4, picture.shape[1]))
    (row, column), *_ = np.argwhere((windows == picture[:4, :, 0]).all(axis=(2, 3)))
    return int(row), int(column)


def test_the_photograph_lies_beside_the_evidence_for_what_was_called():
    image = photograph()
    maps = {"error": corner(), "break": corner()[::-1, ::-1], "length": None}
    panel = label_panel(image, maps, COLOURS, TITLE, verdicts(error=True))
    row, column = find(panel, as_rgb(image))
    assert np.array_equal(panel[row : row + 320, column : column + 320], as_rgb(image))
    beside = panel[row : row + 320, column + 326 : column + 646]
    assert shares(beside[:150, :150], 2).all()  # error, which was called
    assert not shares(beside[180:], 2).any()
    assert not shares(beside, 1).any()  # break was not
    below = panel[row + 330 :]
    assert shares(below, 1).any()
    assert shares(below, 2).any()


def test_the_place_of_each_attribute_is_in_its_colour_and_one_without_evidence_is_grey():
    panel = label_panel(photograph(), {"error": corner(), "break": None}, COLOURS, [], verdicts())
    third = panel[370:].shape[1] // 3
    pictures = [panel[400:, start : start + third] for start in (0, third, 2 * third)]
    assert shares(pictures[0], 2).mean() > 0.1
    for picture in pictures[1:]:
        assert np.ptp(picture.astype(int), axis=2).max() < 20  # paper and text


def test_words_tell_right_from_wrong_and_so_does_the_frame():
    right = {name: LabelVerdict(0.9, True, True) for name in COLOURS}
    wrong = right | {"break": LabelVerdict(0.1, False, True)}
    panels = [
        label_panel(photograph(), {}, COLOURS, TITLE, said, right=all(each.right for each in said.values()))
        for said in (right, wrong)
    ]
    assert tuple(panels[0][0, 0]) == RIGHT
    assert tuple(panels[1][0, 0]) == WRONG
    inside = [panel[4:-4, 4:-4] for panel in panels]
    ink = [(np.abs(each.astype(int) - np.array(WRONG)).sum(-1) < 30).sum() for each in inside]
    assert ink[0] == 0
    assert ink[1] > 20
    assert right["break"].right is True
    assert wrong["break"].right is False
    assert LabelVerdict(0.5, True).right is None


@pytest.mark.parametrize("number", [1, 2, 4, 6, 20])
@pytest.mark.parametrize("shape", [(100, 100), (28, 28, 1), (60, 400, 3), (400, 100)])
def test_any_number_of_attributes_and_one_size_for_one_kind_of_image(number, shape):
    names = [f"attribute_with_a_long_name_{index}" for index in range(number)]
    colours = dict.fromkeys(names, RED)
    said = [{name: LabelVerdict(0.5, called, True) for name in names} for called in (True, False)]
    image, hot = np.full(shape, 90, np.uint8), np.ones(shape[:2], np.float32)
    first = label_panel(image, dict.fromkeys(names, hot), colours, TITLE, said[0], right=True)
    second = label_panel(image, {}, colours, TITLE[::-1], said[1])
    assert first.dtype == np.uint8
    assert first.shape == second.shape
    assert first.shape[1] < 700


def test_a_note_lies_below():
    plain, noted = (
        label_panel(photograph(), {}, COLOURS, TITLE, verdicts(), note) for note in ("", "SYNTHETIC image")
    )
    assert noted.shape[0] > plain.shape[0]
    assert noted.shape[1] == plain.shape[1]


def test_an_attribute_without_a_colour_is_refused():
    with pytest.raises(ValueError, match="'good'"):
        label_panel(photograph(), {}, COLOURS, TITLE, {"good": LabelVerdict(0.5, True)})
    with pytest.raises(ValueError, match="one or more"):
        label_panel(photograph(), {}, COLOURS, TITLE, {})
