import numpy as np
import pytest

from inspection.pictures.overlay import as_rgb, colour_heat, colour_scale, evidence_overlay, overlay


def luminance(rgb):
    return rgb @ np.array([0.2126, 0.7152, 0.0722])


def test_more_heat_is_lighter():
    colours = colour_heat(np.linspace(0, 1, 256, dtype=np.float32)[None])[0]
    assert (np.diff(luminance(colours)) > -0.5).all()
    assert luminance(colours[0]) < 5
    assert luminance(colours[-1]) > 240


def test_colours_are_rgb_not_bgr():
    red, _, blue = colour_heat(np.full((1, 1), 0.7, np.float32))[0, 0]
    assert red > 200  # orange
    assert blue < 60


def test_heat_out_of_range_is_clipped():
    heat = np.array([[-1.0, np.nan, 2.0]], np.float32)
    assert np.array_equal(colour_heat(heat), colour_heat(np.array([[0.0, 0.0, 1.0]], np.float32)))


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 1), (30, 40, 3)])
def test_without_heat_the_photograph_is_unchanged(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    before = image.copy()
    assert np.array_equal(overlay(image, np.zeros((30, 40), np.float32)), as_rgb(image))
    half = np.zeros((30, 40), np.float32)
    half[:, 20:] = 1
    mixed = overlay(image, half)
    assert np.array_equal(mixed[:, :20], as_rgb(image)[:, :20])
    assert not np.array_equal(mixed[:, 20:], as_rgb(image)[:, 20:])
    assert np.array_equal(image, before)


def test_opacity_at_full_heat_is_the_strength():
    image, heat = np.full((2, 2), 100, np.uint8), np.ones((2, 2), np.float32)
    hot = colour_heat(heat)[0, 0].astype(float)
    for strength in (0.0, 0.5, 1.0):
        expected = 100 * (1 - strength) + hot * strength
        assert np.abs(overlay(image, heat, strength)[0, 0] - expected).max() <= 0.5


def test_opacity_grows_with_heat():
    image = np.full((1, 64), 255, np.uint8)
    changed = 255.0 - overlay(image, np.linspace(0, 0.5, 64, dtype=np.float32)[None])[0].min(axis=1)
    assert (np.diff(changed) >= -1).all()


def test_a_map_of_another_size_is_resized():
    assert overlay(np.zeros((30, 40), np.uint8), np.ones((3, 4), np.float32)).shape == (30, 40, 3)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match=r"uint16 \[4, 4\]"):
        overlay(np.zeros((4, 4), np.uint16), np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match="heatmap"):
        overlay(np.zeros((4, 4), np.uint8), np.zeros((1, 4, 4), np.float32))
    with pytest.raises(ValueError, match="strength"):
        overlay(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32), 60)


def test_the_scale_has_the_hottest_colour_on_top():
    scale = colour_scale(100)
    assert scale.shape[0] == 100
    ends = colour_heat(np.array([[1.0, 0.0]], np.float32))[0]
    assert np.array_equal(scale[0, 6], ends[0])
    assert np.array_equal(scale[-1, 6], ends[1])


COLOURS = {"error": (0, 0, 255), "break": (0, 255, 0), "length": (255, 0, 0)}


def hot(rows, columns, value=1.0):
    heat = np.zeros((80, 80), np.float32)
    heat[rows, columns] = value
    return heat


def test_each_heatmap_has_its_colour_in_its_place():
    image = np.full((80, 80), 100, np.uint8)
    low, high = slice(0, 30), slice(50, 80)
    maps = {"error": hot(low, low), "break": hot(low, high), "length": hot(high, high, 0.5)}
    shown = evidence_overlay(image, maps, COLOURS, strength=0.6)
    for region, colour, heat in (
        (np.s_[2:28, 2:28], (0, 0, 255), 1.0),
        (np.s_[2:28, 52:78], (0, 255, 0), 1.0),
        (np.s_[52:78, 52:78], (255, 0, 0), 0.5),
    ):
        opacity = 0.6 * np.sqrt(heat)
        expected = 100 * (1 - opacity) + np.array(colour) * opacity
        assert np.abs(shown[region] - expected).max() <= 1
    assert (shown[35:45] == 100).all()
    assert (shown[50:, :30] == 100).all()


def test_overlapping_evidence_mixes_and_each_keeps_its_outline():
    image = np.full((80, 80), 100, np.uint8)
    maps = {"error": hot(slice(10, 50), slice(10, 50)), "length": hot(slice(30, 70), slice(30, 70))}
    shown = evidence_overlay(image, maps, COLOURS)
    assert tuple(shown[10, 30]) == tuple(shown[49, 40]) == COLOURS["error"]  # within the red, too
    assert tuple(shown[30, 40]) == tuple(shown[69, 50]) == COLOURS["length"]
    both = shown[35:45, 35:45].astype(int)
    assert (both[..., 0] == both[..., 2]).all()
    assert (both[..., 0] > both[..., 1] + 60).all()
    swapped = evidence_overlay(image, dict(reversed(maps.items())), COLOURS)
    assert np.array_equal(swapped[35:45, 35:45], shown[35:45, 35:45])


def test_without_evidence_the_photograph_is_unchanged_in_several_colours_too():
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    before = image.copy()
    nothing = {"error": None, "break": np.zeros((8, 8)), "length": np.full((8, 8), np.nan)}
    assert np.array_equal(evidence_overlay(image, nothing, COLOURS), before)
    assert np.array_equal(evidence_overlay(image, {}, {}), before)
    evidence_overlay(image, {"error": np.ones((8, 8))}, COLOURS)
    assert np.array_equal(image, before)


def test_a_heatmap_without_a_colour_is_refused():
    with pytest.raises(ValueError, match="'good' has none"):
        evidence_overlay(np.zeros((4, 4), np.uint8), {"good": np.ones((4, 4))}, COLOURS)
    with pytest.raises(ValueError, match="strength"):
        evidence_overlay(np.zeros((4, 4), np.uint8), {"error": np.ones((4, 4))}, COLOURS, strength=7)
