import numpy as np
import pytest

from inspection.pictures import thermal
from inspection.pictures.overlay import colour_heat
from inspection.pictures.thermal import scale_bar, thermal_panel

IMAGE = np.tile(np.linspace(0, 255, 400).astype(np.uint8), (300, 1))


@pytest.fixture
def words(monkeypatch):
    said = []
    draw = thermal.draw_text

    def note(picture, text, *args, **settings):
        said.append(text)
        draw(picture, text, *args, **settings)

    monkeypatch.setattr(thermal, "draw_text", note)
    return said


def test_the_scale_has_round_numbers_within_the_window(words):
    bar = scale_bar(300, (230.0, 420.0), "K")
    assert words == [f"{value} K" for value in range(240, 421, 20)] or words == [
        f"{value} K" for value in range(250, 401, 50)
    ]
    assert bar.shape[0] == 300
    hot, cold = bar[0, 12], bar[-1, 12]
    np.testing.assert_array_equal(hot, colour_heat(np.ones((1, 1)))[0, 0])
    np.testing.assert_array_equal(cold, colour_heat(np.zeros((1, 1)))[0, 0])


def test_an_image_without_a_scale_says_only_which_end_is_hot(words):
    scale_bar(300, None, "K")
    assert words == ["coldest", "hottest"]


def test_boxes_lie_where_they_are_in_the_image_also_when_it_is_enlarged():
    for image, ratio in ((IMAGE, 1), (np.ascontiguousarray(IMAGE[:100, :100]), 3.2)):
        plain = thermal_panel(image, [], ["a"]).astype(int)
        boxed = thermal_panel(image, [(20, 30, 60, 50)], ["a"]).astype(int)
        changed = np.abs(plain - boxed).sum(2) > 0
        down, across = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
        assert across[-1] - across[0] == pytest.approx(40 * ratio, abs=3)
        assert down[-1] - down[0] == pytest.approx(20 * ratio, abs=3)


def test_what_is_hidden_is_grey_and_has_no_temperature():
    panel = thermal_panel(IMAGE, [], ["a"], hidden=(100, 100, 200, 200))
    assert (panel == thermal._HIDDEN).all(2).sum() == pytest.approx(
        102 * 102, rel=0.01
    )  # and a pixel around it


def test_colour_and_grey_pictures_are_taken_and_the_size_is_one():
    panels = [
        thermal_panel(image, [(0, 0, 9, 9), (390, 290, 400, 300)], ["ä"], labels=["300 K", "330 K"])
        for image in (IMAGE, IMAGE[..., None], np.dstack([IMAGE] * 3))
    ]
    assert len({panel.shape for panel in panels}) == 1
    np.testing.assert_array_equal(panels[0], panels[1])
    np.testing.assert_array_equal(panels[0], panels[2])
